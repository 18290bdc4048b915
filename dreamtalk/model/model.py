"""``DreamTalkModel``: a denoiser with all that it takes to turn speech and a style into motion."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..checkpoints import DENOISER, save_checkpoint
from ..diffusion.guidance import guided
from ..diffusion.samplers import Denoise, FrameNoise, StepNoise, sample_ddim, sample_ddpm
from ..diffusion.schedule import VarianceSchedule
from ..diffusion.sync import sync_guided
from ..errors import CheckpointError, DreamTalkError, SpaceMismatchError
from ..motion.edit import resample
from ..motion.motion import Motion
from ..motion.spaces import space as motion_space
from ..networks.denoiser import Denoiser
from ..networks.lip_expert import LipExpert
from ..progress import Progress, Steps, silent
from ..speech.speech import FPS, Features
from ..speed import run_parallel, speed_up, worker_count
from ..style.style import EMOTIONS, Style

SAMPLERS: tuple[str, ...] = ("ddim", "ddpm")
OFFICIAL_FEATURES = "wav2vec2-xlsr-53"
CPU_CHUNK = 32
"""Frames computed together on a CPU: few, to stay near its cache and to keep all cores busy."""
MOST_WORKERS = 8
"""Chunks at a time on a CPU; more would wait for Python's lock between the operations."""


class DreamTalkModel(nn.Module):
    """A denoiser with all that belongs to it.

    Args:
        denoiser: the network.
        space: motion space of its coefficients.
        feature_kind: speech features that it was trained on.
        motion_mean, motion_std: (C,) of the coefficients; the network sees (x - mean) / std.
        presets: emotion -> style code (d,).
        speech_encoder: makes the features, if the checkpoint brings its own.
        noise_smoothing: default of :meth:`sample`, in frames.
        settling: share of its two neighbours that each sampled frame takes on, 0 for none; against
            flicker at the edge of what 25 frames a second show, too little to open a closure.
        noise_scale: factor on the noise that sampling starts from: below 1 the motion keeps nearer
            to the mean of what the network considers possible; seeds differ by less.
        style_center, style_gain: (C,) each; what a style clip shows on average is drawn away from
            the center (an average neutral speaker) by the gain, channel by channel, because a style
            encoder that can't tell a face from its expression takes over too little of it.
        fingerprint: of the weights that these are a copy of, in lower precision perhaps; computed
            if not given.
        name: for people.
        lip_expert: judges whether lips are in sync, if the checkpoint brings one.
    """

    motion_mean: Tensor
    motion_std: Tensor
    style_center: Tensor
    style_gain: Tensor

    def __init__(
        self,
        denoiser: Denoiser,
        space: str = "bfm",
        feature_kind: str = OFFICIAL_FEATURES,
        motion_mean: Tensor | None = None,
        motion_std: Tensor | None = None,
        presets: Mapping[str, Tensor] | None = None,
        speech_encoder: Any = None,
        noise_smoothing: float = 0.0,
        fingerprint: str | None = None,
        name: str = "",
        lip_expert: LipExpert | None = None,
        settling: float = 0.0,
        noise_scale: float = 1.0,
        style_center: Tensor | None = None,
        style_gain: Tensor | None = None,
    ) -> None:
        super().__init__()
        channels = denoiser.config.expression_dim
        if len(motion_space(space)) != channels:
            raise CheckpointError(
                f"a denoiser of {channels} coefficients can't be for the '{space}' space "
                f"of {len(motion_space(space))}"
            )
        config = denoiser.config
        self.config = config
        self.denoiser = speed_up(denoiser)
        self.schedule = VarianceSchedule(
            config.diffusion_steps, config.beta_first, config.beta_last
        )
        self.speech_encoder: Any = speech_encoder
        self.lip_expert = lip_expert
        self.space = space
        self.feature_kind = feature_kind
        self.noise_smoothing = noise_smoothing
        self.settling = settling
        self.noise_scale = noise_scale
        self.name = name
        self.compiled = False
        self.presets = {k: v.float().cpu() for k, v in (presets or {}).items()}
        mean = torch.zeros(channels) if motion_mean is None else motion_mean.float()
        std = torch.ones(channels) if motion_std is None else motion_std.float()
        self.register_buffer("motion_mean", mean)
        self.register_buffer("motion_std", std)
        center = torch.zeros(channels) if style_center is None else style_center.float()
        gain = torch.ones(channels) if style_gain is None else style_gain.float()
        self.register_buffer("style_center", center)
        self.register_buffer("style_gain", gain)
        self.eval()
        self._inherited = fingerprint
        self.fingerprint = fingerprint or _fingerprint(self)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.motion_mean.device

    @torch.no_grad()
    def encode_style(self, motion: Motion, name: str = "") -> Style:
        """The speaking style of a clip.

        Args:
            motion: somebody speaking, in the model's space; the first ``max_style_length`` frames
                at 25 fps count.

        Raises:
            SpaceMismatchError: if the motion is in another space.
        """
        if motion.space != self.space:
            raise SpaceMismatchError(
                f"the style clip is '{motion.space}' motion, but the checkpoint "
                f"'{self.name or self.fingerprint}' works in the '{self.space}' space: convert the "
                "motion first"
            )
        clip = resample(motion, FPS).expression.float()[: self.config.max_style_length]
        clip = clip.to(self.device)
        clip = clip + (self.style_gain - 1) * (clip.mean(0) - self.style_center)
        clip = (clip - self.motion_mean) / self.motion_std
        code = self.denoiser.encode_style(clip[None])[0].float().cpu()
        return Style(code, self.fingerprint, name=name)

    def preset(self, emotion: str, intensity: float = 1.0) -> Style:
        """The style of an emotion.

        Raises:
            DreamTalkError: if the checkpoint has no such preset.
        """
        if emotion not in self.presets:
            if emotion not in EMOTIONS:
                raise DreamTalkError(f"no emotion '{emotion}': there are {', '.join(EMOTIONS)}")
            have = f"presets for {', '.join(self.presets)} only" if self.presets else "no presets"
            raise DreamTalkError(
                f"the checkpoint '{self.name or self.fingerprint}' has {have}, not '{emotion}': "
                "take the style of a clip instead (--style, or the node Style from Motion)"
            )
        return Style(self.presets[emotion].clone(), self.fingerprint, intensity, emotion)

    def null_style(self) -> Style:
        """The style that stands for no style at all: near neutral."""
        with torch.no_grad():
            code = self.denoiser.encode_null_style()[0].float().cpu()
        return Style(code, self.fingerprint, name="null")

    @torch.no_grad()
    def sample(
        self,
        features: Features,
        style: Style,
        steps: int = 10,
        sampler: str = "ddim",
        guidance: float | Tensor | None = None,
        seed: int = 0,
        progress: Progress = silent,
        noise_smoothing: float | None = None,
        noise: Tensor | None = None,
        chunk: int | None = None,
        sync: float = 0.0,
    ) -> Motion:
        """Sample the motion that speaks ``features`` in a style.

        Args:
            features: of the kind that the checkpoint knows.
            style: of this checkpoint; a code per frame changes the style over time.
            steps: network calls of the DDIM sampler; DDPM makes all T.
            sampler: ``"ddim"`` or ``"ddpm"``.
            guidance: scale w of classifier-free guidance, or one per frame (the last one holds);
                the style's intensity by default.
            seed: for the noise, drawn on the CPU.
            noise_smoothing: see :class:`FrameNoise`; the checkpoint's default if not given.
            noise: x_T (N, C) instead of the drawn one.
            chunk: frames computed together; the result does not depend on it (but for the ends of
                chunks where ``sync`` is on). By default 256, and 32 on a CPU, where what passes
                from layer to layer then stays in its cache.
            sync: scale of the lip expert's guidance, 0 for none; see :func:`sync_guided`.

        Returns:
            N = rows // 2 frames at 25 fps, head zeros.

        Raises:
            SpaceMismatchError: if features or style belong to something else.
            DreamTalkError: on settings that can't be.
        """
        self._check(features, style, sampler, sync)
        frames, channels = features.num_frames, self.config.expression_dim
        if noise is not None and tuple(noise.shape) != (frames, channels):
            raise DreamTalkError(
                f"the noise is {tuple(noise.shape)}, but the speech needs {(frames, channels)}"
            )
        device, dtype = self.device, next(self.denoiser.parameters()).dtype
        smoothing = self.noise_smoothing if noise_smoothing is None else noise_smoothing
        drawn = FrameNoise(channels, seed, smoothing)
        rows = features.rows.to(device, dtype)[None]
        codes = _per_frame(style.code, frames).to(device, dtype)
        scale = style.intensity if guidance is None else guidance
        if isinstance(scale, Tensor):  # cut or held, like the codes that it goes with
            scale = scale[torch.arange(frames).clamp(max=len(scale) - 1)]
        network = self.denoiser if self.compiled else self.denoiser.for_sampling()
        null = None if _is_one(scale) else self.denoiser.encode_null_style()
        alone = device.type != "cpu" or self.compiled or bool(sync)
        if chunk is None:
            chunk = CPU_CHUNK if device.type == "cpu" and not sync else 256
        parts = [slice(at, min(at + chunk, frames)) for at in range(0, frames, chunk)]
        ddim = sampler == "ddim"
        calls = len(self.schedule.ddim_times(steps)) if ddim else self.config.diffusion_steps
        expression = torch.empty(frames, channels)
        done = Steps(progress, len(parts) * calls)

        def make(part: slice) -> None:
            content = self.denoiser.encode_rows(rows, part.start, part.stop)
            predict = guided(
                lambda x, t, style: network.predict(x, t, content, style),
                network.prepare(codes[None, part] if codes.ndim == 2 else codes[None]),
                None if null is None else network.prepare(null),
                scale[part, None] if isinstance(scale, Tensor) else float(scale),
                both=lambda x, t, *styles: network.predict_both(x, t, content, *styles),
            )
            draw = partial(drawn.draw, part.start, part.stop)
            start_noise = self.noise_scale * draw(0) if noise is None else noise[part].float()
            x = start_noise[None].to(device)

            def denoise(x: Tensor, t: Tensor) -> Tensor:
                return predict(x.to(dtype), t).float()

            steer: Denoise = denoise
            if sync and self.lip_expert is not None:
                code = codes[part].mean(0) if codes.ndim == 2 else codes
                heard = rows[:, 2 * part.start : 2 * part.stop].float()
                steer = sync_guided(denoise, self.lip_expert, heard, code.float(), sync)
            if ddim:
                x = sample_ddim(steer, x, self.schedule, steps, done.tell)
            else:
                fresh: StepNoise = lambda t: draw(t)[None].to(device)  # noqa: E731
                x = sample_ddpm(steer, x, self.schedule, fresh, done.tell)
            x = x[0] * self.motion_std + self.motion_mean
            expression[part] = x.cpu()

        if alone:
            for part in parts:
                make(part)
        else:
            run_parallel(make, parts, worker_count(device, MOST_WORKERS), done)
        if self.settling:
            expression = settle(expression, self.settling)
        return Motion(expression, torch.zeros(frames, 6), FPS, self.space)

    def save(
        self,
        path: str | Path,
        dtype: torch.dtype | None = None,
        **extra: Any,
    ) -> None:
        """Write as one of our files.

        Args:
            dtype: of the weights in the file.
            **extra: more for the config, such as metrics.

        Raises:
            OutputError: if it can't be written.
        """
        self.fingerprint = self._inherited or _fingerprint(self)
        state = {f"denoiser.{k}": v for k, v in self.denoiser.state_dict().items()}
        config: dict[str, Any] = {
            **extra,
            "denoiser": self.config.to_dict(),
            "space": self.space,
            "features": self.feature_kind,
            "noise_smoothing": self.noise_smoothing,
            "settling": self.settling,
            "noise_scale": self.noise_scale,
            "fingerprint": self.fingerprint,
            "name": self.name,
        }
        if self.speech_encoder is not None:
            encoder = self.speech_encoder.state_dict()
            state |= {f"speech_encoder.{k}": v for k, v in encoder.items()}
            config["speech_encoder"] = self.speech_encoder.config.to_dict()
        if self.lip_expert is not None:
            expert = self.lip_expert.state_dict()
            state |= {f"lip_expert.{k}": v for k, v in expert.items()}
            config["lip_expert"] = self.lip_expert.config.to_dict()
        state |= {"motion_mean": self.motion_mean, "motion_std": self.motion_std}
        if (self.style_gain != 1).any():
            state |= {"style_center": self.style_center, "style_gain": self.style_gain}
        state |= {f"presets.{k}": v for k, v in self.presets.items()}
        save_checkpoint(path, DENOISER, state, config, dtype)

    def _check(self, features: Features, style: Style, sampler: str, sync: float) -> None:
        if sync and self.lip_expert is None:
            raise DreamTalkError(
                f"the checkpoint '{self.name or self.fingerprint}' has no lip expert: set the "
                "lip-sync guidance to 0"
            )
        if sampler not in SAMPLERS:
            raise DreamTalkError(f"no sampler '{sampler}': there are {', '.join(SAMPLERS)}")
        name = self.name or self.fingerprint
        if features.kind != self.feature_kind:
            raise SpaceMismatchError(
                f"the speech features are '{features.kind}', but the checkpoint '{name}' was "
                f"trained on '{self.feature_kind}': make features of that kind"
            )
        if features.rows.shape[1] != self.config.feature_dim:
            raise SpaceMismatchError(
                f"feature rows of width {features.rows.shape[1]} don't fit the checkpoint "
                f"'{name}', which takes {self.config.feature_dim}"
            )
        if style.model != self.fingerprint or style.code.shape[-1] != self.config.d_model:
            raise SpaceMismatchError(
                f"the style '{style.name or 'code'}' was made with the checkpoint {style.model}, "
                f"but the motion is sampled with {self.fingerprint} ('{name}'): make the style "
                "with the same checkpoint"
            )


def settle(values: Tensor, share: float) -> Tensor:
    """(T, C) with ``share`` of each neighbour in every frame; the ends hold."""
    before, after = values[:1], values[-1:]
    neighbours = torch.cat([before, values[:-1]]) + torch.cat([values[1:], after])
    return (1 - 2 * share) * values + share * neighbours


def _fingerprint(model: DreamTalkModel) -> str:
    """Twelve hex digits that change with the weights a style code depends on."""
    digest = hashlib.sha256()
    values = {**model.denoiser.state_dict(), "mean": model.motion_mean, "std": model.motion_std}
    for key in sorted(values):
        digest.update(key.encode())
        array = values[key].detach().cpu().float().numpy()
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def _per_frame(code: Tensor, frames: int) -> Tensor:
    """A style code (d,) as it is, or a track (T, d) cut or held to ``frames``."""
    if code.ndim == 1:
        return code
    return code[torch.arange(frames).clamp(max=len(code) - 1)]


def _is_one(scale: float | Tensor) -> bool:
    return not isinstance(scale, Tensor) and float(scale) == 1.0

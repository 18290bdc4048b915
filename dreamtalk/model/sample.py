"""Sampling: speech features and a style -> motion, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ..curves.length import hold_last
from ..diffusion.closing import LipClosing, close_lips
from ..diffusion.guidance import guided
from ..diffusion.samplers import (
    Denoise,
    FrameNoise,
    sample_ddim,
    sample_ddpm,
    sample_dpm,
)
from ..diffusion.schedule import VarianceSchedule
from ..diffusion.sync import sync_guided
from ..errors import DreamTalkError, SpaceMismatchError
from ..motion.motion import Motion
from ..motion.spaces import FACE, OPENING_SHAPE
from ..networks.denoiser import Denoiser, DenoiserConfig, SamplingNetwork
from ..networks.lip_expert import LipExpert
from ..networks.speech_encoder import heard_closures
from ..options import checked
from ..progress import Progress, Steps, silent
from ..speech.speech import FPS, Features
from ..speed import run_parallel, split, worker_count
from ..style.style import Style
from .calibration import Calibration

CPU_CHUNK, CPU_VALUES = 32, 90_000
"""Frames computed together on a CPU: as many as have so many values in their windows, to stay near
its cache, but not fewer than 32; and fewer where that keeps all cores busy."""
CHUNK = 256
"""Frames computed together elsewhere."""
MOST_WORKERS = 8
"""Chunks at a time on a CPU; more would wait for Python's lock between the operations."""

_SHUT = 0.006
"""IOD, aperture of lips that meet."""


_FEW = {"ddim": sample_ddim, "dpm": sample_dpm}
"""Samplers that make as few steps as they are told; DDPM makes all."""


class Sampled(Protocol):
    """What sampling asks of a model: see :class:`DreamTalkModel`."""

    denoiser: Denoiser
    schedule: VarianceSchedule
    calibration: Calibration
    lip_expert: LipExpert | None
    speech_encoder: Any
    motion_mean: Tensor
    motion_std: Tensor
    space: str
    feature_kind: str
    fingerprint: str
    compiled: bool

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        ...


@torch.no_grad()
def sample_motion(
    model: Sampled,
    features: Features,
    style: Style,
    steps: int = 10,
    sampler: str = "ddim",
    guidance: float | Tensor = 1.0,
    seed: int = 0,
    progress: Progress = silent,
    noise: Tensor | None = None,
    chunk: int | None = None,
    sync: float = 0.0,
) -> Motion:
    """Sample the motion that speaks ``features`` in a style (DreamTalk, section 3.3).

    Args:
        model: the checkpoint.
        features: of the kind that the checkpoint knows.
        style: of this checkpoint; a code per frame changes the style over time.
        steps: network calls of DDIM and DPM; DDPM makes all T.
        sampler: ``"ddim"``, ``"dpm"`` or ``"ddpm"``.
        guidance: multiplies the style's intensity, which is the scale w of classifier-free
            guidance; a number, or (T,) one per frame of which the last one holds.
        seed: for the noise, drawn on the CPU.
        noise: x_T (N, C) instead of the drawn one.
        chunk: frames computed together; the result does not depend on it (but for the ends of
            chunks where ``sync`` is on). By default 256, and on a CPU as few as let what passes
            from layer to layer stay in its cache.
        sync: scale of lip-sync guidance, 0 for none: by the lip expert (:func:`sync_guided`), and
            by the closures that the checkpoint's own speech encoder hears
            (:func:`close_lips`).

    Returns:
        N = rows // 2 frames at 25 fps, head zeros.

    Raises:
        SpaceMismatchError: if features or style belong to something else.
        DreamTalkError: on settings that can't be.
    """
    _check(model, features, style)
    checked(steps=steps, sampler=sampler, seed=seed, sync=sync)
    _check_guidance(guidance)
    steps, seed = int(steps), int(seed)
    shutting = max(model.calibration.closing, sync)
    closing = _closing(model, features) if shutting else None
    if sync and model.lip_expert is None and closing is None:
        raise DreamTalkError(
            f"the checkpoint '{model.title}' has no lip expert: set the lip-sync guidance to 0"
        )
    frames, channels = features.num_frames, model.denoiser.config.expression_dim
    if noise is not None and tuple(noise.shape) != (frames, channels):
        raise DreamTalkError(
            f"the noise is {tuple(noise.shape)}, but the speech needs {(frames, channels)}"
        )
    parts, workers = _chunks(model, frames, chunk, bool(sync))
    calls = steps if sampler in _FEW else model.denoiser.config.diffusion_steps
    done = Steps(progress, len(parts) * calls)
    device, dtype = model.motion_mean.device, next(model.denoiser.parameters()).dtype
    scale = _scale(style.intensity, guidance, frames)
    sampling = _Sampling(
        model=model,
        network=model.denoiser if model.compiled else model.denoiser.for_sampling(),
        rows=features.rows.to(device, dtype)[None],
        codes=_per_frame(style.code, frames).to(device, dtype),
        null=None if _is_one(scale) else model.denoiser.encode_null_style(),
        scale=scale,
        sync=sync,
        noise=noise,
        drawn=FrameNoise(channels, seed, model.calibration.noise_smoothing),
        sampler=sampler,
        steps=steps,
        done=done,
    )
    expression = torch.empty(frames, channels)

    def make(part: slice) -> None:
        expression[part] = sampling.motion(part)

    if workers is None:
        for part in parts:
            make(part)
    else:
        run_parallel(make, parts, workers, done)
    if model.calibration.settling:
        expression = settle(expression, model.calibration.settling)
    if closing is not None:
        expression = close_lips(expression, closing, shutting)
    return Motion(expression, torch.zeros(frames, 6), FPS, model.space)


@dataclass(frozen=True)
class _Sampling:
    """What the chunks of one motion of N frames share, and how one of them is made.

    Attributes:
        model: the checkpoint.
        network: its denoiser, or what is faster.
        rows: (1, 2N, D) of the speech.
        codes: (d,) of the style, or (N, d).
        null: the code that stands for no style; None where the scale is 1.
        scale: of classifier-free guidance, a number or (N,).
        sync: scale of the lip expert's guidance.
        noise: (N, C) to begin with, instead of the drawn one.
        drawn: noise of each frame.
        sampler, steps: as of :func:`sample_motion`.
        done: told every step.
    """

    model: Sampled
    network: SamplingNetwork
    rows: Tensor
    codes: Tensor
    null: Tensor | None
    scale: float | Tensor
    sync: float
    noise: Tensor | None
    drawn: FrameNoise
    sampler: str
    steps: int
    done: Steps

    def motion(self, part: slice) -> Tensor:
        """(n, C) of some frames."""

        def fresh(t: int) -> Tensor:
            noise = self.drawn.draw(part.start, part.stop, t)
            return noise[None].to(self.model.motion_mean.device)

        denoise = self._denoise(part)
        if self.noise is None:
            x = self.model.calibration.noise_scale * fresh(0)
        else:
            x = self.noise[part].float()[None].to(self.model.motion_mean.device)
        few = _FEW.get(self.sampler)
        if few is not None:
            x = few(denoise, x, self.model.schedule, self.steps, self.done.tell)
        else:
            x = sample_ddpm(denoise, x, self.model.schedule, fresh, self.done.tell)
        return x[0] * self.model.motion_std + self.model.motion_mean

    def _denoise(self, part: slice) -> Denoise:
        """The guided network on the content of some frames, in float32."""
        network, codes, scale = self.network, self.codes, self.scale
        content = self.model.denoiser.encode_rows(self.rows, part.start, part.stop)
        predict = guided(
            lambda x, t, style: network.predict(x, t, content, style),
            network.prepare(codes[None, part] if codes.ndim == 2 else codes[None]),
            None if self.null is None else network.prepare(self.null),
            scale[part, None] if isinstance(scale, Tensor) else scale,
            both=lambda x, t, *styles: network.predict_both(x, t, content, *styles),
        )

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            return predict(x.to(codes.dtype), t).float()

        if not self.sync or self.model.lip_expert is None:
            return denoise
        code = codes[part].mean(0) if codes.ndim == 2 else codes
        heard = self.rows[:, 2 * part.start : 2 * part.stop].float()
        return sync_guided(denoise, self.model.lip_expert, heard, code.float(), self.sync)


def _chunks(
    model: Sampled, frames: int, chunk: int | None, sync: bool
) -> tuple[list[slice], int | None]:
    """What is computed together, and by how many at a time; None for one after the other."""
    device = model.motion_mean.device
    alone = device.type != "cpu" or model.compiled or sync
    workers = None if alone else worker_count(device, MOST_WORKERS)
    if chunk is None and device.type == "cpu" and not sync:
        return split(frames, _cpu_chunk(model.denoiser.config), workers or 1), workers
    chunk = CHUNK if chunk is None else chunk
    return [slice(at, min(at + chunk, frames)) for at in range(0, frames, chunk)], workers


def settle(values: Tensor, share: float) -> Tensor:
    """(T, C) with ``share`` of each neighbour in every frame; the ends hold."""
    before, after = values[:1], values[-1:]
    neighbours = torch.cat([before, values[:-1]]) + torch.cat([values[1:], after])
    return (1 - 2 * share) * values + share * neighbours


def _closing(model: Sampled, features: Features) -> LipClosing | None:
    """Where the lips should be shut, if the checkpoint's rows tell it and its space knows how."""
    if model.speech_encoder is None or model.space != "face":
        return None
    return lip_closing(heard_closures(features.rows.cpu())[: features.num_frames])


def lip_closing(share: Tensor) -> LipClosing:
    """How lips of the ``face`` space are shut, given how sure that is in each frame, (N,)."""
    shape = torch.tensor([OPENING_SHAPE.get(c, 0.0) for c in FACE.channels])
    return LipClosing(share, FACE.index["lipAperture"], _SHUT, shape)


def _cpu_chunk(config: DenoiserConfig) -> int:
    """Frames that a CPU computes together."""
    return max(CPU_CHUNK, CPU_VALUES // ((2 * config.window + 1) * config.d_model))


def _check_guidance(guidance: float | Tensor) -> None:
    if isinstance(guidance, Tensor) and (guidance.ndim != 1 or len(guidance) == 0):
        raise DreamTalkError(f"guidance is a number or (T,), not {tuple(guidance.shape)}")
    for scale in guidance.tolist() if isinstance(guidance, Tensor) else (guidance,):
        checked(guidance=scale)


def _check(model: Sampled, features: Features, style: Style) -> None:
    if features.kind != model.feature_kind:
        raise SpaceMismatchError(
            f"the speech features are '{features.kind}', but the checkpoint '{model.title}' was "
            f"trained on '{model.feature_kind}': make features of that kind"
        )
    if features.rows.shape[1] != model.denoiser.config.feature_dim:
        raise SpaceMismatchError(
            f"feature rows of width {features.rows.shape[1]} don't fit the checkpoint "
            f"'{model.title}', which takes {model.denoiser.config.feature_dim}"
        )
    if style.model != model.fingerprint or style.code.shape[-1] != model.denoiser.config.d_model:
        raise SpaceMismatchError(
            f"the style '{style.name or 'code'}' was made with the checkpoint {style.model}, "
            f"but the motion is sampled with {model.fingerprint} ('{model.title}'): make the "
            "style with the same checkpoint"
        )


def _per_frame(values: Tensor, frames: int) -> Tensor:
    """One code (d,) as it is; a track (T, ...) cut, or its last value held, to ``frames``."""
    if values.ndim == 1:
        return values
    return hold_last(values, frames)


def _scale(intensity: float | Tensor, guidance: float | Tensor, frames: int) -> float | Tensor:
    """Intensity times guidance: a number, or (frames,) cut or held like the codes."""
    parts = [
        _per_frame(value[:, None], frames)[:, 0] if isinstance(value, Tensor) else float(value)
        for value in (intensity, guidance)
    ]
    return parts[0] * parts[1]


def _is_one(scale: float | Tensor) -> bool:
    return not isinstance(scale, Tensor) and scale == 1.0

"""``DreamTalkModel``: a denoiser with all that it takes to turn speech and a style into motion."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..diffusion.schedule import VarianceSchedule
from ..errors import CheckpointError, DreamTalkError, SpaceMismatchError
from ..motion.edit import resample
from ..motion.motion import Motion
from ..motion.spaces import space as motion_space
from ..networks.denoiser import Denoiser
from ..networks.lip_expert import LipExpert
from ..networks.speech_encoder import SpeechEncoder
from ..speech.speech import FPS
from ..speed import speed_up
from ..style.style import EMOTIONS, Style
from .calibration import Calibration
from .sample import sample_motion

OFFICIAL_FEATURES = "wav2vec2-xlsr-53"


class DreamTalkModel(nn.Module):
    """A denoiser with all that belongs to it.

    Args:
        denoiser: the network.
        space: motion space of its coefficients.
        feature_kind: speech features that it was trained on.
        motion_mean, motion_std: (C,) of the coefficients; the network sees (x - mean) / std.
        presets: emotion -> style code (d,).
        speech_encoder: makes the features, if the checkpoint brings its own.
        lip_expert: judges whether lips are in sync, if the checkpoint brings one.
        calibration: how the sampler and the style encoder are set right.
        fingerprint: of the weights that these are a copy of, in lower precision perhaps; computed
            if not given.
        name: for people.
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
        speech_encoder: SpeechEncoder | None = None,
        lip_expert: LipExpert | None = None,
        calibration: Calibration | None = None,
        fingerprint: str | None = None,
        name: str = "",
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
        # Any: what is asked of it depends on whether the checkpoint brings one
        self.speech_encoder: Any = speech_encoder
        self.lip_expert = lip_expert
        self.space = space
        self.feature_kind = feature_kind
        self.calibration = calibration or Calibration()
        self.name = name
        self.compiled = False
        self.presets = {k: v.float().cpu() for k, v in (presets or {}).items()}
        for buffer, values, default in (
            ("motion_mean", motion_mean, torch.zeros(channels)),
            ("motion_std", motion_std, torch.ones(channels)),
            ("style_center", self.calibration.style_center, torch.zeros(channels)),
            ("style_gain", self.calibration.style_gain, torch.ones(channels)),
        ):
            self.register_buffer(buffer, default if values is None else values.float())
        self.eval()
        self._inherited = fingerprint
        self.fingerprint = fingerprint or self.compute_fingerprint()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.motion_mean.device

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        return self.name or self.fingerprint

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
                f"the style clip is '{motion.space}' motion, but the checkpoint '{self.title}' "
                f"works in the '{self.space}' space: convert the motion first"
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
        if not isinstance(emotion, str) or emotion not in self.presets:
            if emotion not in EMOTIONS:
                raise DreamTalkError(f"no emotion '{emotion}': there are {', '.join(EMOTIONS)}")
            have = f"presets for {', '.join(self.presets)} only" if self.presets else "no presets"
            raise DreamTalkError(
                f"the checkpoint '{self.title}' has {have}, not '{emotion}': "
                "take the style of a clip instead (--style, or the node Style Encoder)"
            )
        return Style(self.presets[emotion].clone(), self.fingerprint, intensity, emotion)

    def null_style(self) -> Style:
        """The style that stands for no style at all: near neutral."""
        with torch.no_grad():
            code = self.denoiser.encode_null_style()[0].float().cpu()
        return Style(code, self.fingerprint, name="null")

    sample = sample_motion  # the method: what it takes and raises stands there

    def compute_fingerprint(self) -> str:
        """Twelve hex digits that change with the weights a style code depends on."""
        if self._inherited:
            return self._inherited
        digest = hashlib.sha256()
        values = {**self.denoiser.state_dict(), "mean": self.motion_mean, "std": self.motion_std}
        for key in sorted(values):
            digest.update(key.encode())
            array = values[key].detach().cpu().float().numpy()
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:12]

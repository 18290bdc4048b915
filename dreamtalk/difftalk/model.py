"""DiffTalk: all networks together, and what they make of the conditions (section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from einops import rearrange
from torch import Tensor, nn

from ..speed import speed_up
from .audio import AudioAttention, AudioNet
from .config import DiffTalkConfig
from .first_stage import FirstStage
from .landmark import LandmarkNet
from .sampling import PredictNoise
from .schedule import Schedule
from .unet import UNet


@dataclass(frozen=True)
class Conditions:
    """What a frame is painted from.

    Attributes:
        context: (B, 2 * code_dim) audio code, landmark code.
        masked: (B, C, h, w) latent of the picture with its mouth hidden.
        reference: (B or 1, C, h, w) latent of a picture of the same person.
    """

    context: Tensor
    masked: Tensor
    reference: Tensor


class DiffTalk(nn.Module):
    """First stage, conditioning networks and UNet, under the names of the official checkpoint.

    Attributes:
        schedule: of the diffusion; not a weight, and never in half precision.
    """

    def __init__(
        self, config: DiffTalkConfig | None = None, schedule: Schedule | None = None
    ) -> None:
        super().__init__()
        self.config = config = config or DiffTalkConfig()
        self.schedule = schedule or Schedule.of(config.schedule)
        latent = config.first_stage.latent_channels
        unet = UNet(config.unet, 3 * latent, latent, config.context_dim)
        self.model = nn.ModuleDict({"diffusion_model": unet})
        self.first_stage_model = FirstStage(config.first_stage)
        self.cond_stage_model_for_audio = AudioNet(config.code_dim)
        self.cond_stage_model_for_audio_smooth = AudioAttention()
        self.cond_stage_model_for_ldm = LandmarkNet(config.code_dim)
        speed_up(self)

    @property
    def unet(self) -> UNet:
        """The network that predicts the noise."""
        return cast(UNet, self.model["diffusion_model"])

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of the latent of a picture."""
        side = self.config.latent_size
        return self.config.first_stage.latent_channels, side, side

    def encode_audio(self, windows: Tensor) -> Tensor:
        """Windows of DeepSpeech's logits (B, 8, 16, 29) -> audio codes (B, code_dim)."""
        codes = self.cond_stage_model_for_audio(rearrange(windows, "b n t s -> (b n) t s"))
        codes = rearrange(codes, "(b n) c -> b n c", n=windows.shape[1])
        return self.cond_stage_model_for_audio_smooth(codes)

    def encode_context(self, windows: Tensor, landmarks: Tensor) -> Tensor:
        """Windows (B, 8, 16, 29) and landmarks (B, 39, 2) in px -> tokens (B, 2 * code_dim)."""
        codes = self.encode_audio(windows), self.cond_stage_model_for_ldm(landmarks)
        return torch.cat(codes, dim=-1)

    def encode(self, images: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) in -1..1 -> latents (B, C, h, w)."""
        return self.first_stage_model.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, C, h, w) -> pictures (B, 3, S, S) in -1..1."""
        return self.first_stage_model.decode(latents).clamp(-1, 1)

    def predictor(self, conditions: Conditions) -> PredictNoise:
        """The UNet under these conditions; what doesn't depend on the step is computed here.

        Returns:
            ``predict(x_t (B, C, h, w), t (B,)) -> noise``, like x_t in dtype.
        """
        added = self.unet.encode_context(conditions.context)
        known = torch.cat(
            [conditions.masked, conditions.reference.expand_as(conditions.masked)], dim=1
        )

        def predict(x: Tensor, t: Tensor) -> Tensor:
            noisy = torch.cat([x.to(known.dtype), known], dim=1)
            return self.unet.predict(noisy, t, added).to(x.dtype)

        return predict

    def forward(self, x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        """The noise in x_t (B, C, h, w) at times (B,), as training needs it."""
        return self.predictor(conditions)(x, t)

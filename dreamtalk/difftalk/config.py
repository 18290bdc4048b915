"""Sizes of DiffTalk's networks. The defaults are the published ones: 256 px, factor 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

LANDMARKS = 39
"""Points that the network sees: neither the lips nor the lower jaw."""
SYMBOLS = 29
"""Of DeepSpeech's alphabet: 26 letters, space, apostrophe, blank."""
WINDOW = 16
"""Rows of symbols in one window."""
SMOOTHED = 8
"""Windows whose codes are blended into the audio code of a frame."""


@dataclass(frozen=True)
class FirstStageConfig:
    """The VQ autoencoder (latent-diffusion's ``vq-f4``).

    Attributes:
        channels: width at full resolution.
        multipliers: of the width at each resolution, the finest first; each but the last halves.
        blocks: residual blocks at each resolution of the encoder; the decoder has one more.
        latent_channels: of the latent.
        codes: entries of the codebook.
        attention_levels: resolutions with attention after each block.
        groups: of the group norms.
    """

    channels: int = 128
    multipliers: tuple[int, ...] = (1, 2, 4)
    blocks: int = 2
    latent_channels: int = 3
    codes: int = 8192
    attention_levels: tuple[int, ...] = ()
    groups: int = 32

    @property
    def factor(self) -> int:
        """Pixels of the picture to one of the latent, along a side."""
        return 1 << (len(self.multipliers) - 1)


FIRST_STAGE_F8 = FirstStageConfig(
    multipliers=(1, 2, 2, 4), latent_channels=4, codes=16384, attention_levels=(3,)
)
"""Latent-diffusion's ``vq-f8``, for pictures of 512 px."""


@dataclass(frozen=True)
class UNetConfig:
    """The denoising UNet.

    Attributes:
        channels: width at full resolution of the latent, and of the sinusoids of the time.
        multipliers: of the width at each resolution, the finest first.
        blocks: residual blocks at each resolution on the way down; one more on the way up.
        attention_levels: resolutions with a transformer after each block.
        head_dim: of one attention head.
        groups: of the group norms.
    """

    channels: int = 256
    multipliers: tuple[int, ...] = (1, 2, 3, 4)
    blocks: int = 2
    attention_levels: tuple[int, ...] = (1, 2, 3)
    head_dim: int = 32
    groups: int = 32


@dataclass(frozen=True)
class ScheduleConfig:
    """Betas whose square roots rise linearly (latent-diffusion's "linear" schedule)."""

    steps: int = 1000
    beta_first: float = 0.0015
    beta_last: float = 0.0195


@dataclass(frozen=True)
class DiffTalkConfig:
    """All of DiffTalk.

    Attributes:
        image_size: side of the pictures, px.
        code_dim: of the audio code and of the landmark code; the context has both.
    """

    first_stage: FirstStageConfig = field(default_factory=FirstStageConfig)
    unet: UNetConfig = field(default_factory=UNetConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    image_size: int = 256
    code_dim: int = 64

    @property
    def latent_size(self) -> int:
        """Side of the latents."""
        return self.image_size // self.first_stage.factor

    @property
    def context_dim(self) -> int:
        """Numbers in the one token that the transformers attend to."""
        return 2 * self.code_dim

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DiffTalkConfig:
        """The other way round. Raises TypeError on names that are not known."""
        parts = {"first_stage": FirstStageConfig, "unet": UNetConfig, "schedule": ScheduleConfig}
        values = {
            name: parts[name](**tuples(value)) if name in parts else value
            for name, value in content.items()
        }
        return cls(**values)


def tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    """Lists, which is what JSON makes of tuples, as tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}

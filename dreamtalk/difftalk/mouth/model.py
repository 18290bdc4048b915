"""The small DiffTalk: a UNet that predicts the clean mouth as a correction of a placed reference.

Beside the paper's conditions (masked picture, reference, landmarks, speech) it is told the lips of
a ``Motion``: as a token, as maps of their outlines, and by the reference with its lips moved there.
Each of speech and lips may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from einops import rearrange
from torch import Tensor, nn

from ..audio import AudioAttention, AudioNet
from ..landmark import LandmarkNet
from ..schedule import Schedule
from ..unet import UNet
from .config import CUT_HEIGHT, CUT_WIDTH, LIP_NUMBERS, MouthConfig
from .geometry import MAP_CHANNELS
from .patches import Patches

_MIDDLE, _SPREAD = 64.0, 32.0  # px: brings landmarks of the crop to about -2..2


@dataclass(frozen=True)
class MouthConditions:
    """What a mouth is painted from, in the cut of 64 x 80 px.

    Attributes:
        shown: (B, 3, 64, 80) in -1..1, the frame; all but its rim is hidden by the model.
        reference: (B, 3, 64, 80) a picture of the person, as it is.
        placed: (B, 3, 64, 80) the reference with its lips where they shall be, or the frame itself
            if only the opening of its lips has to be painted.
        maps: (B, MAP_CHANNELS, 16, 20) of the lips; 0 where the lips are not known.
        landmarks: (B, 39, 2) px of the crop, without lips.
        lips: (B, 16) from ``lip_numbers``.
        windows: (B, 8, 16, 29) of speech, or None.
        has_lips, has_speech: (B,) bool, what is known; by default what is given.
    """

    shown: Tensor
    reference: Tensor
    placed: Tensor
    maps: Tensor
    landmarks: Tensor
    lips: Tensor
    windows: Tensor | None = None
    has_lips: Tensor | None = None
    has_speech: Tensor | None = None

    def __getitem__(self, items: slice) -> MouthConditions:
        """Of some of the items."""
        return replace(self, **{k: v[items] for k, v in vars(self).items() if v is not None})


@dataclass(frozen=True)
class Known:
    """Conditions as the UNet takes them, the same at every step.

    Attributes:
        channels: (B, C, 16, 20) beside the noisy latent.
        placed: (B, 16, 16, 20) the latent that is corrected.
        token: (B, context_dim)
    """

    channels: Tensor
    placed: Tensor
    token: Tensor


class MouthPainterNet(nn.Module):
    """First stage, conditioning networks and UNet.

    Attributes:
        schedule: of the diffusion; not a weight.
        hears: whether it was trained to listen to speech.
    """

    hears = False

    def __init__(self, config: MouthConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or MouthConfig()
        self.schedule = Schedule.of(c.schedule)
        self.patches = Patches(c.patch, c.latent_channels)
        self.audio = AudioNet(c.code_dim)
        self.audio_smooth = AudioAttention()
        self.landmarks = LandmarkNet(c.code_dim)
        self.lips = nn.Sequential(
            nn.Linear(LIP_NUMBERS, c.code_dim), nn.SiLU(), nn.Linear(c.code_dim, c.code_dim)
        )
        self.no_speech = nn.Parameter(torch.zeros(c.code_dim))
        self.no_lips = nn.Parameter(torch.zeros(c.code_dim))
        channels = 4 * c.latent_channels + MAP_CHANNELS
        self.unet = UNet(c.unet, channels, c.latent_channels, c.context_dim, token_in_time=True)
        for parameter in self.unet.out[2].parameters():
            nn.init.zeros_(parameter)  # training begins with the placed reference

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of the latent of the cut."""
        return (self.config.latent_channels, *self.config.latent_size)

    def know(self, given: MouthConditions) -> Known:
        """Conditions in the form that the UNet takes."""
        hidden = hidden_part(self.config.patch, given.shown.device)
        shown = given.shown.masked_fill(hidden, 0.0)
        encode = self.patches.encode
        placed = encode(given.placed)
        channels = torch.cat([encode(shown), encode(given.reference), placed, given.maps], 1)
        return Known(channels, placed, self._token(given))

    def _token(self, given: MouthConditions) -> Tensor:
        landmarks = self.landmarks((given.landmarks - _MIDDLE) / _SPREAD)
        lips = self.lips(given.lips)
        if given.has_lips is not None:
            lips = torch.where(given.has_lips[:, None], lips, self.no_lips.to(lips))
        speech = self.no_speech.to(lips).expand(len(lips), -1)
        if given.windows is not None:
            heard = self._hear(given.windows)
            known = given.has_speech
            speech = heard if known is None else torch.where(known[:, None], heard, speech)
        return torch.cat([speech, landmarks, lips], -1)

    def _hear(self, windows: Tensor) -> Tensor:
        """(B, 8, 16, 29) -> (B, code_dim)"""
        codes = self.audio(rearrange(windows, "b n t s -> (b n) t s"))
        return self.audio_smooth(rearrange(codes, "(b n) c -> b n c", n=windows.shape[1]))

    def forward(self, x: Tensor, t: Tensor, known: Known) -> Tensor:
        """The clean latent.

        Args:
            x: (B, C, h, w) noisy latent.
            t: (B,) times, 0 to 999.

        Returns:
            like x
        """
        inputs = torch.cat([x.to(known.channels.dtype), known.channels], 1)
        return known.placed + self.unet(inputs, t, known.token)


def hidden_part(patch: int, device: torch.device | str = "cpu") -> Tensor:
    """(64, 80) bool, true where the network must not look: all but a ring of one patch."""
    hidden = torch.zeros(CUT_HEIGHT, CUT_WIDTH, dtype=torch.bool, device=device)
    hidden[patch:-patch, patch:-patch] = True
    return hidden

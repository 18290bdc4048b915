"""The audio network: windows of speech -> one code a frame (DiffTalk, section 3.2).

A window becomes a code of its own; the codes of the neighbouring windows are blended with weights
that a small network reads from them, so that the code moves smoothly from frame to frame.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn

from .config import SMOOTHED, SYMBOLS

SLOPE = 0.02
"""Of all leaky ReLUs in the conditioning networks."""
_ATTENDED = 32


class AudioNet(nn.Module):
    """Windows of symbols -> codes; the time axis is halved until one step is left."""

    def __init__(self, code_dim: int = 64) -> None:
        super().__init__()
        widths = (SYMBOLS, 32, 32, 64, 64)  # 16 -> 8 -> 4 -> 2 -> 1 steps
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv1d(before, after, 3, 2, 1), nn.LeakyReLU(SLOPE)]
        self.encoder_conv = nn.Sequential(*layers)
        self.encoder_fc1 = nn.Sequential(
            nn.Linear(widths[-1], 64), nn.LeakyReLU(SLOPE), nn.Linear(64, code_dim)
        )

    def forward(self, windows: Tensor) -> Tensor:
        """(B, 16, 29) -> (B, code_dim)."""
        x = self.encoder_conv(rearrange(windows, "b time symbols -> b symbols time"))
        return self.encoder_fc1(x.squeeze(-1))


class AudioAttention(nn.Module):
    """Blends the codes of neighbouring windows. The weights are read from half of each code."""

    def __init__(self) -> None:
        super().__init__()
        widths = (_ATTENDED, 16, 8, 4, 2, 1)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv1d(before, after, 3, 1, 1), nn.LeakyReLU(SLOPE)]
        self.attentionConvNet = nn.Sequential(*layers)
        self.attentionNet = nn.Sequential(nn.Linear(SMOOTHED, SMOOTHED), nn.Softmax(-1))

    def weights(self, codes: Tensor) -> Tensor:
        """(B, 8, code_dim) -> (B, 8), summing to 1."""
        attended = rearrange(codes[..., :_ATTENDED], "b windows code -> b code windows")
        return self.attentionNet(self.attentionConvNet(attended).squeeze(1))

    def forward(self, codes: Tensor) -> Tensor:
        """(B, 8, code_dim) -> (B, code_dim)."""
        return torch.einsum("bw,bwc->bc", self.weights(codes), codes)

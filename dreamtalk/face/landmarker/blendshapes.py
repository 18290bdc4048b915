"""The blendshape network: 52 scores from the shape that 146 of the landmarks make.

An MLP-Mixer (Tolstikhin et al., 2021) over 96 mixtures of the points and one token that the scores
are read from, as in MediaPipe's "Blendshape V2" model card.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NUM_SCORES = 52
POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65,
    66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136,
    144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172,
    173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283,
    284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324,
    332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385,
    386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472,
    473, 474, 475, 476, 477,
)  # fmt: skip
"""Which landmarks the network sees."""

_TOKENS, _WIDTH = 96, 64
_TOKEN_HIDDEN, _HIDDEN = 384, 256
_BLOCKS = 4
_EPSILON = 1e-6
_POINT_GAIN = 0.5


class MixerBlock(nn.Module):
    """Mix the tokens, then the channels, each by a small network of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.token_norm = nn.LayerNorm(_WIDTH, eps=_EPSILON, bias=False)
        self.token_in = nn.Linear(_TOKENS + 1, _TOKEN_HIDDEN)
        self.token_out = nn.Linear(_TOKEN_HIDDEN, _TOKENS + 1)
        self.norm = nn.LayerNorm(_WIDTH, eps=_EPSILON, bias=False)
        self.hidden = nn.Linear(_WIDTH, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.token_norm(x).transpose(1, 2)
        x = x + self.token_out(self.token_in(tokens).relu()).transpose(1, 2)
        return x + self.out(self.hidden(self.norm(x)).relu())


class BlendshapeMixer(nn.Module):
    """(N, 146, 2) x, y of the landmarks ``POINTS`` in any unit -> scores (N, 52) in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.mixture = nn.Linear(len(POINTS), _TOKENS)
        self.embed = nn.Linear(2, _WIDTH)
        self.token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.blocks = nn.Sequential(*(MixerBlock() for _ in range(_BLOCKS)))
        self.scores = nn.Linear(_WIDTH, NUM_SCORES)

    def forward(self, points: Tensor) -> Tensor:
        points = points - points.mean(dim=1, keepdim=True)
        size = points.norm(dim=2, keepdim=True).mean(dim=1, keepdim=True)
        points = points * (_POINT_GAIN / size)
        x = self.embed(self.mixture(points.transpose(1, 2)).transpose(1, 2))
        x = self.blocks(torch.cat([self.token.expand(len(x), -1, -1), x], dim=1))
        return self.scores(x[:, 0]).sigmoid()

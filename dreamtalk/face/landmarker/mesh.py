"""FaceMesh V2: 478 landmarks of a face in a picture of 256 px.

The second version of MediaPipe's face mesh: one residual network for the skin and the irises alike,
without the attention branches of the first (Grishchenko et al., "Attention Mesh", 2020). Batch
normalization is folded into the convolutions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 256
"""Px of the picture that the network looks at."""
NUM_LANDMARKS = 478

_DEPTH = 4
"""Blocks between halvings."""
_TOGETHER_ON_CPU = 4
"""Pictures that the first, large layers see at a time, so that what lies between them stays in the
processor's cache."""


class MeshBlock(nn.Module):
    """Squeeze to half the channels, look at the neighbours, widen again, add.

    With ``halve`` the squeeze takes every other pixel, and the residual is pooled.
    """

    def __init__(self, inputs: int, outputs: int, halve: bool = False) -> None:
        super().__init__()
        middle = outputs // 2
        self.halve = halve
        size = 2 if halve else 1
        self.squeeze = nn.Conv2d(inputs, middle, size, size)
        self.squeeze_slope = nn.PReLU(middle)
        self.depthwise = nn.Conv2d(middle, middle, 3, padding=1, groups=middle, bias=False)
        self.widen = nn.Conv2d(middle, outputs, 1)
        self.slope = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        residual = F.max_pool2d(x, 2) if self.halve else x
        x = self.widen(self.depthwise(self.squeeze_slope(self.squeeze(x))))
        x[:, : residual.shape[1]].add_(residual)
        return self.slope(x)


class FaceMesh(nn.Module):
    """(N, 3, 256, 256) in 0..1 -> landmarks (N, 478, 3) in its px, presence (N,) in 0..1.

    z is in the same unit, smaller towards the camera.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2)
        self.stem_slope = nn.PReLU(16)
        self.fine = nn.Sequential(*_stage(16), *_halving(16, 32))
        self.coarse = nn.Sequential(
            *_halving(32, 64),
            *_halving(64, 128),
            *_halving(128, 128),
            *_halving(128, 128),
            *_halving(128, 128),
        )
        self.presence = nn.Conv2d(128, 1, 2)
        self.landmarks = nn.Conv2d(128, NUM_LANDMARKS * 3, 2)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        together = _TOGETHER_ON_CPU if picture.device.type == "cpu" else len(picture)
        x = torch.cat([self._fine(part) for part in picture.split(together)])
        x = self.coarse(x).float()  # the heads are never halves
        presence = self.presence(x).flatten().sigmoid()
        return self.landmarks(x).reshape(-1, NUM_LANDMARKS, 3), presence

    def _fine(self, picture: Tensor) -> Tensor:
        return self.fine(self.stem_slope(self.stem(F.pad(picture, (0, 1, 0, 1)))))

    def heads(self) -> tuple[nn.Module, ...]:
        """What is never in half precision."""
        return self.presence, self.landmarks


def _stage(width: int) -> list[MeshBlock]:
    return [MeshBlock(width, width) for _ in range(_DEPTH)]


def _halving(inputs: int, outputs: int) -> list[MeshBlock]:
    return [MeshBlock(inputs, outputs, halve=True), *_stage(outputs)]

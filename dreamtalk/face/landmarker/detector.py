"""BlazeFace, short range: where are faces in a picture of 128 px?

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019. Batch
normalization is folded into the convolutions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 128
"""Px of the picture that the network looks at."""
NUM_KEYPOINTS = 6
"""Eyes (the subject's right first), tip of the nose, mouth, ears."""
VALUES = 4 + 2 * NUM_KEYPOINTS
"""Of an anchor: x, y of the centre, width, height, x, y of each keypoint."""

_FINE = ((24, 1), (28, 1), (32, 2), (36, 1), (42, 1), (48, 2), (56, 1), (64, 1), (72, 1), (80, 1),
         (88, 1))  # fmt: skip
_COARSE = ((96, 2), (96, 1), (96, 1), (96, 1), (96, 1))
"""Channels and stride of each block."""
_FINE_ANCHORS, _COARSE_ANCHORS = 2, 6
"""At each place of the maps of 16 and of 8 px."""


class BlazeBlock(nn.Module):
    """A depthwise and a pointwise convolution, and a residual for as many channels as came in."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        padding = 1 if stride == 1 else 0
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        residual = x
        if self.stride == 2:
            residual = F.max_pool2d(x, 2)
            x = F.pad(x, (0, 1, 0, 1))  # as TensorFlow's SAME does
        x = self.pointwise(self.depthwise(x))
        x[:, : residual.shape[1]].add_(residual)
        return x.relu_()


class BlazeFace(nn.Module):
    """(N, 3, 128, 128) in -1..1 -> scores (N, 896) in 0..1, values (N, 896, 16) of the anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 5, 2)
        self.fine, width = _blocks(24, _FINE)
        self.fine_scores = nn.Conv2d(width, _FINE_ANCHORS, 1)
        self.fine_values = nn.Conv2d(width, _FINE_ANCHORS * VALUES, 1)
        self.coarse, width = _blocks(width, _COARSE)
        self.coarse_scores = nn.Conv2d(width, _COARSE_ANCHORS, 1)
        self.coarse_values = nn.Conv2d(width, _COARSE_ANCHORS * VALUES, 1)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(self.stem(F.pad(picture, (1, 2, 1, 2))).relu_())
        coarse = self.coarse(fine)
        fine, coarse = fine.float(), coarse.float()  # the heads are never halves
        scores = (self.fine_scores(fine), self.coarse_scores(coarse))
        values = (self.fine_values(fine), self.coarse_values(coarse))
        return _by_anchor(scores, 1).squeeze(-1).sigmoid(), _by_anchor(values, VALUES)

    def heads(self) -> tuple[nn.Module, ...]:
        """What is never in half precision."""
        return self.fine_scores, self.coarse_scores, self.fine_values, self.coarse_values


def anchor_centres() -> Tensor:
    """(896, 2) float32: x, y of each anchor's centre in 0..1 of the picture's side."""
    centres = []
    for places, anchors in ((16, _FINE_ANCHORS), (8, _COARSE_ANCHORS)):
        at = (torch.arange(places) + 0.5) / places
        grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1).reshape(-1, 2)
        centres.append(grid.repeat_interleave(anchors, dim=0))
    return torch.cat(centres)


def _blocks(width: int, table: tuple[tuple[int, int], ...]) -> tuple[nn.Sequential, int]:
    blocks = []
    for outputs, stride in table:
        blocks.append(BlazeBlock(width, outputs, stride))
        width = outputs
    return nn.Sequential(*blocks), width


def _by_anchor(maps: tuple[Tensor, ...], values: int) -> Tensor:
    """Maps (N, anchors * values, H, W) -> (N, all anchors, values)."""
    return torch.cat([m.permute(0, 2, 3, 1).reshape(len(m), -1, values) for m in maps], dim=1)

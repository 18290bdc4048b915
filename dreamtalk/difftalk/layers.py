"""Pieces that the first stage and the UNet share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..render.pirenderer import winograd

_WINOGRAD_PIXELS = 256
"""Of one picture. Below, Winograd's method reads more (four times the weights) than it saves."""
_FEW_PIXELS = 128
"""Of all pictures. Up to here torch's convolutions wait for their weights, and one matrix product
is faster."""


def swish(x: Tensor) -> Tensor:
    """x sigmoid(x); in place where nobody needs x for gradients. Pass fresh results only."""
    return F.silu(x, inplace=not torch.is_grad_enabled())


class GroupNorm(nn.GroupNorm):
    """Group norm that computes in plain layout.

    torch's CPU kernel for channels-last tensors sums less precisely: 6e-4 off on pictures that are
    half constant, as masked ones are.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape, always a fresh tensor."""
        return super().forward(x.contiguous())


class Conv3x3(winograd.Conv3x3):
    """A 3x3 convolution with padding 1: by Winograd's method, or as one matrix product where the
    picture is small. Off the CPU and where gradients are needed it is torch's convolution."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H, W)."""
        batch, _, height, width = x.shape
        if height * width >= _WINOGRAD_PIXELS:
            return super().forward(x)
        plain = x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling()
        if plain or batch * height * width > _FEW_PIXELS:
            return nn.Conv2d.forward(self, x)
        patches = F.unfold(x, 3, padding=1)  # (B, 9 C, H W)
        out = torch.matmul(self.weight.flatten(1), patches)
        if self.bias is not None:
            out += self.bias[:, None]
        return out.view(batch, -1, height, width)


class Upsample(nn.Module):
    """Twice the resolution: nearest neighbours, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2H, 2W)."""
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))

"""Pieces of latent diffusion that are faster on a CPU, and exact where torch's are not."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.latent_layers import Conv3x3, GroupNorm
from .winograd import WinogradConv2d

_WINOGRAD_PIXELS = 256
"""Of one picture. Below, Winograd's method reads more (four times the weights) than it saves."""
_FEW_PIXELS = 128
"""Of all pictures. Up to here torch's convolutions wait for their weights, and one matrix product
is faster."""
_STRIP_VALUES = 1 << 18


class ExactGroupNorm(GroupNorm):
    """Group norm that is exact and quick in channels-last layout too.

    That is the layout that Winograd's method leaves. torch's CPU kernel for it adds up thousands of
    values one after the other, which is 6e-4 off on pictures that are half constant, as masked ones
    are; bringing them into plain layout and back takes as long as the convolutions.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape, always a fresh tensor."""
        last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        usual = x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_grad_enabled()
        if usual or not last:
            return super().forward(x)
        out = torch.empty_like(x)
        for pixels, made in zip(_pixels(x), _pixels(out), strict=True):
            scale, shift = self._affine(pixels)
            for strip, target in zip(_strips(pixels), _strips(made), strict=True):
                torch.addcmul(shift, strip, scale, out=target)
        return out

    def _affine(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (N, C) -> what normalizes them, factor and summand (C,) each.

        Moments of strips that stay in the cache, joined after Chan et al. (1979).
        """
        strips = _strips(pixels)
        counts = pixels.new_tensor([len(strip) for strip in strips])[:, None]
        means = torch.stack([strip.mean(0) for strip in strips])
        within = torch.stack(
            [(strip - mean).square_().sum(0) for strip, mean in zip(strips, means, strict=True)]
        )
        mean = (counts * means).sum(0) / len(pixels)
        power = (within + counts * (means - mean).square()).sum(0) / len(pixels)
        of_group = mean.view(self.num_groups, -1).mean(-1, keepdim=True)
        power = power.view(self.num_groups, -1)
        power = power + (mean.view(self.num_groups, -1) - of_group).square()
        rate = (power.mean(-1, keepdim=True) + self.eps).rsqrt()
        scale = self.weight.view(self.num_groups, -1) * rate
        return scale.flatten(), self.bias - (of_group * scale).flatten()


def _pixels(x: Tensor) -> Tensor:
    """(B, C, H, W) in channels-last layout -> (B, H W, C), the same memory."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _strips(pixels: Tensor) -> tuple[Tensor, ...]:
    """(N, C) -> runs of pixels that stay in the cache while they are worked on."""
    return pixels.split(max(1, _STRIP_VALUES // pixels.shape[1]))


class FastConv3x3(WinogradConv2d, Conv3x3):
    """A 3x3 convolution with padding 1: by Winograd's method, or as one matrix product where the
    picture is small. Off the CPU and where gradients are needed it is torch's convolution."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H, W)."""
        batch, _, height, width = x.shape
        if height * width >= _WINOGRAD_PIXELS:
            return WinogradConv2d.forward(self, x)
        plain = x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling()
        if plain or batch * height * width > _FEW_PIXELS:
            return nn.Conv2d.forward(self, x)
        patches = F.unfold(x, 3, padding=1)  # (B, 9 C, H W)
        out = torch.matmul(self.weight.flatten(1), patches)
        if self.bias is not None:
            out += self.bias[:, None]
        return out.view(batch, -1, height, width)

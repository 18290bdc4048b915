"""Blocks of the face generator.

All activations are leaky ReLUs of slope 0.1. Both norms are group norms, with one group for all
channels or one for each.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...cpu.winograd import Conv3x3

SLOPE = 0.1
EPS = 1e-5


def leaky(x: Tensor) -> Tensor:
    """The activation; in place where nobody needs the gradient (x is always a fresh result)."""
    return F.leaky_relu(x, SLOPE, inplace=not torch.is_grad_enabled())


class LayerNorm2d(nn.Module):
    """Layer norm over channels, height and width together, with a gain and bias per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        return F.group_norm(x, 1, self.weight.flatten(), self.bias.flatten(), EPS)


class AdaptiveNorm(nn.Module):
    """Instance norm whose gain and bias come from the motion descriptor (AdaIN).

    Args:
        channels: of the features.
        descriptor: width of the descriptor.
    """

    def __init__(self, channels: int, descriptor: int = 256, hidden: int = 128) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Linear(descriptor, hidden), nn.ReLU())
        self.mlp_gamma = nn.Linear(hidden, channels)
        self.mlp_beta = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B or 1, C, H, W) features, (B, D) descriptors -> (B, C, H, W)."""
        shared = self.mlp_shared(z)
        gain, bias = 1 + self.mlp_gamma(shared), self.mlp_beta(shared)
        channels = x.shape[1]
        if len(z) == 1:
            return F.group_norm(x, channels, gain[0], bias[0], EPS)
        normal = F.group_norm(x, channels, eps=EPS)
        return torch.addcmul(bias[..., None, None], normal, gain[..., None, None])


class NormConv(nn.Module):
    """Adaptive norm, activation and convolution twice: a block of the hourglass's encoder.

    The first convolution halves the resolution.
    """

    def __init__(self, channels: int, out: int, descriptor: int = 256) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(channels, out, 4, 2, 1)
        self.conv_1 = Conv3x3(out, out)
        self.norm_0 = AdaptiveNorm(channels, descriptor)
        self.norm_1 = AdaptiveNorm(out, descriptor)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, channels, H, W), (B, D) -> (B, out, H/2, W/2)."""
        x = self.conv_0(leaky(self.norm_0(x, z)))
        return self.conv_1(leaky(self.norm_1(x, z)))


class UpResidual(nn.Module):
    """A block of the hourglass's decoder: doubles the resolution by transposed convolution."""

    def __init__(self, channels: int, out: int, descriptor: int = 256) -> None:
        super().__init__()
        self.conv_0 = Conv3x3(channels, out)
        self.conv_1 = nn.ConvTranspose2d(out, out, 3, 2, 1, 1)
        self.conv_s = nn.ConvTranspose2d(channels, out, 3, 2, 1, 1)
        self.norm_0 = AdaptiveNorm(channels, descriptor)
        self.norm_1 = AdaptiveNorm(out, descriptor)
        self.norm_s = AdaptiveNorm(channels, descriptor)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, channels, H, W), (B, D) -> (B, out, 2H, 2W)."""
        change = self.conv_0(leaky(self.norm_0(x, z)))
        change = self.conv_1(leaky(self.norm_1(change, z)))
        return self.conv_s(leaky(self.norm_s(x, z))) + change


class ConvNorm(nn.Module):
    """Convolution (3x3 by default), layer norm, activation."""

    def __init__(self, channels: int, out: int, conv: nn.Conv2d | None = None) -> None:
        super().__init__()
        conv = conv or Conv3x3(channels, out)
        self.model = nn.Sequential(conv, LayerNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H, W)."""
        return leaky(self.model(x))


class Residual(nn.Module):
    """x + AdaIN(conv(x)).

    The published checkpoint has a first convolution and norm beside these, whose result its code
    overwrites; they are left out here.
    """

    DEAD = ("conv1", "norm1")

    def __init__(self, channels: int, descriptor: int = 256) -> None:
        super().__init__()
        self.conv2 = Conv3x3(channels, channels)
        self.norm2 = AdaptiveNorm(channels, descriptor)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, channels, H, W), (B, D) -> the same."""
        return self.norm2(self.conv2(x), z).add_(x)

"""The warping network: moves the pixels of the source picture by a flow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ...cpu.row_conv import RowConv
from .layers import SLOPE, LayerNorm2d, NormConv, UpResidual, leaky


class HourglassEncoder(nn.Module):
    """Halves the resolution five times."""

    CHANNELS = (32, 64, 128, 256, 256, 256)

    def __init__(self, image_channels: int = 3, descriptor: int = 256) -> None:
        super().__init__()
        self.input_layer = nn.Conv2d(image_channels, self.CHANNELS[0], 7, 1, 3)
        for i, (before, after) in enumerate(zip(self.CHANNELS, self.CHANNELS[1:], strict=False)):
            self.add_module(f"encoder{i}", NormConv(before, after, descriptor))

    def forward(self, features: Tensor, z: Tensor) -> list[Tensor]:
        """Output of ``input_layer``, (B, D) -> the outputs of all levels, the finest first."""
        levels = []
        for i in range(len(self.CHANNELS) - 1):
            features = self.get_submodule(f"encoder{i}")(features, z)
            levels.append(features)
        return levels


class HourglassDecoder(nn.Module):
    """Doubles the resolution three times, taking up the encoder's levels."""

    CHANNELS = ((4, 256, 256), (3, 512, 256), (2, 512, 128))

    def __init__(self, descriptor: int = 256) -> None:
        super().__init__()
        for level, channels, out in self.CHANNELS:
            self.add_module(f"decoder{level}", UpResidual(channels, out, descriptor))

    def forward(self, levels: list[Tensor], z: Tensor) -> Tensor:
        """The encoder's levels, (B, D) -> (B, 256, H/4, W/4)."""
        *skips, x = levels
        for level, _, _ in self.CHANNELS:
            x = self.get_submodule(f"decoder{level}")(x, z)
            x = torch.cat([x, skips[level - 1]], dim=1)
        return x


class Hourglass(nn.Module):
    """Encoder and decoder."""

    def __init__(self, descriptor: int = 256) -> None:
        super().__init__()
        self.encoder = HourglassEncoder(descriptor=descriptor)
        self.decoder = HourglassDecoder(descriptor)


@dataclass(frozen=True)
class Warp:
    """What the warping network makes.

    Attributes:
        flow: (B, 2, H/4, W/4), x then y, in pixels of that grid.
        deformation: (B, H/4, W/4, 2) sampling positions, -1..1.
        image: (B, 3, H, W) the moved picture.
    """

    flow: Tensor
    deformation: Tensor
    image: Tensor


class WarpingNet(nn.Module):
    """Estimates a flow from picture and descriptor and applies it."""

    def __init__(self, descriptor: int = 256) -> None:
        super().__init__()
        self.hourglass = Hourglass(descriptor)
        self.flow_out = nn.Sequential(LayerNorm2d(256), nn.LeakyReLU(SLOPE), RowConv(256, 2, 7))

    def encode_source(self, image: Tensor) -> Tensor:
        """The part that depends on the picture alone: (1, 3, H, W) -> (1, 32, H, W)."""
        image = image.contiguous(memory_format=torch.channels_last)
        return self.hourglass.encoder.input_layer(image)

    def forward(self, image: Tensor, features: Tensor, z: Tensor) -> Warp:
        """Picture (1, 3, H, W), its ``encode_source`` and descriptors (B, D) -> the moved one."""
        levels = self.hourglass.encoder(features, z)
        x = self.hourglass.decoder(levels, z)
        flow = self.flow_out[2](leaky(self.flow_out[0](x)))
        deformation = _positions(flow)
        return Warp(flow, deformation, _sample(image, deformation))


def _positions(flow: Tensor) -> Tensor:
    """Flow in pixels (B, 2, H, W) -> sampling positions, on a grid whose corners are -1 and 1.

    In float32 whatever the network computes in: half precision can't tell pixels apart.
    """
    flow = flow.float()
    height, width = flow.shape[-2:]
    x = torch.linspace(-1, 1, width, device=flow.device, dtype=flow.dtype)
    y = torch.linspace(-1, 1, height, device=flow.device, dtype=flow.dtype)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    scale = flow.new_tensor([2 / (width - 1), 2 / (height - 1)])
    return grid + rearrange(flow, "b c h w -> b h w c") * scale


def _sample(image: Tensor, positions: Tensor) -> Tensor:
    """Look up the picture at the positions, enlarged to its size.

    The lookup takes -1 and 1 for the outer edges of the picture (``align_corners=False``) although
    the grid puts the centres of the corner pixels there, so zero flow enlarges the picture a bit.
    The published weights were trained that way.
    """
    positions = rearrange(positions, "b h w c -> b c h w")
    positions = F.interpolate(positions, image.shape[-2:], mode="bilinear", align_corners=False)
    positions = rearrange(positions, "b c h w -> b h w c")
    pixels = image.float().expand(len(positions), -1, -1, -1)
    return F.grid_sample(pixels, positions, padding_mode="zeros", align_corners=False).to(image)

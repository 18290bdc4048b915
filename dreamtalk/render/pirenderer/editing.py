"""The editing network: repairs the moved picture and adds what moving pixels can't."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...cpu.row_conv import RowConv
from ...cpu.winograd import UpConv3x3
from .layers import ConvNorm, Residual, leaky


class EditingEncoder(nn.Module):
    """Takes the source and the moved picture together."""

    def __init__(self, image_channels: int = 3) -> None:
        super().__init__()
        self.image_channels = image_channels
        self.first = ConvNorm(2 * image_channels, 64, nn.Conv2d(2 * image_channels, 64, 7, 1, 3))
        self.down0 = ConvNorm(64, 128)
        self.down1 = ConvNorm(128, 256)
        self.down2 = ConvNorm(256, 256)

    def encode_source(self, image: Tensor) -> Tensor:
        """The source's half of the first convolution, with its bias: -> (1, 64, H, W)."""
        conv, image = self._first_conv, image.contiguous(memory_format=torch.channels_last)
        return F.conv2d(image, conv.weight[:, : self.image_channels], conv.bias, padding=3)

    def forward(self, source: Tensor, warped: Tensor) -> list[Tensor]:
        """``encode_source`` and the moved picture (B, 3, H, W) -> features from fine to coarse."""
        warped = warped.contiguous(memory_format=torch.channels_last)
        x = F.conv2d(warped, self._first_conv.weight[:, self.image_channels :], padding=3)
        x = leaky(self.first.model[1](x + source))
        levels = [x]
        for down in (self.down0, self.down1, self.down2):
            x = F.avg_pool2d(down(x), 2)
            levels.append(x)
        return levels

    @property
    def _first_conv(self) -> nn.Conv2d:
        return cast(nn.Conv2d, self.first.model[0])


class ResidualPair(nn.Module):
    """Two residual blocks."""

    def __init__(self, channels: int, descriptor: int = 256) -> None:
        super().__init__()
        self.res0 = Residual(channels, descriptor)
        self.res1 = Residual(channels, descriptor)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, channels, H, W), (B, D) -> the same."""
        return self.res1(self.res0(x, z), z)


class ToPicture(nn.Module):
    """The last convolution, into -1..1."""

    def __init__(self, channels: int, image_channels: int = 3) -> None:
        super().__init__()
        self.model = nn.Sequential(RowConv(channels, image_channels, 7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, image_channels, H, W)."""
        return self.model(x)


class EditingDecoder(nn.Module):
    """Back to the picture, from coarse to fine."""

    LEVELS = ((2, 256, 256), (1, 256, 128), (0, 128, 64))

    def __init__(self, image_channels: int = 3, descriptor: int = 256) -> None:
        super().__init__()
        for level, channels, out in self.LEVELS:
            self.add_module(f"up{level}", ConvNorm(channels, out, UpConv3x3(channels, out)))
            self.add_module(f"res{level}", ResidualPair(channels, descriptor))
            self.add_module(f"jump{level}", ConvNorm(out, out))
        self.final = ToPicture(64, image_channels)

    def forward(self, levels: list[Tensor], z: Tensor) -> Tensor:
        """The encoder's features, (B, D) -> (B, 3, H, W) in -1..1."""
        x = levels[-1]
        for level, _, _ in self.LEVELS:
            x = self.get_submodule(f"res{level}")(x, z)
            x = self.get_submodule(f"up{level}")(x)
            x = x.add_(self.get_submodule(f"jump{level}")(levels[level]))
        return self.final(x)


class EditingNet(nn.Module):
    """Encoder and decoder with skips."""

    def __init__(self, descriptor: int = 256) -> None:
        super().__init__()
        self.encoder = EditingEncoder()
        self.decoder = EditingDecoder(descriptor=descriptor)

    def forward(self, source: Tensor, warped: Tensor, z: Tensor) -> Tensor:
        """``encoder.encode_source``, moved picture (B, 3, H, W), descriptors (B, D) -> picture."""
        return self.decoder(self.encoder(source, warped), z)

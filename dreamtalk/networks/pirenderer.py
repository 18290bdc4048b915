"""PIRenderer's face generator (Ren et al. 2021), in the form that DreamTalk and StyleTalk use.

A mapping network turns a window of coefficients into a motion descriptor, a warping network moves
the portrait's pixels by a flow, and an editing network repairs the moved picture and adds what
moving pixels can't. The descriptor enters the latter two through adaptive norms.

All activations are leaky ReLUs of slope 0.1. Both norms are group norms, with one group for all
channels or one for each. Names of modules and parameters are the published checkpoint's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

COEFFICIENTS = 73
"""64 expression, 3 angles, 3 translation, 3 crop."""
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


class UpConv2d(nn.Conv2d):
    """Nearest-neighbour enlargement by 2, then a convolution."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, 2H, 2W)."""
        return super().forward(F.interpolate(x, scale_factor=2, mode="nearest"))


class NormConv(nn.Module):
    """Adaptive norm, activation and convolution twice: a block of the hourglass's encoder.

    The first convolution halves the resolution.
    """

    def __init__(self, channels: int, out: int, descriptor: int = 256) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(channels, out, 4, 2, 1)
        self.conv_1 = nn.Conv2d(out, out, 3, 1, 1)
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
        self.conv_0 = nn.Conv2d(channels, out, 3, 1, 1)
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
        self.model = nn.Sequential(conv or nn.Conv2d(channels, out, 3, 1, 1), LayerNorm2d(out))

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
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.norm2 = AdaptiveNorm(channels, descriptor)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, channels, H, W), (B, D) -> the same."""
        return self.norm2(self.conv2(x), z).add_(x)


class MappingNet(nn.Module):
    """1-D convolutions over the frames of a window, without padding."""

    def __init__(self, coefficients: int = 73, descriptor: int = 256, layers: int = 3) -> None:
        super().__init__()
        self.layers = layers
        self.first = nn.Sequential(nn.Conv1d(coefficients, descriptor, 7))
        for i in range(layers):
            conv = nn.Conv1d(descriptor, descriptor, 3, dilation=3)
            self.add_module(f"encoder{i}", nn.Sequential(nn.LeakyReLU(SLOPE), conv))

    def forward(self, windows: Tensor) -> Tensor:
        """(B, coefficients, 27) -> (B, descriptor)."""
        x = self.first(windows)
        for i in range(self.layers):
            conv = self.get_submodule(f"encoder{i}.1")
            x = conv(F.leaky_relu(x, SLOPE)) + x[..., 3:-3]
        return x.mean(dim=-1)


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
        to_flow = nn.Conv2d(256, 2, 7, 1, 3)
        self.flow_out = nn.Sequential(LayerNorm2d(256), nn.LeakyReLU(SLOPE), to_flow)

    def encode_source(self, image: Tensor) -> Tensor:
        """The part that depends on the picture alone: (1, 3, H, W) -> (1, 32, H, W)."""
        image = image.contiguous(memory_format=torch.channels_last)
        return self.hourglass.encoder.input_layer(image)

    def forward(self, image: Tensor, features: Tensor, z: Tensor) -> Warp:
        """Picture (1, 3, H, W), its ``encode_source`` and descriptors (B, D) -> the moved one."""
        levels = self.hourglass.encoder(features, z)
        flow = self.flow_out(self.hourglass.decoder(levels, z))
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
        self.model = nn.Sequential(nn.Conv2d(channels, image_channels, 7, 1, 3), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, image_channels, H, W)."""
        return self.model(x)


class EditingDecoder(nn.Module):
    """Back to the picture, from coarse to fine."""

    LEVELS = ((2, 256, 256), (1, 256, 128), (0, 128, 64))

    def __init__(self, image_channels: int = 3, descriptor: int = 256) -> None:
        super().__init__()
        for level, channels, out in self.LEVELS:
            self.add_module(f"up{level}", ConvNorm(channels, out, UpConv2d(channels, out, 3, 1, 1)))
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


@dataclass(frozen=True)
class Source:
    """The portrait and all that depends on it alone; made once per video.

    Attributes:
        image: (1, 3, 256, 256) in -1..1.
        warping: (1, 32, 256, 256) first features of the warping network.
        editing: (1, 64, 256, 256) the portrait's half of the editing network's first layer.
    """

    image: Tensor
    warping: Tensor
    editing: Tensor


class FaceGenerator(nn.Module):
    """A portrait and a window of coefficients -> a frame. Every frame stands for itself."""

    compiled = False
    """Whether calls run through ``torch.compile``."""

    def __init__(self) -> None:
        super().__init__()
        self.mapping_net = MappingNet(COEFFICIENTS)
        self.warpping_net = WarpingNet()
        self.editing_net = EditingNet()

    def encode_source(self, image: Tensor) -> Source:
        """(1, 3, 256, 256) in -1..1 -> what :meth:`forward` needs of it."""
        warping = self.warpping_net.encode_source(image)
        return Source(image, warping, self.editing_net.encoder.encode_source(image))

    def warp(self, source: Source, windows: Tensor) -> tuple[Tensor, Warp]:
        """Windows (B, 73, 27) -> motion descriptors (B, 256) and the moved pictures."""
        z = self.mapping_net(windows)
        return z, self.warpping_net(source.image, source.warping, z)

    def forward(self, source: Source, windows: Tensor) -> Tensor:
        """Windows (B, 73, 27) -> pictures (B, 3, 256, 256) in -1..1."""
        z, warp = self.warp(source, windows)
        return self.editing_net(source.editing, warp.image, z)


def is_dead(key: str) -> bool:
    """Whether a weight of the published checkpoint never reaches the output."""
    return key.startswith("editing_net.decoder.res") and key.split(".")[4] in Residual.DEAD

"""The first stage: a VQ autoencoder between pictures and latents (Rombach et al. 2022, 3.1).

Module names are those of latent-diffusion's checkpoints. Latents are taken before quantizing;
decoding quantizes first.
"""

from __future__ import annotations

from itertools import pairwise

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.latent_layers import Conv3x3, GroupNorm, Upsample, swish
from .config import FirstStageConfig


class ResBlock(nn.Module):
    """Two convolutions around which the input goes on."""

    def __init__(self, channels: int, out: int, groups: int) -> None:
        super().__init__()
        self.norm1 = _norm(channels, groups)
        self.conv1 = Conv3x3(channels, out)
        self.norm2 = _norm(out, groups)
        self.conv2 = Conv3x3(out, out)
        if channels != out:
            self.nin_shortcut = nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H, W)."""
        h = self.conv1(swish(self.norm1(x)))
        h = self.conv2(swish(self.norm2(h)))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class Attention(nn.Module):
    """Every place of the picture attends to all of them, with one head."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = _norm(channels, groups)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        normed = self.norm(x)
        q, k, v = (rearrange(f(normed), "b c h w -> b (h w) c") for f in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.proj_out(rearrange(mixed, "b (h w) c -> b c h w", h=x.shape[-2]))


class Middle(nn.Module):
    """The coarsest resolution, of the encoder and of the decoder."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.block_1 = ResBlock(channels, channels, groups)
        self.attn_1 = Attention(channels, groups)
        self.block_2 = ResBlock(channels, channels, groups)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return self.block_2(self.attn_1(self.block_1(x)))


class Downsample(nn.Module):
    """Half the resolution. The picture is padded on the right and below only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H/2, W/2)."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Level(nn.Module):
    """The blocks at one resolution, each followed by attention where the level has it."""

    def __init__(self, widths: list[int], attention: bool, groups: int) -> None:
        super().__init__()
        pairs = pairwise(widths)
        self.block = nn.ModuleList([ResBlock(before, after, groups) for before, after in pairs])
        self.attn = nn.ModuleList([Attention(w, groups) for w in widths[1:] if attention])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W'), half or twice as large where the level ends so."""
        for index, block in enumerate(self.block):
            x = block(x)
            if self.attn:
                x = self.attn[index](x)
        for end in ("downsample", "upsample"):
            if hasattr(self, end):
                x = self.get_submodule(end)(x)
        return x


class Encoder(nn.Module):
    """Pictures -> latents."""

    def __init__(self, config: FirstStageConfig) -> None:
        super().__init__()
        c, groups = config, config.groups
        widths = [c.channels * m for m in c.multipliers]
        self.conv_in = nn.Conv2d(3, c.channels, 3, 1, 1)
        self.down = nn.ModuleList()
        for level, (before, width) in enumerate(zip([c.channels, *widths], widths, strict=False)):
            part = Level([before] + c.blocks * [width], level in c.attention_levels, groups)
            if level < len(widths) - 1:
                part.downsample = Downsample(width)
            self.down.append(part)
        self.mid = Middle(widths[-1], groups)
        self.norm_out = _norm(widths[-1], groups)
        self.conv_out = nn.Conv2d(widths[-1], c.latent_channels, 3, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in -1..1 -> (B, latent_channels, H/f, W/f)."""
        x = self.conv_in(image)
        for level in self.down:
            x = level(x)
        return self.conv_out(swish(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """Latents -> pictures."""

    def __init__(self, config: FirstStageConfig) -> None:
        super().__init__()
        c, groups = config, config.groups
        widths = [c.channels * m for m in c.multipliers]
        self.conv_in = nn.Conv2d(c.latent_channels, widths[-1], 3, 1, 1)
        self.mid = Middle(widths[-1], groups)
        self.up = nn.ModuleList()  # the finest first, as in the checkpoint; run from the last
        for level, (width, before) in enumerate(zip(widths, widths[1:] + widths[-1:], strict=True)):
            part = Level([before] + (c.blocks + 1) * [width], level in c.attention_levels, groups)
            if level > 0:
                part.upsample = Upsample(width)
            self.up.append(part)
        self.norm_out = _norm(widths[0], groups)
        self.conv_out = nn.Conv2d(widths[0], 3, 3, 1, 1)

    def forward(self, latent: Tensor) -> Tensor:
        """(B, latent_channels, H/f, W/f) -> (B, 3, H, W), about -1..1."""
        x = self.mid(self.conv_in(latent))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(swish(self.norm_out(x)))


class Quantizer(nn.Module):
    """The codebook (van den Oord et al. 2017)."""

    def __init__(self, codes: int, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, channels)
        self.embedding.weight.data.uniform_(-1 / codes, 1 / codes)

    def indices(self, latent: Tensor) -> Tensor:
        """The nearest codes by Euclidean distance: (B, C, H, W) -> (B, H, W) int64."""
        flat = rearrange(latent, "b c h w -> b (h w) c")
        book = self.embedding.weight
        # |z - e|^2 without |z|^2, which is the same for all codes
        distance = book.square().sum(-1) - 2 * flat @ book.T
        return distance.argmin(-1).view(len(latent), *latent.shape[-2:])

    def look_up(self, indices: Tensor) -> Tensor:
        """(B, H, W) int64 -> (B, C, H, W)."""
        return rearrange(self.embedding(indices), "b h w c -> b c h w").contiguous()

    def forward(self, latent: Tensor) -> Tensor:
        """(B, C, H, W) -> the nearest codes, the same shape."""
        return self.look_up(self.indices(latent))


class FirstStage(nn.Module):
    """Encoder, codebook and decoder."""

    def __init__(self, config: FirstStageConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or FirstStageConfig()
        channels = config.latent_channels
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantize = Quantizer(config.codes, channels)
        self.quant_conv = nn.Conv2d(channels, channels, 1)
        self.post_quant_conv = nn.Conv2d(channels, channels, 1)

    def encode(self, image: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in -1..1 -> latents (B, C, H/f, W/f), not quantized.

        H and W must be multiples of the factor.
        """
        return self.quant_conv(self.encoder(image))

    def decode(self, latent: Tensor, quantize: bool = True) -> Tensor:
        """Latents (B, C, h, w) -> pictures (B, 3, f h, f w), about -1..1 but not clamped."""
        return self.decoder(self.post_quant_conv(self.quantize(latent) if quantize else latent))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What training needs: the picture back, the latent and its codes.

        The gradient of the decoder goes past the choice of codes (straight through).
        """
        latent = self.encode(image)
        codes = self.quantize(latent)
        through = latent + (codes - latent).detach()
        return self.decode(through, quantize=False), latent, codes


def _norm(channels: int, groups: int) -> nn.GroupNorm:
    return GroupNorm(groups, channels, eps=1e-6)

"""The UNet that predicts the noise in a latent (Rombach et al. 2022, with DiffTalk's conditions).

Module names are those of latent-diffusion's checkpoints. The transformers attend to a context of
one token, the audio code with the landmark code behind it. A softmax over one token is 1, so
cross-attention adds the same vector to every place, whatever the queries and the keys are: here it
is computed as that vector, once a frame and not at every step. ``norm2``, ``to_q`` and ``to_k`` of
these layers are in the checkpoints but reach no output.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.latent_layers import Conv3x3, GroupNorm, Upsample, swish
from .config import UNetConfig


class ResBlock(nn.Module):
    """Two convolutions around which the input goes on; the time is added between them."""

    def __init__(self, channels: int, out: int, time_dim: int, groups: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            GroupNorm(groups, channels), nn.SiLU(), Conv3x3(channels, out)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, out))
        self.out_layers = nn.Sequential(
            GroupNorm(groups, out), nn.SiLU(), nn.Identity(), Conv3x3(out, out)
        )
        self.skip_connection = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, channels, H, W), time (B, time_dim) after its SiLU -> (B, out, H, W)."""
        h = self.in_layers[2](swish(self.in_layers[0](x)))
        h = h + self.emb_layers[1](time)[:, :, None, None]
        h = self.out_layers[3](swish(self.out_layers[0](h)))
        return self.skip_connection(x) + h


class SelfAttention(nn.Module):
    """Multi-head attention among the places of the picture."""

    def __init__(self, dim: int, head_dim: int) -> None:
        super().__init__()
        self.heads = dim // head_dim
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, dim) -> the same shape."""
        q, k, v = (
            rearrange(f(x), "b n (heads d) -> b heads n d", heads=self.heads)
            for f in (self.to_q, self.to_k, self.to_v)
        )
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(rearrange(mixed, "b heads n d -> b n (heads d)"))


class TokenAttention(nn.Module):
    """Attention to a single token: what it adds to every place."""

    def __init__(self, dim: int, context_dim: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(context_dim, dim, bias=False)
        self.to_v = nn.Linear(context_dim, dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(dim, dim))

    def forward(self, token: Tensor) -> Tensor:
        """(B, context_dim) -> (B, dim)."""
        return self.to_out(self.to_v(token))


class GatedLinear(nn.Module):
    """A linear layer, half of whose outputs open and close the other half."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, 2 * out)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) -> (..., out)."""
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """Four times wider, and back."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(GatedLinear(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) -> the same shape."""
        return self.net(x)


class TransformerBlock(nn.Module):
    """Self-attention, the context's vector, feed-forward."""

    def __init__(self, dim: int, head_dim: int, context_dim: int) -> None:
        super().__init__()
        self.attn1 = SelfAttention(dim, head_dim)
        self.ff = FeedForward(dim)
        self.attn2 = TokenAttention(dim, context_dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(self, x: Tensor, added: Tensor) -> Tensor:
        """(B, N, dim) and what the context adds, (B, dim) -> (B, N, dim)."""
        x = self.attn1(self.norm1(x)) + x + added[:, None]
        return self.ff(self.norm3(x)) + x


class SpatialTransformer(nn.Module):
    """A transformer over the places of the picture."""

    def __init__(self, channels: int, head_dim: int, context_dim: int, groups: int) -> None:
        super().__init__()
        self.norm = GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, head_dim, context_dim)])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def encode_token(self, token: Tensor) -> Tensor:
        """The context (B, context_dim) -> what it adds to every place, (B, channels)."""
        return cast(TransformerBlock, self.transformer_blocks[0]).attn2(token)

    def forward(self, x: Tensor, added: Tensor) -> Tensor:
        """(B, C, H, W) and the result of ``encode_token`` -> (B, C, H, W)."""
        tokens = rearrange(self.norm(x), "b c h w -> b (h w) c")
        tokens = _pointwise(self.proj_in, tokens)
        tokens = self.transformer_blocks[0](tokens, added)
        tokens = _pointwise(self.proj_out, tokens)
        return rearrange(tokens, "b (h w) c -> b c h w", h=x.shape[-2]) + x


class Downsample(nn.Module):
    """Half the resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H/2, W/2)."""
        return self.op(x)


class Stage(nn.ModuleList):
    """Layers that run one after the other, each given what it takes."""

    def forward(self, x: Tensor, time: Tensor, added: dict[nn.Module, Tensor]) -> Tensor:
        """(B, C, H, W), time (B, time_dim), ``UNet.encode_context`` -> (B, C', H', W')."""
        for layer in self:
            if isinstance(layer, ResBlock):
                x = layer(x, time)
            elif isinstance(layer, SpatialTransformer):
                x = layer(x, added[layer])
            else:
                x = layer(x)
        return x


class UNet(nn.Module):
    """Predicts the noise.

    Args:
        config: sizes.
        in_channels: of the noisy latent with its conditions.
        out_channels: of the latent.
        context_dim: of the token.
        token_in_time: add the token to the time's embedding too, so that every block hears it;
            not in the published network.
    """

    def __init__(
        self,
        config: UNetConfig | None = None,
        in_channels: int = 9,
        out_channels: int = 3,
        context_dim: int = 128,
        token_in_time: bool = False,
    ) -> None:
        super().__init__()
        self.config = config = config or UNetConfig()
        base, groups = config.channels, config.groups
        time_dim = 4 * base

        def stage(before: int, width: int, level: int) -> Stage:
            layers: list[nn.Module] = [ResBlock(before, width, time_dim, groups)]
            if level in config.attention_levels:
                layers.append(transformer(width))
            return Stage(layers)

        def transformer(width: int) -> SpatialTransformer:
            return SpatialTransformer(width, config.head_dim, context_dim, groups)

        self.time_embed = nn.Sequential(
            nn.Linear(base, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim)
        )
        self.token_embed = nn.Linear(context_dim, time_dim) if token_in_time else None
        self.input_blocks = nn.ModuleList([Stage([nn.Conv2d(in_channels, base, 3, 1, 1)])])
        width, kept = base, [base]
        for level, multiplier in enumerate(config.multipliers):
            for _ in range(config.blocks):
                self.input_blocks.append(stage(width, base * multiplier, level))
                width = base * multiplier
                kept.append(width)
            if level < len(config.multipliers) - 1:
                self.input_blocks.append(Stage([Downsample(width)]))
                kept.append(width)
        self.middle_block = Stage(
            [
                ResBlock(width, width, time_dim, groups),
                transformer(width),
                ResBlock(width, width, time_dim, groups),
            ]
        )
        self.output_blocks = nn.ModuleList()
        for level, multiplier in reversed(list(enumerate(config.multipliers))):
            for index in range(config.blocks + 1):
                part = stage(width + kept.pop(), base * multiplier, level)
                width = base * multiplier
                if level > 0 and index == config.blocks:
                    part.append(Upsample(width))
                self.output_blocks.append(part)
        self.out = nn.Sequential(
            GroupNorm(groups, base), nn.SiLU(), nn.Conv2d(base, out_channels, 3, 1, 1)
        )

    def encode_context(self, context: Tensor) -> dict[nn.Module, Tensor]:
        """What the token adds in each transformer; the same at every step.

        Args:
            context: (B, context_dim), B that of the latents, or 1 for all of them.
        """
        layers = [m for m in self.modules() if isinstance(m, SpatialTransformer)]
        added: dict[nn.Module, Tensor] = {x: x.encode_token(context) for x in layers}
        if self.token_embed is not None:
            added[self.token_embed] = self.token_embed(context)
        return added

    def embed_time(self, t: Tensor) -> Tensor:
        """(B,) times -> (B, 4 * channels)."""
        weight = cast(nn.Linear, self.time_embed[0]).weight
        return self.time_embed(time_sinusoid(t, self.config.channels).to(weight.dtype))

    def predict(self, x: Tensor, t: Tensor, added: dict[nn.Module, Tensor]) -> Tensor:
        """The noise.

        Args:
            x: (B, in_channels, H, W) the noisy latent, behind it its conditions.
            t: (B,) times, 0 to 999.
            added: from ``encode_context``.

        Returns:
            (B, out_channels, H, W)
        """
        time = self.embed_time(t)
        if self.token_embed is not None:
            time = time + added[self.token_embed]
        time = swish(time)
        kept = []
        for stage in self.input_blocks:
            x = stage(x, time, added)
            kept.append(x)
        x = self.middle_block(x, time, added)
        for stage in self.output_blocks:
            x = stage(torch.cat([x, kept.pop()], dim=1), time, added)
        return self.out[2](swish(self.out[0](x)))

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """All of it at once, as training needs it; shapes as in the methods above."""
        return self.predict(x, t, self.encode_context(context))


def time_sinusoid(t: Tensor, dim: int) -> Tensor:
    """Sinusoids of the time, cosines in the first half, sines in the second.

    As latent-diffusion computes them: DreamTalk's (``networks/transformer.py``) round otherwise.

    Args:
        t: (B,) any real dtype.

    Returns:
        (B, dim) float32
    """
    half = dim // 2
    index = torch.arange(half, dtype=torch.float32, device=t.device)
    angle = t.float()[:, None] * torch.exp(-math.log(10000) * index / half)
    return torch.cat([angle.cos(), angle.sin()], dim=-1)


def _pointwise(conv: nn.Conv2d, tokens: Tensor) -> Tensor:
    """A 1x1 convolution on (B, N, C)."""
    return F.linear(tokens, conv.weight.flatten(1), conv.bias)

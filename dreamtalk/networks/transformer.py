"""Transformer pieces of DreamTalk: post-norm layers, pooling, sinusoids.

Parameter names are those of ``torch.nn``'s transformer layers, which the official checkpoint uses.
Positions are added once, to the input of a stack's first layer, never inside the layers.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F


def position_table(length: int, dim: int) -> Tensor:
    """Interleaved sinusoids, the sine at even columns (Vaswani et al. 2017, section 3.5).

    Returns:
        (1, length, dim) float32, computed in float64.
    """
    column = torch.arange(dim, dtype=torch.float64)
    frequency = 10000.0 ** (-2.0 * torch.div(column, 2, rounding_mode="floor") / dim)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency[None]
    table = torch.where(column.long() % 2 == 0, angle.sin(), angle.cos())
    return table[None].float()


def time_sinusoid(t: Tensor, dim: int) -> Tensor:
    """Sinusoids of the diffusion time, cosines in the first half, sines in the second.

    Args:
        t: (B,) any real dtype.

    Returns:
        (B, dim) float32
    """
    half = dim // 2
    exponent = torch.arange(half, dtype=torch.float32, device=t.device) / half
    angle = t.float()[:, None] * 10000.0 ** (-exponent)[None]
    return torch.cat([angle.cos(), angle.sin()], dim=-1)


class PositionTable(nn.Module):
    """Adds the position sinusoids to a sequence."""

    pos_table: Tensor

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("pos_table", position_table(length, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(..., L, dim) -> the same, L at most the table's length."""
        return x + self.pos_table[0, : x.shape[-2]]


class Attention(nn.Module):
    """Multi-head scaled dot-product attention with packed input projections.

    Args:
        dim: width of queries, keys and values.
        heads: number of heads; divides ``dim``.
        dropout: on the attention weights, while training.
    """

    def __init__(self, dim: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads don't divide a width of {dim}")
        self.dim = dim
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, memory: Tensor, padding: Tensor | None = None) -> Tensor:
        """Attend from every query to every position of the memory.

        Args:
            query: (..., Q, dim); leading dimensions broadcast against those of ``memory``.
            memory: (..., L, dim)
            padding: (..., L) bool, true where the memory is not to be attended to.

        Returns:
            (..., Q, dim)
        """
        weight, bias, dim = self.in_proj_weight, self.in_proj_bias, self.dim
        if query is memory:
            q, k, v = F.linear(query, weight, bias).chunk(3, dim=-1)
        else:
            q = F.linear(query, weight[:dim], bias[:dim])
            k, v = F.linear(memory, weight[dim:], bias[dim:]).chunk(2, dim=-1)
        lead = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2])
        q, k, v = (
            rearrange(x.expand(*lead, *x.shape[-2:]), "... l (h e) -> ... h l e", h=self.heads)
            for x in (q, k, v)
        )
        mask = None if padding is None else ~padding[..., None, None, :]
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(
            q.flatten(0, -4), k.flatten(0, -4), v.flatten(0, -4), mask, dropout
        )
        mixed = rearrange(mixed, "n h l e -> n l (h e)")
        return self.out_proj(mixed.reshape(*lead, *mixed.shape[-2:]))


class EncoderLayer(nn.Module):
    """Post-norm self-attention and feed-forward."""

    def __init__(self, dim: int, heads: int, ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.self_attn = Attention(dim, heads, dropout)
        self.linear1 = nn.Linear(dim, ff)
        self.linear2 = nn.Linear(ff, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """(..., L, dim), padding (..., L) true where x is padding -> (..., L, dim)."""
        x = self.norm1(x + self.dropout(self.self_attn(x, x, padding)))
        hidden = self.dropout(F.relu(self.linear1(x)))
        return self.norm2(x + self.dropout(self.linear2(hidden)))


class Encoder(nn.Module):
    """A stack of encoder layers, without a norm at the end."""

    def __init__(self, dim: int, heads: int, ff: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(dim, heads, ff, dropout) for _ in range(layers))

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """(..., L, dim), padding (..., L) true where x is padding -> (..., L, dim)."""
        for layer in self.layers:
            x = layer(x, padding)
        return x


class DecoderLayer(nn.Module):
    """Post-norm self-attention, attention to a memory, feed-forward."""

    def __init__(self, dim: int, heads: int, ff: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.self_attn = Attention(dim, heads, dropout)
        self.multihead_attn = Attention(dim, heads, dropout)
        self.linear1 = nn.Linear(dim, ff)
        self.linear2 = nn.Linear(ff, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, memory: Tensor, position: int | None = None) -> Tensor:
        """Every position, or one of them.

        Args:
            query: (..., Q, dim); leading dimensions broadcast against those of ``memory``. What
                depends on the query alone is computed before broadcasting.
            memory: (..., L, dim)
            position: the only one to compute.

        Returns:
            (..., Q, dim), or (..., 1, dim) for one position.
        """
        x = query if position is None else query[..., position, None, :]
        x = self.norm1(x + self.dropout(self.self_attn(x, query)))
        x = self.norm2(x + self.dropout(self.multihead_attn(x, memory)))
        hidden = self.dropout(F.relu(self.linear1(x)))
        return self.norm3(x + self.dropout(self.linear2(hidden)))


class Decoder(nn.Module):
    """A stack of decoder layers with a norm at the end, evaluated at one position."""

    def __init__(self, dim: int, heads: int, ff: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(dim, heads, ff, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, query: Tensor, memory: Tensor, position: int) -> Tensor:
        """(..., Q, dim), (..., L, dim) -> (..., dim), the stack's output at ``position``."""
        *before, last = self.layers
        for layer in before:
            query = layer(query, memory)
        return self.norm(last(query, memory, position)).squeeze(-2)


class AttentionPooling(nn.Module):
    """Self-attention pooling: a sequence becomes the weighted mean of its rows."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.W = nn.Sequential(nn.Linear(dim, dim), nn.Mish(), nn.Linear(dim, 1))

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """(B, L, dim), padding (B, L) true where x is padding -> (B, dim)."""
        logits = self.W(x).squeeze(-1)
        if padding is not None:
            logits = logits - 1e5 * padding.to(logits.dtype)
        return torch.einsum("bl,bld->bd", logits.softmax(dim=-1), x)

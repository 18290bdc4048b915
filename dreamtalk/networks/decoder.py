"""The decoder: memory and style code -> expression coefficients, in two branches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .transformer import Decoder, PositionTable

OFFICIAL_LOWER: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14)
"""Coefficients of the mouth among the 64 of the official checkpoint."""


def _tail(dim: int, out: int) -> nn.Sequential:
    half = dim // 2
    return nn.Sequential(
        nn.Linear(dim, half), nn.ReLU(), nn.Linear(half, half), nn.ReLU(), nn.Linear(half, out)
    )


class TwoBranchDecoder(nn.Module):
    """Separate decoder stacks for the upper and the lower face.

    The query is the style code at every position of the window; its centre becomes the result.

    Args:
        expression_dim: coefficients in all.
        lower: indices of those that the lower branch makes; the upper makes the others.
        window: rows on each side of the centre.

    Attributes:
        order: where each coefficient is in upper and lower ones, one after the other.
    """

    order: Tensor

    def __init__(
        self,
        expression_dim: int = 64,
        lower: Sequence[int] = OFFICIAL_LOWER,
        window: int = 5,
        dim: int = 256,
        heads: int = 8,
        ff: int = 1024,
        layers: int = 3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        below = sorted(set(lower))
        if not below or below[0] < 0 or below[-1] >= expression_dim or len(below) != len(lower):
            raise ValueError(
                f"lower indices {tuple(lower)} don't fit {expression_dim} coefficients"
            )
        above = [i for i in range(expression_dim) if i not in set(below)]
        self.window = window
        self.upper_decoder = Decoder(dim, heads, ff, layers, dropout)
        self.lower_decoder = Decoder(dim, heads, ff, layers, dropout)
        self.pos_embed = PositionTable(2 * window + 1, dim)
        self.upper_tail_fc = _tail(dim, len(above))
        self.lower_tail_fc = _tail(dim, len(below))
        order = torch.tensor(above + below).argsort()
        self.register_buffer("order", order, persistent=False)

    def forward(self, memory: Tensor, style: Tensor) -> Tensor:
        """Decode the centre of every window.

        Args:
            memory: (B, N, W, dim)
            style: (B', dim), or (B', N, dim) for one code per frame; B' and B broadcast.

        Returns:
            (B, N, expression_dim)
        """
        if style.ndim == 2:
            style = style[:, None]
        start = self.pos_embed(style[:, :, None].expand(-1, -1, 2 * self.window + 1, -1))
        upper = self.upper_tail_fc(self.upper_decoder(start, memory, self.window))
        lower = self.lower_tail_fc(self.lower_decoder(start, memory, self.window))
        return torch.cat([upper, lower], dim=-1)[..., self.order]

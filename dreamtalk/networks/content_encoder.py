"""The content encoder: a window of speech features around each frame -> content codes."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from .transformer import Encoder, PositionTable


class ContentEncoder(nn.Module):
    """A transformer over each window by itself (DreamTalk, section 3.2).

    Args:
        feature_dim: width of a feature row (1024 for wav2vec2).
        window: rows on each side of the centre (5: 11 rows).
    """

    def __init__(
        self,
        feature_dim: int = 1024,
        window: int = 5,
        dim: int = 256,
        heads: int = 8,
        ff: int = 1024,
        layers: int = 3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.window = window
        self.encoder = Encoder(dim, heads, ff, layers, dropout)
        self.pos_embed = PositionTable(2 * window + 1, dim)
        self.increase_embed_dim = nn.Linear(feature_dim, dim)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, N, W, feature_dim) -> (B, N, W, dim)."""
        return self._encode(self.increase_embed_dim(windows))

    def encode_rows(self, rows: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """As ``forward`` on the sliding windows of ``rows``, projecting each row only once.

        Args:
            rows: (B, R, feature_dim), two rows a frame.
            start, stop: frames to encode, all ``max(1, R // 2)`` by default. Rows outside
                0..R-1 count as zero vectors.

        Returns:
            (B, stop - start, W, dim)
        """
        stop = max(1, rows.shape[1] // 2) if stop is None else stop
        first, last = 2 * start - self.window, 2 * (stop - 1) + self.window + 1
        inside = self.increase_embed_dim(rows[:, max(first, 0) : last])
        # a zero row projects to the bias
        outside = self.increase_embed_dim.bias.expand(rows.shape[0], last - first, -1)
        before = max(-first, 0)
        after = last - first - before - inside.shape[1]
        embedded = torch.cat([outside[:, :before], inside, outside[:, :after]], dim=1)
        windows = embedded.unfold(1, 2 * self.window + 1, 2)
        return self._encode(rearrange(windows, "b n d w -> b n w d"))

    def _encode(self, embedded: Tensor) -> Tensor:
        return self.encoder(self.pos_embed(embedded))

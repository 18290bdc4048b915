"""The style encoder: a clip of somebody speaking -> a style code."""

from __future__ import annotations

from torch import Tensor, nn

from .transformer import AttentionPooling, Encoder, PositionTable


class StyleEncoder(nn.Module):
    """A transformer over the frames of a clip, pooled to one code (DreamTalk, section 3.2).

    Args:
        expression_dim: coefficients a frame (64 for the 3DMM).
        max_length: longest clip in frames.
    """

    def __init__(
        self,
        expression_dim: int = 64,
        max_length: int = 256,
        dim: int = 256,
        heads: int = 8,
        ff: int = 1024,
        layers: int = 3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.encoder = Encoder(dim, heads, ff, layers, dropout)
        self.pos_embed = PositionTable(max_length, dim)
        self.increase_embed_dim = nn.Linear(expression_dim, dim)
        self.aggregate_method = AttentionPooling(dim)

    def forward(self, clip: Tensor, padding: Tensor | None = None) -> Tensor:
        """(B, L, expression_dim), padding (B, L) true where the clip is padding -> (B, dim)."""
        return self.aggregate_method(self.encode_frames(clip, padding), padding)

    def encode_frames(self, clip: Tensor, padding: Tensor | None = None) -> Tensor:
        """(B, L, expression_dim) -> (B, L, dim), before pooling."""
        return self.encoder(self.pos_embed(self.increase_embed_dim(clip)), padding)

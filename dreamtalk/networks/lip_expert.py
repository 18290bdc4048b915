"""The style-aware lip expert: are these lips in sync with this speech, given the style?

After DreamTalk, section 3.2: an audio encoder of 1-D convolutions, a lip-motion encoder on the
vertices of the mouth, the style concatenated into both, and the cosine of the two embeddings. Here
the style enters as the denoiser's style code through a projection of the expert's own, so that
presets, which have no clip, work like clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .settings import settings_from


@dataclass(frozen=True)
class LipExpertConfig:
    """Sizes.

    Attributes:
        feature_dim: width of a feature row.
        style_dim: width of the denoiser's style code.
        lip_channels: lip channels of the motion.
        vertices: mouth vertices that the channels are decoded to.
        width: channels inside.
        embedding: of the two that are compared.
        frames: motion frames of a window (n in the paper).
        styled: False for an expert that does not see the style.
    """

    feature_dim: int = 96
    style_dim: int = 96
    lip_channels: int = 13
    vertices: int = 40
    width: int = 64
    embedding: int = 64
    frames: int = 9
    styled: bool = True

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LipExpertConfig:
        """Inverse of :meth:`to_dict`.

        Raises:
            ValueError: on a name that this version does not know.
        """
        return settings_from(cls, values, "lip expert")

    def least_weights(self) -> int:
        """How many numbers a network of these sizes has at least."""
        towers = self.width * (3 * self.feature_dim + 8 * self.width + 2 * self.embedding)
        return towers + 3 * self.vertices * (self.lip_channels + self.width) + self.style_dim


class _Tower(nn.Module):
    """Convolutions over time with the style put in twice; the window is pooled to one embedding."""

    def __init__(self, inputs: int, style: int, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs + style, width, 3, padding=1)
        self.second = nn.Conv1d(width + style, width, 3, padding=1, stride=stride)
        self.third = nn.Conv1d(width, width, 3, padding=1)
        self.out = nn.Conv1d(width, out, 1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, T, inputs), style (B, s) -> (B, out, T / stride), before pooling."""
        x = x.transpose(1, 2)
        spread = style[:, :, None].expand(-1, -1, x.shape[2])
        h = F.gelu(self.first(torch.cat([x, spread], 1)))
        h = F.gelu(self.second(torch.cat([h, spread], 1)))
        return self.out(h + F.gelu(self.third(h)))


class LipExpert(nn.Module):
    """P_sync(speech, lips, style).

    Args:
        config: sizes.
        vertices: (lip_channels, vertices * 3) offsets of the mouth's vertices for one unit of each
            standardized lip channel; random numbers if not given (weights are loaded then).
    """

    vertices: Tensor

    def __init__(
        self, config: LipExpertConfig | None = None, vertices: Tensor | None = None
    ) -> None:
        super().__init__()
        self.config = c = config or LipExpertConfig()
        if vertices is None:
            vertices = torch.randn(c.lip_channels, c.vertices * 3) / c.lip_channels**0.5
        self.register_buffer("vertices", vertices.float())
        inside = 24
        self.style = nn.Sequential(nn.Linear(c.style_dim, inside), nn.Tanh())
        self.audio = _Tower(c.feature_dim, inside, c.width, c.embedding, stride=2)
        self.mesh = nn.Sequential(
            nn.Linear(c.vertices * 3, c.width), nn.GELU(), nn.Linear(c.width, c.width)
        )
        self.lips = _Tower(c.width, inside, c.width, c.embedding, stride=1)
        self.scale = nn.Parameter(torch.tensor(5.0))
        self.bias = nn.Parameter(torch.tensor(-2.0))

    def embed(self, rows: Tensor, lips: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of every frame; those of a window's frames together are the window's.

        Args:
            rows: (B, 2T, feature_dim) feature rows, two a frame.
            lips: (B, T, lip_channels) standardized motion.
            style: (B, style_dim) codes of the denoiser.

        Returns:
            Speech and lips, (B, embedding, T) each.
        """
        code = self.style(style)
        if not self.config.styled:
            code = torch.zeros_like(code)
        return self.audio(rows, code), self.lips(self.mesh(lips @ self.vertices), code)

    def logits(self, rows: Tensor, lips: Tensor, style: Tensor) -> Tensor:
        """Log-odds of being in sync of every whole window, (B, max(1, T - frames + 1)).

        They are a scaled cosine between the two embeddings of the window.
        """
        speech, motion = self.embed(rows, lips, style)
        size = min(self.config.frames, speech.shape[2])
        dot, speech_square, motion_square = (
            F.avg_pool1d(x.sum(1, keepdim=True), size, 1)[:, 0]
            for x in (speech * motion, speech.square(), motion.square())
        )
        cosine = dot * (speech_square * motion_square + 1e-8).rsqrt()
        return self.scale * cosine + self.bias

    def log_sync(self, rows: Tensor, lips: Tensor, style: Tensor) -> Tensor:
        """log P_sync of every window; arguments as for :meth:`embed`."""
        return F.logsigmoid(self.logits(rows, lips, style))

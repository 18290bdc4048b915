"""DreamTalk's denoising network E(m_t, t, A_w, R) -> m_0 (section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .content_encoder import ContentEncoder
from .decoder import OFFICIAL_LOWER, TwoBranchDecoder
from .style_encoder import StyleEncoder
from .transformer import time_sinusoid


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of the denoiser. The defaults are the official checkpoint's.

    Attributes:
        feature_dim: width of a speech feature row.
        expression_dim: expression coefficients a frame.
        lower: indices of the coefficients that the lower branch makes.
        d_model: width of the transformers.
        heads: attention heads.
        layers: layers of each of the four stacks.
        ff: width inside the feed-forward parts.
        window: feature rows on each side of the centre.
        max_style_length: longest style clip, in frames.
        dropout: while training.
        diffusion_steps, beta_first, beta_last: the linear variance schedule.
    """

    feature_dim: int = 1024
    expression_dim: int = 64
    lower: tuple[int, ...] = OFFICIAL_LOWER
    d_model: int = 256
    heads: int = 8
    layers: int = 3
    ff: int = 1024
    window: int = 5
    max_style_length: int = 256
    dropout: float = 0.1
    diffusion_steps: int = 1000
    beta_first: float = 1e-4
    beta_last: float = 0.02

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {**asdict(self), "lower": list(self.lower)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DenoiserConfig:
        """Inverse of :meth:`to_dict`.

        Raises:
            ValueError: on a name that this version does not know.
        """
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown denoiser settings: {', '.join(sorted(unknown))}")
        known = dict(values)
        if "lower" in known:
            known["lower"] = tuple(known["lower"])
        return cls(**known)


class NoisePredictor(nn.Module):
    """The network itself, under the official name ``net``."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        c = config
        stack = {
            "dim": c.d_model, "heads": c.heads, "ff": c.ff, "layers": c.layers,
            "dropout": c.dropout,
        }  # fmt: skip
        self.content_encoder = ContentEncoder(c.feature_dim, c.window, **stack)  # type: ignore[arg-type]
        self.style_encoder = StyleEncoder(c.expression_dim, c.max_style_length, **stack)  # type: ignore[arg-type]
        self.decoder = TwoBranchDecoder(c.expression_dim, c.lower, c.window, **stack)  # type: ignore[arg-type]
        self.content_xt_to_decoder_input_wo_time = nn.Sequential(
            nn.Linear(c.d_model + c.expression_dim, c.d_model),
            nn.ReLU(),
            nn.Linear(c.d_model, c.d_model),
            nn.ReLU(),
            nn.Linear(c.d_model, c.d_model),
        )
        self.time_embed_net = nn.Sequential(
            nn.Linear(c.d_model, c.d_model), nn.SiLU(), nn.Linear(c.d_model, c.d_model)
        )


class Denoiser(nn.Module):
    """Predicts the clean expression coefficients from noisy ones, speech and style.

    A frame sees its own window of speech, its own noisy coefficients, the style and the time,
    and no other frame: frames may be computed in any grouping. Content and style codes depend on
    neither the noise nor the time, so they are computed once per sequence, not once per step.
    """

    null_style_clip: Tensor
    null_pad_mask: Tensor

    def __init__(self, config: DenoiserConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DenoiserConfig()
        self.net = NoisePredictor(config)
        clip = torch.zeros(config.max_style_length, config.expression_dim)
        self.register_buffer("null_style_clip", clip)
        self.register_buffer("null_pad_mask", torch.zeros(len(clip), dtype=torch.bool))

    def encode_content(self, windows: Tensor) -> Tensor:
        """Windows of feature rows (B, N, W, feature_dim) -> content codes for ``predict``.

        Returns:
            (B, N, W, d_model), already through the content half of the first fusion layer.
        """
        return self._fuse_content(self.net.content_encoder(windows))

    def encode_rows(self, rows: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """As ``encode_content`` for frames ``start..stop`` of feature rows (B, R, feature_dim)."""
        return self._fuse_content(self.net.content_encoder.encode_rows(rows, start, stop))

    def encode_style(self, clip: Tensor, padding: Tensor | None = None) -> Tensor:
        """Clips (B, L, expression_dim), padding (B, L) true where padded -> codes (B, d_model)."""
        return self.net.style_encoder(clip, padding)

    def encode_null_style(self) -> Tensor:
        """The code of the null style, (1, d_model): a clip of zeros, attended to as frames."""
        return self.encode_style(self.null_style_clip[None], self.null_pad_mask[None])

    def predict(self, x_t: Tensor, t: Tensor, content: Tensor, style: Tensor) -> Tensor:
        """The clean coefficients.

        Args:
            x_t: (B, N, expression_dim) noisy coefficients.
            t: (B,) diffusion time, 0 (clean) to ``diffusion_steps``.
            content: (B, N, W, d_model) from ``encode_content`` or ``encode_rows``.
            style: (B', d_model) codes, or (B', N, d_model) for one per frame. B' and B broadcast:
                several styles on one batch item share the work that does not depend on style.

        Returns:
            (B, N, expression_dim)
        """
        fusion = self.net.content_xt_to_decoder_input_wo_time
        noisy = F.linear(x_t, self._first_fusion.weight[:, self.config.d_model :])
        memory = fusion[1:](content + noisy[:, :, None])
        time = self.net.time_embed_net(time_sinusoid(t, self.config.d_model).to(x_t.dtype))
        return self.net.decoder(memory + time[:, None, None], style)

    def forward(
        self,
        x_t: Tensor,
        t: Tensor,
        windows: Tensor,
        style_clip: Tensor,
        padding: Tensor | None = None,
    ) -> Tensor:
        """All of it at once, as training needs it; shapes as in the methods above."""
        content = self.encode_content(windows)
        return self.predict(x_t, t, content, self.encode_style(style_clip, padding))

    @property
    def _first_fusion(self) -> nn.Linear:
        return cast(nn.Linear, self.net.content_xt_to_decoder_input_wo_time[0])

    def _fuse_content(self, codes: Tensor) -> Tensor:
        first = self._first_fusion
        return F.linear(codes, first.weight[:, : self.config.d_model], first.bias)

"""DreamTalk's denoising network E(m_t, t, A_w, R) -> m_0 (section 3.2).

Content encoder (speech around a frame), style encoder (a clip of somebody speaking), and a decoder
in two branches that predicts the clean expression coefficients from both, the noisy ones and the
time. Names of modules and parameters are the official checkpoint's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from .settings import settings_from
from .transformer import AttentionPooling, Decoder, Encoder, PositionTable, time_sinusoid

OFFICIAL_LOWER: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14)
"""Coefficients of the mouth among the 64 of the official checkpoint."""


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
        made = settings_from(cls, values, "denoiser")
        if any(index >= made.expression_dim for index in made.lower):
            raise ValueError(f"lower can't be {str(list(made.lower))[:40]!r}")
        if not all(0 <= share < 1 for share in (made.dropout, made.beta_first, made.beta_last)):
            raise ValueError("dropout and betas are shares from 0 to below 1")
        return made

    def least_weights(self) -> int:
        """How many numbers a network of these sizes has at least."""
        width = self.d_model
        return max(self.layers * (4 * width + 2 * self.ff) * width, self.feature_dim * width)


class ContentEncoder(nn.Module):
    """A transformer over each window by itself (DreamTalk, section 3.2)."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        c = config
        self.window = c.window
        self.encoder = Encoder(c.d_model, c.heads, c.ff, c.layers, c.dropout)
        self.pos_embed = PositionTable(2 * c.window + 1, c.d_model)
        self.increase_embed_dim = nn.Linear(c.feature_dim, c.d_model)

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


class StyleEncoder(nn.Module):
    """A transformer over the frames of a clip, pooled to one code (DreamTalk, section 3.2)."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        c = config
        self.encoder = Encoder(c.d_model, c.heads, c.ff, c.layers, c.dropout)
        self.pos_embed = PositionTable(c.max_style_length, c.d_model)
        self.increase_embed_dim = nn.Linear(c.expression_dim, c.d_model)
        self.aggregate_method = AttentionPooling(c.d_model)

    def forward(self, clip: Tensor, padding: Tensor | None = None) -> Tensor:
        """(B, L, expression_dim), padding (B, L) true where the clip is padding -> (B, dim)."""
        return self.aggregate_method(self.encode_frames(clip, padding), padding)

    def encode_frames(self, clip: Tensor, padding: Tensor | None = None) -> Tensor:
        """(B, L, expression_dim) -> (B, L, dim), before pooling."""
        return self.encoder(self.pos_embed(self.increase_embed_dim(clip)), padding)


def _tail(dim: int, out: int) -> nn.Sequential:
    half = dim // 2
    return nn.Sequential(
        nn.Linear(dim, half), nn.ReLU(), nn.Linear(half, half), nn.ReLU(), nn.Linear(half, out)
    )


class TwoBranchDecoder(nn.Module):
    """Separate decoder stacks for the upper and the lower face.

    The query is the style code at every position of the window; its centre becomes the result.

    Attributes:
        order: where each coefficient is in upper and lower ones, one after the other.
    """

    order: Tensor

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        c = config
        below = sorted(set(c.lower))
        if not below or below[0] < 0 or below[-1] >= c.expression_dim or len(below) != len(c.lower):
            raise ValueError(
                f"lower indices {tuple(c.lower)} don't fit {c.expression_dim} coefficients"
            )
        above = [i for i in range(c.expression_dim) if i not in set(below)]
        self.window = c.window
        self.upper_decoder = Decoder(c.d_model, c.heads, c.ff, c.layers, c.dropout)
        self.lower_decoder = Decoder(c.d_model, c.heads, c.ff, c.layers, c.dropout)
        self.pos_embed = PositionTable(2 * c.window + 1, c.d_model)
        self.upper_tail_fc = _tail(c.d_model, len(above))
        self.lower_tail_fc = _tail(c.d_model, len(below))
        order = torch.tensor(above + below).argsort()
        self.register_buffer("order", order, persistent=False)

    def forward(self, memory: Tensor, style: Tensor) -> Tensor:
        """Decode the centre of every window.

        Args:
            memory: (B, N, W, dim)
            style: (B', dim), or (..., B', N, dim) for one code per frame; B' and B broadcast.

        Returns:
            (..., B, N, expression_dim)
        """
        if style.ndim == 2:
            style = style[:, None]
        width = 2 * self.window + 1
        start = self.pos_embed(style[..., None, :].expand(*style.shape[:-1], width, -1))
        upper = self.upper_tail_fc(self.upper_decoder(start, memory, self.window))
        lower = self.lower_tail_fc(self.lower_decoder(start, memory, self.window))
        return torch.cat([upper, lower], dim=-1)[..., self.order]


class SamplingNetwork(Protocol):
    """What a sampler asks of a denoiser; B = 1, shapes as in :class:`Denoiser`."""

    def encode_content(self, windows: Tensor) -> Tensor:
        """Windows of feature rows -> content."""

    def prepare(self, style: Tensor) -> Any:
        """A style code as the other methods take it; to be called once, not at every step."""

    def predict(self, x_t: Tensor, t: Tensor, content: Tensor, style: Any) -> Tensor:
        """The clean coefficients."""

    def predict_both(
        self, x_t: Tensor, t: Tensor, content: Tensor, style: Any, other: Any
    ) -> tuple[Tensor, Tensor]:
        """The clean coefficients for each of two styles."""


class NoisePredictor(nn.Module):
    """The network itself, under the official name ``net``."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        c = config
        self.content_encoder = ContentEncoder(c)
        self.style_encoder = StyleEncoder(c)
        self.decoder = TwoBranchDecoder(c)
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
            style: (B', d_model) codes, or (..., B', N, d_model) for one per frame. B' and B
                broadcast: several styles on one batch item share the work that does not depend on
                style.

        Returns:
            (..., B, N, expression_dim)
        """
        fusion = self.net.content_xt_to_decoder_input_wo_time
        noisy = F.linear(x_t, self._first_fusion.weight[:, self.config.d_model :])
        memory = fusion[1:](content + noisy[:, :, None])
        time = self.net.time_embed_net(time_sinusoid(t, self.config.d_model).to(x_t.dtype))
        return self.net.decoder(memory + time[:, None, None], style)

    def for_sampling(self) -> SamplingNetwork:
        """What to sample with: this network itself, unless there is something faster."""
        return self

    def for_frames(self) -> SamplingNetwork:
        """The same to sample one frame at a time, N = 1."""
        return self.for_sampling()

    def prepare(self, style: Tensor) -> Any:
        """A style as :meth:`predict` takes it, to be used for many steps."""
        return style

    def predict_both(
        self, x_t: Tensor, t: Tensor, content: Tensor, style: Any, other: Any
    ) -> tuple[Tensor, Tensor]:
        """As ``predict`` for two styles, which share the work that depends on neither."""
        codes = (code if code.ndim == 3 else code[:, None] for code in (style, other))
        both = self.predict(x_t, t, content, torch.stack(torch.broadcast_tensors(*codes)))
        return both[0], both[1]

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

"""The denoiser for one frame after the other: the same sums in numpy.

A frame's window has a few rows, whose products take less time than torch takes to begin one. Numpy
begins sooner, the two branches of the decoder are computed together, and what depends on the time
alone is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from ..networks.transformer import EncoderLayer, time_sinusoid
from .arranged import ArrangedDenoiser
from .decoder import ArrangedAttention, ArrangedFeedForward, ArrangedLayer, SharedStyle

Array = np.ndarray


def fits_frames(arranged: ArrangedDenoiser) -> bool:
    """Whether :class:`FrameDenoiser` can compute this network."""
    layers = {len(branch.layers) for branch in arranged.branches}
    return layers == {2} and arranged.noisy.dtype == torch.float32


class FrameStyle(NamedTuple):
    """Where the upper and the lower decoder start from: (2, W, d) and (2, d, h * W)."""

    query: Array
    probe: Array


class FrameDenoiser:
    """A ``SamplingNetwork`` for N = 1, on the CPU.

    Args:
        arranged: its weights must not change as long as this is used; see :func:`fits_frames`.
    """

    @torch.no_grad()
    def __init__(self, arranged: ArrangedDenoiser) -> None:
        self._arranged = arranged
        self._noisy, self._order = _array(arranged.noisy), _array(arranged.net.decoder.order)
        self._second = _array(arranged.second.weight), _array(arranged.second.bias)
        first, last = zip(*(branch.layers for branch in arranged.branches), strict=True)
        self._heads = first[0].own.heads
        self._values = _stacked([layer.cross.v for layer in first])
        self._mix = _Out([layer.cross for layer in first])
        self._widened, self._centre = _Feed(first), _Feed(last)
        self._own, self._cross = (
            _Look([getattr(layer, name) for layer in last]) for name in ("own", "cross")
        )
        self._norm_own = _Norm([layer.plain.norm1 for layer in last])
        self._norm = _Norm([branch.norm for branch in arranged.branches])
        self._tails = [
            [
                (_array(m.weight.T), _array(m.bias))
                for m in branch.tail.children()
                if isinstance(m, nn.Linear)
            ]
            for branch in arranged.branches
        ]
        self._times: dict[float, tuple[Array, Array]] = {}
        self._content = _Content(arranged)

    @torch.no_grad()
    def encode_content(self, windows: Tensor) -> Tensor:
        """A window of feature rows (1, 1, W, feature_dim) -> (1, 1, W, d)."""
        return torch.from_numpy(self._content(windows[0, 0].numpy()))[None]

    @torch.no_grad()
    def prepare(self, style: Tensor) -> FrameStyle:
        """A code (1, d) -> where the two decoders start."""
        starts = [s for s in self._arranged.prepare(style) if isinstance(s, SharedStyle)]
        query, probe = (_stacked(parts) for parts in zip(*starts, strict=True))
        return FrameStyle(query, probe)

    def predict(self, x_t: Tensor, t: Tensor, content: Tensor, style: FrameStyle) -> Tensor:
        """x_t (1, 1, C), t (1,), content (1, 1, W, d) -> the clean coefficients (1, 1, C)."""
        return self._predict(self._memory(x_t, content), t, style)

    def predict_both(
        self, x_t: Tensor, t: Tensor, content: Tensor, style: FrameStyle, other: FrameStyle
    ) -> tuple[Tensor, Tensor]:
        """As ``predict`` for two styles."""
        memory = self._memory(x_t, content)
        return self._predict(memory, t, style), self._predict(memory, t, other)

    def _memory(self, x_t: Tensor, content: Tensor) -> Array:
        weight, bias = self._second
        memory = np.maximum(content[0, 0].numpy() + x_t[0, 0].numpy() @ self._noisy, 0)
        return np.maximum(memory @ weight + bias, 0)

    def _predict(self, memory: Array, t: Tensor, style: FrameStyle) -> Tensor:
        early, late = self._at(t)
        width, heads = len(memory), self._heads
        weights = _softmax(memory @ style.probe, 1).reshape(2, width, heads, width)
        values = (memory @ self._values).reshape(2, width, heads, -1)
        mixed = weights.transpose(0, 2, 3, 1) @ values.transpose(0, 2, 1, 3)
        mixed = mixed.transpose(0, 2, 1, 3).reshape(2, width, -1)
        x = self._widened(style.query + early + mixed @ self._mix.weight)
        own = x[:, width // 2, None]
        own = self._norm_own(own + self._own(own, x) + self._own.out.bias)
        own = self._norm(self._centre(own + self._cross(own, memory[None]) + late))
        made = []
        for branch, tail in zip(own[:, 0], self._tails, strict=True):
            for weight, bias in tail[:-1]:
                branch = np.maximum(branch @ weight + bias, 0)
            weight, bias = tail[-1]
            made.append(branch @ weight + bias)
        return torch.from_numpy(np.concatenate(made)[self._order])[None, None]

    @torch.no_grad()
    def _at(self, t: Tensor) -> tuple[Array, Array]:
        """What the time adds in the first and in the last layer, (2, 1, d) each."""
        key = float(t[0])
        if key not in self._times:
            net, dim = self._arranged.net, self._noisy.shape[1]
            time = _array(net.time_embed_net(time_sinusoid(t, dim)))
            outs = (self._mix, self._cross.out)
            early, late = (out.bias + time @ out.from_time for out in outs)
            self._times[key] = (early, late)
        return self._times[key]


def _array(values: Tensor) -> Array:
    return np.ascontiguousarray(values.detach().numpy())


def _stacked(values: Sequence[Tensor]) -> Array:
    return np.stack([value.detach().numpy() for value in values])


def _rows(values: Sequence[Tensor]) -> Array:
    """Vectors of both branches as rows: (2, 1, d)."""
    return _stacked(values)[:, None]


def _softmax(scores: Array, axis: int) -> Array:
    weights = np.exp(scores - np.maximum.reduce(scores, axis, keepdims=True))
    weights /= np.add.reduce(weights, axis, keepdims=True)
    return weights


class _Norm:
    """Layer norms of both branches."""

    def __init__(self, norms: Sequence[nn.LayerNorm]) -> None:
        self._weight, self._bias = (
            _rows([getattr(n, k) for n in norms]) for k in ("weight", "bias")
        )
        width = self._weight.shape[-1]
        self._mean = np.full((width, 1), 1 / width, np.float32)
        self._eps = np.float32(norms[0].eps)

    def __call__(self, x: Array) -> Array:
        """(2, rows, d)"""
        off = x - x @ self._mean
        return off / np.sqrt((off * off) @ self._mean + self._eps) * self._weight + self._bias


class _Out:
    """The last projections of an attention in both branches."""

    def __init__(self, attentions: Sequence[ArrangedAttention]) -> None:
        self.weight = _stacked([a.out.weight for a in attentions])
        self.bias = _rows([a.out.bias for a in attentions])
        self.from_time = _stacked([a.from_time for a in attentions])


class _Look:
    """Attention of one query in both branches, without the bias of its last projection."""

    def __init__(self, attentions: Sequence[ArrangedAttention]) -> None:
        self._q = _stacked([a.q.weight for a in attentions])
        self._q_bias = _rows([a.q.bias for a in attentions])
        self._to_probe = _stacked([a.to_probe for a in attentions])
        self._from_mix = _stacked([a.from_mix for a in attentions])
        self.out = _Out(attentions)

    def __call__(self, query: Array, memory: Array) -> Array:
        """Query (2, 1, d), memory (2 or 1, W, d) -> (2, 1, d)"""
        heads, size = self._to_probe.shape[1:3]
        q = (query @ self._q + self._q_bias).reshape(2, heads, 1, size)
        probe = (q @ self._to_probe)[:, :, 0]
        mix = _softmax(probe @ memory.swapaxes(1, 2), 2) @ memory
        return (mix[:, :, None] @ self._from_mix).reshape(2, 1, -1) @ self.out.weight


class _Feed:
    """The end of a layer in both branches: a norm, feed-forward, a norm."""

    def __init__(self, layers: Sequence[ArrangedLayer]) -> None:
        parts: list[ArrangedFeedForward] = [layer.feed_forward for layer in layers]
        self._widen, self._floor = (
            _stacked([p.widen for p in parts]),
            _rows([p.floor for p in parts]),
        )
        self._narrow = _stacked([p.narrow.weight for p in parts])
        self._bias = _rows([p.narrow.bias for p in parts])
        self._before = _Norm([layer.plain.norm2 for layer in layers])
        self._after = _Norm([layer.plain.norm3 for layer in layers])

    def __call__(self, x: Array) -> Array:
        """(2, rows, d)"""
        x = self._before(x)
        hidden = np.maximum(x @ self._widen, self._floor)
        return self._after(x + hidden @ self._narrow + self._bias)


class _Content:
    """The encoder of the speech, and the content half of what comes first behind it."""

    def __init__(self, arranged: ArrangedDenoiser) -> None:
        encoder = arranged.net.content_encoder
        embed = encoder.increase_embed_dim
        self._embed = _array(embed.weight.T)
        self._start = _array(embed.bias + encoder.pos_embed.pos_table[0])
        self._layers = [
            _EncoderLayer(cast(EncoderLayer, layer)) for layer in encoder.encoder.layers
        ]
        fuse = cast(nn.Linear, arranged.net.content_xt_to_decoder_input_wo_time[0])
        self._fuse = _array(fuse.weight[:, : self._embed.shape[1]].T), _array(fuse.bias)

    def __call__(self, rows: Array) -> Array:
        """(W, feature_dim) -> (1, W, d)"""
        x = (rows @ self._embed + self._start)[None]
        for layer in self._layers:
            x = layer(x)
        weight, bias = self._fuse
        return np.asarray(x @ weight + bias)


class _EncoderLayer:
    """Self-attention and feed-forward, each with a norm behind."""

    def __init__(self, layer: EncoderLayer) -> None:
        attention = layer.self_attn
        self._heads = attention.heads
        weight, bias = attention.in_proj_weight.clone(), attention.in_proj_bias.clone()
        for values in (weight, bias):  # of the queries
            values[: attention.dim] *= (attention.dim // attention.heads) ** -0.5
        self._in = _array(weight.T), _array(bias)
        self._out, self._wide, self._narrow = (
            (_array(linear.weight.T), _array(linear.bias))
            for linear in (attention.out_proj, layer.linear1, layer.linear2)
        )
        self._norms = _Norm([layer.norm1]), _Norm([layer.norm2])

    def __call__(self, x: Array) -> Array:
        """(1, W, d)"""
        packed = (x[0] @ self._in[0] + self._in[1]).reshape(x.shape[1], 3, self._heads, -1)
        q, k, v = packed.transpose(1, 2, 0, 3)
        mixed = _softmax(q @ k.swapaxes(1, 2), 2) @ v
        x = self._norms[0](
            x + mixed.transpose(1, 0, 2).reshape(x.shape) @ self._out[0] + self._out[1]
        )
        hidden = np.maximum(x @ self._wide[0] + self._wide[1], 0)
        return self._norms[1](x + hidden @ self._narrow[0] + self._narrow[1])

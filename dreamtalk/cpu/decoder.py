"""The parts of the denoiser's decoders, arranged for sampling: see :mod:`.arranged`.

Matrices are (rows, width); F windows (one a frame) of W rows make F * W rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.transformer import Attention, Decoder, DecoderLayer


class Affine(NamedTuple):
    """``x @ weight + bias``; the weight is (in, out), as matrix products read it fastest."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.weight)

    def add_to(self, x: Tensor, y: Tensor) -> Tensor:
        """Add the result for ``y`` to ``x``, in place: the product itself does the sum."""
        return x.add_(self.bias).addmm_(y, self.weight)


def _affine(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Affine:
    return Affine(weight.T.contiguous().to(dtype), bias.to(dtype))


def affine_of(layer: nn.Linear) -> Affine:
    """A plain layer, arranged."""
    return _affine(layer.weight, layer.bias, layer.weight.dtype)


class ArrangedFeedForward:
    """``narrow(relu(widen(x)))``, added to x.

    What widens yields relu(a + bias) - bias = max(a, -bias), one pass over a plain product; the
    missing bias goes through what narrows, once and for all.
    """

    def __init__(self, widen: nn.Linear, narrow: nn.Linear) -> None:
        dtype = widen.weight.dtype
        self.widen, self.floor = widen.weight.T.contiguous(), -widen.bias
        bias = narrow.bias.float() + narrow.weight.float() @ widen.bias.float()
        self.narrow = _affine(narrow.weight, bias, dtype)

    def add_to(self, x: Tensor) -> Tensor:
        """In place."""
        hidden = x @ self.widen
        return self.narrow.add_to(x, torch.maximum(hidden, self.floor, out=hidden))


def _norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


class ArrangedAttention:
    """Attention of the rows of a window to the rows of its memory.

    The bias of the keys adds the same to all scores of a query and cancels in the softmax. What is
    added to all values comes out as it is, since the weights sum to 1: it joins the last bias.

    Args:
        before: a linear layer that the memory is yet to go through. It is merged into the
            projections of keys and values, and so is the time vector that is added behind it.
    """

    def __init__(self, attention: Attention, before: nn.Linear | None = None) -> None:
        self.dtype, self.heads = attention.in_proj_weight.dtype, attention.heads
        scale = (attention.dim // self.heads) ** -0.5
        self._q, self._k, self._v = attention.in_proj_weight.float().chunk(3)
        self._q_bias, _, v_bias = attention.in_proj_bias.float().chunk(3)
        self._q, self._q_bias = self._q * scale, self._q_bias * scale
        self.q_bias = self._q_bias.to(self.dtype)
        out, out_bias = attention.out_proj.weight.float(), attention.out_proj.bias.float()
        self.from_time = (out @ self._v).T.contiguous().to(self.dtype)
        if before is not None:
            v_bias = v_bias + self._v @ before.bias.float()
            self._k, self._v = self._k @ before.weight.float(), self._v @ before.weight.float()
        self.out = _affine(out, out_bias + out @ v_bias, self.dtype)

    @cached_property
    def q(self) -> Affine:
        """(d, d)"""
        return _affine(self._q, self._q_bias, self.dtype)

    @cached_property
    def v(self) -> Tensor:
        """(d, d)"""
        return self._v.T.contiguous().to(self.dtype)

    @cached_property
    def kv(self) -> Tensor:
        """(d, 2 d)"""
        return torch.cat([self._k, self._v]).T.contiguous().to(self.dtype)

    @cached_property
    def qkv(self) -> Tensor:
        """(d, 3 d); the queries' bias is yet to be added."""
        return torch.cat([self._q, self._k, self._v]).T.contiguous().to(self.dtype)

    @cached_property
    def to_probe(self) -> Tensor:
        """(h, e, d): the projection of the keys, moved to the queries' side."""
        return self._k.unflatten(0, (self.heads, -1)).to(self.dtype)

    @cached_property
    def from_mix(self) -> Tensor:
        """(h, d, e): the projection of the values, moved behind the weighted sum."""
        return self._v.unflatten(0, (self.heads, -1)).mT.contiguous().to(self.dtype)

    def at(self, time: Tensor) -> Affine:
        """The last projection at a time: (1, d) was added to all of the memory."""
        return self.out._replace(bias=torch.addmm(self.out.bias, time, self.from_time)[0])

    def probe(self, query: Tensor) -> Tensor:
        """(Q, d) -> (h, Q, d), whose products with memory rows are the scores."""
        return torch.bmm(self._split(self.q(query)), self.to_probe)

    def gather(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Queries, keys and values (F * h, W, e) -> (F * W, d), before the last projection."""
        # keys first: the softmax over a dimension that isn't the last one is the faster one
        weights = torch.bmm(k, q.mT).softmax(dim=1)
        return self._rows(torch.bmm(weights.mT, v))

    def gather_shared(self, scores: Tensor, v: Tensor, width: int) -> Tensor:
        """As ``gather``, for scores (F * W, h * W) with queries that all windows share."""
        weights = scores.view(-1, width, scores.shape[1]).softmax(dim=1)
        weights = weights.unflatten(2, (self.heads, width)).transpose(1, 2).flatten(0, 1)
        (v,) = self.windows(v, width)
        return self._rows(torch.bmm(weights.mT, v))

    def gather_one(self, query: Tensor, memory: Tensor) -> Tensor:
        """One query a window (F, d), memory (F, W, d) -> (F, d), before the last projection."""
        probe = self.probe(query).transpose(0, 1)
        weights = torch.bmm(probe, memory.mT).softmax(dim=-1)
        mix = torch.bmm(weights, memory).transpose(0, 1)
        return torch.bmm(mix, self.from_mix).transpose(0, 1).flatten(1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.heads, -1)).transpose(0, 1)

    def windows(self, x: Tensor, width: int) -> Tensor:
        """Projections (F * W, c * h * e) of c kinds -> (c, F * h, W, e), in one copy."""
        x = x.view(-1, width, x.shape[1] // len(self._q), self.heads, len(self._q) // self.heads)
        return x.permute(2, 0, 3, 1, 4).flatten(1, 2)

    def _rows(self, x: Tensor) -> Tensor:
        """(F * h, W, e) -> (F * W, d)"""
        return x.unflatten(0, (-1, self.heads)).transpose(1, 2).flatten(2).flatten(0, 1)


class SharedStyle(NamedTuple):
    """What the first layer knows of a style that is the same in all windows."""

    query: Tensor  # (W, d), after self-attention
    probe: Tensor  # (d, h * W)


Start = SharedStyle | torch.Tensor
"""Where a decoder starts from: a shared style, or the rows (F * W, d) of one style per frame."""


class ArrangedLayer:
    """One layer of a decoder; memories are yet to go through ``before``."""

    def __init__(self, layer: DecoderLayer, before: nn.Linear) -> None:
        self.plain = layer
        self.own = ArrangedAttention(layer.self_attn)
        self.cross = ArrangedAttention(layer.multihead_attn, before)
        self.feed_forward = ArrangedFeedForward(layer.linear1, layer.linear2)

    def share(self, start: Tensor) -> SharedStyle:
        """The part that depends on the style alone; start (W, d)."""
        x = start + self.plain.self_attn(start[None], start[None])[0]
        query = _norm(x, self.plain.norm1)
        return SharedStyle(query, self.cross.probe(query).flatten(0, 1).T.contiguous())

    def first(self, shared: SharedStyle, memory: Tensor, v: Tensor, time: Tensor) -> Tensor:
        """The layer from a shared style; memory and its values v (F * W, d) -> (F * W, d)."""
        width = len(shared.query)
        out = self.cross.at(time)
        mixed = self.cross.gather_shared(memory @ shared.probe, v, width)
        x = (shared.query + out.bias).repeat(len(memory) // width, 1)
        return self._feed_forward(x.addmm_(mixed, out.weight))

    def whole(self, x: Tensor, kv: Tensor, time: Tensor, width: int) -> Tensor:
        """The layer for all rows: x (F * W, d), keys and values of the memory (2, F * h, W, e)."""
        qkv = x @ self.own.qkv
        qkv[:, : x.shape[1]] += self.own.q_bias
        q, k, v = self.own.windows(qkv, width)
        x = self.own.out.add_to(x, self.own.gather(q, k, v))
        x = _norm(x, self.plain.norm1)
        (q,) = self.cross.windows(self.cross.q(x), width)
        x = self.cross.at(time).add_to(x, self.cross.gather(q, *kv))
        return self._feed_forward(x)

    def centre(self, x: Tensor, memory: Tensor, time: Tensor, width: int) -> Tensor:
        """The layer for the row in the middle of each window alone: -> (F, d)."""
        x, memory = x.unflatten(0, (-1, width)), memory.unflatten(0, (-1, width))
        own = x[:, width // 2].clone()
        own = self.own.out.add_to(own, self.own.gather_one(own, x))
        own = _norm(own, self.plain.norm1)
        own = self.cross.at(time).add_to(own, self.cross.gather_one(own, memory))
        return self._feed_forward(own)

    def _feed_forward(self, x: Tensor) -> Tensor:
        x = _norm(x, self.plain.norm2)
        return _norm(self.feed_forward.add_to(x), self.plain.norm3)


class Branch:
    """A decoder with its tail."""

    def __init__(self, decoder: Decoder, tail: nn.Module, before: nn.Linear) -> None:
        self.layers = [ArrangedLayer(cast(DecoderLayer, layer), before) for layer in decoder.layers]
        self.norm, self.tail = decoder.norm, tail

    def __call__(
        self, starts: Sequence[Start], memory: Tensor, time: Tensor, width: int
    ) -> list[Tensor]:
        """Coefficients (F, C') for each style; starts are shared or rows (F * W, d)."""
        first, *others = self.layers
        projected: dict[ArrangedLayer, Tensor] = {}  # keys and values, used by all styles
        results = []
        for start in starts:
            if isinstance(start, SharedStyle):
                x = first.first(start, memory, memory @ first.cross.v, time)
                between = others[:-1]
            else:
                x = start.repeat(len(memory) // len(start), 1)  # layers work in place
                between = self.layers[:-1]
            for layer in between:
                if layer not in projected:
                    kv = memory @ layer.cross.kv
                    projected[layer] = layer.cross.windows(kv, width)
                x = layer.whole(x, projected[layer], time, width)
            centre = self.layers[-1].centre(x, memory, time, width)
            results.append(self.tail(_norm(centre, self.norm)))
        return results

    def start(self, start: Tensor) -> Start:
        """From the style at each row of one window (W, d), or of all (N, W, d)."""
        if start.ndim == 2 and len(self.layers) > 1:
            return self.layers[0].share(start)
        return start.flatten(0, -2)

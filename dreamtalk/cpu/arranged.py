"""The denoiser arranged for sampling on a CPU: the same function in fewer, larger operations.

While sampling, weights, speech and style stay as they are from step to step; only the noisy
coefficients and the time change. What depends on the former alone is computed once here, and the
rest is arranged so that nearly all time goes into large matrix products. Training, and any other
device than a CPU, use the plain network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..networks.denoiser import Denoiser
from ..networks.transformer import time_sinusoid
from .decoder import Branch, Start, affine_of


class ArrangedDenoiser:
    """A copy of a denoiser's weights, arranged for sampling; a ``SamplingNetwork``.

    Args:
        denoiser: its weights must not change as long as this is used.
    """

    @torch.no_grad()
    def __init__(self, denoiser: Denoiser) -> None:
        self.net = net = denoiser.net
        self._encode_content = denoiser.encode_content
        fusion, decoder = net.content_xt_to_decoder_input_wo_time, net.decoder
        first, second, third = (cast(nn.Linear, fusion[i]) for i in (0, 2, 4))
        self.noisy = first.weight[:, denoiser.config.d_model :].T.contiguous()
        self.second = affine_of(second)
        self.branches = (
            Branch(decoder.upper_decoder, decoder.upper_tail_fc, third),
            Branch(decoder.lower_decoder, decoder.lower_tail_fc, third),
        )

    def encode_content(self, windows: Tensor) -> Tensor:
        """As the denoiser whose weights these are."""
        return self._encode_content(windows)

    @torch.no_grad()
    def prepare(self, style: Tensor) -> list[Start]:
        """A code (1, d), or (1, N, d) for one per frame -> where the two decoders start."""
        positions = self.net.decoder.pos_embed.pos_table[0]
        # one window, or one window a frame
        rows = positions + (style[0] if style.ndim == 2 else style[0][:, None])
        return [branch.start(rows) for branch in self.branches]

    def predict(self, x_t: Tensor, t: Tensor, content: Tensor, style: list[Start]) -> Tensor:
        """x_t (1, N, C), t (1,), content (1, N, W, d) -> the clean coefficients (1, N, C)."""
        return self._predict(x_t, t, content, [style])[0]

    def predict_both(
        self, x_t: Tensor, t: Tensor, content: Tensor, style: list[Start], other: list[Start]
    ) -> tuple[Tensor, Tensor]:
        """As ``predict`` for two styles."""
        first, second = self._predict(x_t, t, content, [style, other])
        return first, second

    @torch.no_grad()
    def _predict(
        self, x_t: Tensor, t: Tensor, content: Tensor, styles: Sequence[list[Start]]
    ) -> list[Tensor]:
        net, (_, frames, width, d) = self.net, content.shape
        memory = (content[0] + (x_t[0] @ self.noisy)[:, None]).relu_().view(frames * width, d)
        memory = self.second(memory).relu_()
        time = net.time_embed_net(time_sinusoid(t, d).to(x_t.dtype))
        upper, lower = (
            branch(starts, memory, time, width)
            for branch, starts in zip(self.branches, zip(*styles, strict=True), strict=True)
        )
        both = (torch.cat(halves, dim=1) for halves in zip(upper, lower, strict=True))
        return [x[None, :, net.decoder.order] for x in both]

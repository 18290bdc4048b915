"""Classifier-free guidance over the style (DreamTalk, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..networks.denoiser import Denoiser
from .samplers import Denoise


def guided(
    denoiser: Denoiser,
    content: Tensor,
    style: Tensor,
    null_style: Tensor | None = None,
    scale: float | Tensor = 1.0,
) -> Denoise:
    """A denoise function: ``null + scale * (styled - null)``.

    At scale 1 the null half cancels and at scale 0 the styled one, so it is not computed.

    Args:
        content: (1, N, W, d) content codes.
        style: (1, d) code, or (1, N, d) for one per frame.
        null_style: (1, d); computed here if not given.
        scale: strength of the style, or (N,) one per frame.

    Returns:
        ``denoise(x_t (1, N, C), t (1,)) -> x_0 (1, N, C)``
    """
    if not isinstance(scale, Tensor) and scale == 1.0:
        return lambda x, t: denoiser.predict(x, t, content, style)
    null = denoiser.encode_null_style() if null_style is None else null_style
    if not isinstance(scale, Tensor) and scale == 0.0:
        return lambda x, t: denoiser.predict(x, t, content, null)
    if style.ndim == 3:
        null = null[:, None].expand(-1, style.shape[1], -1)
    both = torch.cat([style, null])
    strength = scale.to(content)[:, None] if isinstance(scale, Tensor) else scale

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        styled, neutral = denoiser.predict(x, t, content, both).chunk(2)
        return neutral + strength * (styled - neutral)

    return denoise

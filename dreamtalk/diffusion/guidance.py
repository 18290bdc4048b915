"""Classifier-free guidance over the style (DreamTalk, section 3.3)."""

from __future__ import annotations

from torch import Tensor

from ..cpu.denoiser import SamplingNetwork
from .samplers import Denoise


def guided(
    network: SamplingNetwork,
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
    one = not isinstance(scale, Tensor) and float(scale) == 1.0
    if null_style is None and not one:
        null_style = network.denoiser.encode_null_style()
    if null_style is None or one:
        only_styled = network.predictor(content, [style])
        return lambda x, t: only_styled(x, t)[0]
    if not isinstance(scale, Tensor) and float(scale) == 0.0:
        only_null = network.predictor(content, [null_style])
        return lambda x, t: only_null(x, t)[0]
    both = network.predictor(content, [style, null_style])
    strength = scale.to(content)[:, None] if isinstance(scale, Tensor) else scale

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        styled, neutral = both(x, t)
        return neutral + strength * (styled - neutral)

    return denoise

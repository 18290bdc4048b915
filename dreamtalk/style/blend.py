"""A style between styles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..curves.length import hold_last
from ..errors import DreamTalkError, SpaceMismatchError
from ..options import OPTIONS, checked
from .style import Style


def blend_styles(styles: Sequence[Style], weights: Sequence[float]) -> Style:
    """The weighted mean of style codes and of their intensities.

    Style codes of one encoder may be interpolated (StyleTalk, section 4.4; DreamTalk, section 4.6).
    Of styles that change over time the longest sets the length; the others hold their last code.

    Args:
        styles: of one checkpoint.
        weights: one for each; only their proportions count.

    Raises:
        DreamTalkError: if there are no styles, or the weights are negative or all 0.
        SpaceMismatchError: if the styles belong to different checkpoints.
    """
    if not styles or len(styles) != len(weights):
        raise DreamTalkError(f"{len(weights)} weights were given for {len(styles)} styles")
    for weight in weights:
        checked(weight=weight)
    total = float(sum(weights))
    if total <= 0:
        raise DreamTalkError(f"the weights {list(weights)} are only zeros: give one that is not")
    models = {style.model for style in styles}
    if len(models) > 1:
        raise SpaceMismatchError(
            f"styles of different checkpoints ({', '.join(sorted(models))}) can't be blended: make "
            "both with the same checkpoint"
        )
    shares = [w / total for w in weights]
    lengths = [len(style.code) for style in styles if style.code.ndim == 2]
    codes = [_over_time(style.code, max(lengths)) if lengths else style.code for style in styles]
    code = sum(share * code for share, code in zip(shares, codes, strict=True))
    tracks = [style.intensity for style in styles if isinstance(style.intensity, Tensor)]
    length = max((len(track) for track in tracks), default=0)
    intensity: float | Tensor = 0.0
    for share, style in zip(shares, styles, strict=True):
        own = style.intensity
        intensity = intensity + share * (hold_last(own, length) if isinstance(own, Tensor) else own)
    most = OPTIONS["intensity"].high or 0.0  # a mean, but for rounding
    bounded = intensity.clamp(max=most) if isinstance(intensity, Tensor) else min(intensity, most)
    name = " + ".join(style.name for style in styles if style.name)
    return Style(torch.as_tensor(code), styles[0].model, bounded, name)


def parse_weights(text: str, count: int) -> list[float]:
    """Weights from text like ``0.5 2``; those that are missing are 1.

    Args:
        text: numbers with spaces, commas or semicolons between them.
        count: how many weights are wanted.

    Raises:
        DreamTalkError: if a word is no number, or there are too many.
    """
    if not isinstance(text, str):
        raise DreamTalkError(f"weights of further styles are a text like 0.5 2, not {text!r:.40}")
    words = text.replace(",", " ").replace(";", " ").split()
    if len(words) > count:
        raise DreamTalkError(f"{len(words)} further weights were given for {count} further styles")
    try:
        given = [float(word) for word in words]
    except ValueError:
        raise DreamTalkError(
            f"can't read the weights '{text[:40]}': write numbers, for example 0.5 2"
        ) from None
    return given + [1.0] * (count - len(given))


def _over_time(code: Tensor, frames: int) -> Tensor:
    return code.expand(frames, -1) if code.ndim == 1 else hold_last(code, frames)

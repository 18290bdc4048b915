"""Classifier-free guidance (Ho and Salimans 2022), over the style in DreamTalk (section 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor

from .samplers import Denoise

Condition = TypeVar("Condition")


def guided(
    denoise: Callable[[Tensor, Tensor, Condition], Tensor],
    condition: Condition,
    null: Condition | None = None,
    scale: float | Tensor = 1.0,
    both: Callable[[Tensor, Tensor, Condition, Condition], tuple[Tensor, Tensor]] | None = None,
) -> Denoise:
    """A denoise function: ``null + scale * (conditioned - null)``.

    At scale 1 the null half cancels and at scale 0 the other one, so it is not computed.

    Args:
        denoise: ``denoise(x_t, t, condition) -> x_0``.
        condition: what to follow; of any type that ``denoise`` takes.
        null: the condition that stands for none; not needed at scale 1.
        scale: strength of the condition, or a tensor that broadcasts against x_0.
        both: ``both(x_t, t, condition, null) -> (x_0, x_0)``, where a network shares work between
            the two; otherwise ``denoise`` is called twice.

    Raises:
        ValueError: if the null condition is needed and missing.
    """
    if not isinstance(scale, Tensor) and scale == 1.0:
        return lambda x, t: denoise(x, t, condition)
    if null is None:
        raise ValueError(f"guidance with a scale of {scale} needs a null condition")
    if not isinstance(scale, Tensor) and scale == 0.0:
        return lambda x, t: denoise(x, t, null)

    def mixed(x: Tensor, t: Tensor) -> Tensor:
        if both is None:
            found, neutral = denoise(x, t, condition), denoise(x, t, null)
        else:
            found, neutral = both(x, t, condition, null)
        strength = scale.to(found) if isinstance(scale, Tensor) else scale
        return neutral + strength * (found - neutral)

    return mixed

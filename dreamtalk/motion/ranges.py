"""Edits that hold for a part of a motion, and fade in and out at its ends."""

from __future__ import annotations

import torch
from torch import Tensor

from ..curves.easing import smoothstep
from ..errors import MotionError
from ..options import checked, default
from .motion import Motion


def range_weights(
    motion: Motion,
    start: float = default("edit.range_start"),
    end: float = default("edit.range_end"),
    ease: float = default("edit.ease"),
) -> Tensor:
    """How much of an edit holds in each frame: 1 within, 0 without, a smoothstep between.

    Both ends fade within the range, each for at most half of it. An end that is the motion's own
    has nothing to fade to: there the edit holds in full.

    Args:
        start, end: s; an end of 0 is the motion's.
        ease: s that coming and going take.

    Returns:
        (T,) float32.

    Raises:
        MotionError: if the range is empty, begins behind the motion's end, or a time is out of its
            range.
    """
    times = {"edit.range_start": start, "edit.range_end": end, "edit.ease": ease}
    checked(MotionError, **times)
    stop = end or max(motion.duration, start)
    if start >= stop or (start and start >= motion.duration):
        raise MotionError(
            f"a range from {start:g} to {stop:g} s holds nothing of {motion.duration:.2f} s: "
            "give a later end or an earlier start"
        )
    at = torch.arange(len(motion), dtype=torch.float64) / motion.fps
    reach = min(ease, (stop - start) / 2)
    weights = ((at >= start) & (at < stop)).double()
    # a time so short that adding it changes nothing is none to fade in
    if start + reach > start > 0:
        weights *= smoothstep(start, start + reach, at)
    if stop - reach < stop < motion.duration:
        weights *= smoothstep(stop, stop - reach, at)
    return weights.float()


def within_range(
    before: Motion,
    after: Motion,
    start: float = default("edit.range_start"),
    end: float = default("edit.range_end"),
    ease: float = default("edit.ease"),
) -> Motion:
    """A motion that is the edited one in a range and the original, bit for bit, outside of it.

    Args:
        before, after: of the same space, rate and length.
        start, end, ease: see :func:`range_weights`.

    Raises:
        MotionError: as :func:`range_weights`, or if the edit changed space, rate or length.
    """
    kinds = [(m.space, m.fps, len(m), m.pose is None) for m in (before, after)]
    if kinds[0] != kinds[1]:
        raise MotionError(
            "only gains, offsets and smoothing can be limited to a range: what changes the length "
            "holds for all of the motion"
        )
    weights = range_weights(before, start, end, ease)[:, None]

    def mixed(a: Tensor, b: Tensor) -> Tensor:
        share = weights.to(a)
        part = torch.where(share < 1, a + share * (b - a), b)
        return torch.where(share > 0, part, a)

    return before.with_(
        expression=mixed(before.expression, after.expression),
        head=mixed(before.head, after.head),
        pose=None if before.pose is None else mixed(before.pose, after.pose),  # type: ignore[arg-type]
    )

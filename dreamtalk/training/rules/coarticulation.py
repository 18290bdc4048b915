"""Phones -> smooth tracks, by dominance functions (Cohen and Massaro 1993) and closures on top.

Every phone pulls the tracks towards its target with a dominance that falls off exponentially
outside the phone; the track is the weighted mean. That rounds everything off, so what must be
reached whatever surrounds it (lips shut for p, b, m; the lower lip under the teeth for f, v) is
laid over the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..corpus.phones import BILABIALS, LABIODENTALS, Segment
from .visemes import TRACKS, Viseme, targets_and_dominances, viseme_sequence

Array = npt.NDArray[np.float64]
Units = list[tuple[Viseme, Segment]]

_BEFORE = np.array([0.055, 0.080, 0.080, 0.055])
"""Seconds over which dominance falls by e ahead of a phone, per track: rounding is anticipated."""
_AFTER = np.array([0.045, 0.060, 0.060, 0.065])
_NARROWEST = 0.015
"""IOD, aperture that rounding leaves."""
_EDGE = 0.045
"""Seconds that the lips take to close or open again."""
_MIN_SHUT = 0.056
"""Seconds that a closure lasts at least: longer than a frame, so that no frame grid misses it."""


@dataclass(frozen=True)
class Articulation:
    """Tracks over time, (T,) each, in IOD (``closure`` and ``tuck`` are 0..1)."""

    aperture: Array
    width: Array
    protrusion: Array
    jaw: Array
    closure: Array
    tuck: Array


def articulate(
    segments: tuple[Segment, ...], times: Array, gains: Array | None = None
) -> Articulation:
    """Tracks at the given times.

    Args:
        segments: phones in time order.
        times: (T,) seconds.
        gains: (len(segments),) factor on aperture and jaw of each phone, for loudness and stress.

    Returns:
        The tracks before any speaking style; the aperture already holds the closures.
    """
    units = viseme_sequence(segments)
    targets, _ = targets_and_dominances([v for v, _ in units])
    if gains is not None:
        factor = unit_gains(segments, units, gains)
        targets = targets * np.stack(
            [factor, np.ones_like(factor), np.ones_like(factor), factor], 1
        )
    tracks = np.stack(
        [track_weights(units, times, c) @ targets[:, c] for c in range(len(TRACKS))], 1
    )
    closure = lip_closures(segments, times)
    # targets below 0 are virtual ones: only p, b, m and rest shut the lips
    speaking = track_weights(units, times, 0) @ np.array([s.phone != "sil" for _, s in units])
    tuck = _closures([s for s in segments if s.phone in LABIODENTALS], times, shut=False)
    aperture = (1 - closure) * np.maximum(tracks[:, 0], _NARROWEST * speaking)
    return Articulation(aperture, tracks[:, 1], tracks[:, 2], tracks[:, 3], closure, tuck)


def unit_gains(segments: tuple[Segment, ...], units: Units, gains: Array) -> Array:
    """The gain of the phone that each viseme belongs to: (len(units),)."""
    starts = np.array([s.start for s in segments])
    order = [int(np.searchsorted(starts, u.start + 1e-6)) - 1 for _, u in units]
    factors: Array = gains[np.maximum(order, 0)]
    return factors


def track_weights(units: Units, times: Array, track: int) -> Array:
    """How much each viseme has of a track at each time: (T, len(units)), rows sum to 1."""
    _, holds = targets_and_dominances([v for v, _ in units])
    start = np.array([s.start for _, s in units])
    end = np.array([s.end for _, s in units])
    length = end - start
    core_start, core_end = start + 0.2 * length, end - 0.2 * length
    # short pauses inside a sentence don't shut the mouth
    silent = np.array([s.phone == "sil" for _, s in units])
    hold = np.where(silent & (length < 0.15), holds[:, track] * 0.35, holds[:, track])
    early = np.maximum(core_start[None] - times[:, None], 0)
    late = np.maximum(times[:, None] - core_end[None], 0)
    weight = hold * np.exp(-early / _BEFORE[track] - late / _AFTER[track]) + 1e-12
    shares: Array = weight / weight.sum(1, keepdims=True)
    return shares


def lip_closures(segments: tuple[Segment, ...], times: Array) -> Array:
    """How far the lips are shut for p, b, m: (T,) in 0..1."""
    return _closures([s for s in segments if s.phone in BILABIALS], times, shut=True)


def _closures(segments: list[Segment], times: Array, shut: bool) -> Array:
    """Raised-cosine pulses, flat over each phone, joined by their maximum: (T,) in 0..1."""
    total = np.zeros(len(times))
    for s in segments:
        begin, end = s.start, s.end
        if shut and s.phone != "M":  # stops are released before their label ends
            end -= 0.25 * (s.end - s.start)
        lack = _MIN_SHUT - (end - begin)
        if shut and lack > 0:
            begin, end = begin - lack / 2, end + lack / 2
        first, last = np.searchsorted(times, (begin - _EDGE, end + _EDGE))
        near = times[first:last]
        outside = np.maximum(np.maximum(begin - near, near - end), 0) / _EDGE
        pulse = 0.5 + 0.5 * np.cos(np.pi * np.minimum(outside, 1))
        total[first:last] = np.maximum(total[first:last], pulse)
    return total

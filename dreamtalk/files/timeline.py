"""Times in a media file: every stream on the container's own time line, in rational numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

LONGEST_GAP = 600
"""s. A longer jump of the time stamps is taken for a fault of the clock, not for a pause."""
MOST_ADDED = 3600
"""s that jumps may add to a file in all: what a few bytes claim must not cost hours of memory."""

DROP_FRAME_RATES = tuple(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120))
"""Frames a second of NTSC video, which people write as 23.976, 29.97 and so on."""


def start_of(container: av.container.InputContainer) -> Fraction:
    """Where a container's time line begins, in s: at the first of its sound and pictures.

    A stream that begins later begins later for the viewer too.
    """
    starts = [
        stream.start_time * stream.time_base
        for stream in (*container.streams.video, *container.streams.audio)
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=Fraction(0))


def exact_rate(fps: float | Fraction) -> Fraction:
    """Frames a second as a rational number; 29.97 and its kind mean 30000/1001."""
    rate = Fraction(fps).limit_denominator(1001)
    nearest = min(DROP_FRAME_RATES, key=lambda known: abs(known - rate))
    return nearest if abs(nearest - rate) < nearest / 50_000 else rate


class Clock:
    """Turns time stamps into times that rise, whatever the stamps do.

    Stamps that run backwards (joined files, a clock that wrapped), are missing, or jump further
    than :data:`LONGEST_GAP` start the clock anew: what comes then follows what was before.

    Args:
        start: the stamp that is time 0, s.
    """

    def __init__(self, start: Fraction = Fraction(0)) -> None:
        self._shift = -start
        self._added = Fraction(0)
        self.restarts = 0

    def place(self, stamp: Fraction | None, expected: Fraction, backwards: Fraction) -> Fraction:
        """When something is to be heard or seen.

        Args:
            stamp: what the file says, s; None if it says nothing.
            expected: when it is to be if it follows what was before without a gap, s.
            backwards: s that a stamp may be earlier than expected before that is a fault.

        Returns:
            The time by its stamp, or ``expected`` where the stamp can't be right.
        """
        if stamp is None:
            return expected
        time = stamp + self._shift
        gap = time - expected
        added = self._added + max(gap, Fraction(0))
        if -backwards <= gap <= LONGEST_GAP and added <= MOST_ADDED:
            self._added = added
            return time
        self.restarts += 1
        self._shift += expected - time
        return expected

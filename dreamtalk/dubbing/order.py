"""Which picture of the film each picture of the result shows: cut, held, or to and fro."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from ..errors import DreamTalkError
from ..options import checked


@dataclass(frozen=True)
class Run:
    """Pictures that follow each other in the result and in the film.

    Attributes:
        first: number of the first in the result.
        start: number of the first in the film.
        count: how many.
        step: 1 forwards, -1 backwards, 0 the same one again and again.
    """

    first: int
    start: int
    count: int
    step: int

    def film(self, index: int) -> int:
        """The number in the film of one of them."""
        return self.start + index * self.step


def result_length(film: int, seconds: float, rate: Fraction, fit: str) -> int:
    """How many pictures the result has.

    Args:
        film: pictures of the film.
        seconds: of the speech.
        rate: pictures a second.
        fit: ``cut``: as long as the shorter one. ``hold``: as long as the longer one; the last
            picture stays, or the lips rest. ``loop``: as long as the speech; a shorter film runs to
            and fro.
    """
    checked(fit=fit)
    spoken = max(1, math.floor(Fraction(seconds) * rate + Fraction(1, 2)))
    return {"cut": min(film, spoken), "hold": max(film, spoken), "loop": spoken}[fit]


def runs(film: int, length: int, fit: str) -> Iterator[Run]:
    """The result as runs through a film.

    Args:
        film: pictures that it has.
        length: pictures of the result.
        fit: ``"loop"`` goes back and forth where the film is too short; else its last one stays.

    Raises:
        DreamTalkError: if the film has no pictures.
    """
    if film < 1:
        raise DreamTalkError("there are no pictures in the film")
    yield Run(0, 0, min(film, length), 1)
    done = film
    forwards = False
    while done < length:
        if fit != "loop" or film == 1:
            yield Run(done, film - 1, length - done, 0)
            return
        # the picture at which it turns is not shown twice
        count = min(film - 1, length - done)
        yield Run(done, 1 if forwards else film - 2, count, 1 if forwards else -1)
        done += count
        forwards = not forwards


def pieces(run: Run, shots: tuple[tuple[int, int], ...], most: int) -> Iterator[tuple[int, Run]]:
    """A run in pieces of at most ``most`` pictures, each within one shot.

    Yields:
        The number of the shot, and the piece.
    """
    at = 0
    while at < run.count:
        number = run.film(at)
        shot = next(i for i, (first, end) in enumerate(shots) if first <= number < end)
        first, end = shots[shot]
        left = {1: end - number, -1: number - first + 1, 0: run.count - at}[run.step]
        count = min(most, run.count - at, left)
        yield shot, Run(run.first + at, number, count, run.step)
        at += count

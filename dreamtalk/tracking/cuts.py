"""Cuts in a video: where one picture has nothing to do with the one before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

_SIDE = 12
_CHANGE = 0.05  # mean difference of two pictures' greys, 0..1; people who talk make below 0.02
_ABOVE_USUAL = 5.0  # times what changes in the frames around
_AROUND = 8  # frames on each side

Thumbnail = npt.NDArray[np.uint8]
Picture = npt.NDArray[np.uint8]


def thumbnail(picture: npt.NDArray[np.uint8]) -> Thumbnail:
    """What is kept of a picture (H, W, 3) uint8 to compare it with others: (144,) greys."""
    small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).reshape(-1)


def find_cuts(thumbnails: Sequence[Thumbnail], faces: npt.NDArray[np.bool_]) -> list[int]:
    """The frames with which a new shot begins, the first frame of all not counted.

    A moment without a face after which the same picture goes on (a flash, a black frame, a hand
    before the camera) is no shot of its own.

    Args:
        thumbnails: of all frames.
        faces: (T,) in which of them the face was found.
    """
    if len(thumbnails) < 2:
        return []
    greys = np.stack(thumbnails)
    change = np.array([_difference(a, b) for a, b in pairwise(greys)])
    cuts = [
        at + 1
        for at in np.flatnonzero(change > _CHANGE)
        if change[at] > _ABOVE_USUAL * _usual(change, int(at))
    ]
    kept: list[int] = []
    for cut in cuts:
        if kept and not faces[kept[-1] : cut].any():
            before = greys[kept[-1] - 1]
            if _difference(before, greys[cut]) < _CHANGE:
                kept.pop()
                continue
        kept.append(int(cut))
    return kept


def marked_cuts(
    pictures: Iterable[tuple[float, Picture]],
) -> Iterator[tuple[float, Picture, bool]]:
    """The same pictures, and whether a new shot may begin with each, as :func:`find_cuts` sees it
    before it knows of faces. A few pictures are held back, as many as that takes.

    Args:
        pictures: times and (H, W, 3) uint8.
    """
    waiting: deque[tuple[float, Picture]] = deque()
    changes: list[float] = []  # of each picture against the one before
    last: Thumbnail | None = None
    given = 0

    def begins(at: int) -> bool:
        known = np.array(changes[1:])
        return at > 0 and bool(
            known[at - 1] > _CHANGE and known[at - 1] > _ABOVE_USUAL * _usual(known, at - 1)
        )

    for time, picture in pictures:
        small = thumbnail(picture)
        changes.append(0.0 if last is None else _difference(last, small))
        last = small
        waiting.append((time, picture))
        if len(waiting) > _AROUND:
            yield (*waiting.popleft(), begins(given))
            given += 1
            if given > 2 * _AROUND:  # what lies further back is of no use
                del changes[0]
                given -= 1
    while waiting:
        yield (*waiting.popleft(), begins(given))
        given += 1


def _difference(a: Thumbnail, b: Thumbnail) -> float:
    return float(np.abs(a.astype(np.int16) - b).mean() / 255)


def _usual(change: npt.NDArray[np.float64], at: int) -> float:
    """How much changes from frame to frame around one of them."""
    around = np.r_[change[max(0, at - _AROUND) : at], change[at + 1 : at + 1 + _AROUND]]
    return float(np.median(around)) if len(around) else 0.0

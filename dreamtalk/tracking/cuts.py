"""Cuts in a video: where one picture has nothing to do with the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

_SIDE = 12
_CHANGE = 0.05  # mean difference of two pictures' greys, 0..1; people who talk make below 0.02
_ABOVE_USUAL = 5.0  # times what changes in the frames around
_AROUND = 8  # frames on each side

Thumbnail = npt.NDArray[np.uint8]


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


def _difference(a: Thumbnail, b: Thumbnail) -> float:
    return float(np.abs(a.astype(np.int16) - b).mean() / 255)


def _usual(change: npt.NDArray[np.float64], at: int) -> float:
    """How much changes from frame to frame around one of them."""
    around = np.r_[change[max(0, at - _AROUND) : at], change[at + 1 : at + 1 + _AROUND]]
    return float(np.median(around)) if len(around) else 0.0

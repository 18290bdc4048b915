"""What one frame shows between the lips: how far they look parted, and how much teeth there are.

Landmarks alone don't tell: a mouth that whistles or smiles is seen closed by them at times.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from . import topology as t

Array = npt.NDArray[np.float32]

TOOTH = 0.55
"""The lightest of a tooth is at least this share of the skin's lightness, after its own saturation
is taken off: a lit tongue has 0.43, lips 0.35."""
_ROWS = 32  # samples from the upper lip's outer contour to the lower one's
_MIDDLE = slice(2, 7)  # of the nine columns across the mouth
_INNER = slice(7, 25)  # rows between the middles of the lips
_DARK = 0.62  # of the lips' lightness: below is no lip
_CHEEKS = (205, 425, 50, 280)
_UPPER, _LOWER = list(t.UPPER_RINGS[3]), list(t.LOWER_RINGS[3])


@dataclass(frozen=True)
class MouthLook:
    """Lengths in inter-ocular distances.

    Attributes:
        parted: mean height of what is no lip between the lips, in the middle of the mouth.
        teeth: mean height of teeth over the mouth's width.
    """

    parted: float
    teeth: float


def look_at_mouth(picture: npt.NDArray[np.uint8], marks: Array) -> MouthLook:
    """Measure a mouth.

    Args:
        picture: (H, W, 3).
        marks: (478, 3) px.
    """
    points = marks[:, :2].astype(np.float32)
    iod = float(np.linalg.norm(marks[t.EYE_OUTER_LEFT] - marks[t.EYE_OUTER_RIGHT]))
    along = np.linspace(0, 1, _ROWS, dtype=np.float32)[:, None, None]
    lines = points[_UPPER] + along * (points[_LOWER] - points[_UPPER])  # (rows, columns, 2)
    values = _colours(picture, lines)
    height = np.linalg.norm(points[_LOWER] - points[_UPPER], axis=1) / iod / _ROWS
    skin = float(_colours(picture, points[None, list(_CHEEKS)]).mean())
    light = values.mean(-1)
    lip = np.median(np.concatenate([light[2:7], light[-7:-2]]), axis=0)
    tooth = toothness(values) > TOOTH * skin
    gap = (light < _DARK * lip) | tooth
    parted = (gap[_INNER].sum(0) * height)[_MIDDLE].mean()
    return MouthLook(float(parted), float((tooth[_INNER].sum(0) * height).mean()))


def toothness(pixels: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Lightness of pixels (..., 3) less what saturation they have: teeth are light and pale."""
    high, low = pixels.max(-1), pixels.min(-1)
    return pixels.mean(-1) * (1 - 0.9 * (high - low) / np.maximum(high, 1e-3))


def lower_face_sharpness(picture: npt.NDArray[np.uint8], marks: Array) -> float:
    """Variance of the Laplacian over the lower face; 0 where it is not in the picture.

    Args:
        picture: (H, W, 3).
        marks: (478, 3) px.
    """
    low, high = (f(marks[[*t.LIPS, t.CHIN], :2], axis=0) for f in (np.min, np.max))
    left, top = np.maximum(low, 0).astype(int)
    right, bottom = np.maximum(high, 0).astype(int) + 1
    part = picture[top:bottom, left:right]
    if min(part.shape[:2]) < 3:
        return 0.0
    return float(cv2.Laplacian(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def _colours(picture: npt.NDArray[np.uint8], at: Array) -> Array:
    """(h, w, 3) in 0..1 at places (h, w, 2)."""
    found = cv2.remap(
        picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return (found / 255).astype(np.float32)

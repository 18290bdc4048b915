"""Squares of a picture that a network looks at, and the way back from them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..topology import EYE_OUTER_LEFT, EYE_OUTER_RIGHT

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

FACE_MARGIN = 1.5
"""Side of the square that the mesh network looks at, in sizes of the face's box."""
_BITS = 5
_UNIT = 1 << _BITS  # of a px: how finely OpenCV tells places apart
_SPARE = 9  # bits that are kept until the end
_HALF = 1 << (_SPARE - 1)


@dataclass(frozen=True)
class Square:
    """A turned square in a picture.

    Attributes:
        x, y: px, its centre.
        side: px.
        angle: radians, clockwise as seen, by which its upper edge is turned.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """(2, 3): from the square, 0..1 a side, to px of the picture."""
        cos, sin = self.side * np.cos(self.angle), self.side * np.sin(self.angle)
        return np.array(
            [
                [cos, -sin, self.x - (cos - sin) / 2],
                [sin, cos, self.y - (sin + cos) / 2],
            ]
        )


def whole(picture: Picture) -> Square:
    """The square around a picture (H, W, 3): what the detector is shown of it."""
    height, width = picture.shape[:2]
    return Square(width / 2, height / 2, max(height, width))


def around_box(box: Array, eyes: Array) -> Square:
    """The square around a face that was detected.

    Args:
        box: (4,) left, top, right, bottom in px.
        eyes: (2, 2) px, the subject's right eye and the left one: they are level in the square.
    """
    (left, top, right, bottom), (dx, dy) = box, eyes[1] - eyes[0]
    side = FACE_MARGIN * max(right - left, bottom - top)
    return Square(
        float(left + right) / 2, float(top + bottom) / 2, float(side), float(np.arctan2(dy, dx))
    )


def around_landmarks(landmarks: Array) -> Square:
    """The square around a face whose landmarks (478, 3) px are known, of an earlier frame say."""
    points = landmarks[:, :2]
    corners = np.concatenate([points.min(axis=0), points.max(axis=0)])
    return around_box(corners, points[[EYE_OUTER_RIGHT, EYE_OUTER_LEFT]])


def cut(picture: Picture, square: Square, side: int, border: int) -> Picture:
    """A square of a picture at another size, (side, side, 3) uint8, bilinearly.

    Args:
        picture: (H, W, 3) uint8.
        square: which part.
        side: px of the result.
        border: what is outside of the picture: ``cv2.BORDER_CONSTANT`` (black) or
            ``cv2.BORDER_REPLICATE``.
    """
    # Places are rounded to 1/32 px, as OpenCV's warps do it in version 4 and MediaPipe's. Version 5
    # does not round, which moves landmarks by 0.01 px.
    matrix = square.matrix * (_UNIT << _SPARE)
    matrix[:, :2] /= side
    pixels = np.empty((side, side, 2), np.int16)
    parts = np.zeros((side, side), np.uint16)
    along = np.arange(side)
    for axis, (per_column, per_row, start) in enumerate(matrix):
        rows = np.rint(along * per_row + start + _HALF).astype(np.int32)
        places = rows[:, None] + np.rint(along * per_column).astype(np.int32)
        places >>= _SPARE
        parts |= ((places & (_UNIT - 1)) << (_BITS * axis)).astype(np.uint16)
        places >>= _BITS
        pixels[..., axis] = places
    crop = cv2.remap(picture, pixels, parts, cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(crop, dtype=np.uint8)


def to_picture(points: Array, square: Square) -> Array:
    """Points of a square -> the picture.

    Args:
        points: (K, 2 or 3) x, y in 0..1 of the square's side, z in its sides.

    Returns:
        (K, 2 or 3) float32 px.
    """
    matrix = square.matrix
    flat = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([flat, points[:, 2:] * square.side], axis=1).astype(np.float32)

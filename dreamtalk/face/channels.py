"""The ``face`` space as arithmetic on landmarks: pose-normalised points -> 31 channels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..motion.spaces import FACE_CHANNELS

Array = npt.NDArray[np.float64]

STABLE: tuple[int, ...] = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 122, 351, 193, 417)
"""Eye corners and nose: the points that expression moves least."""

APERTURE_PAIRS: tuple[tuple[int, int], ...] = ((13, 14), (82, 87), (312, 317))

# channel -> (axis, landmarks, sign); the mean coordinate of the landmarks
_POSITIONS: dict[str, tuple[int, tuple[int, ...], float]] = {
    "lipUpperY": (1, (37, 0, 267), 1),
    "lipUpperInnerY": (1, (13,), 1),
    "lipLowerY": (1, (84, 17, 314), 1),
    "lipUpperZ": (2, (37, 0, 267), 1),
    "lipLowerZ": (2, (84, 17, 314), 1),
    "lipX": (0, (0, 17, 61, 291), 1),
    "mouthCornerLeftY": (1, (291,), 1),
    "mouthCornerRightY": (1, (61,), 1),
    "chinY": (1, (152,), 1),
    "jawX": (0, (152,), 1),
    "browInnerLeftY": (1, (336, 285), 1),
    "browInnerRightY": (1, (107, 55), 1),
    "browOuterLeftY": (1, (300, 276), 1),
    "browOuterRightY": (1, (70, 46), 1),
    "browFurrowLeftX": (0, (285,), 1),
    "browFurrowRightX": (0, (55,), -1),
    "cheekLeftY": (1, (425, 280), 1),
    "cheekRightY": (1, (205, 50), 1),
    "noseWingLeftY": (1, (358, 278), 1),
    "noseWingRightY": (1, (129, 48), 1),
}

# channel -> (axis, landmark, the two eye corners whose mean it is measured from)
_FROM_EYE_CORNERS: dict[str, tuple[int, int, tuple[int, int]]] = {
    "lidUpperLeftY": (1, 386, (362, 263)),
    "lidUpperRightY": (1, 159, (33, 133)),
    "lidLowerLeftY": (1, 374, (362, 263)),
    "lidLowerRightY": (1, 145, (33, 133)),
    "gazeLeftX": (0, 473, (362, 263)),
    "gazeLeftY": (1, 473, (362, 263)),
    "gazeRightX": (0, 468, (33, 133)),
    "gazeRightY": (1, 468, (33, 133)),
}


def _distance(points: Array, a: int, b: int) -> Array:
    return np.linalg.norm(points[..., a, :2] - points[..., b, :2], axis=-1)


def measure_channels(points: Array) -> Array:
    """Absolute channel values of pose-normalised landmarks.

    Distances are measured in the frontal plane (x, y). The others are linear in the points.

    Args:
        points: (..., 478, 3) in IOD units in the face frame (x to the subject's left, y up, z out).

    Returns:
        (..., 31) in IOD units, in the order of ``FACE_CHANNELS``.
    """
    values: dict[str, Array] = {
        "lipAperture": np.mean([_distance(points, a, b) for a, b in APERTURE_PAIRS], axis=0),
        "mouthWidth": _distance(points, 61, 291),
        "mouthInnerWidth": _distance(points, 78, 308),
    }
    for name, (axis, marks, sign) in _POSITIONS.items():
        values[name] = sign * points[..., marks, axis].mean(axis=-1)
    for name, (axis, mark, corners) in _FROM_EYE_CORNERS.items():
        values[name] = points[..., mark, axis] - points[..., corners, axis].mean(axis=-1)
    return np.stack([values[name] for name in FACE_CHANNELS], axis=-1)

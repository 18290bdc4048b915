"""The ``face`` space as arithmetic on landmarks: pose-normalised points -> 31 channels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import topology as t

Array = npt.NDArray[np.float64]

FACE_CHANNELS: tuple[str, ...] = (
    # lips and jaw: what keeps the shape of the lips within the tracker's own noise
    "lipAperture",  # neutral = lips closed
    "mouthWidth",
    "mouthInnerWidth",
    "lipUpperY",  # outer contour of the upper lip
    "lipUpperInnerY",
    "lipLowerY",  # outer contour of the lower lip
    "lipUpperZ",  # protrusion
    "lipLowerZ",
    "lipX",  # sideways shift of the lips
    "mouthCornerLeftY",
    "mouthCornerRightY",
    "chinY",
    "jawX",  # the chin sideways
    # eyelids and gaze
    "lidUpperLeftY",  # negative = closing
    "lidUpperRightY",
    "lidLowerLeftY",
    "lidLowerRightY",
    "gazeLeftX",  # iris against the eye corners, to the subject's left
    "gazeLeftY",
    "gazeRightX",
    "gazeRightY",
    # brows
    "browInnerLeftY",
    "browInnerRightY",
    "browOuterLeftY",
    "browOuterRightY",
    "browFurrowLeftX",  # negative = towards the nose
    "browFurrowRightX",  # negative = towards the nose
    # cheeks and nose
    "cheekLeftY",
    "cheekRightY",
    "noseWingLeftY",
    "noseWingRightY",
)
"""Columns of the ``face`` space; the tables below say what each is measured on."""

LIP_CHANNELS: tuple[str, ...] = FACE_CHANNELS[:13]
"""Channels of the mouth and jaw: what speech drives first."""
UPPER_CHANNELS: tuple[str, ...] = FACE_CHANNELS[13:]
"""Channels of eyes, brows, cheeks and nose."""

CLOSED_APERTURE = 0.035
"""IOD of lip aperture below which lips count as closed: 91 % of filmed p/b/m lie below."""

APERTURE_PAIRS: tuple[tuple[int, int], ...] = ((13, 14), (82, 87), (312, 317))
"""Points of the inner lips, above and below, whose mean distance is ``lipAperture``."""

# channel -> (axis, landmarks, sign); the mean coordinate of the landmarks
_POSITIONS: dict[str, tuple[int, tuple[int, ...], float]] = {
    "lipUpperY": (1, (37, 0, 267), 1),
    "lipUpperInnerY": (1, (13,), 1),
    "lipLowerY": (1, (84, 17, 314), 1),
    "lipUpperZ": (2, (37, 0, 267), 1),
    "lipLowerZ": (2, (84, 17, 314), 1),
    "lipX": (0, (0, 17, t.MOUTH_RIGHT, t.MOUTH_LEFT), 1),
    "mouthCornerLeftY": (1, (t.MOUTH_LEFT,), 1),
    "mouthCornerRightY": (1, (t.MOUTH_RIGHT,), 1),
    "chinY": (1, (t.CHIN,), 1),
    "jawX": (0, (t.CHIN,), 1),
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
_FROM_EYE_CORNERS: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "lidUpperLeftY": (1, 386, t.EYE_LEFT["corners"]),
    "lidUpperRightY": (1, 159, t.EYE_RIGHT["corners"]),
    "lidLowerLeftY": (1, 374, t.EYE_LEFT["corners"]),
    "lidLowerRightY": (1, 145, t.EYE_RIGHT["corners"]),
    "gazeLeftX": (0, t.IRIS_LEFT, t.EYE_LEFT["corners"]),
    "gazeLeftY": (1, t.IRIS_LEFT, t.EYE_LEFT["corners"]),
    "gazeRightX": (0, t.IRIS_RIGHT, t.EYE_RIGHT["corners"]),
    "gazeRightY": (1, t.IRIS_RIGHT, t.EYE_RIGHT["corners"]),
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
        "mouthWidth": _distance(points, t.MOUTH_RIGHT, t.MOUTH_LEFT),
        "mouthInnerWidth": _distance(points, t.INNER_RIGHT, t.INNER_LEFT),
    }
    for name, (axis, marks, sign) in _POSITIONS.items():
        values[name] = sign * points[..., marks, axis].mean(axis=-1)
    for name, (axis, mark, corners) in _FROM_EYE_CORNERS.items():
        values[name] = points[..., mark, axis] - points[..., corners, axis].mean(axis=-1)
    return np.stack([values[name] for name in FACE_CHANNELS], axis=-1)

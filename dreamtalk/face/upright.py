"""Which way up a face is: a landmarker fooled by a picture upside down sees a mouth for a brow."""

from __future__ import annotations

import numpy as np

from .basis import FaceBasis
from .landmarker import FaceLandmarker
from .pose import rotation_to_angles

_AGREE = 40.0  # degrees that the roll may differ between looks at the same face
_LEANING = 60.0  # degrees: up to here a head leans; beyond, the picture is turned


def quarter_turns(close_up: np.ndarray, landmarker: FaceLandmarker) -> int:
    """How often to turn a picture counter-clockwise by 90 degrees until its face is upright.

    The face is looked for in all four positions. What it is told to be in three of them agrees; the
    one in which it is upside down may show a face that is none.

    Args:
        close_up: (h, w, 3) uint8, a square or so around the face.

    Returns:
        0 to 3; 0 too if too little is found to tell.
    """
    rolls: list[float] = []
    for turns in (0, 1, 2, 3):
        faces = landmarker.detect(np.ascontiguousarray(np.rot90(close_up, turns)))
        if faces:
            rolls.append(_roll(faces[0]) + 90.0 * turns)
        if turns == 1 and len(rolls) == 2 and abs(_apart(*rolls)) < _AGREE:
            break
    groups = [[roll for roll in rolls if abs(_apart(roll, other)) < _AGREE] for other in rolls]
    agreed = max(groups, key=len, default=[])
    if len(agreed) < 2:
        return 0
    roll = agreed[0] + float(np.mean([_apart(other, agreed[0]) for other in agreed]))
    return round(roll / 90.0) % 4 if abs(_apart(roll, 0.0)) > _LEANING else 0


def _roll(landmarks: np.ndarray) -> float:
    """Degrees that the face is rolled in the picture."""
    _, pose = FaceBasis.load().align(landmarks[None])
    return float(np.degrees(rotation_to_angles(pose.rotation[0])[2]))


def _apart(a: float, b: float) -> float:
    """a - b, degrees in -180..180."""
    return (a - b + 180.0) % 360.0 - 180.0

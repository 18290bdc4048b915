"""What a person should know about a portrait before it is animated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...face import topology as t
from ...face.pose import rotation_to_angles
from .eyes.layer import EyeLayer
from .portrait.geometry import FaceGeometry

TURNED_DEGREES = 20.0
SHUT_OPENING = 0.035
WIDE_APERTURE = 0.14
SMALL_FACE = 60.0
DARK = 0.10
HELD = 0.6
COVERED = 0.5
SHOWN_NOT_PAINTED = (
    "another picture shows the person's open mouth: its teeth are real ones, and no mouth is "
    "painted over them"
)


def portrait_notes(
    image: np.ndarray,
    face: FaceGeometry,
    eyes: Sequence[EyeLayer],
    aperture: float,
    freedom: float,
    mask: np.ndarray | None = None,
) -> list[str]:
    """Sentences about what will not look its best, and why; empty for a good portrait.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        face: the face in it.
        eyes: right and left.
        aperture: how far the lips are apart, in inter-ocular distances.
        freedom: share of the head's motion that can be shown.
        mask: (H, W) of the crop, 1 where the person is, if the user gave one.
    """
    notes = []
    pitch, yaw, _ = rotation_to_angles(face.rotation)
    if abs(math.degrees(yaw)) > TURNED_DEGREES:
        notes.append(
            f"the head is turned by {abs(math.degrees(yaw)):.0f} degrees: its far side is not in "
            "the picture, so keep head motion small or choose a portrait from the front"
        )
    if abs(math.degrees(pitch)) > TURNED_DEGREES + 5:
        notes.append(
            f"the head is tilted {'down' if pitch > 0 else 'up'} by "
            f"{abs(math.degrees(pitch)):.0f} degrees: lips and lids will look flatter than they are"
        )
    if max(eye.opening for eye in eyes) < SHUT_OPENING * face.iod:
        notes.append("the eyes are shut: there is no eye to show, so they stay shut")
    if aperture > WIDE_APERTURE:
        notes.append(
            "the mouth is wide open: closing it works, but folds and corners of that expression "
            "stay; a portrait with closed lips looks better"
        )
    if face.face_width < SMALL_FACE:
        notes.append(
            f"the face is only {face.face_width:.0f} px wide: mouth and lids will be coarse, "
            "enlarge the picture first"
        )
    if freedom < HELD:
        notes.append(
            f"the frame cuts through the face: only {100 * freedom:.0f} % of the head's motion is "
            "shown; a picture with some space around the head shows all"
        )
    if mask is not None and mask.max() > 0.05:
        for name, marks in (("mouth", t.LIPS), ("eyes", t.LIDS)):
            if _covered(mask, face.points[list(marks)]) < COVERED:
                notes.append(
                    f"the person mask leaves the {name} out: they will not move as they should; "
                    "the mask must be 1 over the whole person, without holes"
                )
    y0, x0 = (int(v) for v in face.points.min(0)[::-1].clip(0))
    y1, x1 = (int(v) + 1 for v in face.points.max(0)[::-1])
    if float(np.median(image[y0:y1, x0:x1].mean(-1))) < DARK:
        notes.append("the face is very dark: brighten the picture to see lips and eyes move")
    return notes


def _covered(mask: np.ndarray, points: np.ndarray) -> float:
    """The mask's mean (0..1) at landmarks (N, 2) px."""
    height, width = mask.shape
    columns = points[:, 0].round().astype(int).clip(0, width - 1)
    rows = points[:, 1].round().astype(int).clip(0, height - 1)
    return float(mask[rows, columns].mean())

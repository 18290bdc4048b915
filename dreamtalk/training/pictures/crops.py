"""The crop of a frame: the irises lie in it where they always do."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

SIDE = 128
"""Of the crops, px."""
IRISES = np.array([[38, 8], [90, 8]], np.float32)
"""Where the subject's right and left iris lie in them."""
OVER = 2
"""Times larger that they are drawn."""


def crop_matrix(irises: Array, side: int = SIDE) -> Array:
    """(2, 3) similarity: px of a picture -> px of the crop of that side.

    Pixel centres have whole coordinates in both.
    """
    factor = side / SIDE
    across, wanted = irises[1] - irises[0], IRISES[1] - IRISES[0]
    ratio = complex(*wanted) / complex(*across) * factor
    turn = np.array([[ratio.real, -ratio.imag], [ratio.imag, ratio.real]])
    # centres of pixels: a crop twice as large has its pixels' centres half a pixel further out
    centre = (IRISES.mean(axis=0) + 0.5) * factor - 0.5
    return np.c_[turn, centre - turn @ irises.mean(axis=0)].astype(np.float32)


def crop_of(picture: Picture, irises: Array) -> Picture:
    """The crop (128, 128, 3) of a picture as it is."""
    large = cv2.warpAffine(
        picture, crop_matrix(irises, SIDE * OVER), (SIDE * OVER,) * 2,
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA)

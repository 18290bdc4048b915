"""From a picture of any size to the 128 px crop, and back."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import DreamTalkError
from ...face.topology import IRIS_LEFT as IRIS_LEFT_POINT
from ...face.topology import IRIS_RIGHT as IRIS_RIGHT_POINT
from .config import CROP, IRIS_LEFT, IRIS_RIGHT

Array = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_NEAREST = 4.0  # px between irises below which there is no face to paint
_BLUR = 0.4  # px of the crop: what keeps fine detail of large pictures from aliasing


def crop_matrices(landmarks: npt.NDArray[np.floating]) -> Array:
    """The similarity of each frame that takes the irises to their places in the crop.

    Args:
        landmarks: (N, 478, 2 or 3) px of the picture.

    Returns:
        (N, 2, 3) float32, px of the picture -> px of the crop.

    Raises:
        DreamTalkError: where a face is too small.
    """
    right = np.asarray(landmarks[:, IRIS_RIGHT_POINT, :2], np.float64)
    left = np.asarray(landmarks[:, IRIS_LEFT_POINT, :2], np.float64)
    across = left - right
    square = np.square(across).sum(-1)
    if len(square) and square.min() < _NEAREST**2:
        raise DreamTalkError(
            f"a face whose irises lie {np.sqrt(square.min()):.1f} px apart is too small for its "
            f"mouth to be painted: {_NEAREST:.0f} px are needed"
        )
    wanted = np.subtract(IRIS_LEFT, IRIS_RIGHT)
    # as complex numbers: crop = factor * picture + shift
    factor = complex(*wanted) / (across[:, 0] + 1j * across[:, 1])
    shift = complex(*IRIS_RIGHT) - factor * (right[:, 0] + 1j * right[:, 1])
    rows = [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    return np.moveaxis(np.array(rows), -1, 0).astype(np.float32)


def to_crop(points: npt.NDArray[np.floating], matrices: Array) -> Array:
    """Points (N, K, 2) px of the picture -> px of the crop."""
    moved = np.einsum("nij,nkj->nki", matrices[:, :, :2], points[..., :2]) + matrices[:, None, :, 2]
    return moved.astype(np.float32)


def cut_crop(frame: Bytes, matrix: Array) -> Bytes:
    """One frame (H, W, 3) uint8 -> (128, 128, 3) uint8, without aliasing."""
    factor = float(np.hypot(matrix[0, 0], matrix[1, 0]))  # px of the crop to one of the picture
    left, top, part = _around(frame, matrix)
    if factor < 1:
        part = cv2.GaussianBlur(part, (0, 0), _BLUR / factor)
    moved = matrix @ np.array([[1, 0, left], [0, 1, top], [0, 0, 1]])
    flags = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(part, moved, (CROP, CROP), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def _around(frame: Bytes, matrix: Array) -> tuple[int, int, Bytes]:
    """Left, top and pixels of the part of a frame that the crop needs."""
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0, 1], [CROP, 0, 1], [0, CROP, 1], [CROP, CROP, 1]]) @ inverse.T
    height, width = frame.shape[:2]
    margin = 8
    low = np.clip(np.floor(corners.min(0)) - margin, 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + margin, low + 1, [width, height]).astype(int)
    return int(low[0]), int(low[1]), frame[low[1] : high[1], low[0] : high[0]]

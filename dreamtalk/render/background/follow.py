"""Frames of a renderer that does not say where their pixels come from: optical flow finds it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from ..mesh.portrait.raster import fit_within

_SIDE = 512
"""Longer side of the pictures that the flow is found on, px."""
_SMOOTH = 1.5
"""px of them: what is finer in the flow is its noise."""


def following(picture: np.ndarray, layer: np.ndarray) -> Callable[[Tensor, slice], Tensor]:
    """Let a layer follow frames by what is seen in them.

    Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016.

    Args:
        picture: (H, W, 3) uint8, the portrait.
        layer: (H, W, C) float32 of the portrait.

    Returns:
        What makes of frames (n, H, W, 3) uint8 the layer in them, (n, H, W, C) float32.
    """
    height, width = picture.shape[:2]
    still, factor = _grey(picture)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))

    def carry(frames: Tensor, part: slice) -> Tensor:
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        return torch.stack([torch.from_numpy(one(flow, frame)) for frame in frames.numpy()])

    def one(flow: cv2.DISOpticalFlow, frame: np.ndarray) -> np.ndarray:
        moved = flow.calc(_grey(frame)[0], still, None)
        moved = cv2.GaussianBlur(moved, (0, 0), _SMOOTH)
        moved = cv2.resize(moved, (width, height), interpolation=cv2.INTER_LINEAR) / factor
        return cv2.remap(
            layer, x + moved[..., 0], y + moved[..., 1], cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip

    return carry


def _grey(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """(h, w) uint8 of at most ``_SIDE`` px, and the scale."""
    small, factor = fit_within(np.ascontiguousarray(picture), _SIDE)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), factor

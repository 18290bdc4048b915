"""A visible mark: small words at the lower edge of every frame that say what the video is."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

MARK = "AI-generated"
"""What is written."""
_HEIGHT = 0.032
"""Of capital letters, as a share of the picture's height."""
_SMALLEST = 9.0
"""px: of capital letters that can still be read."""
_WIDEST = 0.9
"""Of the words, as a share of the picture's width."""
_OPACITY = 0.85
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def marked(chunks: Iterable[Tensor]) -> Generator[Tensor, None, None]:
    """Frames with the mark on each.

    Args:
        chunks: (n, H, W, 3) uint8 or float 0..1, one after the other; or with straight alpha.

    Yields:
        (n, H, W, 3 or 4) uint8: white words with a dark edge, in the lower right corner. Nothing
        else changes.
    """
    for chunk in chunks:
        frames = chunk if chunk.dtype == torch.uint8 else (chunk.clamp(0, 1) * 255).round().byte()
        height, width = frames.shape[1:3]
        rows, ink, share = (value.to(frames.device) for value in _overlay(height, width))
        strip = frames[:, rows[0] : rows[1]].float()
        mixed = _inked(strip, ink, share).round().byte()
        yield torch.cat([frames[:, : rows[0]], mixed, frames[:, rows[1] :]], dim=1)


def around(letters: np.ndarray, width: int) -> np.ndarray:
    """Letters and an edge around them, (H, W) uint8.

    Letters drawn with a thicker line don't lie around thinner ones: from OpenCV 5 on they are wider
    and stand further apart.
    """
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    return cv2.dilate(letters, disc)


def _inked(strip: Tensor, ink: Tensor, share: Tensor) -> Tensor:
    """Rows (n, h, W, 3 or 4) in 0..255 with ink over them."""
    if strip.shape[-1] == 3:
        return strip + share * (ink - strip)
    colours, alpha = strip[..., :3], strip[..., 3:]
    below = (1 - share) * alpha
    covered = below + 255 * share
    colours = (share * 255 * ink + below * colours) / covered.clamp_min(1e-3)
    return torch.cat([torch.where(share > 0, colours, strip[..., :3]), covered], -1)


@lru_cache(maxsize=8)
def _overlay(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The rows that change (first, end), and their colour and opacity, (h, W, 1) float32."""
    scale = cv2.getFontScaleFromHeight(_FONT, max(1, round(max(_SMALLEST, _HEIGHT * height))))
    (wide, _), _ = cv2.getTextSize(MARK, _FONT, scale, 1)
    scale *= min(1.0, _WIDEST * width / wide)
    line = max(1, round(scale * 1.6))
    (wide, tall), below = cv2.getTextSize(MARK, _FONT, scale, line)
    margin = max(1, round(0.6 * tall))
    at = (max(0, width - wide - margin), max(0, height - margin - below // 2))
    letters = np.zeros((height, width), np.uint8)
    cv2.putText(letters, MARK, at, _FONT, scale, 255, line, cv2.LINE_AA)
    edge = around(letters, line)
    touched = np.flatnonzero(np.maximum(edge, letters).any(axis=1))
    first, end = (int(touched[0]), int(touched[-1]) + 1) if len(touched) else (height, height)
    ink = torch.from_numpy(letters[first:end, :, None].astype(np.float32))
    share = torch.from_numpy(np.maximum(edge, letters)[first:end, :, None].astype(np.float32))
    return torch.tensor([first, end]), ink, _OPACITY * share / 255

"""Small picture operations that the set-up steps share."""

from __future__ import annotations

import cv2
import numpy as np


def pixel_grid(height: int, width: int) -> np.ndarray:
    """(H, W, 2) float32 pixel positions (x, y)."""
    ys, xs = np.mgrid[:height, :width]
    return np.stack([xs, ys], -1).astype(np.float32)


def polygon_mask(height: int, width: int, points: np.ndarray) -> np.ndarray:
    """(H, W) uint8, 1 inside the polygon (N, 2)."""
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    return mask


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32 distance to the edge of a mask in px: positive outside, negative inside."""
    inside = mask.astype(np.uint8)
    outside = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    return outside - cv2.distanceTransform(inside, cv2.DIST_L2, 5)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; a sigma under 0.05 px leaves the picture as it is.

    Wide blurs are made on a smaller picture: the cost would grow with sigma.
    """
    if sigma < 0.05:
        return image
    height, width = image.shape[:2]
    factor = min(sigma / 6, min(height, width) / 8)
    if factor >= 2:
        size = (max(4, round(width / factor)), max(4, round(height / factor)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        small = blur(small, sigma * size[0] / width)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def grow(mask: np.ndarray, radius: float) -> np.ndarray:
    """(H, W) uint8 mask grown by ``radius`` px (at least 1), shrunk if that is negative.

    By distance, so that the cost does not grow with the radius as that of a dilation does.
    """
    if not mask.any() or mask.all():
        return mask.astype(np.uint8)
    least = np.sign(radius) * max(1.0, abs(radius))
    return (signed_distance(mask > 0) <= least + 0.5).astype(np.uint8)


def disc(radius: float) -> np.ndarray:
    """A round structuring element of that radius in px (at least 1)."""
    size = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))


def fit_within(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Shrink so that the longer side is at most ``side``; also the factor that was applied."""
    factor = min(1.0, side / max(image.shape[:2]))
    if factor == 1.0:
        return image, 1.0
    size = (max(8, round(image.shape[1] * factor)), max(8, round(image.shape[0] * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), factor


def push_pull(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Fill what has no weight from its surroundings, near ones first.

    The pyramid scheme of Gortler et al. ("The Lumigraph", 1996), with Gaussian steps.

    Args:
        image: (H, W, C) float32.
        weight: (H, W) float32 in 0..1: how far a pixel is known.

    Returns:
        (H, W, C) float32, equal to ``image`` where the weight is 1.
    """
    height, width = weight.shape
    if min(height, width) <= 2:
        total = max(float(weight.sum()), 1e-6)
        mean = (image * weight[..., None]).sum((0, 1)) / total
        return image * weight[..., None] + mean * (1 - weight[..., None])
    half_weight = cv2.pyrDown(weight)
    half = cv2.pyrDown(image * weight[..., None]).reshape(*half_weight.shape, -1)
    half = half / np.maximum(half_weight, 1e-6)[..., None]
    filled = push_pull(half, np.clip(half_weight * 4, 0, 1))
    up = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    up = up.reshape(height, width, -1)
    return image * weight[..., None] + up * (1 - weight[..., None])


def guided_filter(guide: np.ndarray, target: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Guided filter with a grey guide (He, Sun, Tang, "Guided Image Filtering", 2010).

    Args:
        guide: (H, W) float32 in 0..1.
        target: (H, W) float32.
        radius: half the window, px.
        eps: regularisation, in squared guide units.
    """
    size = (2 * radius + 1, 2 * radius + 1)

    def box(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, size, borderType=cv2.BORDER_REFLECT)

    mean_g, mean_t = box(guide), box(target)
    a = (box(guide * target) - mean_g * mean_t) / (box(guide * guide) - mean_g**2 + eps)
    b = mean_t - a * mean_g
    return box(a) * guide + box(b)


def colours_at(u: np.ndarray, columns: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colours (U, C) of columns (U,), interpolated at u of any shape: (..., C)."""
    return np.stack([np.interp(u, columns, channel) for channel in colours.T], -1)

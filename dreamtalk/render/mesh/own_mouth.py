"""The inside of a mouth that the portrait shows itself: what is on the skull, what on the jaw."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .geometry import FaceGeometry
from .raster import blur, grow, pixel_grid, push_pull, smoothstep
from .seam import Mouth

SAMPLES = 32
TOOTH = 0.55
"""A tooth is at least this share of the skin's lightness, after its saturation is taken off."""


@dataclass(frozen=True)
class OwnMouth:
    """What the portrait shows between its lips, continued behind them.

    Attributes:
        upper: (H, W, 4) float32 premultiplied, px of the crop: what moves with the skull.
        lower: the same for what moves with the jaw.
        upper_teeth, lower_teeth: whether a row of teeth is seen.
        tint: (3,) colour of a tooth, or None if none is seen.
    """

    upper: np.ndarray
    lower: np.ndarray
    upper_teeth: bool
    lower_teeth: bool
    tint: np.ndarray | None


def find_own_mouth(
    image: np.ndarray, face: FaceGeometry, mouth: Mouth, skin: np.ndarray
) -> OwnMouth | None:
    """Take the mouth interior out of a portrait with open lips.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        face: the face in it.
        mouth: its mouth.
        skin: (3,) colour of the cheeks.

    Returns:
        the two layers, or None if the opening is too small to say.
    """
    mm = face.mm
    table_u = np.linspace(-mouth.reach, mouth.reach, len(mouth.upper))
    inner = np.abs(table_u) < mouth.half_width
    top = mouth.to_picture(np.stack([table_u[inner], mouth.upper[inner]], -1))
    bottom = mouth.to_picture(np.stack([table_u[inner], mouth.lower[inner]], -1))
    opening = np.zeros(image.shape[:2], np.uint8)
    polygon = np.concatenate([top, bottom[::-1]])
    cv2.fillPoly(opening, [np.round(polygon).astype(np.int32)], 1)
    seen = grow(opening, -0.7 * mm)
    if seen.sum() < 12:
        return None
    share, upper_teeth, lower_teeth, level = _split(image, mouth, float(skin.mean()))
    uv = mouth.to_frame(pixel_grid(image.shape[0], image.shape[1]))
    up = np.interp(uv[..., 0], table_u, mouth.upper)
    low = np.interp(uv[..., 0], table_u, mouth.lower)
    below_split = uv[..., 1] - (up + share * (low - up))
    reach = grow(opening, 5 * mm)
    soft = max(0.6, 0.3 * mm)
    layers = []
    for part in (-below_split, below_split):
        known = ((seen > 0) & (part > 0.5 * soft)).astype(np.float32)
        if known.sum() < 6:
            layers.append(np.zeros((*opening.shape, 4), np.float32))
            continue
        filled = push_pull(image, known)
        cover = blur(reach.astype(np.float32), 0.8 * mm) * smoothstep(-soft, soft, part)
        # A lip's edge is no tooth: where only one part is seen it ends inside of the other lip.
        other = (uv[..., 1] < low - 0.5 * mm) if part[0, 0] > 0 else (uv[..., 1] > up + 0.5 * mm)
        cover = cover * blur(other.astype(np.float32), 0.4 * mm)
        layers.append(
            np.concatenate([filled * cover[..., None], cover[..., None]], -1).astype(np.float32)
        )
    tint = None
    if upper_teeth or lower_teeth:
        pixels = image[seen > 0]
        teeth = pixels[_toothness(pixels) > 0.8 * level]
        if len(teeth) > 3:
            tint = teeth.mean(0).astype(np.float32)
    return OwnMouth(layers[0], layers[1], upper_teeth, lower_teeth, tint)


def _toothness(pixels: np.ndarray) -> np.ndarray:
    """Lightness of pixels (..., 3) less what saturation they have: teeth are light and pale."""
    high, low = pixels.max(-1), pixels.min(-1)
    return pixels.mean(-1) * (1 - 0.9 * (high - low) / np.maximum(high, 1e-3))


def _split(image: np.ndarray, mouth: Mouth, light: float) -> tuple[float, bool, bool, float]:
    """Where between the lips the skull's part ends.

    Returns:
        its end as a share of the opening, whether upper and lower teeth are seen, and how light
        they are.
    """
    columns = np.linspace(-0.32, 0.32, 21) * mouth.half_width
    table_u = np.linspace(-mouth.reach, mouth.reach, len(mouth.upper))
    up, low = (np.interp(columns, table_u, table) for table in (mouth.upper, mouth.lower))
    shares = (np.arange(SAMPLES) + 0.5) / SAMPLES
    v = up[None] + shares[:, None] * (low - up)[None]
    uv = np.stack(np.broadcast_arrays(columns[None], v), -1).astype(np.float32)
    at = mouth.to_picture(uv).astype(np.float32)
    values = cv2.remap(image, at[..., 0], at[..., 1], cv2.INTER_LINEAR)
    profile = blur(np.median(_toothness(values), 1)[None].astype(np.float32), 0.8)[0]
    peak = float(profile.max())
    # Lip skin is as saturated as it is light: its own toothness says what a tooth has to beat.
    if peak < TOOTH * light * 0.75:
        return 0.0, False, False, peak
    bright = profile > 0.62 * peak
    start = int(bright.argmax())
    rest = np.flatnonzero(~bright[start:])
    if start > 0.6 * SAMPLES:
        return start / SAMPLES, False, True, peak
    if len(rest) == 0:
        return 1.0, True, False, peak
    end = start + int(rest[0])
    again = np.flatnonzero(bright[end:])
    if len(again) and end + again[0] < SAMPLES - 1:
        gap = end + int(profile[end : end + again[0] + 1].argmin())
        return (gap + 0.5) / SAMPLES, True, True, peak
    return end / SAMPLES, True, False, peak

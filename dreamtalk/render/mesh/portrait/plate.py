"""What is behind the person: the picture with the person painted out."""

from __future__ import annotations

import cv2
import numpy as np

from ....curves.easing import smoothstep
from .geometry import FaceGeometry
from .matte import person_matte
from .raster import blur, fit_within, grow, push_pull, signed_distance

WORK_SIDE = 256


def cut_out(
    image: np.ndarray, face: FaceGeometry, given: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`person_matte`, and :func:`background_plate` behind it."""
    matte = person_matte(image, face, given)
    return matte, background_plate(image, matte, face)


def background_plate(image: np.ndarray, matte: np.ndarray, face: FaceGeometry) -> np.ndarray:
    """The crop without the person; exactly the picture a little way outside of the matte.

    Near the silhouette, where a moving head uncovers it, Telea's inpainting continues edges such as
    window frames; deeper in, a smooth push-pull fill avoids its streaks.

    Args:
        image: (H, W, 3) float32 in 0..1.
        matte: (H, W) float32 in 0..1.
        face: gives the scale.

    Returns:
        (H, W, 3) float32 in 0..1.
    """
    small, factor = fit_within(image, WORK_SIDE)
    height, width = small.shape[:2]
    cover = cv2.resize(matte, (width, height), interpolation=cv2.INTER_AREA)
    unit = face.face_width * factor
    # Stray hair just outside the matte must not stay behind as an outline of where the head was.
    hidden = grow(cover > 0.03, 0.055 * unit)
    if hidden.all():
        return blur(image, 0.25 * face.face_width).astype(np.float32)
    smooth = _settle(push_pull(small, (1 - hidden).astype(np.float32)), hidden)
    depth = cv2.distanceTransform(hidden, cv2.DIST_L2, 5)
    reach = max(3.0, 0.12 * unit)
    near = ((hidden > 0) & (depth < reach)).astype(np.uint8)
    seeded = np.where(hidden[..., None] > 0, smooth, small)
    pixels = np.ascontiguousarray(np.round(seeded * 255).clip(0, 255).astype(np.uint8))
    edges = cv2.inpaint(pixels, near, max(2.0, 0.02 * unit), cv2.INPAINT_TELEA)
    # On a plain backdrop there is nothing to continue, and Telea leaves a ring around the person.
    share = (1 - smoothstep(0.4 * reach, reach, depth)) * _structure(small, hidden, 0.06 * unit)
    fill = edges.astype(np.float32) / 255 * share[..., None] + smooth * (1 - share[..., None])
    fill = cv2.resize(fill, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)
    fill = fill + _grain(image, matte)
    outside = signed_distance(matte > 0.03)
    reach = 0.045 * face.face_width
    blend = (1 - smoothstep(0.3 * reach, reach, outside))[..., None]
    return np.clip(image * (1 - blend) + fill * blend, 0, 1).astype(np.float32)


def _settle(fill: np.ndarray, hidden: np.ndarray, rounds: int = 120) -> np.ndarray:
    """Let the fill meet its surroundings without a step: a membrane, by relaxation near the rim."""
    result = fill.astype(np.float32)
    inside = hidden[..., None].astype(np.float32)
    for _ in range(rounds):
        result = result + inside * (cv2.blur(result, (3, 3)) - result)
    return result


def _structure(image: np.ndarray, hidden: np.ndarray, sigma: float) -> np.ndarray:
    """(H, W) 0..1: how much there is around here that goes on behind the person."""
    known = (1 - hidden).astype(np.float32)
    weight = np.maximum(blur(known, sigma), 1e-3)
    mean = blur(image * known[..., None], sigma) / weight[..., None]
    detail = np.abs(image - mean).max(-1)
    return smoothstep(0.02, 0.05, push_pull(detail[..., None], known)[..., 0])


def _grain(image: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """(H, W, 1) noise as strong as the background's: a fill without any looks airbrushed."""
    behind = matte < 0.01
    fine = np.abs(image - blur(image, 1.2)).mean(-1)[behind]
    strength = 1.5 * float(np.median(fine)) if fine.size else 0.0
    noise = np.random.default_rng(0).standard_normal(matte.shape).astype(np.float32)
    return (min(strength, 0.012) * noise)[..., None]

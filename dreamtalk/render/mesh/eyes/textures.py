"""What an eye is painted with: the skin of its closed lid, its lashes, its whole eyeball."""

from __future__ import annotations

import cv2
import numpy as np

from ....curves.easing import smoothstep
from ..portrait.raster import blur, disc, push_pull


def lid_skin(
    patch: np.ndarray,
    below_upper: np.ndarray,
    below_lower: np.ndarray,
    u: np.ndarray,
    width: float,
    dark: np.ndarray,
) -> np.ndarray:
    """Skin for a closed lid: the surroundings of the eye continued over it.

    Stretching the strip above the lid alone would smear lashes and the shadow of a deep crease over
    the whole lid; what lies around the eye, lashes and brow left out, tells the colour better.
    """
    across = (u > 0.1 * width) & (u < 0.9 * width)
    cheek = across & (below_lower > 0.12 * width) & (below_lower < 0.4 * width)
    light = patch.mean(-1)
    reference = float(np.median(light[cheek])) if cheek.any() else float(np.median(light))
    socket = across & (below_upper < -0.16 * width) & (below_upper > -0.4 * width)
    if socket.any():
        # The lids of deep-set eyes lie in the shadow of the brow.
        shaded = float(np.quantile(light[socket], 0.7))
        reference = min(reference, max((reference + shaded) / 2, 0.85 * reference))
    covered = (below_upper > -0.10 * width) & (below_lower < 0.09 * width)
    covered &= (u > -0.08 * width) & (u < 1.08 * width)
    known = (~covered & (dark == 0)).astype(np.float32)
    known *= smoothstep(0.62 * reference, 0.8 * reference, light)
    if known.sum() < 12:
        return patch.astype(np.float32)
    filled = push_pull(patch, blur(known, 0.5) * (known > 0))
    return blur(filled, 0.03 * width).astype(np.float32)


def eye_strokes(
    patch: np.ndarray,
    above: np.ndarray,
    u: np.ndarray,
    width: float,
    strip: float,
    lash: np.ndarray,
) -> np.ndarray:
    """(H, W, 2) 0..1: lashes, and everything dark and narrow, in the skin above an open eye."""
    light = np.ascontiguousarray(patch.mean(-1))
    reach = min(0.3 * width, 0.8 * strip)
    window = smoothstep(-0.06 * width, -0.02 * width, above)
    window *= 1 - smoothstep(0.6 * reach, reach, above)
    window *= smoothstep(-0.25 * width, -0.1 * width, u)
    window *= 1 - smoothstep(1.1 * width, 1.25 * width, u)
    layers = []
    for radius in (0.045 * width, 0.11 * width):
        # What a closing fills: dark things narrower than the disc.
        closed = cv2.morphologyEx(light, cv2.MORPH_CLOSE, disc(radius))
        contrast = np.maximum(closed - float(lash.mean()), 0.12)
        layers.append(np.clip(1.8 * (closed - light) / contrast - 0.15, 0, 1) * window)
    return np.stack(layers, -1).astype(np.float32)


def overhang(
    patch: np.ndarray, below_lower: np.ndarray, u: np.ndarray, width: float, inside: np.ndarray
) -> float:
    """How far the white of an eye goes on below the landmarks of its lower lid, px.

    Drawn eyes are larger than those that landmarks were learned from; a lid that closes onto the
    landmarks would leave a sliver of them.
    """
    across = (u > 0.15 * width) & (u < 0.85 * width)
    ball = across & (inside > 0.01 * width) & (below_lower > -0.16 * width)
    under = across & (below_lower > 0.18 * width) & (below_lower < 0.32 * width)
    if min(ball.sum(), under.sum()) < 12:
        return 0.0
    skin = np.median(patch[under], 0)
    pixels = patch[ball]
    # The white, not the iris: what is lightest.
    white = pixels[pixels.mean(1) >= np.quantile(pixels.mean(1), 0.6)].mean(0)
    axis = white - skin
    contrast = float(np.linalg.norm(axis))
    # Drawn eyes are pure white or grey; filmed ones have the colour of light and lids on them.
    grey = np.ptp(white) / white.max() < 0.2 * np.ptp(skin) / max(skin.max(), 1e-3)
    if contrast < 0.18 or not grey:
        return 0.0
    like = (patch - skin) @ axis / contrast**2 > 0.5
    step = max(1.0, 0.012 * width)
    far = 0.0
    while far < 0.16 * width:
        row = across & (below_lower >= far) & (below_lower < far + step)
        if not row.any() or like[row].mean() < 0.4:
            break
        far += step
    # What has no end is no eye.
    return far if far < 0.12 * width else 0.0


def complete_eyeball(
    patch: np.ndarray,
    grid: np.ndarray,
    inside: np.ndarray,
    iris: np.ndarray,
    radius: float,
    erode: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The eye's picture continued behind the lids: the iris by mirroring, the white by filling.

    Returns:
        (H, W, 3) the eyeball, (H, W, 3) the same without its iris, and (3,) the white's colour.
    """
    seen = inside > max(erode, 0.4)
    if seen.sum() < 6:
        return patch, patch, np.full(3, 0.6, np.float32)
    away = np.linalg.norm(grid - iris, axis=-1)
    white_area = seen & (away > 1.15 * radius)
    bright = patch[white_area] if white_area.sum() > 6 else patch[seen]
    order = np.argsort(bright.mean(1))
    sclera = bright[order[len(order) // 2 :]].mean(0).astype(np.float32)
    known = seen.astype(np.float32)
    # Landmarks put the iris smaller than it is in drawn eyes and with dark rims.
    around = (seen & (away > 1.4 * radius)).astype(np.float32)
    filled = push_pull(patch * 1.0, around) if around.sum() > 6 else np.ones_like(patch) * sclera
    # Mirror the iris about its centre, up and down, where a lid hides it.
    y0, x0 = grid[0, 0, 1], grid[0, 0, 0]
    mirror_x = (grid[..., 0] - x0).astype(np.float32)
    mirror_y = (2 * iris[1] - grid[..., 1] - y0).astype(np.float32)
    flipped = cv2.remap(
        patch, mirror_x, mirror_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    flipped_known = cv2.remap(known, mirror_x, mirror_y, cv2.INTER_LINEAR)
    on_iris = away < 1.08 * radius
    iris_pixels = patch[seen & (away < 0.95 * radius)]
    plain = iris_pixels.mean(0) if len(iris_pixels) else filled.mean((0, 1))
    ring = np.where((flipped_known > 0.9)[..., None], flipped, plain)
    disc_share = (1 - smoothstep(0.96 * radius, 1.1 * radius, away))[..., None]
    ball = filled * (1 - disc_share) + ring * disc_share
    ball = np.where(seen[..., None] | (on_iris & seen)[..., None], patch, ball)
    soft = smoothstep(0.0, max(2 * erode, 1.0), inside - max(erode, 0.4))[..., None]
    ball = patch * soft + blur(ball.astype(np.float32), 0.6) * (1 - soft)
    bare = (1 - smoothstep(1.35 * radius, 1.5 * radius, away))[..., None]
    white = ball * (1 - bare) + filled * bare
    return ball.astype(np.float32), white.astype(np.float32), sclera

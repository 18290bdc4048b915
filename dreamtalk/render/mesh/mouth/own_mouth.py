"""The inside of a mouth that the portrait shows itself: what is on the skull, what on the jaw."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from torch import Tensor

from ....face.mouth_look import TOOTH, toothness
from ...box import Box
from ..portrait.geometry import FaceGeometry
from ..portrait.raster import blur, grow, pixel_grid, push_pull
from .own_row import find_row, span, whole_row
from .seam import Mouth
from .teeth import ToothColours

EDGE = 0.45
"""A tooth's edge has at least this share of the skin's lightness, as its lightest has ``TOOTH``."""
RED = (0.9, 0.76)
"""A pixel of a tooth, and half of those of a row, have at most these shares of the skin's redness;
lips and gums have more than the first, skin that is taken for a row more than the second."""
LEAST_RED = 0.06
"""The redness of skin in a picture that has colours."""
SIDE_SHADE = 0.9
"""How much less light the teeth in the corners have than the front ones."""
REACH_MM = 14.0
LIGHT_MM = 5.5
"""How far into the mouth the lips' shadow reaches."""
EDGE_FADE = 0.007
"""exp(-LIGHT_MM / 1.1 mm): the upper lip's shadow ends within some millimetres."""
BACK_MM = 2.4
"""Where a picture shows no spot of this radius of tongue and cavity, only their tone is its own."""
TONE_MM, TONE_SHARE = 2.5, 0.5
"""Over how much it is averaged, and how much of what is drawn it covers."""
BACK_LIGHT = 0.8
"""Share of the skin's lightness that they stay below."""
LEAST_EDGE = 0.85
"""How dark a lip's own shadow gets on what was filmed."""
LEAST_GAP = 0.85
"""How dark it gets where the lips are close: what was filmed is in its own shadow already."""


@dataclass(frozen=True)
class OwnMouth:
    """What the portrait shows between its lips, continued behind them.

    Pictures are (h, w, 4) float32, premultiplied, px of the crop from the corner of ``box``.

    Attributes:
        box: where the pictures are in the crop.
        upper: upper teeth, which move with the skull.
        lower: lower teeth, which move with the jaw.
        back: tongue and cavity behind them.
        upper_edge, lower_edge: the rows' cutting edges in the middle, mm below the mouth's origin,
            or None where no teeth are seen.
        tint: (3,) colour of a tooth, or None if none is seen.
        upper_span, lower_span: from where to where a row shows, mm from the mouth's middle; what
            is beyond was drawn. (0, 0) where none is seen.
    """

    box: Box
    upper: np.ndarray
    lower: np.ndarray
    back: np.ndarray
    upper_edge: float | None
    lower_edge: float | None
    tint: np.ndarray | None
    upper_span: tuple[float, float]
    lower_span: tuple[float, float]


def find_own_mouth(
    image: np.ndarray, face: FaceGeometry, mouth: Mouth, skin: np.ndarray, colours: ToothColours
) -> OwnMouth | None:
    """Take the mouth interior out of a portrait with open lips.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        face: the face in it.
        mouth: its mouth.
        skin: (3,) colour of the cheeks.
        colours: of teeth and gum, if none were seen.

    Returns:
        the layers, or None if the opening is too small to say.
    """
    mm = face.mm
    columns = np.linspace(-1, 1, 2 * max(8, int(mouth.half_width)) + 1) * mouth.half_width
    table_u = np.linspace(-mouth.reach, mouth.reach, len(mouth.upper))
    up, low = (np.interp(columns, table_u, table) for table in (mouth.upper, mouth.lower))
    if float((low - up).max()) < max(2.0, 1.2 * mm):
        return None
    rows = np.arange(up.min() - mm, low.max() + mm, max(0.5, 0.25 * mm))
    uv = np.stack(np.broadcast_arrays(columns[None], rows[:, None]), -1).astype(np.float32)
    values = mouth.look(image, uv)
    redness = _redness(values, skin)
    pale = np.where(redness > RED[0], 0, toothness(values))
    margin = 0.35 * mm
    inside = (rows[:, None] > up + margin) & (rows[:, None] < low - margin)
    split, level = _split(pale, inside, rows, up, low, float(skin.mean()))
    # Teeth get darker towards the corners.
    side = 1 - SIDE_SHADE * (columns / mouth.half_width) ** 2
    is_tooth = inside & (pale > level * side) if level is not None else np.zeros_like(inside)
    above = rows[:, None] < split
    teeth = [is_tooth & part for part in (above, ~above)]
    teeth = [mask & (_median(redness[mask]) < RED[1]) for mask in teeth]
    upper, lower = (find_row(mask, rows, columns, mm) for mask in teeth)
    tint = _tint(values, pale, teeth[0] | teeth[1])
    if tint is not None:
        colours = replace(colours, tint=tint)
    if upper is not None:
        # Teeth that fill the whole opening end just behind the lower lip.
        fills = upper.last > low - margin - 0.6 * mm
        upper = replace(upper, last=np.where(fills, low + 0.5 * mm, upper.last))
    if lower is not None:
        fills = lower.first < up + margin + 0.6 * mm
        lower = replace(lower, first=np.where(fills, up - 0.5 * mm, lower.first))

    corners = mouth.to_picture(
        np.array(
            [
                [side * mouth.half_width, v]
                for side in (-1.2, 1.2)
                for v in (rows[0] - REACH_MM * mm, rows[-1] + REACH_MM * mm)
            ]
        )
    )
    box = Box.around(corners.min(0), corners.max(0), image.shape[1], image.shape[0], least=4)
    grid = mouth.to_frame(pixel_grid(box.height, box.width) + np.array([box.x0, box.y0]))
    empty = np.zeros((*grid.shape[:2], 4), np.float32)
    ends = (up + margin, low - margin)
    layers = [
        whole_row(image, mouth, row, ends, grid, mm, colours, upper=is_upper)
        if row is not None
        else empty
        for row, is_upper in ((upper, True), (lower, False))
    ]
    opening = (
        (grid[..., 1] > np.interp(grid[..., 0], columns, up))
        & (grid[..., 1] < np.interp(grid[..., 0], columns, low))
        & (np.abs(grid[..., 0]) < mouth.half_width)
    )
    covered = np.maximum(layers[0][..., 3], layers[1][..., 3]) > 0.05
    picture = image[box.slices]
    if level is not None:
        covered |= toothness(picture) > level
    back = _behind(picture, opening, covered, mm, BACK_LIGHT * float(skin.mean()))
    middle = len(columns) // 2
    return OwnMouth(
        box=box,
        upper=layers[0],
        lower=layers[1],
        back=back,
        upper_edge=None if upper is None else float(upper.last[middle]) / mm,
        lower_edge=None if lower is None else float(lower.first[middle]) / mm,
        tint=tint,
        upper_span=span(upper, mm),
        lower_span=span(lower, mm),
    )


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _tint(values: np.ndarray, pale: np.ndarray, is_tooth: np.ndarray) -> np.ndarray | None:
    """(3,) the colour of the lighter half of the teeth, or None if there are none to speak of."""
    if is_tooth.sum() <= 3:
        return None
    lit = is_tooth & (pale >= np.quantile(pale[is_tooth], 0.5))
    colour: np.ndarray = values[lit].mean(0).astype(np.float32)
    return colour


def _redness(values: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """How much redder than grey pixels (..., 3) are, in that of the skin; 0 in a grey picture."""
    least = np.float32(1e-3)
    of_skin = float(skin[0] / max(skin[1], least)) - 1
    if of_skin < LEAST_RED:
        return np.zeros(values.shape[:-1], np.float32)
    return (values[..., 0] / np.maximum(values[..., 1], least) - 1) / of_skin


def lip_light(u: Tensor, low: Tensor, shown: Tensor | None = None) -> Tensor:
    """How much light reaches what is between the lips, 0..1.

    Args:
        u, low: distance to the upper and to the lower lip in ``LIGHT_MM``, 0..1.
        shown: 0..1, how much of what is there was photographed, with shadows of its own.
    """
    edge, gap = _edge_light(u, low), _gap_light(u, low)
    light = edge * gap
    if shown is None:
        return light
    return light + shown * (edge.clip(LEAST_EDGE, 1) * gap.clip(LEAST_GAP, 1) - light)


def _edge_light(u: Tensor, low: Tensor) -> Tensor:
    """The shadow that each lip throws next to itself; arguments as in :func:`lip_light`."""
    # The upper lip's is that of teeth in 105 photographs of people who laugh.
    return (0.62 + 0.38 * (1 - EDGE_FADE**u)) * (0.75 + 0.25 * low**0.7)


def _gap_light(u: Tensor, low: Tensor) -> Tensor:
    """What little light gets in where the lips are close; arguments as in :func:`lip_light`."""
    return 0.34 + 0.66 * (u + low).clip(0, 1)


def _split(
    pale: np.ndarray,
    inside: np.ndarray,
    rows: np.ndarray,
    up: np.ndarray,
    low: np.ndarray,
    light: float,
) -> tuple[np.ndarray, float | None]:
    """Where upper teeth end and lower ones begin.

    Args:
        pale: (V, U) toothness.
        inside: (V, U) between the lips.
        rows: (V,) v of each row, px.
        up, low: (U,) the lips' contours.
        light: lightness of the skin.

    Returns:
        (U,) the line between the rows, and the toothness of a tooth's edge: None without teeth.
    """
    count = pale.shape[1]
    if inside.sum() < 6:
        return low, None
    peak = float(np.quantile(pale[inside], 0.95))
    if peak < TOOTH * light:
        return low, None
    level = max(0.58 * peak, EDGE * light)
    # The profile along the opening's height, over the front teeth: light, dark, light?
    front = slice(int(0.3 * count), int(0.7 * count) + 1)
    shares = (np.arange(33) + 0.5) / 33
    v = up[None, front] + shares[:, None] * (low - up)[None, front]
    at = (v - rows[0]) / (rows[1] - rows[0])
    x = np.broadcast_to(np.arange(count, dtype=np.float32)[None, front], at.shape)
    seen = cv2.remap(
        pale.astype(np.float32),
        np.ascontiguousarray(x),
        at.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    profile = blur(np.median(np.asarray(seen, np.float32), 1)[None], 0.7)[0]
    before = np.maximum.accumulate(profile)
    after = np.maximum.accumulate(profile[::-1])[::-1]
    # The deepest valley that has a light row on either side.
    depth = np.minimum(before, after) - profile
    depth[(before < level) | (after < level)] = 0
    valley = int(depth.argmax())
    if depth[valley] > 0.05 * peak:
        return up + shares[valley] * (low - up), level
    bright = np.flatnonzero(profile > level)
    if len(bright) and bright[0] > 0.35 * len(shares) and bright.mean() > 0.55 * len(shares):
        return up, level  # only the lower row shows
    return low, level


def _behind(
    image: np.ndarray, opening: np.ndarray, covered: np.ndarray, mm: float, lightest: float
) -> np.ndarray:
    """(h, w, 4) premultiplied: tongue and cavity, filled in where teeth hide them.

    Args:
        image: (h, w, 3) the box.
        opening, covered: (h, w) bool, between the lips, and by teeth.
        mm: px per mm.
        lightest: what is lighter is a lip or a tooth that wasn't told.
    """
    known = (grow(opening, -0.5 * mm) > 0) & (grow(covered.astype(np.uint8), 0.6 * mm) == 0)
    known &= image.mean(-1) < lightest
    if known.sum() < max(6.0, 0.08 * opening.sum()):
        return np.zeros((*opening.shape, 4), np.float32)
    filled = push_pull(image, known.astype(np.float32))
    share = 1.0
    if cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 3).max() < BACK_MM * mm:
        filled, share = blur(filled, TONE_MM * mm), TONE_SHARE
    cover = share * blur(grow(opening, 2.0 * mm).astype(np.float32), 1.0 * mm)[..., None]
    return np.concatenate([filled * cover, cover], -1).astype(np.float32)

"""The inside of a mouth that the portrait shows itself: what is on the skull, what on the jaw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from scipy.ndimage import median_filter
from torch import Tensor

from ....curves.easing import smoothstep
from ....face.mouth_look import TOOTH, toothness
from ..portrait.geometry import Box, FaceGeometry
from ..portrait.raster import blur, grow, pixel_grid, push_pull
from .seam import Mouth

Values = TypeVar("Values", np.ndarray, Tensor)

EDGE = 0.45
"""A tooth's edge has at least this share of the skin's lightness, as its lightest has ``TOOTH``."""
SIDE_SHADE = 0.9
"""How much less light the teeth in the corners have than the front ones."""
CROWN_MM = 17.0
"""How far a tooth goes on behind the lip, from its edge."""
REACH_MM = 14.0
LIGHT_MM = 5.5
"""How far into the mouth the lips' shadow reaches."""
EDGE_FADE = 0.007
"""exp(-LIGHT_MM / 1.1 mm): the upper lip's shadow ends within some millimetres."""
SHADE_MM = 1.0
"""The lips' shadow on the teeth of the portrait: its colour is not the teeth's."""
CORNER_MM, DIM_MM = 9.0, 6.0
"""How far a row goes on beyond the last tooth that shows, and over how much it gets dark by 1/e."""
LEAST_EDGE = 0.85
"""How dark a lip's own shadow gets on what was filmed."""
LEAST_GAP = 0.85
"""How dark it gets where the lips are close: what was filmed is in its own shadow already."""
EDGE_MM = 2.5
"""A row's edges are followed over so many mm at once."""
LEAST_MM = 0.8
"""A column shows a row of teeth if it has this much of it."""


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
    """

    box: Box
    upper: np.ndarray
    lower: np.ndarray
    back: np.ndarray
    upper_edge: float | None
    lower_edge: float | None
    tint: np.ndarray | None


@dataclass(frozen=True)
class _Row:
    """One row of teeth over columns u.

    Attributes:
        first, last: (U,) v of the highest and the lowest tooth pixel.
        cover: (U,) 0..1, how far the column shows this row.
    """

    first: np.ndarray
    last: np.ndarray
    cover: np.ndarray


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
    at = mouth.to_picture(uv).astype(np.float32)
    values = cv2.remap(
        image, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    pale = toothness(values)
    margin = 0.35 * mm
    inside = (rows[:, None] > up + margin) & (rows[:, None] < low - margin)
    split, level = _split(pale, inside, rows, up, low, float(skin.mean()))
    # Teeth get darker towards the corners.
    side = 1 - SIDE_SHADE * (columns / mouth.half_width) ** 2
    is_tooth = inside & (pale > level * side) if level is not None else np.zeros_like(inside)
    upper = _row(is_tooth & (rows[:, None] < split), rows, columns, mm)
    lower = _row(is_tooth & (rows[:, None] >= split), rows, columns, mm)
    if upper is not None:
        # Teeth that fill the whole opening end just behind the lower lip.
        fills = upper.last > low - margin - 0.6 * mm
        upper = _Row(upper.first, np.where(fills, low + 0.5 * mm, upper.last), upper.cover)
    if lower is not None:
        fills = lower.first < up + margin + 0.6 * mm
        lower = _Row(np.where(fills, up - 0.5 * mm, lower.first), lower.last, lower.cover)

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
    layers = [
        _continued(image, mouth, row, (columns, up + margin, low - margin), grid, mm, down=down)
        for row, down in ((upper, False), (lower, True))
    ]
    opening = (
        (grid[..., 1] > np.interp(grid[..., 0], columns, up))
        & (grid[..., 1] < np.interp(grid[..., 0], columns, low))
        & (np.abs(grid[..., 0]) < mouth.half_width)
    )
    back = _behind(image[box.slices], opening, (layers[0][..., 3], layers[1][..., 3]), mm)
    tint = None
    if is_tooth.sum() > 3:
        lit = is_tooth & (pale >= np.quantile(pale[is_tooth], 0.5))
        tint = values[lit].mean(0).astype(np.float32)
    middle = len(columns) // 2
    return OwnMouth(
        box=box,
        upper=layers[0],
        lower=layers[1],
        back=back,
        upper_edge=None if upper is None else float(upper.last[middle]) / mm,
        lower_edge=None if lower is None else float(lower.first[middle]) / mm,
        tint=tint,
    )


def lip_light(u: Values, low: Values) -> Values:
    """How much light reaches what is between the lips, 0..1; for tensors too.

    Args:
        u, low: distance to the upper and to the lower lip in ``LIGHT_MM``, 0..1.
    """
    return edge_light(u, low) * gap_light(u, low)


def edge_light(u: Values, low: Values) -> Values:
    """The shadow that each lip throws next to itself; arguments as in :func:`lip_light`."""
    # The upper lip's is that of teeth in 105 photographs of people who laugh.
    return (0.62 + 0.38 * (1 - EDGE_FADE**u)) * (0.75 + 0.25 * low**0.7)


def gap_light(u: Values, low: Values) -> Values:
    """What little light gets in where the lips are close; arguments as in :func:`lip_light`."""
    return 0.34 + 0.66 * (u + low).clip(0, 1)


def own_light(u: Values, low: Values) -> Values:
    """The light on what was filmed, which has shadows of its own; as in :func:`lip_light`."""
    return edge_light(u, low).clip(LEAST_EDGE, 1) * gap_light(u, low).clip(LEAST_GAP, 1)


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


def _row(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray, mm: float) -> _Row | None:
    """Follow a row of teeth in a mask (V, U), or None if there is too little of it."""
    step_v, step_u = rows[1] - rows[0], columns[1] - columns[0]
    seen = mask.sum(0) * step_v > LEAST_MM * mm
    if seen.sum() * step_u < 4 * mm:
        return None
    first = np.where(seen, rows[mask.argmax(0)], np.nan)
    last = np.where(seen, rows[len(rows) - 1 - mask[::-1].argmax(0)], np.nan)
    known = np.flatnonzero(seen)
    index = np.arange(len(columns))
    first = np.interp(index, known, first[known])
    last = np.interp(index, known, last[known])
    # Gaps between teeth are narrow; what is missing at the sides is the arch's end.
    cover = grow(grow(seen[None], 0.8 * mm / step_u), -0.8 * mm / step_u)[0] | seen
    # Single columns are cut short by the dark between teeth and lengthened by light on the lip.
    wide = 2 * round(0.5 * EDGE_MM * mm / step_u) + 1
    first, last = (median_filter(x, wide, mode="nearest") for x in (first, last))
    # The last tooth that shows fades into the dark of the corner.
    first, last, cover = (
        blur(x[None].astype(np.float32), far * mm / step_u)[0]
        for x, far in ((first, 0.5), (last, 0.5), (cover, 1.5))
    )
    return _Row(first, last, cover)


def _continued(
    image: np.ndarray,
    mouth: Mouth,
    row: _Row | None,
    opening: tuple[np.ndarray, np.ndarray, np.ndarray],
    grid: np.ndarray,
    mm: float,
    down: bool,
) -> np.ndarray:
    """(h, w, 4) premultiplied: a row of teeth that goes on behind the lip, tooth by tooth.

    Args:
        image: (H, W, 3) the crop.
        mouth: the mouth's frame.
        row: the row, or None.
        opening: (U,) columns, and v of the upper and the lower end of what is seen there.
        grid: (h, w, 2) u, v of the pixels wanted.
        mm: px per mm.
        down: whether the row's roots are below it.
    """
    if row is None:
        return np.zeros((*grid.shape[:2], 4), np.float32)
    u, v = grid[..., 0], grid[..., 1]
    up, low = (np.interp(u, opening[0], end) for end in opening[1:])
    crowns = _crowns(image, mouth, opening[0], row, mm)
    columns, row, crowns = _into_corners(opening[0], row, crowns, mm)
    first, last, cover = (np.interp(u, columns, x) for x in (row.first, row.last, row.cover))
    soft = max(0.5, 0.2 * mm)
    edge, sign = (first, 1.0) if down else (last, -1.0)
    at = sign * (v - edge)  # towards the root
    cover = cover * smoothstep(-soft, soft, at) * (1 - smoothstep(0.85, 1.1, at / (CROWN_MM * mm)))
    # Next to a lip teeth lie in its shadow, which goes with it. Where the upper lip hides them, now
    # or later, they look like the middle of the crown that shows; lower ones end in gum and shade.
    rim = np.minimum(0.6 * mm, 0.3 * (last - first))
    place = np.where((v < up) | (v > low), np.clip(v, first + rim, last - rim), v)
    source = mouth.to_picture(np.stack([u, place], -1)).astype(np.float32)
    seen = cv2.remap(
        image, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    shade = np.minimum(SHADE_MM * mm, 0.4 * (last - first)) + 1e-3
    hidden = 0.0 if down else 1 - smoothstep(0.0, 1.0, np.minimum(v - up, low - v) / shade)
    hidden = np.where((u < opening[0][0]) | (u > opening[0][-1]), 1.0, hidden)[..., None]
    crown = np.stack([np.interp(u, columns, values) for values in crowns.T], -1)
    cover = cover[..., None]
    return np.concatenate([(seen + hidden * (crown - seen)) * cover, cover], -1).astype(np.float32)


def _crowns(
    image: np.ndarray, mouth: Mouth, columns: np.ndarray, row: _Row, mm: float
) -> np.ndarray:
    """(U, 3) the colour of each column of a row half way up what shows of it."""
    at = mouth.to_picture(np.stack([columns, (row.first + row.last) / 2], -1)).astype(np.float32)
    found = cv2.remap(
        image, at[None, :, 0], at[None, :, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )[0]
    smooth = 0.5 * mm / (columns[1] - columns[0])
    return np.stack([blur(c[None].astype(np.float32), smooth)[0] for c in found.T], -1)


def _into_corners(
    columns: np.ndarray, row: _Row, crowns: np.ndarray, mm: float
) -> tuple[np.ndarray, _Row, np.ndarray]:
    """Columns, row and colours, with teeth in the dark beyond the last ones that show.

    A mouth that gets wider shows more of the arch: its edge goes on as a parabola.
    """
    shown = np.flatnonzero(row.cover > 0.5)
    if len(shown) < 3:
        return columns, row, crowns
    a, b, step = shown[0], shown[-1] + 1, columns[1] - columns[0]
    more = int(CORNER_MM * mm / step) + 1
    away = np.pad(np.zeros(b - a), more, "linear_ramp", end_values=more) * step / mm
    wide = columns[a] + step * (np.arange(b - a + 2 * more) - more)
    degree = 2 if (b - a) * step > 12 * mm else 0

    def on(values: np.ndarray) -> np.ndarray:
        curve = np.polyval(np.polyfit(columns[a:b], values[a:b], degree), wide)
        ends = (curve[:more] - curve[more] + values[a], values[a:b])
        return np.concatenate([*ends, curve[-more:] - curve[-more - 1] + values[b - 1]])

    near = max(1, min(b - a, round(2.0 * mm / step)))
    dim = np.exp(-away / DIM_MM)[:, None]
    colour = np.concatenate(
        [
            np.repeat(crowns[a : a + near].mean(0, keepdims=True), more, 0),
            crowns[a:b],
            np.repeat(crowns[b - near : b].mean(0, keepdims=True), more, 0),
        ]
    )
    beyond = (away > 0) * (1 - smoothstep(0.0, CORNER_MM, away))
    cover = np.maximum(np.interp(wide, columns, row.cover, 0, 0), beyond)
    return wide, _Row(on(row.first), on(row.last), cover), colour * dim


def _behind(
    image: np.ndarray, opening: np.ndarray, teeth: tuple[np.ndarray, np.ndarray], mm: float
) -> np.ndarray:
    """(h, w, 4) premultiplied: tongue and cavity, filled in where teeth hide them."""
    covered = (np.maximum(*teeth) > 0.05).astype(np.uint8)
    known = (grow(opening, -0.5 * mm) > 0) & (grow(covered, 0.6 * mm) == 0)
    if known.sum() < max(6.0, 0.08 * opening.sum()):
        return np.zeros((*opening.shape, 4), np.float32)
    filled = push_pull(image, known.astype(np.float32))
    cover = blur(grow(opening, 2.0 * mm).astype(np.float32), 1.0 * mm)[..., None]
    return np.concatenate([filled * cover, cover], -1).astype(np.float32)

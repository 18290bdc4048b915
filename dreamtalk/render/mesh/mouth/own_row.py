"""A row of teeth of which the portrait shows a part: the rest is drawn, in its place and light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.ndimage import median_filter

from ....curves.easing import smoothstep
from ..portrait.raster import blur, colours_at, grow
from .seam import Mouth
from .teeth import ARCHES_MM, ToothColours, density_of, draw_row

EDGE_MM = 2.5
"""A row's edges are followed over so many mm at once."""
LEAST_MM = 0.8
"""A column shows a row of teeth if it has this much of it."""
CROWN_MM = (7.5, 9.0)
"""How far from its edge a tooth that shows goes on behind the lip, and where it is all drawn."""
GUM_MM = 12.0
"""So far from a tooth's edge there is gum, and it goes on."""
SHADE_MM = 1.0
"""The lips' shadow on the teeth of the portrait: its colour is not the teeth's."""
ARCH_TRUST_MM = 9.0
"""What shows of a row tells its arch if it reaches this far to either side."""
TILT_TRUST_MM = 4.0
"""The same for its slope."""
EDGE_OFF_MM, ROUNDS = 0.9, 4
"""How far a tooth's edge may be off its arch, and rounds of fitting that."""
JOIN_MM = 4.0
"""Over how much of the arch beyond it what the last tooth differs by fades."""
DIM_MM = 12.0
"""Teeth beyond the last that shows were too dark to be seen: they get dark by 1/e over so much."""
EDGE_PX = 0.7
"""How far from a tooth's edge a picture has mixed it with what is beyond."""
GAIN = (0.45, 1.6)
"""Limits of the light on drawn teeth against that on the teeth that show."""
LIGHT_MM = 2.5
"""Over how much of a row its light is averaged."""


@dataclass(frozen=True)
class Row:
    """One row of teeth over columns.

    Attributes:
        u: (U,) px, the columns.
        first, last: (U,) v of the highest and the lowest tooth pixel.
        cover: (U,) 0..1, how far the column shows this row.
    """

    u: np.ndarray
    first: np.ndarray
    last: np.ndarray
    cover: np.ndarray


def find_row(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray, mm: float) -> Row | None:
    """Follow a row of teeth in a mask (V, U), or None if there is too little of it.

    Args:
        mask: where teeth are.
        rows, columns: (V,) and (U,) px, v and u of the mask.
        mm: px per mm.
    """
    step_v, step_u = rows[1] - rows[0], columns[1] - columns[0]
    start, length = _longest_runs(mask)
    seen = length * step_v > LEAST_MM * mm
    if seen.sum() * step_u < 4 * mm:
        return None
    first = np.where(seen, rows[start], np.nan)
    last = np.where(seen, rows[np.minimum(start + length - 1, len(rows) - 1)], np.nan)
    known = np.flatnonzero(seen)
    index = np.arange(len(columns))
    first = np.interp(index, known, first[known])
    last = np.interp(index, known, last[known])
    # Gaps between teeth are narrow; what is missing at the sides is the arch's end.
    cover = grow(grow(seen[None], 0.8 * mm / step_u), -0.8 * mm / step_u)[0] | seen
    # Single columns are cut short by the dark between teeth and lengthened by light on the lip.
    wide = 2 * round(0.5 * EDGE_MM * mm / step_u) + 1
    first, last = (median_filter(x, wide, mode="nearest") for x in (first, last))
    first, last, cover = (
        blur(x[None].astype(np.float32), far * mm / step_u)[0]
        for x, far in ((first, 0.5), (last, 0.5), (cover, 1.0))
    )
    return Row(columns, first, last, cover)


def _longest_runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(U,) where the longest run of true in each column of a mask (V, U) starts, and its length."""
    run = np.zeros((len(mask) + 1, mask.shape[1]), int)
    for row, line in enumerate(mask):
        run[row + 1] = (run[row] + 1) * line
    length = run.max(0)
    return np.maximum(run.argmax(0) - length, 0), length


def span(row: Row | None, mm: float) -> tuple[float, float]:
    """From where to where a row shows, mm; (0, 0) without one."""
    if row is None:
        return 0.0, 0.0
    shown = row.u[row.cover >= min(0.75, float(row.cover.max()))] / mm
    return float(shown[0]), float(shown[-1])


def whole_row(
    image: np.ndarray,
    mouth: Mouth,
    row: Row,
    opening: tuple[np.ndarray, np.ndarray],
    grid: np.ndarray,
    mm: float,
    colours: ToothColours,
    upper: bool,
) -> np.ndarray:
    """(h, w, 4) premultiplied: what shows of a row, and what the lips hide of it.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        mouth: the mouth's frame.
        row: what shows.
        opening: (U,) px, v of the upper and the lower end of what is seen in the row's columns.
        grid: (h, w, 2) u, v of the pixels wanted.
        mm: px per mm.
        colours: of the teeth that show, and of gum.
        upper: which row.
    """
    shown = np.clip(2 * row.cover - 1, 0, 1)
    known = shown > 0.5
    if not known.any():
        known = shown >= shown.max()
    row, arch = _along_arch(row, known, mm, upper)
    bend = ARCHES_MM[0 if upper else 1] / 24**2  # of the drawn row
    sprite = draw_row(colours, density_of(mm), upper, 0.0)

    def drawn(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        x, y = u / mm, (v - _edge(u, row, known, mm, arch, upper)) / mm - bend * (u / mm) ** 2
        y = y.clip(-GUM_MM, GUM_MM)  # a lip that is raised far shows gum and nothing above it
        return cv2.remap(
            sprite.image,
            ((x - sprite.left) * sprite.density).astype(np.float32),
            ((y - sprite.top) * sprite.density).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        )

    # The colour of each column half way up what shows of it, and what would be drawn there.
    middle = ((row.first + row.last) / 2)[None]
    columns = row.u[None]
    step = row.u[1] - row.u[0]
    there, plain = mouth.look(image, np.stack([columns, middle], -1)), drawn(columns, middle)
    light = _ratio(there, plain[..., :3] / np.maximum(plain[..., 3:], 0.1), shown, mm / step)
    crowns = blur(there.astype(np.float32), 0.5 * mm / step)[0]

    u, v = grid[..., 0], grid[..., 1]
    first, last, share = (np.interp(u, row.u, x) for x in (row.first, row.last, shown))
    up, low = (np.interp(u, row.u, end) for end in opening)
    # Next to a lip teeth lie in its shadow, which goes with it. Where the upper lip hides them, now
    # or later, they look like the middle of the crown that shows; lower ones end in gum and shade.
    rim = np.minimum(0.6 * mm, 0.3 * (last - first))
    hem = np.minimum(max(EDGE_PX, 0.15 * mm), rim)  # the dark below an edge is not the tooth's
    inner = np.clip(v, None, last - hem) if upper else np.clip(v, first + hem, None)
    beyond = (v < up) | (v > low)
    place = np.where(beyond, np.clip(v, first + rim, last - rim), inner)
    seen = mouth.look(image, np.stack([u, place], -1))
    shade = np.minimum(SHADE_MM * mm, 0.4 * (last - first)) + 1e-3
    hidden = 1 - smoothstep(0.0, 1.0, np.minimum(v - up, low - v) / shade)
    mixed = hidden[..., None] if upper else 0.0
    own = seen + mixed * (colours_at(u, row.u, crowns) - seen)

    soft = max(0.5, 0.2 * mm)
    root = last - v if upper else v - first  # px from the edge
    share = share * ((u >= row.u[0]) & (u <= row.u[-1])) * smoothstep(-soft, soft, root)
    share = (share * (1 - hidden * smoothstep(*CROWN_MM, root / mm)))[..., None]
    rest = drawn(u, v)
    away = np.maximum(np.maximum(row.u[known][0] - u, u - row.u[known][-1]), 0) / mm
    light_there = colours_at(u, row.u, light) * np.exp(-away / DIM_MM)[..., None]
    rest[..., :3] = np.minimum(rest[..., :3] * light_there, rest[..., 3:])
    whole = np.concatenate([own * share, share], -1) + rest * (1 - share)
    return whole.astype(np.float32)


def _along_arch(row: Row, known: np.ndarray, mm: float, upper: bool) -> tuple[Row, np.ndarray]:
    """A row whose cutting edge keeps near its arch, and the arch.

    Args:
        row: what shows.
        known: (U,) bool, columns that show it.
        mm: px per mm.
        upper: which row.

    Returns:
        the row, and (3,) the powers of the arch: 1, mm and mm squared of the column -> mm.
    """
    x, y = row.u / mm, (row.last if upper else row.first) / mm
    powers = np.stack([np.ones_like(x), x, x**2], -1)
    # A parabola: its bend is that of an average arch, the less the more of the row shows.
    trust = known.sum() * np.diag([0.0, TILT_TRUST_MM**2 / 3, ARCH_TRUST_MM**4 / 5])
    prior = np.array([0.0, 0.0, -ARCHES_MM[0 if upper else 1] / 24**2])
    weight, arch = known.astype(np.float64), prior
    for _ in range(ROUNDS):  # what was taken for a tooth and is none counts less each round
        whole = powers.T * weight
        arch = np.linalg.solve(whole @ powers + trust, whole @ y + trust @ prior)
        weight = known / np.maximum(1, np.abs(y - powers @ arch) / (0.5 * EDGE_OFF_MM))
    curve = powers @ arch
    edge = mm * (curve + np.clip(y - curve, -EDGE_OFF_MM, EDGE_OFF_MM)).astype(np.float32)
    return (replace(row, last=edge) if upper else replace(row, first=edge)), arch


def _edge(
    u: np.ndarray, row: Row, known: np.ndarray, mm: float, arch: np.ndarray, upper: bool
) -> np.ndarray:
    """The cutting edge's v at columns u: as it shows, and on along the arch; see above."""
    x, y = row.u[known] / mm, (row.last if upper else row.first)[known] / mm
    curve = np.polynomial.polynomial.polyval(u / mm, arch)
    off = y - np.polynomial.polynomial.polyval(x, arch)
    away = np.maximum(np.maximum(x[0] - u / mm, u / mm - x[-1]), 0)
    return mm * (curve + np.interp(u / mm, x, off) * np.exp(-away / JOIN_MM))


def _ratio(
    colours: np.ndarray, plain: np.ndarray, weights: np.ndarray, columns_per_mm: float
) -> np.ndarray:
    """(U, 3) the light on the teeth that show against that on drawn ones, and on beyond them.

    Args:
        colours, plain: (1, U, 3) of both.
        weights: (U,) 0..1, where the first are known.
        columns_per_mm: of U.
    """
    weight = weights[None, :, None].astype(np.float32)
    sums = (
        blur(np.concatenate([c * weight, weight], -1).astype(np.float32), LIGHT_MM * columns_per_mm)
        for c in (colours, plain)
    )
    (there, total), (here, _) = ((s[0, :, :3], s[0, :, 3]) for s in sums)
    known = np.flatnonzero(total > 0.3 * total.max())
    ratio = np.clip(there[known] / np.maximum(here[known], 1e-3), *GAIN)
    return colours_at(np.arange(len(total)), known, ratio)

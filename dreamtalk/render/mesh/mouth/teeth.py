"""Procedural teeth and tongue: pictures in millimetres of the mouth, drawn once per portrait.

Coordinates: x to the picture's right, y down, origin in the middle of the lip seam. Tooth widths
are those of an average arch as seen from the front (teeth further back are foreshortened).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ....curves.easing import smoothstep

UPPER_WIDTHS = (8.3, 6.4, 6.7, 5.2, 3.8, 2.6)
LOWER_WIDTHS = (5.2, 5.5, 5.9, 5.0, 4.2, 3.2)
UPPER_LENGTHS = (10.2, 8.9, 10.0, 8.4, 7.4, 6.6)
LOWER_LENGTHS = (8.6, 8.9, 9.4, 8.2, 7.4, 6.8)
UPPER_EDGES = (0.0, -0.75, -0.1, -0.7, -0.9, -1.0)
"""Where each upper tooth ends against the arch, mm (negative is shorter)."""
LOWER_EDGES = (0.0, 0.1, -0.25, 0.3, 0.5, 0.6)
ARCHES_MM = (1.9, 1.1)
"""How much higher the upper and the lower row's cutting edges lie 24 mm from the midline."""
SIDE_LIGHT = (
    (0, 1.0), (6, 0.99), (10, 0.95), (14, 0.90), (18, 0.80), (22, 0.57), (26, 0.38), (32, 0.2),
)  # fmt: skip
"""The lightest of a column of teeth by its distance from the midline, mm: medians of 105
photographs of people who laugh."""
CANINE, CANINE_SHADE = 2, 0.05
"""The third tooth from the midline is the yellowest one, and darker by so much."""
HALF_EXTENT = 33.0
GUM = np.array([0.62, 0.30, 0.29], np.float32)


@dataclass(frozen=True)
class Sprite:
    """A picture in mouth millimetres.

    Attributes:
        image: (H, W, 4) float32, premultiplied RGBA.
        left, top: mm of the first texel's centre.
        density: texels per mm.
    """

    image: np.ndarray
    left: float
    top: float
    density: float


@dataclass(frozen=True)
class ToothColours:
    """What a row of teeth is drawn in.

    Attributes:
        tint: (3,) colour of a lit front tooth.
        gum: (3,) colour of the gum.
        colourful: 0 for a grey or sepia picture .. 1.
    """

    tint: np.ndarray
    gum: np.ndarray
    colourful: float

    def hue(self, *shares: float) -> np.ndarray:
        """(3,) shares of red, green and blue that are taken away; all alike in a grey picture."""
        values = np.array(shares, np.float32)
        return values.mean() + self.colourful * (values - values.mean())


def density_of(mm: float) -> float:
    """Texels per mm of a sprite for a picture of ``mm`` px per mm."""
    return float(np.clip(1.5 * mm, 0.5, 16))


def _canvas(top: float, bottom: float, density: float) -> tuple[np.ndarray, np.ndarray]:
    width, height = int(2 * HALF_EXTENT * density) + 1, int((bottom - top) * density) + 1
    x = (np.arange(width) / density - HALF_EXTENT).astype(np.float32)
    y = (np.arange(height) / density + top).astype(np.float32)
    return np.meshgrid(x, y)[0], np.meshgrid(x, y)[1]


DRAWN_DENSITY = 10.0


def _shrink(image: np.ndarray, top: float, density: float) -> Sprite:
    """Bring a picture drawn at ``DRAWN_DENSITY`` to the density that is looked up: no aliasing."""
    factor = density / DRAWN_DENSITY
    if factor < 1:
        size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        # Area averaging keeps the outer edges in place, not the centres of the outer texels.
        half = 0.5 * (1 / density - 1 / DRAWN_DENSITY)
        return Sprite(image.astype(np.float32), -HALF_EXTENT + half, top + half, density)
    return Sprite(image.astype(np.float32), -HALF_EXTENT, top, DRAWN_DENSITY)


def draw_row(colours: ToothColours, density: float, upper: bool, edge: float) -> Sprite:
    """One row of teeth with its gum.

    Args:
        colours: of teeth and gum.
        density: texels per mm.
        upper: which row.
        edge: y of the cutting edge in the middle, mm.
    """
    tint, gum, hue = colours.tint, colours.gum, colours.hue
    sign = 1.0 if upper else -1.0
    top, bottom = (edge - 15.0, edge + 2.0) if upper else (edge - 4.0, edge + 15.0)
    x, y = _canvas(top, bottom, DRAWN_DENSITY)
    widths = UPPER_WIDTHS if upper else LOWER_WIDTHS
    lengths = UPPER_LENGTHS if upper else LOWER_LENGTHS
    edges = UPPER_EDGES if upper else LOWER_EDGES
    soft = 1.2 / DRAWN_DENSITY
    arc = ARCHES_MM[0 if upper else 1]
    # Distance from the cutting edge towards the gum, which the arch bends up at the sides.
    depth = sign * (edge - y) - (arc * (x / 24) ** 2 if upper else -arc * (x / 24) ** 2)
    rng = np.random.default_rng(7 if upper else 11)

    mottle = cv2.GaussianBlur(rng.standard_normal(x.shape).astype(np.float32), (0, 0), 9.0)
    mottle /= max(float(mottle.std()), 1e-6)
    colour = np.broadcast_to(gum, (*x.shape, 3)).astype(np.float32).copy()
    cover = np.zeros_like(x)
    gum_line = np.full_like(x, 30.0)
    for side in (-1.0, 1.0):
        start = 0.0
        for name, (width, length, shift) in enumerate(zip(widths, lengths, edges, strict=True)):
            left = start
            start += width
            middle, half = left + width / 2, width / 2
            jitter = rng.uniform(-1, 1, 5)
            if name == 0:
                jitter[2:4] *= 0.4  # the two in front are alike
            t = (side * x - middle) / half  # -1 towards the midline .. 1 away from it
            columns = np.flatnonzero(np.abs(t[0]) <= 1.04)
            if len(columns) == 0:
                continue
            part = (slice(None), slice(columns[0], columns[-1] + 1))
            t = t[part]
            # No tooth is quite straight or ends where its neighbour does.
            at = depth[part] + shift + 0.22 * jitter[0] + 0.18 * jitter[4] * t
            pointed = (0.9 if width > 6.5 and left > 10 and upper else 0.18) * np.abs(t) ** 1.5
            # The corner away from the midline is the rounder one.
            begin = np.where(t > 0, 0.42, 0.66)
            bend = np.clip((np.abs(t) - begin) / (1 - begin), 0, 1)
            corner = np.where(t > 0, 1.05, 0.65) * bend**2.2 + pointed * 0.5
            # The neck narrows: contact points sit in the outer third of the crown.
            taper = 1 - 0.10 * np.clip(at / length, 0, 1) ** 1.5 - 0.05 * np.exp(-at / 0.8)
            gap = (taper - np.abs(t)) * half
            gums = length - 1.7 * np.abs(t) ** 2.2 + 0.2 * jitter[1]
            alpha = smoothstep(-soft, soft, at - corner) * smoothstep(-0.16, 0.16 + soft, gap)
            shade = 1.0 - 0.16 * np.abs(t + 0.12) ** 3
            shade *= 1 - 0.10 * smoothstep(0.45, 1.0, at / length)
            shade *= 1 + 0.04 * jitter[2] - (CANINE_SHADE if name == CANINE else 0)
            shade *= 1 - 0.10 * np.exp(-np.maximum(at - corner, 0) / 0.5)
            shade *= 1 + 0.03 * mottle[part]
            body = tint[None, None] * shade[..., None]
            if name == CANINE:
                body = body * (1 - hue(0.0, 0.02, 0.06))
            # Towards the gum dentine shows through, at the edge enamel turns clear and cooler.
            warm = smoothstep(0.35, 1.0, at / length)[..., None]
            cool = np.exp(-np.maximum(at - corner, 0) / 0.9)[..., None]
            body = body * (1 - warm * hue(0.02, 0.06, 0.14))
            body = body * (1 - cool * hue(0.10, 0.07, 0.04))
            # Wet enamel: a broad sheen, and a small highlight in it.
            across = (t + 0.25 - 0.2 * jitter[1]) / 0.22
            along = (at / length - 0.42 - 0.1 * jitter[2]) / 0.26
            shine = 0.06 * np.exp(-(across**2) - along**2)
            shine += 0.11 * np.exp(-((across / 0.6) ** 2) - ((along - 0.3 * jitter[3]) / 0.45) ** 2)
            # The tooth that bulges to the light has it, its neighbour may not.
            body = body + (1 + 0.6 * jitter[3]) * shine[..., None] * tint.mean()
            crown = (alpha * smoothstep(-soft, soft, gums - at))[..., None]
            colour[part] = colour[part] * (1 - crown) + body * crown
            cover[part] = np.maximum(cover[part], alpha)
            gum_line[part] = np.where(np.abs(t) <= 1, gums - at, gum_line[part])
    # Between teeth: a thin warm shadow, deeper at the cutting edge; above the papillae it is gum.
    row = smoothstep(-soft, soft, depth - 0.9)
    between = np.clip(row - cover, 0, 1)[..., None]
    deep = np.exp(-np.maximum(depth - 0.9, 0) / 1.6)[..., None]
    line = tint * (1 - deep * hue(0.46, 0.52, 0.56) - (1 - deep) * hue(0.22, 0.27, 0.31))
    in_gum = smoothstep(6.0, 8.5, depth)[..., None]
    colour = colour * (1 - between) + (line * (1 - in_gum) + gum * in_gum) * between
    cover = np.maximum(cover, row)
    root = smoothstep(0.2, -0.8, gum_line)[..., None]
    colour = colour * (1 - 0.25 * root * np.exp(-np.maximum(-gum_line, 0) / 0.8)[..., None])
    # The arch turns away and into the shadow of the cheeks.
    colour *= np.interp(np.abs(x), *np.transpose(SIDE_LIGHT))[..., None].astype(np.float32)
    cover = cover * (1 - smoothstep(13.0, 14.8, depth))
    cover = cover * (1 - smoothstep(27.0, 32.0, np.abs(x)))
    image = np.concatenate([colour * cover[..., None], cover[..., None]], -1)
    return _shrink(image, top, density)


def draw_tongue(tint: np.ndarray, density: float) -> Sprite:
    """The tongue's upper side at rest behind the lower teeth, y = 0 at its highest line.

    Args:
        tint: (3,) colour in the light.
        density: texels per mm.
    """
    x, y = _canvas(-3.0, 26.0, DRAWN_DENSITY)
    half = 21.0
    dome = 2.6 * np.clip(np.abs(x) / half, 0, 1.2) ** 2.4
    groove = 0.25 * np.exp(-((x / 3.2) ** 2))
    at = y - dome - groove
    cover = smoothstep(-0.7, 0.7, at) * (1 - smoothstep(half - 2.5, half + 1.5, np.abs(x)))
    across = np.clip(np.abs(x) / half, 0, 1)
    shade = 0.52 + 0.48 * smoothstep(-0.5, 7.0, at)
    shade *= 1 - 0.45 * across**2.2
    shade *= 1 - 0.07 * np.exp(-((x / 2.2) ** 2)) * smoothstep(0, 4, at)
    colour = tint[None, None] * shade[..., None]
    # Light lies on it in spots, where spit does.
    rng = np.random.default_rng(5)
    spots = cv2.GaussianBlur(rng.standard_normal(x.shape).astype(np.float32), (0, 0), 7.0)
    spots = np.clip(spots / max(float(spots.std()), 1e-6) - 0.6, 0, 2)
    wet = np.exp(-((np.abs(x) / 11.0) ** 4) - ((at - 4.4) / 1.8) ** 2)
    colour = colour + (0.07 * wet * spots)[..., None]
    image = np.concatenate([colour * cover[..., None], cover[..., None]], -1)
    return _shrink(image, -3.0, density)


def tooth_tint(skin: np.ndarray, sclera: np.ndarray) -> np.ndarray:
    """The colour of a lit tooth, from the skin and the white of the eye of the same picture.

    Args:
        skin: (3,) cheek colour in 0..1.
        sclera: (3,) colour of the white of the eye.
    """
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    skin_light, sclera_light = float(skin @ weights), float(sclera @ weights)
    light = float(np.clip(max(1.12 * skin_light, 1.34 * sclera_light), 0.08, 0.84))
    from_skin = skin * np.array([1.17, 1.40, 1.52], np.float32)
    from_skin = from_skin / max(float(from_skin @ weights), 1e-3)
    from_sclera = sclera / max(sclera_light, 1e-3)
    enamel = np.array([1.07, 1.0, 0.88], np.float32)
    hue = 0.35 * from_skin + 0.25 * from_sclera + 0.4 * enamel
    tint = light * hue / float(hue @ weights)
    # Enamel is never greener or bluer than red, nor as orange as skin in warm light.
    tint[1] = np.clip(tint[1], 0.86 * tint[0], 0.965 * tint[0])
    tint[2] = np.clip(tint[2], 0.70 * tint[0], 0.92 * tint[0])
    return np.clip(tint, 0.02, 0.98).astype(np.float32)

"""Light on the edges of lips that were photographed closed.

Where closed lips meet there is a dark line, which is the shadow between them. Cut along it, each
lip would carry its half along, and a mouth that opens would have a black rim, all the thicker where
a smile stretches thin lips. As lips part, light falls on their edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ....curves.easing import smoothstep
from ...box import Box
from ..portrait.raster import blur, colours_at, pixel_grid
from ..warp.textures import Sampler, Texture
from .seam import Mouth

NEAR_MM, FAR_MM = 0.5, 1.2
"""The line reaches so far into each lip; from the second distance on a lip has its own colour."""
OPEN_MM = (0.6, 2.4)
"""Gaps between which the light comes."""
CORNER = (0.75, 0.97)
"""Shares of the half width between which it fades: corners stay dark."""
SHARE = 0.85


@dataclass(frozen=True)
class SeamLight:
    """What the dark line between closed lips lacks against the lips' own colours.

    Attributes:
        upper, lower: of either lip, from ``corner`` on.
        corner: (x, y) px of the crop of the first texel.
        mm: px per mm.
    """

    upper: Texture
    lower: Texture
    corner: tuple[int, int]
    mm: float


def find_seam_light(image: np.ndarray, mouth: Mouth, mm: float, sampler: Sampler) -> SeamLight:
    """Measure the line between closed lips.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        mouth: with closed lips.
        mm: px per mm.
        sampler: where look-ups happen.
    """
    table_u = np.linspace(-mouth.reach, mouth.reach, len(mouth.upper))
    inside = np.abs(table_u) <= mouth.half_width
    ends = mouth.to_picture(np.stack([table_u[inside], mouth.upper[inside]], -1))
    pad = 2 * FAR_MM * mm + 2
    box = Box.around(ends.min(0) - pad, ends.max(0) + pad, image.shape[1], image.shape[0], least=4)
    uv = mouth.to_frame(pixel_grid(box.height, box.width) + np.array([box.x0, box.y0]))
    below = (uv[..., 1] - np.interp(uv[..., 0], table_u, mouth.upper)) / mm
    near = 1 - smoothstep(NEAR_MM, FAR_MM, np.abs(below))
    near = near * (1 - smoothstep(*CORNER, np.abs(uv[..., 0]) / mouth.half_width))

    def lacking(side: float) -> Texture:
        """Of the lip above (-1) or below (1)."""
        own = mouth.look(image, np.stack([table_u, mouth.upper + side * FAR_MM * mm], -1)[None])
        colours = blur(own.astype(np.float32), 1.0 * mm / (table_u[1] - table_u[0]))[0]
        wanted = colours_at(uv[..., 0], table_u, colours)
        lack = np.maximum(wanted - image[box.slices], 0) * (SHARE * near)[..., None]
        return sampler.texture(lack.astype(np.float32), 1)

    return SeamLight(lacking(-1.0), lacking(1.0), (box.x0, box.y0), mm)


def seam_light(
    light: SeamLight, sampler: Sampler, gap: Tensor, upper: tuple[Tensor, Tensor],
    lower: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """What to add to the upper lip's pixels and to the lower one's.

    Args:
        light: of the portrait.
        sampler: look-ups.
        gap: (n, h, w) px, how far the lips are apart at each pixel's column.
        upper: x, y (n, h, w): where the upper lip's pixels come from, px of the crop.
        lower: the same of the lower lip's.

    Returns:
        (n, h, w, 3) each.
    """
    share = smoothstep(OPEN_MM[0] * light.mm, OPEN_MM[1] * light.mm, gap)[..., None]
    x, y = light.corner
    pairs = ((light.upper, upper), (light.lower, lower))
    first, second = (share * sampler.sample(t, at[0] - x, at[1] - y) for t, at in pairs)
    return first, second

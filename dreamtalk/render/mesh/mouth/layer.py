"""The opening between the lips, and the lower lip in front of what is seen in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ....curves.easing import smoothstep
from ....face.portrait import Portrait
from ...box import Box
from ..portrait.geometry import FaceGeometry
from ..portrait.softness import edge_softness
from ..warp.textures import Sampler
from .borrowed import borrow_interior
from .interior import Interior, MouthPose, build_interior, paint_interior
from .seam import Mouth
from .seam_light import SeamLight, find_seam_light, seam_light

DRAWN_SOFTNESS = 0.55
"""Sigma in px of the edges that are drawn here: with it, they come out as sharp as filmed ones."""


@dataclass(frozen=True)
class MouthLayer:
    """Everything about a portrait's mouth that does not depend on the frame.

    Attributes:
        mouth: frame and contours.
        upper_table, lower_table: the contours on the device.
        interior: what is behind the lips.
        blur: sigma in px of the blur that makes what is drawn as soft as the portrait.
        seam_light: for lips that are closed in the portrait.
    """

    mouth: Mouth
    upper_table: Tensor
    lower_table: Tensor
    interior: Interior
    blur: float
    seam_light: SeamLight | None = None


def build_mouth(
    image: np.ndarray,
    face: FaceGeometry,
    mouth: Mouth,
    sclera: np.ndarray,
    sampler: Sampler,
    other: Portrait | None = None,
) -> MouthLayer:
    """Measure colours and draw what the portrait does not show.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        face: the face in it.
        mouth: its mouth.
        sclera: (3,) colour of the white of the eyes.
        sampler: where look-ups happen.
        other: another picture of the person whose teeth, tongue and cavity are shown instead.
    """
    upper, lower = (
        torch.from_numpy(np.ascontiguousarray(table, dtype=np.float32)).to(sampler.device)
        for table in (mouth.upper, mouth.lower)
    )
    interior = build_interior(image, face, mouth, sclera, sampler)
    if other is not None:
        interior = borrow_interior(interior, image, face, mouth, other, sclera, sampler)
    softness = edge_softness(image, face)
    return MouthLayer(
        blur=float(np.sqrt(max(softness**2 - DRAWN_SOFTNESS**2, 0.0))),
        mouth=mouth,
        upper_table=upper,
        lower_table=lower,
        interior=interior,
        seam_light=None if mouth.is_open else find_seam_light(image, mouth, face.mm, sampler),
    )


def lookup(table: Tensor, u: Tensor, reach: float) -> Tensor:
    """Linear interpolation of a table over -reach..reach, clamped."""
    at = ((u + reach) * ((len(table) - 1) / (2 * reach))).clamp(0, len(table) - 1.001)
    low = at.long()
    value = table[low]
    return value + (table[low + 1] - value) * (at - low)


def edge_distance(signed: Tensor) -> Tensor:
    """A warped distance (n, h, w) -> distance in output px, exact to first order at its edge."""
    slopes = torch.gradient(signed, dim=(1, 2))
    return signed / torch.hypot(slopes[0], slopes[1]).clamp_min(0.2)


def paint_mouth(
    layer: MouthLayer,
    sampler: Sampler,
    frame: Tensor,
    region: Box,
    cavity: Box,
    source_a: tuple[Tensor, Tensor],
    source_b: tuple[Tensor, Tensor],
    lip_pixels: Tensor,
    pose: MouthPose,
) -> Tensor:
    """Draw the cavity and the lower lip into a box of the frames.

    Args:
        layer: the mouth.
        sampler: look-ups.
        frame: (n, h, w, 3) the box as field A left it.
        region: the box, px of the crop.
        cavity: the part of it that the opening stays within.
        source_a: x, y (n, h, w): where field A takes each pixel from.
        source_b: the same for field B.
        lip_pixels: (n, h, w, 3) the person over the plate, as field B takes it.
        pose: where skull and jaw are.

    Returns:
        (n, h, w, 3).
    """
    mouth, mm = layer.mouth, layer.interior.mm
    half = mouth.half_width
    ua, va = _frame_coordinates(mouth, source_a)
    ub, vb = _frame_coordinates(mouth, source_b)
    below_upper = edge_distance(va - lookup(layer.upper_table, ua, mouth.reach))
    below_lower_source = vb - lookup(layer.lower_table, ub, mouth.reach)
    below_lower = edge_distance(below_lower_source)

    beyond = (ub.abs() - half).clamp_min(0)
    low = (below_lower / (1.2 + 0.9 * beyond) + 0.5).clamp(0, 1)
    low = low * (1 - smoothstep(0.62 * 2 * half, 0.92 * 2 * half, below_lower_source))
    low = low * (1 - smoothstep(1.35 * half, 1.62 * half, ub.abs()))

    rows, columns = cavity.slices_in(region)
    part = (slice(None), rows, columns)
    from_upper, from_lower = below_upper[part], -below_lower[part]
    gap = from_upper + from_lower
    hole = (from_upper / 1.2 + 0.5).clamp(0, 1) * (gap - 0.1).clamp(0, 1)
    hole = hole * (1 - smoothstep(half - 0.3 * mm, half + 1.2 * mm, ua[part].abs()))
    # Under the lip layer there is no need of a hole: without an end it would show below its fade.
    hole = hole * (1 - smoothstep(0.5 * half, 1.0 * half, below_lower_source[part]))
    if mouth.is_open:
        hole = hole * pose.activity[:, None, None]
    inside = paint_interior(layer.interior, sampler, cavity, pose, from_upper, from_lower)
    frame = frame.clone()
    if layer.seam_light is not None:
        sources = ((x[part], y[part]) for x, y in (source_a, source_b))
        lights = seam_light(layer.seam_light, sampler, gap, *sources)
        lip_pixels = lip_pixels.clone()
        frame[part] += lights[0]
        lip_pixels[part] += lights[1]
    frame[part] += hole[..., None] * (inside - frame[part])
    frame = frame + low[..., None] * (lip_pixels - frame)
    # The lower lip hides what is drawn under it; at rest nothing is drawn.
    shown = hole * (1 - low[part]) * pose.activity[:, None, None]
    frame[part] = soften(frame[part], shown, layer.blur, sampler)
    return frame


def soften(pixels: Tensor, drawn: Tensor, sigma: float, sampler: Sampler) -> Tensor:
    """Blur what is drawn, and its edges with what is around it.

    Args:
        pixels: (n, h, w, 3).
        drawn: (n, h, w) 0..1, where something is drawn.
        sigma: px; under 0.1 nothing is done.
        sampler: who blurs.

    Returns:
        (n, h, w, 3).
    """
    if sigma < 0.1:
        return pixels
    reach = max(1, round(2.5 * sigma))
    at = torch.arange(-reach, reach + 1, dtype=pixels.dtype)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    planes = torch.cat([pixels, sampler.grow(drawn, reach)[..., None]], -1)
    blurred = sampler.blur(planes, kernel / kernel.sum())
    return pixels + blurred[..., 3:] * (blurred[..., :3] - pixels)


def _frame_coordinates(mouth: Mouth, source: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    (ux, uy), (vx, vy) = mouth.u_axis.tolist(), mouth.v_axis.tolist()
    ox, oy = mouth.origin.tolist()
    x, y = source[0] - ox, source[1] - oy
    return x * ux + y * uy, x * vx + y * vy

"""What opens between the lips: cavity, tongue and teeth, and the lower lip in front of them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from . import topology as t
from .geometry import Box, FaceGeometry
from .own_mouth import find_own_mouth
from .sampling import Sampler, Texture
from .seam import Mouth
from .teeth import GUM, Sprite, draw_row, draw_tongue, tooth_tint
from .warp import HeadMotion

UPPER_EDGE_MM = 2.8
LOWER_EDGE_MM = 2.6
TONGUE_MM = 4.5
TONGUE_SHARE = 0.55
"""How much of the jaw's way the tongue's back goes."""
OWN_SHADE = 0.35
OWN_RIM = 0.4
"""How much of the lips' shadow and of their wet rim a mouth gets that the portrait shows itself."""
SKULL_SHARE = 0.6
"""How much of the nose base's displacement the upper teeth take."""
DEPTH_MM = 6.0
"""How far the teeth are behind the lips."""


@dataclass(frozen=True)
class SpriteTexture:
    """A sprite that can be looked up, with the place of its first texel in mm."""

    texture: Texture
    left: float
    top: float
    density: float


@dataclass(frozen=True)
class MouthLayer:
    """Everything about a portrait's mouth that does not depend on the frame.

    Attributes:
        mouth: frame and contours.
        upper_table, lower_table: the contours on the device.
        upper_teeth, lower_teeth, tongue: pictures in mm.
        own: the portrait's own interior on the skull and on the jaw, (H, W, 4) premultiplied in px
            of the crop, or None where its lips are closed.
        rows: whether the upper and the lower row of teeth have to be drawn.
        anchor: (3,) px, picture frame: the middle of the seam at the depth of the teeth.
        x_mm, y_mm: (3,) px per mm along the face's x and -y.
        mm: px per mm.
        wet: (3,) colour of the lips' inner side.
        dark: (3,) colour of the cavity.
    """

    mouth: Mouth
    upper_table: Tensor
    lower_table: Tensor
    upper_teeth: SpriteTexture
    lower_teeth: SpriteTexture
    tongue: SpriteTexture
    own: tuple[Texture, Texture] | None
    rows: tuple[bool, bool]
    anchor: Tensor
    x_mm: Tensor
    y_mm: Tensor
    mm: float
    wet: Tensor
    dark: Tensor


@dataclass(frozen=True)
class MouthPose:
    """Where the rigid parts of the mouth are in n frames.

    Attributes:
        origin: (n, 2) px, the seam's middle on the skull.
        matrix: (n, 2, 2) px -> mm.
        jaw: (n, 2) px, how far the jaw has moved in the picture against the skull.
        activity: (n,) 0 where the mouth is as in the portrait .. 1.
    """

    origin: Tensor
    matrix: Tensor
    jaw: Tensor
    activity: Tensor


def _median_colour(image: np.ndarray, points: np.ndarray, radius: float) -> np.ndarray:
    """Median colour of small discs around points."""
    mask = np.zeros(image.shape[:2], np.uint8)
    for x, y in np.round(points).astype(int):
        cv2.circle(mask, (int(x), int(y)), max(1, int(radius)), 1, -1)
    values = image[mask > 0]
    return np.median(values if len(values) else image.reshape(-1, 3), axis=0).astype(np.float32)


def _fade(colour: np.ndarray, skin: np.ndarray, share: float) -> np.ndarray:
    """A colour with only a share of its own hue; the rest is the skin's."""
    plain = skin / max(float(skin.mean()), 1e-3) * float(colour.mean())
    return (colour * share + plain * (1 - share)).astype(np.float32)


def build_mouth(
    image: np.ndarray, face: FaceGeometry, mouth: Mouth, sclera: np.ndarray, sampler: Sampler
) -> MouthLayer:
    """Measure colours and draw what the portrait does not show.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        face: the face in it.
        mouth: its mouth.
        sclera: (3,) colour of the white of the eyes.
        sampler: where look-ups happen.
    """
    mm = face.mm
    skin = _median_colour(image, face.points[[205, 425, 50, 280, 187, 411]], 2 * mm)
    lip = _median_colour(image, face.points[[16, 85, 315, 11]], 1.2 * mm)
    tint = tooth_tint(skin, sclera)
    # A grey or sepia picture has a grey or sepia mouth.
    colourful = float(
        np.clip((max(np.ptp(skin), np.ptp(lip)) / max(skin.max(), 1e-3)) / 0.14, 0, 1)
    )
    density = float(np.clip(1.5 * mm, 0.5, 16))
    light = float(tint.mean())
    gum = np.clip(0.45 * GUM * light * 1.25 + 0.40 * lip, 0, 1).astype(np.float32)
    flesh = np.clip(0.5 * lip + 0.5 * np.array([0.62, 0.27, 0.26]) * light * 1.3, 0, 1)
    edge = UPPER_EDGE_MM
    middle = len(mouth.upper) // 2
    if mouth.is_open:
        edge = float(mouth.upper[middle]) / mm + 1.5

    tint, gum, flesh = (_fade(colour, skin, colourful) for colour in (tint, gum, flesh))
    own = find_own_mouth(image, face, mouth, skin) if mouth.is_open else None
    lower_edge = LOWER_EDGE_MM
    rows = (True, True)
    if own is not None:
        rows = (not own.upper_teeth, not own.lower_teeth)
        # Its own teeth say what colour the missing ones have; those are hidden by the lip so far.
        tint = own.tint if own.tint is not None else tint
        lower_edge = float(mouth.lower[middle]) / mm + 0.4

    def sprite(s: Sprite) -> SpriteTexture:
        return SpriteTexture(sampler.texture(s.image, 1), s.left, s.top, s.density)

    device = sampler.device
    anchor = np.array([*mouth.origin, face.landmarks[[13, 14], 2].mean() - DEPTH_MM * mm])
    dark = 0.42 * flesh * np.array([0.70, 0.36, 0.36]) + np.array([0.045, 0.016, 0.016]) * light
    dark = _fade(dark, skin, colourful)
    wet = _fade(lip * np.array([0.62, 0.47, 0.47]), skin, colourful)

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)

    return MouthLayer(
        mouth=mouth,
        upper_table=tensor(mouth.upper),
        lower_table=tensor(mouth.lower),
        upper_teeth=sprite(draw_row(tint, density, True, edge, gum)),
        lower_teeth=sprite(draw_row(tint * 0.90, density, False, lower_edge, gum * 0.8)),
        tongue=sprite(draw_tongue(flesh.astype(np.float32), density)),
        own=(sampler.texture(own.upper, 1), sampler.texture(own.lower, 1)) if own else None,
        rows=rows,
        anchor=tensor(anchor),
        x_mm=tensor(face.axes[:, 0] * mm),
        y_mm=tensor(-face.axes[:, 1] * mm),
        mm=mm,
        wet=tensor(wet),
        dark=tensor(dark),
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


def ramp(low: float, high: float, x: Tensor) -> Tensor:
    """Smoothstep on tensors."""
    s = ((x - low) / (high - low)).clamp(0, 1)
    return s * s * (3 - 2 * s)


def over(below: Tensor, above: Tensor) -> Tensor:
    """Premultiplied RGBA (..., 4) over RGB (..., 3)."""
    return above[..., :3] + below * (1 - above[..., 3:])


def mouth_pose(
    layer: MouthLayer,
    displacement: Tensor,
    head: HeadMotion,
) -> MouthPose:
    """Follow skull and jaw.

    Args:
        layer: the mouth.
        displacement: (n, 478, 3) px, without head motion.
        head: the head's motion.
    """
    axes = torch.stack([layer.x_mm, layer.y_mm], -1)  # (3, 2)
    matrix = torch.linalg.inv((head.rotation @ axes)[:, :2].float())
    jaw3 = displacement[:, list(t.CHIN_PATCH)].mean(1)
    jaw = torch.einsum("nij,nj->ni", head.rotation, jaw3)[:, :2]
    lips = [i for ring in (*t.UPPER_RINGS, *t.LOWER_RINGS) for i in ring]
    moved = displacement[:, lips].norm(dim=-1).amax(1)
    activity = ramp(0.05 * layer.mm, 0.6 * layer.mm, moved)
    # The nose base is the nearest mark that (nearly) rides on the skull. It also tells when the
    # pose that a tracker saw was off, which teeth would show at once against the lips.
    skull3 = SKULL_SHARE * displacement[:, list(t.NOSE_BASE)].mean(1)
    skull = torch.einsum("nij,nj->ni", head.rotation, skull3)[:, :2]
    return MouthPose(head.project(layer.anchor[None])[:, 0] + skull, matrix, jaw - skull, activity)


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
    mouth, mm = layer.mouth, layer.mm
    half = mouth.half_width
    ua, va = _frame_coordinates(mouth, source_a)
    ub, vb = _frame_coordinates(mouth, source_b)
    below_upper = edge_distance(va - lookup(layer.upper_table, ua, mouth.reach))
    below_lower_source = vb - lookup(layer.lower_table, ub, mouth.reach)
    below_lower = edge_distance(below_lower_source)

    beyond = (ub.abs() - half).clamp_min(0)
    low = (below_lower / (1.2 + 0.9 * beyond) + 0.5).clamp(0, 1)
    low = low * (1 - ramp(0.62 * 2 * half, 0.92 * 2 * half, below_lower_source))
    low = low * (1 - ramp(1.35 * half, 1.62 * half, ub.abs()))

    rows = slice(cavity.y0 - region.y0, cavity.y1 - region.y0)
    columns = slice(cavity.x0 - region.x0, cavity.x1 - region.x0)
    part = (slice(None), rows, columns)
    from_upper, from_lower = below_upper[part], -below_lower[part]
    gap = from_upper + from_lower
    hole = (from_upper / 1.2 + 0.5).clamp(0, 1) * (gap - 0.1).clamp(0, 1)
    hole = hole * (1 - ramp(half - 0.3 * mm, half + 1.2 * mm, ua[part].abs()))
    # Under the lip layer there is no need of a hole: without an end it would show below its fade.
    hole = hole * (1 - ramp(0.5 * half, 1.0 * half, below_lower_source[part]))
    if mouth.is_open:
        hole = hole * pose.activity[:, None, None]
    inside = _interior(layer, sampler, cavity, pose, from_upper, from_lower)
    frame = frame.clone()
    frame[part] += hole[..., None] * (inside - frame[part])
    return frame + low[..., None] * (lip_pixels - frame)


def _own(layer: MouthLayer, sampler: Sampler, own: Texture, x: Tensor, y: Tensor) -> Tensor:
    """The portrait's own interior at millimetres x, y of the mouth."""
    ax = layer.anchor[0] + x * layer.x_mm[0] + y * layer.y_mm[0]
    ay = layer.anchor[1] + x * layer.x_mm[1] + y * layer.y_mm[1]
    return sampler.sample(own, ax, ay)


def _frame_coordinates(mouth: Mouth, source: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    (ux, uy), (vx, vy) = mouth.u_axis.tolist(), mouth.v_axis.tolist()
    ox, oy = mouth.origin.tolist()
    x, y = source[0] - ox, source[1] - oy
    return x * ux + y * uy, x * vx + y * vy


def _interior(
    layer: MouthLayer,
    sampler: Sampler,
    box: Box,
    pose: MouthPose,
    from_upper: Tensor,
    from_lower: Tensor,
) -> Tensor:
    """(n, h, w, 3) the inside of the mouth, as if there were no lips."""
    mm = layer.mm
    px = torch.arange(box.x0, box.x1, device=sampler.device, dtype=torch.float32)
    py = torch.arange(box.y0, box.y1, device=sampler.device, dtype=torch.float32)
    n, height, width = from_upper.shape

    def millimetres(shift: Tensor) -> tuple[Tensor, Tensor]:
        x = px[None, None, :] - (pose.origin[:, 0] + shift[:, 0])[:, None, None]
        y = py[None, :, None] - (pose.origin[:, 1] + shift[:, 1])[:, None, None]
        m = pose.matrix[:, :, :, None, None]
        return m[:, 0, 0] * x + m[:, 0, 1] * y, m[:, 1, 0] * x + m[:, 1, 1] * y

    def look(sprite: SpriteTexture, x: Tensor, y: Tensor) -> Tensor:
        return sampler.sample(
            sprite.texture,
            ((x - sprite.left) * sprite.density).expand(n, height, width),
            ((y - sprite.top) * sprite.density).expand(n, height, width),
        )

    still = torch.zeros_like(pose.jaw)
    skull_x, skull_y = millimetres(still)
    jaw_x, jaw_y = millimetres(pose.jaw)
    tongue_x, tongue_y = millimetres(TONGUE_SHARE * pose.jaw)

    # The throat is darkest; the cheeks catch some light.
    side = (skull_x.abs() / 22).clamp(0, 1.2) ** 2
    colour = layer.dark * (0.55 + 0.5 * side)[..., None]
    tongue = look(layer.tongue, tongue_x, tongue_y - TONGUE_MM)
    colour = over(colour, tongue)
    # Teeth throw a shadow on what is behind them.
    if layer.own is not None:
        own_upper = _own(layer, sampler, layer.own[0], skull_x, skull_y)
        own_lower = _own(layer, sampler, layer.own[1], jaw_x, jaw_y)
        colour = over(colour, own_lower)
    if layer.rows[0]:
        shadow = look(layer.upper_teeth, skull_x, skull_y - 2.2)[..., 3:]
        colour = colour * (1 - 0.45 * shadow)
    if layer.rows[1]:
        colour = over(colour, look(layer.lower_teeth, jaw_x, jaw_y))
    if layer.rows[0]:
        colour = colour * (1 - 0.25 * look(layer.upper_teeth, skull_x, skull_y - 1.0)[..., 3:])
        colour = over(colour, look(layer.upper_teeth, skull_x, skull_y))
    if layer.own is not None:
        colour = over(colour, own_upper)

    u = (from_upper / (4.5 * mm)).clamp(0, 1)
    low = (from_lower / (4.5 * mm)).clamp(0, 1)
    light = (
        (0.45 + 0.55 * u**0.6) * (0.70 + 0.30 * low**0.7) * (0.34 + 0.66 * (u + low).clamp(0, 1))
    )
    if layer.own is not None:
        # What was filmed is shaded already; it only gets darker as the lips close over it.
        light = 1 - (1 - light) * OWN_SHADE
    colour = colour * light[..., None]
    # The wet inner side of the lips.
    rim_low = torch.exp(-((from_lower.clamp_min(0) / (1.3 * mm)) ** 2)) * (
        0.4 + 0.6 * low.sqrt() + 0.3 * u
    ).clamp(0, 1)
    rim_up = torch.exp(-((from_upper.clamp_min(0) / (0.8 * mm)) ** 2))
    wet = layer.wet
    strength = 1.0 if layer.own is None else OWN_RIM
    rim_low, rim_up = 0.80 * strength * rim_low, 0.75 * strength * rim_up
    colour = colour + rim_low[..., None] * (wet * (0.85 + 0.2 * u[..., None]) - colour)
    return colour + rim_up[..., None] * (wet * 0.72 - colour)

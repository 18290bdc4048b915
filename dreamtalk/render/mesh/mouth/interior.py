"""What is seen between parted lips, as if there were no lips: cavity, tongue, two rows of teeth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ....curves.easing import smoothstep
from ....face import topology as t
from ...box import Box
from ..portrait.colours import colourfulness, lip_colour, skin_colour
from ..portrait.geometry import FaceGeometry
from ..warp.grid import HeadMotion
from ..warp.inverse import count_up
from ..warp.textures import Sampler, Texture
from .own_mouth import LIGHT_MM, OwnMouth, find_own_mouth, lip_light
from .seam import Mouth
from .teeth import GUM, Sprite, ToothColours, density_of, draw_row, draw_tongue, tooth_tint

UPPER_EDGE_MM = 2.8
LOWER_EDGE_MM = 2.6
TONGUE_MM = 4.5
JAW_GAIN = 1.6
"""The skin of the chin lags behind the bone: how much further lower teeth go that the portrait
shows, fitted on clips. Drawn ones stay with the skin: else an open vowel would not show them."""
TONGUE_SHARE = 0.55
"""How much of the lower teeth's way the tongue's back goes."""
OWN_RIM = 0.4
"""How much of the lips' wet rim a mouth gets that the portrait shows itself."""
LIFT_MM = 5.0
"""How far the tongue rises for n, l, d and th."""
TUCK_LIGHT = 0.6
"""How much of the lips' shadow is missing where the upper teeth rest on the lower lip."""
BACK_LEAST = 0.7
BACK_MM = 12.0
"""What is behind the teeth gets this little light in a narrow opening, all of it in a wide one."""
HIDDEN_MM = 1.0
"""How far upper teeth that a portrait hides end below its upper lip, in the lip's shadow."""
SPAN_FADE_MM = 8.0
"""Beyond the teeth that a portrait shows, over how much drawn ones come into the lips' shadow."""
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
class OwnTextures:
    """What a picture shows itself, in px of its crop from ``corner``.

    Attributes:
        upper, lower: teeth on the skull and on the jaw, or None where a row is not seen.
        back: tongue and cavity, or None.
        corner: (x, y) px of the crop of the first texel.
        anchor: (x, y) px of the crop, the middle of the seam.
        x_mm, y_mm: (x, y) px of the crop per mm along the face's x and -y.
        upper_edge: mm below the anchor where the upper teeth end in the middle, None without any.
        upper_span, lower_span: from where to where a row shows, mm from the anchor.
    """

    upper: Texture | None
    lower: Texture | None
    back: Texture | None
    corner: tuple[int, int]
    anchor: tuple[float, float]
    x_mm: tuple[float, float]
    y_mm: tuple[float, float]
    upper_edge: float | None
    upper_span: tuple[float, float]
    lower_span: tuple[float, float]


@dataclass(frozen=True)
class Interior:
    """What is behind the lips of a portrait, the same in every frame.

    Attributes:
        upper_teeth, lower_teeth: pictures in mm, or None where the portrait shows the row.
        tongue: the same.
        own: what the portrait, or another picture of the person, shows; None where lips are closed.
        anchor: (3,) px, picture frame: the middle of the seam at the depth of the teeth.
        x_mm, y_mm: (3,) px per mm along the face's x and -y.
        mm: px per mm.
        wet: (3,) colour of the lips' inner side.
        dark: (3,) colour of the cavity.
        jaw_rest: (3,) px, picture frame: how far the jaw in the picture that ``own`` comes from is
            off the portrait's; 0 for its own.
        parted: whether the portrait's lips are apart.
        borrowed: whether ``own`` is another picture's.
    """

    upper_teeth: SpriteTexture | None
    lower_teeth: SpriteTexture | None
    tongue: SpriteTexture
    own: OwnTextures | None
    anchor: Tensor
    x_mm: Tensor
    y_mm: Tensor
    mm: float
    wet: Tensor
    dark: Tensor
    jaw_rest: Tensor
    parted: bool
    borrowed: bool = False


@dataclass(frozen=True)
class MouthPose:
    """Where the rigid parts of the mouth are in n frames.

    Attributes:
        origin: (n, 2) px, the seam's middle on the skull.
        matrix: (n, 2, 2) px -> mm.
        jaw: (n, 2) px, how far the jaw has moved in the picture against the skull.
        activity: (n,) 0 where the mouth is as in the portrait .. 1.
        lift: (n,) mm that the tongue rises towards the upper teeth.
        tuck: (n,) 0..1, how far the lower lip is under the upper teeth.
    """

    origin: Tensor
    matrix: Tensor
    jaw: Tensor
    activity: Tensor
    lift: Tensor
    tuck: Tensor


def _fade(colour: np.ndarray, skin: np.ndarray, share: float) -> np.ndarray:
    """A colour with only a share of its own hue; the rest is the skin's."""
    plain = skin / max(float(skin.mean()), 1e-3) * float(colour.mean())
    return (colour * share + plain * (1 - share)).astype(np.float32)


def _edges(mouth: Mouth, own: OwnMouth | None, mm: float) -> tuple[float, float]:
    """The cutting edges of the drawn rows in the middle, mm below the mouth's origin."""
    middle = len(mouth.upper) // 2
    up, low = float(mouth.upper[middle]) / mm, float(mouth.lower[middle]) / mm
    if not mouth.is_open:  # a smile's seam lies below its corners, and so do the teeth
        return max(up, 0.0) + UPPER_EDGE_MM, max(up, 0.0) + LOWER_EDGE_MM
    if own is None:
        return up + 1.5, low + 0.4
    # Lower teeth that are not seen hide behind the lower lip, or behind upper teeth that reach it.
    covered = own.upper_edge is not None and own.upper_edge > low - 1.0
    return up + HIDDEN_MM, (low - 0.8 if covered else low + 0.4)


def build_interior(
    image: np.ndarray, face: FaceGeometry, mouth: Mouth, sclera: np.ndarray, sampler: Sampler
) -> Interior:
    """Measure colours, take what the portrait shows and draw what it does not.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        face: the face in it.
        mouth: its mouth.
        sclera: (3,) colour of the white of the eyes.
        sampler: where look-ups happen.
    """
    mm = face.mm
    skin = skin_colour(image, face)
    lip = lip_colour(image, face)
    tint = tooth_tint(skin, sclera)
    # A grey or sepia picture has a grey or sepia mouth.
    colourful = colourfulness(skin, lip)
    density = density_of(mm)
    light = float(tint.mean())
    gum = np.clip(0.45 * GUM * light * 1.25 + 0.40 * lip, 0, 1).astype(np.float32)
    flesh = np.clip(0.5 * lip + 0.5 * np.array([0.62, 0.27, 0.26]) * light * 1.3, 0, 1)
    tint, gum, flesh = (_fade(colour, skin, colourful) for colour in (tint, gum, flesh))
    colours = ToothColours(tint, gum, colourful)
    own = find_own_mouth(image, face, mouth, skin, colours) if mouth.is_open else None
    if own is not None and own.tint is not None:
        colours = replace(colours, tint=own.tint)  # the hidden ones have the colour of those
    upper_edge, lower_edge = _edges(mouth, own, mm)

    def sprite(s: Sprite) -> SpriteTexture:
        return SpriteTexture(sampler.texture(s.image, 1), s.left, s.top, s.density)

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(sampler.device)

    depth = face.landmarks[[t.INNER_UPPER, t.INNER_LOWER], 2].mean() - DEPTH_MM * mm
    anchor = np.array([*mouth.origin, depth])
    dark = 0.42 * flesh * np.array([0.70, 0.36, 0.36]) + np.array([0.045, 0.016, 0.016]) * light
    dark = _fade(dark, skin, colourful)
    wet = _fade(lip * np.array([0.62, 0.47, 0.47]), skin, colourful)
    dimmer = replace(colours, tint=0.9 * colours.tint, gum=0.8 * colours.gum)  # the lower row
    upper = lower = None
    if own is None or own.upper_edge is None:
        upper = sprite(draw_row(colours, density, True, upper_edge))
    if own is None or own.lower_edge is None:
        lower = sprite(draw_row(dimmer, density, False, lower_edge))
    return Interior(
        upper_teeth=upper,
        lower_teeth=lower,
        tongue=sprite(draw_tongue(flesh.astype(np.float32), density)),
        own=_textures(own, sampler, face, mouth) if own is not None else None,
        anchor=tensor(anchor),
        x_mm=tensor(face.axes[:, 0] * mm),
        y_mm=tensor(-face.axes[:, 1] * mm),
        mm=mm,
        wet=tensor(wet),
        dark=tensor(dark),
        jaw_rest=tensor(np.zeros(3)),
        parted=mouth.is_open,
    )


def _textures(own: OwnMouth, sampler: Sampler, face: FaceGeometry, mouth: Mouth) -> OwnTextures:
    upper, lower, back = (
        sampler.texture(picture, 1) if picture[..., 3].max() > 0 else None
        for picture in (own.upper, own.lower, own.back)
    )
    (xx, xy), (yx, yy) = (face.axes[:2, :2] * [face.mm, -face.mm]).T.tolist()
    return OwnTextures(
        upper, lower, back, (own.box.x0, own.box.y0),
        (float(mouth.origin[0]), float(mouth.origin[1])), (xx, xy), (yx, yy), own.upper_edge,
        own.upper_span, own.lower_span,
    )  # fmt: skip


def over(below: Tensor, above: Tensor) -> Tensor:
    """Premultiplied RGBA (..., 4) over RGB (..., 3)."""
    return above[..., :3] + below * (1 - above[..., 3:])


def mouth_pose(interior: Interior, displacement: Tensor, head: HeadMotion) -> MouthPose:
    """Follow skull and jaw.

    Args:
        interior: what is behind the lips.
        displacement: (n, 478, 3) px, without head motion.
        head: the head's motion.
    """
    axes = torch.stack([interior.x_mm, interior.y_mm], -1)  # (3, 2)
    matrix = torch.linalg.inv((head.rotation @ axes)[:, :2].float())
    jaw3 = displacement[:, list(t.CHIN_PATCH)].mean(1) - interior.jaw_rest
    jaw = torch.einsum("nij,nj->ni", head.rotation, jaw3)[:, :2]
    lips = [i for ring in (*t.UPPER_RINGS, *t.LOWER_RINGS) for i in ring]
    moved = displacement[:, lips].norm(dim=-1).amax(1)
    activity = smoothstep(0.05 * interior.mm, 0.6 * interior.mm, moved)
    if interior.borrowed and interior.parted:  # it takes the place of what the portrait shows
        activity = torch.ones_like(activity)
    # The nose base is the nearest mark that (nearly) rides on the skull. It also tells when the
    # pose that a tracker saw was off, which teeth would show at once against the lips.
    skull3 = SKULL_SHARE * displacement[:, list(t.NOSE_BASE)].mean(1)
    skull = torch.einsum("nij,nj->ni", head.rotation, skull3)[:, :2]
    origin = head.project(interior.anchor[None])[:, 0] + skull
    lift, tuck = tongue_and_tuck(interior, displacement)
    gain = JAW_GAIN if interior.own is not None and interior.parted else 1.0
    return MouthPose(origin, matrix, gain * (jaw - skull), activity, lift, tuck)


def tongue_and_tuck(interior: Interior, displacement: Tensor) -> tuple[Tensor, Tensor]:
    """Guess from lips and jaw what the motion does not say: n, l, d, th and f, v.

    With the tongue behind the upper teeth the lips are well apart but the jaw hardly is; in vowels
    both are. In f and v the lower lip is drawn in and up with the jaw nearly shut. Only for
    portraits with closed lips: elsewhere it is not known how far lips and jaw are apart.

    Returns:
        (n,) mm that the tongue rises, and (n,) 0..1 for a lower lip under the upper teeth.
    """
    none = torch.zeros(len(displacement), device=displacement.device)
    if interior.own is not None and interior.parted:
        return none, none
    down = interior.y_mm / interior.mm**2
    gap = (displacement[:, 14] - displacement[:, 13]) @ down
    chin = displacement[:, list(t.CHIN_PATCH)].mean(1) @ down
    lower = displacement[:, [84, 17, 314]].mean(1)
    # A lower lip goes down with half of the opening, two fifths of the jaw and back by a third.
    drawn_up = 0.5 * gap + 0.4 * chin - lower @ down
    drawn_in = -lower[:, 2] / interior.mm - 0.3 * gap
    share = chin / gap.clamp_min(1.0)
    apart = smoothstep(4.0, 6.5, gap) * (1 - smoothstep(10.5, 13.5, gap))
    lift = LIFT_MM * apart * smoothstep(0.10, 0.22, share) * (1 - smoothstep(0.36, 0.50, share))
    tuck = smoothstep(1.0, 2.0, gap) * (1 - smoothstep(4.5, 6.0, gap))
    tuck = tuck * smoothstep(0.5, 1.5, drawn_up) * smoothstep(0.5, 1.5, drawn_in)
    return lift, tuck


def paint_interior(
    interior: Interior,
    sampler: Sampler,
    box: Box,
    pose: MouthPose,
    from_upper: Tensor,
    from_lower: Tensor,
) -> Tensor:
    """Draw the inside of the mouth as if there were no lips.

    Args:
        interior: what is behind the lips.
        sampler: look-ups.
        box: where to draw, px of the crop.
        pose: where skull and jaw are.
        from_upper, from_lower: (n, h, w) px inside of the upper and the lower lip's edge.

    Returns:
        (n, h, w, 3).
    """
    mm, own = interior.mm, interior.own
    px = count_up(box.x0, box.x1, sampler.device)
    py = count_up(box.y0, box.y1, sampler.device)
    n, height, width = from_upper.shape

    def millimetres(shift: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, y = (pose.origin if shift is None else pose.origin + shift)[:, :, None, None].unbind(1)
        x, y = px - x, py[:, None] - y
        (a, b), (c, d) = (row.unbind(1) for row in pose.matrix[..., None, None].unbind(1))
        return a * x + b * y, c * x + d * y

    def look(sprite: SpriteTexture, x: Tensor, y: Tensor) -> Tensor:
        return sampler.sample(
            sprite.texture,
            ((x - sprite.left) * sprite.density).expand(n, height, width),
            ((y - sprite.top) * sprite.density).expand(n, height, width),
        )

    def look_own(texture: Texture, x: Tensor, y: Tensor) -> Tensor:
        assert own is not None
        (left, top), a = own.corner, own.anchor
        ax = (a[0] - left) + x * own.x_mm[0] + y * own.y_mm[0]
        ay = (a[1] - top) + x * own.x_mm[1] + y * own.y_mm[1]
        return sampler.sample(texture, ax, ay)

    def upper_row(x: Tensor, y: Tensor) -> Tensor:
        if interior.upper_teeth is not None:
            return look(interior.upper_teeth, x, y)
        assert own is not None
        assert own.upper is not None
        return look_own(own.upper, x, y)

    def within(x: Tensor, ends: tuple[float, float]) -> Tensor:
        return 1 - smoothstep(0.0, SPAN_FADE_MM, torch.maximum(ends[0] - x, x - ends[1]))

    skull_x, skull_y = millimetres()
    jaw_x, jaw_y = millimetres(pose.jaw)
    tongue_x, tongue_y = millimetres(TONGUE_SHARE * pose.jaw)
    lift, tuck = pose.lift[:, None, None], pose.tuck[:, None, None]

    # Less light gets past the teeth than onto them.
    gap = from_upper.clamp_min(0) + from_lower.clamp_min(0)
    deep = BACK_LEAST + (1 - BACK_LEAST) * (gap / (BACK_MM * mm)).clamp(0, 1)
    # The throat is darkest; the cheeks catch some light.
    side = (skull_x.abs() / 22).clamp(0, 1.2) ** 2
    colour = interior.dark * (0.55 + 0.5 * side)[..., None]
    colour = over(colour, look(interior.tongue, tongue_x, tongue_y - TONGUE_MM + lift))
    back = lower = None
    if own is not None and own.back is not None:
        back = look_own(own.back, tongue_x, tongue_y)
        back = torch.cat([back[..., :3] * deep[..., None], back[..., 3:]], -1)
        colour = over(colour, back)
    # Teeth throw a shadow on what is behind them.
    colour = colour * (1 - 0.45 * upper_row(skull_x, skull_y - 2.2)[..., 3:])
    if interior.lower_teeth is not None:
        lower = look(interior.lower_teeth, jaw_x, jaw_y)
    elif own is not None and own.lower is not None:
        lower = look_own(own.lower, jaw_x, jaw_y)
    if lower is not None:
        colour = over(colour, lower)
    colour = colour * (1 - 0.25 * upper_row(skull_x, skull_y - 1.0)[..., 3:])
    upper = upper_row(skull_x, skull_y)
    colour = over(colour, upper)
    shown = None
    if own is not None:
        shown = torch.zeros_like(gap) if back is None else back[..., 3]
        for row, drawn, x, ends in (
            (lower, interior.lower_teeth, jaw_x, own.lower_span),
            (upper, interior.upper_teeth, skull_x, own.upper_span),
        ):
            if row is not None:
                photographed = within(x, ends) if drawn is None else 0.0
                shown = shown + row[..., 3] * (photographed - shown)

    u = (from_upper / (LIGHT_MM * mm)).clamp(0, 1)
    low = (from_lower / (LIGHT_MM * mm)).clamp(0, 1)
    light = lip_light(u, low, shown)
    # Teeth that rest on the lower lip are in front of it: no shadow, no rim between.
    light = light + TUCK_LIGHT * tuck * (1 - light)
    colour = colour * light[..., None]
    # The wet inner side of the lips.
    rim_low = torch.exp(-((from_lower.clamp_min(0) / (1.3 * mm)) ** 2)) * (
        0.4 + 0.6 * low.sqrt() + 0.3 * u
    ).clamp(0, 1)
    rim_up = torch.exp(-((from_upper.clamp_min(0) / (0.8 * mm)) ** 2))
    wet = interior.wet
    strength = 1.0 if own is None else OWN_RIM
    rim_low, rim_up = 0.80 * strength * rim_low * (1 - tuck), 0.60 * strength * rim_up
    colour = colour + rim_low[..., None] * (wet * (0.85 + 0.2 * u[..., None]) - colour)
    return colour + rim_up[..., None] * (wet * 0.72 - colour)

"""Eyelids and eyeballs: an analytic lid remap and a layer between the lids.

Lids inside the smooth field would drag the brows along and fold; here the lid's skin is stretched
between the brow and the lash line only, and the eyeball behind it is a picture of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..portrait.geometry import FaceGeometry
from ..portrait.raster import grow, pixel_grid
from ..warp.textures import Sampler, Texture
from .textures import complete_eyeball, eye_strokes, lid_skin, overhang

TABLE = 129
HALF_SHUT, SHUTTING = 0.45, 0.72
"""Closures from which on lashes hang down, and the seam between the lids is drawn."""
WIDEST = -0.14
"""How far lids open beyond the portrait's opening, as a negative closure."""


@dataclass(frozen=True)
class EyeLayer:
    """One eye in its own frame: u from the picture's left corner to the right one, v down, px.

    Attributes:
        origin: (2,) px of the crop, the left corner in the picture.
        u_axis, v_axis: (2,) unit vectors.
        width: corner to corner, px.
        upper, lower: (TABLE,) v of the lid edges for u / width in -0.25..1.25.
        strip: height of the skin that moves above the upper lid, px.
        under: the same below the lower lid.
        opening: greatest distance of the lids, px.
        ball: (H, W, 3) texture of the eyeball in px of ``ball_origin``.
        white: the same without the iris.
        ball_origin: px of the crop of the texture's first texel.
        iris: (2,) px of the crop; radius: px.
        lid: (H, W, 3) texture like ``ball``: skin where the open eye is, filled from around it.
        strokes: (H, W, 2) texture like ``ball``: how far a pixel above the eye is a lash, and how
            far it is anything dark and narrow: lashes, liner, the rim of the lid.
        lash: (3,) colour of the lash line.
    """

    origin: np.ndarray
    u_axis: np.ndarray
    v_axis: np.ndarray
    width: float
    upper: Tensor
    lower: Tensor
    strip: float
    under: float
    opening: float
    ball: Texture
    white: Texture
    ball_origin: tuple[int, int]
    iris: np.ndarray
    radius: float
    lid: Texture
    strokes: Texture
    lash: Tensor

    @property
    def reach(self) -> float:
        """How far above and below its corners an eye changes the picture, px."""
        up = self.strip - float(self.upper.min())
        return max(up, self.under + float(self.lower.max()))


@dataclass(frozen=True)
class LidPose:
    """What the lids and the gaze of one eye do in n frames.

    Attributes:
        closure: (n,) 0 as in the portrait, 1 shut, negative wider.
        raised: (n,) how far the lower lid goes up, px.
        gaze: (n, 2) shift of the iris, px (u, v of the eye's frame).
    """

    closure: Tensor
    raised: Tensor
    gaze: Tensor


def _lid_curve(points: np.ndarray, width: float) -> np.ndarray:
    """(TABLE,) v over u / width in -0.25..1.25 from landmarks (7, 2): s(1-s) times a cubic."""
    s = np.clip(points[:, 0] / width, 0.02, 0.98)
    bump = s * (1 - s)
    basis = bump[:, None] * np.stack([np.ones_like(s), s, s**2, s**3], 1)
    ridge = 0.02 * width / 30 * np.eye(4)
    target = points[:, 1]
    weights = np.linalg.solve(basis.T @ basis + 1e-5 * ridge, basis.T @ target)
    at = np.clip(np.linspace(-0.25, 1.25, TABLE), 0, 1)
    return (at * (1 - at) * (weights @ np.stack([np.ones_like(at), at, at**2, at**3]))).astype(
        np.float32
    )


def build_eye(
    image: np.ndarray, face: FaceGeometry, marks: dict[str, tuple[int, ...]], sampler: Sampler
) -> tuple[EyeLayer, np.ndarray]:
    """Measure one eye and complete its eyeball.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        face: the face in it.
        marks: the eye's landmarks, from :mod:`.topology`.
        sampler: where look-ups happen.

    Returns:
        the layer, and the colour (3,) of the white of the eye.
    """
    points = face.points
    left, right = points[list(marks["corners"])]
    width = float(np.linalg.norm(right - left))
    u_axis = (right - left) / max(width, 1e-6)
    v_axis = np.array([-u_axis[1], u_axis[0]], np.float32)

    def frame(p: np.ndarray) -> np.ndarray:
        return np.stack([(p - left) @ u_axis, (p - left) @ v_axis], -1)

    upper = _lid_curve(frame(points[list(marks["upper"])]), width)
    lower = _lid_curve(frame(points[list(marks["lower"])]), width)
    lower = np.maximum(lower, upper)
    brow = frame(points[list(marks["brow"])])
    lid_top = float(upper.min())
    strip = 0.8 * (lid_top - float(np.median(brow[:, 1])))
    strip = float(np.clip(strip, 0.14 * width, 0.5 * width))

    iris = points[marks["iris"][0]]
    radius = float(np.linalg.norm(points[list(marks["iris"][1:])] - iris, axis=1).mean())
    radius = max(radius, 1.0)
    margin = np.array([0.25, 0.6]) * width
    corners = np.stack([left, right])
    x0, y0 = np.maximum(np.floor(corners.min(0) - margin), 0).astype(int)
    x1, y1 = np.ceil(corners.max(0) + margin).astype(int) + 1
    patch = image[y0:y1, x0:x1]
    grid = pixel_grid(*patch.shape[:2]) + np.array([x0, y0], np.float32)
    uv = frame(grid)
    axis = np.linspace(-0.25, 1.25, TABLE)
    yu = np.interp(uv[..., 0] / width, axis, upper)
    yl = np.interp(uv[..., 0] / width, axis, lower)
    inside = np.minimum(uv[..., 1] - yu, yl - uv[..., 1])
    further = overhang(patch, uv[..., 1] - yl, uv[..., 0], width, inside)
    if further > 0.03 * width:
        lower = lower + further * (lower - upper) / max(float((lower - upper).max()), 1e-6)
        yl = np.interp(uv[..., 0] / width, axis, lower)
        inside = np.minimum(uv[..., 1] - yu, yl - uv[..., 1])
    inside[(uv[..., 0] < 0) | (uv[..., 0] > width)] = -1
    ball, white, sclera = complete_eyeball(patch, grid, inside, iris, radius, 0.012 * width)

    # Colours at the edge of the upper lid, and of the skin above and below the eye.
    near = np.abs(uv[..., 1] - yu) < 0.05 * width
    near &= (uv[..., 0] > 0.15 * width) & (uv[..., 0] < 0.85 * width)
    edge = patch[near] if near.any() else patch.reshape(-1, 3)
    order = np.argsort(edge.mean(1))
    lash = edge[order[: max(1, len(order) // 6)]].mean(0)
    strokes = eye_strokes(patch, yu - uv[..., 1], uv[..., 0], width, strip, lash)
    skin = lid_skin(
        patch, uv[..., 1] - yu, uv[..., 1] - yl, uv[..., 0], width, grow(strokes[..., 1] > 0.15, 1)
    )

    def tensor(a: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)).to(sampler.device)

    layer = EyeLayer(
        origin=left.astype(np.float32),
        u_axis=u_axis.astype(np.float32),
        v_axis=v_axis,
        width=width,
        upper=tensor(upper),
        lower=tensor(lower),
        strip=strip,
        under=0.35 * width,
        opening=float(max((lower - upper).max(), 0.02 * width)),
        ball=sampler.texture(ball),
        white=sampler.texture(white),
        ball_origin=(int(x0), int(y0)),
        iris=iris.astype(np.float32),
        radius=radius,
        lid=sampler.texture(skin),
        strokes=sampler.texture(strokes),
        lash=tensor(lash),
    )
    return layer, sclera


def _hermite(x: Tensor, length: Tensor, rest: float) -> Tensor:
    """Monotone cubic from 0..length to 0..rest with slope 1 at 0, and less at the end."""
    end = (2.2 * rest / length).clamp_max(1.0)
    s = (x / length).clamp(0, 1)
    s2 = s * s
    s3 = s2 * s
    return (s3 - 2 * s2 + s) * length + (3 * s2 - 2 * s3) * rest + (s3 - s2) * length * end


def eye_coordinates(eye: EyeLayer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """px of the crop -> the eye's frame."""
    dx, dy = x - float(eye.origin[0]), y - float(eye.origin[1])
    return (
        dx * float(eye.u_axis[0]) + dy * float(eye.u_axis[1]),
        dx * float(eye.v_axis[0]) + dy * float(eye.v_axis[1]),
    )


@dataclass(frozen=True)
class EyeView:
    """A box of n frames seen in an eye's frame, (n, h, w) px each.

    Attributes:
        x, y: of the crop, where field A takes each pixel from.
        u, v: the same in the eye's frame.
        upper, lower: v of the lid edges at rest.
        now_upper, now_lower: where they are now.
    """

    x: Tensor
    y: Tensor
    u: Tensor
    v: Tensor
    upper: Tensor
    lower: Tensor
    now_upper: Tensor
    now_lower: Tensor


def view_eye(eye: EyeLayer, pose: LidPose, x: Tensor, y: Tensor) -> EyeView:
    """What :func:`remap_lids` and :func:`paint_eye` both look at.

    Args:
        eye: the eye.
        pose: what it does.
        x, y: (n, h, w) px of the crop, where field A takes each pixel from.
    """
    u, v = eye_coordinates(eye, x, y)
    at = ((u / eye.width + 0.25) * ((TABLE - 1) / 1.5)).clamp(0, TABLE - 1.001)
    low = at.long()
    share = at - low
    upper, lower = (
        value + (table[low + 1] - value) * share
        for table, value in ((table, table[low]) for table in (eye.upper, eye.lower))
    )
    now_lower = lower - pose.raised[:, None, None] * ((lower - upper) / eye.opening)
    now_upper = upper + pose.closure[:, None, None] * (now_lower - upper)
    return EyeView(x, y, u, v, upper, lower, now_upper, now_lower)


def remap_lids(eye: EyeLayer, view: EyeView) -> tuple[Tensor, Tensor]:
    """Bend the look-up positions around an eye so that its lids move.

    Args:
        eye: the eye.
        view: a box around it.

    Returns:
        new x, y, (n, h, w) px of the crop.
    """
    u, v, upper, lower = view.u, view.v, view.upper, view.lower
    now_upper, now_lower = view.now_upper, view.now_lower
    top = upper - eye.strip
    length = (now_upper - top).clamp_min(0.2 * eye.strip)
    lid = top + _hermite(v - top, length, eye.strip)
    # Beyond the edge the lid's texture goes on at the edge's own scale.
    lid = torch.where(v > now_upper, upper + (v - now_upper), lid)
    bottom = lower + eye.under
    length = (bottom - now_lower).clamp_min(0.2 * eye.under)
    cheek = bottom - _hermite(bottom - v, length, eye.under)
    cheek = torch.where(v < now_lower, lower + (v - now_lower), cheek)
    middle = (now_upper + now_lower) / 2
    new = torch.where(v < middle, lid, cheek)
    inside = (v > top) & (v < bottom) & (u > 0) & (u < eye.width)
    shift = (new - v) * inside
    return view.x + shift * float(eye.v_axis[0]), view.y + shift * float(eye.v_axis[1])


def paint_eye(
    eye: EyeLayer,
    pose: LidPose,
    sampler: Sampler,
    frame: Tensor,
    view: EyeView,
    bent: tuple[Tensor, Tensor],
) -> Tensor:
    """Draw eyeball, shadow and lash line into a box of the frames.

    Args:
        eye: the eye.
        pose: what it does.
        sampler: look-ups.
        frame: (n, h, w, 3) the box with its lids moved.
        view: the box as it was before.
        bent: x, y (n, h, w) px of the crop, from :func:`remap_lids`.

    Returns:
        (n, h, w, 3).
    """
    x, y, u, v, upper = view.x, view.y, view.u, view.v, view.upper
    now_upper, now_lower = view.now_upper, view.now_lower
    closure = pose.closure[:, None, None]
    moved = pose.closure.abs() + pose.raised.abs() / eye.opening
    moved = moved + pose.gaze.norm(dim=-1) / (0.2 * eye.radius)
    activity = ((moved - 0.005) / 0.06).clamp(0, 1)[:, None, None]

    cx = float(eye.iris[0]) + pose.gaze[:, 0] * float(eye.u_axis[0])
    cx = cx + pose.gaze[:, 1] * float(eye.v_axis[0])
    cy = float(eye.iris[1]) + pose.gaze[:, 0] * float(eye.u_axis[1])
    cy = cy + pose.gaze[:, 1] * float(eye.v_axis[1])
    away = torch.hypot(x - cx[:, None, None], y - cy[:, None, None]) / eye.radius
    # The iris moves as a whole, and the white stays where it was: nothing is smeared between.
    shift_x = (cx - float(eye.iris[0]))[:, None, None]
    shift_y = (cy - float(eye.iris[1]))[:, None, None]
    left, top = eye.ball_origin
    moved_ball = sampler.sample(eye.ball, x - shift_x - left, y - shift_y - top)
    white = sampler.sample(eye.white, x - left, y - top)
    iris = ((1.75 - away) / 0.25).clamp(0, 1)[..., None]
    ball = white + iris * (moved_ball - white)
    depth = v - now_upper
    ends = (u / (0.06 * eye.width)).clamp(0, 1) * ((eye.width - u) / (0.06 * eye.width)).clamp(0, 1)
    shade = torch.exp(-((depth.clamp_min(0) / (0.10 * eye.width)) ** 2))
    ball = ball * (1 - 0.35 * closure.clamp(0, 1) * shade)[..., None]
    fade = ((closure - SHUTTING) / 0.22).clamp(0, 1)
    ball = ball + fade[..., None] * (eye.lash - ball)
    open_share = (torch.minimum(depth, now_lower - v) + 0.5).clamp(0, 1) * ends
    open_share = open_share * (now_lower - now_upper).clamp(0, 1)
    out, most = frame, float(pose.closure.max())
    # What is not there in any of the frames is not drawn: most of the time eyes are open.
    if most > 0:
        out = _paint_lid(eye, sampler, out, view, bent, ends)
    out = out + (open_share * activity)[..., None] * (ball - out)
    if most <= HALF_SHUT:
        return out
    # The lash line of a closed eye: without it the seam shimmers.
    along = (u / eye.width).clamp(0, 1)
    taper = (4 * along * (1 - along)).sqrt()
    thick = 0.3 + 0.017 * eye.width * taper
    off = v - now_lower - 0.25 * thick
    # Sharp above, where the lid ends; lashes blur it below.
    off = torch.where(off > 0, off * 0.55, off)
    line = torch.exp(-((off / thick) ** 2)) * fade * taper.clamp(0, 1)
    out = out + (0.7 * line)[..., None] * (eye.lash - out)
    lashes = _turned_lashes(eye, sampler, u, upper, v - now_lower)
    share = 0.8 * lashes * ((closure - HALF_SHUT) / 0.4).clamp(0, 1)
    return out + share[..., None] * (eye.lash - out)


def _paint_lid(
    eye: EyeLayer,
    sampler: Sampler,
    frame: Tensor,
    view: EyeView,
    bent: tuple[Tensor, Tensor],
    ends: Tensor,
) -> Tensor:
    """The skin of an upper lid that has come down, as :func:`paint_eye`; ends (n, h, w) 0..1."""
    x, y, u, v, upper, now_upper = view.x, view.y, view.u, view.v, view.upper, view.now_upper
    come = ((now_upper - upper) / (0.14 * eye.width)).clamp(0, 1)
    edge = (now_upper - v) / eye.width
    crease = upper - 0.06 * eye.width
    body = (edge / 0.05).clamp(0, 1) * ((v - crease) / (0.10 * eye.width)).clamp(0, 1)
    skin = sampler.sample(eye.lid, x - eye.ball_origin[0], y - eye.ball_origin[1])
    # The lid is a ball: light falls on its middle, less on its ends and towards the lashes.
    middle = 1 - (2 * u / eye.width - 1).abs().clamp(0, 1) ** 2.5
    shading = 0.87 + 0.11 * middle - 0.12 * torch.exp(-((edge.clamp_min(0) / 0.07) ** 2))
    share = 0.85 * come * body * ends
    # Lashes turn down with the lid: where they stood, there is skin now.
    dark = sampler.sample(eye.strokes, bent[0] - eye.ball_origin[0], bent[1] - eye.ball_origin[1])
    gone = 0.9 * come * dark[..., 1] * ((edge - 0.03) / 0.05).clamp(0, 1)
    shading = 1 + (shading - 1) * body
    share = torch.maximum(share, gone)
    return frame + share[..., None] * (skin * shading[..., None] - frame)


def _turned_lashes(
    eye: EyeLayer, sampler: Sampler, u: Tensor, upper: Tensor, under: Tensor
) -> Tensor:
    """(n, h, w) the portrait's own upper lashes, hanging down from a closed lid.

    Args:
        eye: the eye.
        sampler: look-ups.
        u: across the eye, px.
        upper: (n, h, w) edge of the upper lid at rest.
        under: (n, h, w) px below the closed lid's edge.
    """
    # Seen from the front lashes that point down are shorter than those that point up.
    v = upper - under.clamp_min(0) / 0.7
    x = float(eye.origin[0]) + u * float(eye.u_axis[0]) + v * float(eye.v_axis[0])
    y = float(eye.origin[1]) + u * float(eye.u_axis[1]) + v * float(eye.v_axis[1])
    strokes = sampler.sample(eye.strokes, x - eye.ball_origin[0], y - eye.ball_origin[1])[..., 0]
    return strokes * ((under + 0.5).clamp(0, 1))

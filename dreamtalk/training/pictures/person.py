"""A portrait as something that can be drawn: texture, geometry, light and chance of one person."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

from ...face.pose import angles_to_rotation
from ...face.topology import EYE_OUTER_LEFT, EYE_OUTER_RIGHT
from .colours import GAMMA, Colours, filled, inner_lips, linear, luminance, outer_lips
from .fit import Fit
from .head import SKIN, Head
from .mouth import dentures

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

CLOSED = 0.025
"""IOD of aperture below which a portrait's mouth counts as closed."""
_UPPER_FACE = ("brow", "eye", "Pupil", "cheek")
_OF_THE_MOUTH = (
    "mouthSmile", "mouthDimple", "mouthStretch", "mouthFrown", "mouthPress", "mouthRoll",
    "mouthPucker", "mouthLeft", "mouthRight", "mouthShrug", "noseSneer",
)  # fmt: skip
_USUAL_LIGHT = np.array([0.45, 0.0, 0.15, 0.5])
_SMOOTH = 1.0  # px^2 of the spline that bends the fit onto the landmarks


@dataclass(frozen=True)
class Look:
    """What differs from mouth to mouth, drawn once for each person."""

    reach: float
    gaps: float
    shade: float
    bounce: float
    shine: float


@dataclass(frozen=True)
class Person:
    """One portrait, fitted. Picture axes: px of the enlarged portrait, x right, y down.

    Attributes:
        photo: (H, W, 3) uint8, the mouth's opening painted over with lip.
        real: (H, W, 3) uint8, as it is.
        points: (478, 3) px, what the landmarker sees in it.
        uv: (N, 2) px, where in the photo each vertex has its colour.
        identity: (N, 3) cm without expression.
        denture: (N, 3) cm.
        base: (57,) what the face always shows.
        rotation: (3, 3) head frame -> camera frame.
        scale: px per cm.
        shift: (2,) px.
        offset: (N, 2) px by which the geometry is bent onto the landmarks.
        irises: (2, 2) px.
        lips, teeth: (3,) linear RGB.
        light: (4,) luminance of skin = light[0] + light[1:] . normal.
        lit: (N,) that luminance in the photo.
        key: (3,) direction to the light, camera frame.
        look: what differs from mouth to mouth.
    """

    photo: Picture
    real: Picture
    points: Array
    uv: Array
    identity: Array
    denture: Array
    base: Array
    rotation: Array
    scale: float
    shift: Array
    offset: Array
    irises: Array
    lips: Array
    teeth: Array
    light: Array
    lit: Array
    key: Array
    look: Look

    def posed(self, points: Array, turn: Array) -> tuple[Array, Array]:
        """Points (N, 3) cm in the camera's axes, and (N, 2) px.

        Args:
            turn: (3,) rad by which the head turns about the point between the eyes.
        """
        turned = points @ self.rotation.T
        if turn.any():
            turning = angles_to_rotation(turn.astype(np.float64)).astype(np.float32)
            pivot = self.rotation @ np.array([0, 3.4, 9.2], np.float32)
            turned = (turned - pivot) @ turning.T + pivot
        flat = turned[:, :2] * np.array([self.scale, -self.scale], np.float32)
        return turned, flat + self.shift + self.offset


def make_person(
    head: Head,
    fit: Fit,
    number: int,
    picture: Picture,
    points: Array,
    irises: Array,
    colours: Colours,
    teeth: Array,
    rng: np.random.Generator,
) -> Person:
    """A fitted portrait, ready to be drawn.

    Args:
        number: row of the fit.
        picture: (H, W, 3) uint8 RGB, enlarged.
        points: (478, 3) px.
        irises: (2, 2) px.
        teeth: (3,) linear RGB.
        rng: of this person.
    """
    identity = head.neutral + np.tensordot(fit.identity[number], head.identity, 1)
    rotation = angles_to_rotation(fit.angles[number]).astype(np.float32)
    scale, shift = float(fit.scale[number]), fit.shift[number].astype(np.float32)
    fitted = identity + np.tensordot(fit.expression[number], head.expression, 1)
    turned = (fitted @ rotation.T).astype(np.float32)
    flat = turned[:, :2] * np.array([scale, -scale], np.float32) + shift
    offset = _bend(flat, flat[head.landmarks], fit.rest[number], float(fit.iod[number]))
    photo = _without_opening(picture, points)
    uv = flat + offset
    normals = head.normals(turned)
    light = _skin_light(head, normals, photo, uv)
    base = _base(head, fit.expression[number], _aperture(points), rng)
    look = Look(
        rng.uniform(1.45, 1.85), rng.uniform(0.1, 0.34), rng.uniform(0.4, 1.6),
        rng.uniform(0.6, 1.4), rng.uniform(0.6, 1.4),
    )  # fmt: skip
    return Person(
        photo, picture, points, uv, identity.astype(np.float32), dentures(head, rng), base,
        rotation, scale, shift, _with_lips_in_one(head, offset), irises, colours.lips,
        teeth * np.exp(rng.normal(0, 0.05, 3)).astype(np.float32), light,
        (light[0] + normals @ light[1:]).astype(np.float32), _key(light), look,
    )  # fmt: skip


def _aperture(points: Array) -> float:
    """Of 478 landmarks px, in IOD."""
    gaps = np.linalg.norm(points[[13, 82, 312], :2] - points[[14, 87, 317], :2], axis=1)
    return float(
        gaps.mean() / np.linalg.norm(points[EYE_OUTER_RIGHT, :2] - points[EYE_OUTER_LEFT, :2])
    )


def _base(head: Head, fitted: Array, aperture: float, rng: np.random.Generator) -> Array:
    """What of the portrait's expression stays in every frame."""
    keep = rng.uniform(0.85, 1.0) if aperture < CLOSED else rng.uniform(0.0, 0.4)
    base = np.zeros(len(head.names), np.float32)
    for i, name in enumerate(head.names):
        if name.startswith(_UPPER_FACE):
            base[i] = fitted[i]
        elif name.startswith(_OF_THE_MOUTH):
            base[i] = keep * fitted[i]
    return base


def _bend(flat: Array, marks: Array, rest: Array, iod: float) -> Array:
    """(N, 2) px: the landmarks' remaining errors, as a thin-plate spline that fades with
    distance."""
    weight = np.ones(len(marks), np.float32)
    weight[:17] = 0.5
    spline = RBFInterpolator(
        marks, rest * weight[:, None], kernel="thin_plate_spline", smoothing=_SMOOTH
    )
    inside = (flat > marks.min(axis=0) - 0.8 * iod).all(axis=1)
    inside &= (flat < marks.max(axis=0) + 0.8 * iod).all(axis=1)
    offset = np.zeros_like(flat)
    apart = cKDTree(marks).query(flat[inside])[0] / iod
    fade = np.exp(-np.maximum(apart - 0.25, 0) / 0.4)
    offset[inside] = spline(flat[inside]) * fade[:, None]
    return offset


def _with_lips_in_one(head: Head, offset: Array) -> Array:
    """The same offset for all that belongs to the lips and lies behind them, or they would not
    close."""
    mean = offset[head.outer].mean(axis=0)
    weight = np.where(head.rim < 0, 1.0, np.exp(-np.square(head.rim / 0.6)))
    weight = np.where(head.kind == SKIN, weight, 1.0)[:, None]
    return (offset + weight * (mean - offset)).astype(np.float32)


def _without_opening(picture: Picture, points: Array) -> Picture:
    """The portrait with its open mouth painted over, so that no teeth stick to the lips."""
    polygon = inner_lips(points)
    opening = filled(picture.shape, polygon)
    mask = opening.copy()
    cv2.polylines(mask, [np.round(polygon).astype(np.int32)], True, (255,), 3)
    mask = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    # what of the teeth reaches beyond the landmarks: brighter and paler than lips
    lips = filled(picture.shape, outer_lips(points))
    around = (cv2.dilate(opening, np.ones((11, 11), np.uint8)) > 0) & (lips > 0) & (mask == 0)
    pale = _paleness(picture)
    usual = np.median(pale[(lips > 0) & (mask == 0)]) if around.any() else 0.0
    teeth = np.median(pale[opening > 0]) if opening.any() else 0.0
    if teeth > usual:
        mask[around & (pale > 0.5 * (usual + teeth))] = 255
    return cv2.inpaint(picture, mask, 4, cv2.INPAINT_TELEA)


def _paleness(picture: Picture) -> Array:
    """(H, W) how white a pixel is: its smallest channel, 0..255."""
    return picture.min(axis=-1).astype(np.float32)


def sampled(picture: Picture, at: Array) -> Array:
    """Linear colours (K, 3) at px (K, 2)."""
    x = np.clip(np.round(at[:, 0]).astype(int), 0, picture.shape[1] - 1)
    y = np.clip(np.round(at[:, 1]).astype(int), 0, picture.shape[0] - 1)
    return linear(picture[y, x])


def _skin_light(head: Head, normals: Array, photo: Picture, uv: Array) -> Array:
    """(4,) constant and slope of the skin's luminance over the normal, robustly."""
    y = head.neutral[:, 1]
    of_skin = (head.kind == SKIN) & (normals[:, 2] > 0.35) & (head.rim > 1.4) & (y > -7) & (y < 5)
    seen = np.c_[np.ones(of_skin.sum()), normals[of_skin]]
    light = luminance(sampled(photo, uv[of_skin]))
    usual = np.median(light) * _USUAL_LIGHT
    ridge, weight = 0.03 * len(seen), np.ones(len(seen))
    fitted = usual
    for _ in range(6):
        system = seen.T @ (weight[:, None] * seen) + ridge * np.eye(4)
        fitted = np.linalg.solve(system, seen.T @ (weight * light) + ridge * usual)
        off = np.abs(seen @ fitted - light)
        weight = 1 / (1 + np.square(off / (1.5 * np.median(off) + 1e-6)))
    return fitted.astype(np.float32)


def _key(light: Array) -> Array:
    """Direction to the key light."""
    x, y = light[1:3] / max(float(light[0] + light[3]), 1e-3)
    measured = np.array([np.clip(x, -0.6, 0.6), np.clip(y, -0.1, 0.7) + 0.15, 0.9])
    key = 0.5 * np.array([0, 0.45, 0.9]) + measured
    return (key / np.linalg.norm(key)).astype(np.float32)


def to_bytes(colours: Array) -> Picture:
    """Linear light -> bytes."""
    return np.round(255 * np.clip(colours, 0, 1) ** (1 / GAMMA)).astype(np.uint8)

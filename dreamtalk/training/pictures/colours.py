"""Colours of a portrait: its skin, the whites of its eyes, its lips and its teeth, in linear light.

The exposure of the mouth is the person's own teeth; where a portrait shows none they are guessed
from skin and sclera.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ...face import topology as t

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

GAMMA = 2.2
_OUTER = (*t.LIPS[:11], *t.LIPS[11:20][::-1])
_INNER = (*t.LIPS[20:31], *t.LIPS[31:40][::-1])
_CHEEKS = (50, 280, 205, 425, 101, 330)
_RIDGE = 0.3
_PALE = 0.62  # of green to red in linear light: teeth have more, lips less
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def linear(colours: npt.ArrayLike) -> Array:
    """Bytes -> linear light, 0..1."""
    light = np.power(np.asarray(colours, np.float32) / 255, GAMMA).astype(np.float32)
    return light


def luminance(colours: Array) -> Array:
    """Of linear colours (..., 3)."""
    return colours @ _LUMINANCE


def filled(shape: tuple[int, ...], points: Array) -> Picture:
    """A mask (H, W) uint8 0 or 255 of a polygon (K, 2) in px."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], (255,), shift=4)
    return mask


def outer_lips(points: Array) -> Array:
    """(20, 2) of 478 landmarks: the polygon around the lips."""
    return points[list(_OUTER), :2]


def inner_lips(points: Array) -> Array:
    """(20, 2) of 478 landmarks: the polygon of the mouth's opening."""
    return points[list(_INNER), :2]


@dataclass(frozen=True)
class Colours:
    """Linear RGB of one portrait. ``teeth`` is NaN if it shows none."""

    skin: Array
    sclera: Array
    lips: Array
    teeth: Array
    spread: float
    """Mean difference of the largest and smallest channel in the face, 0..255: small if grey."""


def find_colours(picture: Picture, points: Array) -> Colours:
    """Measure a portrait.

    Args:
        picture: (H, W, 3) uint8 RGB.
        points: (478, 3) landmarks, px.
    """
    size = float(np.linalg.norm(points[t.EYE_OUTER_LEFT, :2] - points[t.EYE_OUTER_RIGHT, :2]))
    cheeks = np.concatenate([_around(picture, points[i], 0.05 * size) for i in _CHEEKS])
    skin = np.median(linear(cheeks), axis=0)
    eyes = np.concatenate(
        [
            picture[filled(picture.shape, points[list(_ring(eye)), :2]) > 0]
            for eye in (t.EYE_RIGHT, t.EYE_LEFT)
        ]
    )
    light = luminance(linear(eyes))
    bright = linear(eyes[light >= np.percentile(light, 75)]) if len(eyes) else linear(cheeks)
    inside = filled(picture.shape, inner_lips(points)) > 0
    between = (filled(picture.shape, outer_lips(points)) > 0) & ~inside
    lips = np.median(linear(picture[between]), axis=0) if between.any() else skin
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    top, left, bottom, right = (int(max(v, 0)) for v in (low[1], low[0], high[1], high[0]))
    face = picture[top:bottom, left:right].astype(np.int16)
    spread = float((face.max(axis=-1) - face.min(axis=-1)).mean()) if face.size else 0.0
    return Colours(skin, bright.mean(axis=0), lips, _teeth(picture[inside]), spread)


def _teeth(inside: Picture) -> Array:
    """The bright, unsaturated pixels of an opening (K, 3); NaN if they are too few."""
    none = np.full(3, np.nan, np.float32)
    if len(inside) <= 60:
        return none
    values = inside.astype(np.float32) / 255
    most, least = values.max(axis=1), values.min(axis=1)
    bright = inside[(most > 0.42) & ((most - least) < 0.42 * most)]
    if len(bright) <= 0.3 * len(inside):
        return none
    colours = linear(bright)
    light = luminance(colours)
    low, high = np.percentile(light, [70, 95])
    chosen = colours[(light >= low) & (light <= high)]
    return chosen.mean(axis=0) if len(chosen) else none


def _around(picture: Picture, point: Array, reach: float) -> Picture:
    x, y = point[:2]
    top, left = (max(0, int(v - reach)) for v in (y, x))
    return picture[top : int(y + reach) + 2, left : int(x + reach) + 2].reshape(-1, 3)


def _ring(eye: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    first, last = eye["corners"]
    return (first, *eye["upper"], last, *eye["lower"][::-1])


def seen_teeth(colours: list[Colours]) -> npt.NDArray[np.bool_]:
    """(P,) whose portraits show teeth; what is as red as lips is none."""
    teeth = np.stack([c.teeth for c in colours])
    shown: npt.NDArray[np.bool_] = teeth[:, 1] >= _PALE * teeth[:, 0]  # not so if NaN
    return shown


def guessed_teeth(colours: list[Colours]) -> Array:
    """(P, 3) teeth of every person: measured, or by ridge regression of log colours."""
    skin, sclera, teeth = (
        np.stack([getattr(c, name) for c in colours]) for name in ("skin", "sclera", "teeth")
    )
    known = seen_teeth(colours)
    if known.sum() < 8:
        return np.where(known[:, None], teeth, np.clip(1.4 * skin, 0.05, 0.9)).astype(np.float32)
    rows = np.log(np.concatenate([skin, sclera], axis=1).clip(0.01))
    middle = rows[known].mean(axis=0)
    rows = rows - middle
    wanted = np.log(teeth[known].clip(0.01))
    x, mean = rows[known], wanted.mean(axis=0)
    ridge = x.T @ x + _RIDGE * len(x) / 10 * np.eye(x.shape[1])
    slope = np.linalg.solve(ridge, x.T @ (wanted - mean))
    return np.where(known[:, None], teeth, np.exp(rows @ slope + mean)).astype(np.float32)

"""The head as a body: how deep it is, how far its motion reaches, and what holds it back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....curves.easing import smoothstep
from ....face import topology as t
from ..warp.thin_plate import thin_plate
from .geometry import FaceGeometry
from .raster import blur, polygon_mask, signed_distance

STEEPEST = 1.9
"""Depth changes by no more per px across: a head turned by 18 degrees then squeezes what it would
hide to a third, where a fold would tear its outline."""
BESIDE = 1.1
"""The same beside the face: ears stand out sideways, and a turn must not pull them long."""
EARS = (234, 454, 127, 356)
"""Landmarks in front of the ears: the skull is widest there, and so is its outline."""


@dataclass(frozen=True)
class HeadField:
    """What is known of the head on a grid of nodes.

    Attributes:
        depth: (rows, columns) float32 px towards the camera.
        weight: (rows, columns) float32, share of the head's motion.
        torso: (rows, columns) float32, share of the shoulders' motion.
        pins: (4, rows, columns) float32, 1 where the person is cut off by the left, right, upper,
            lower border of the picture: nothing is known beyond, so it must not move inwards.
    """

    depth: np.ndarray
    weight: np.ndarray
    torso: np.ndarray
    pins: np.ndarray


def rings_around(face: FaceGeometry, scale: float, chin_scale: float) -> np.ndarray:
    """The outline pushed outwards: by ``scale`` at the top and the sides, more at the chin."""
    oval = face.points[list(t.OVAL)]
    rays = oval - face.centre
    low = smoothstep(0.0, 0.5 * face.face_height, rays @ face.down)
    return face.centre + rays * (scale + (chin_scale - scale) * low)[:, None]


def head_field(face: FaceGeometry, nodes: np.ndarray, matte: np.ndarray) -> HeadField:
    """Depth and weights of a portrait's head.

    Args:
        face: the face in the crop.
        nodes: (rows, columns, 2) px of the crop.
        matte: (H, W) float32, the person.
    """
    weight = _head_weight(face, nodes)
    torso = _torso_weight(face, nodes, weight)
    inside, pins = _borders(face, nodes, matte)
    return HeadField(
        depth=_depth(face, nodes).astype(np.float32),
        weight=(weight * inside).astype(np.float32),
        torso=(torso * inside).astype(np.float32),
        pins=pins.astype(np.float32),
    )


def _depth(face: FaceGeometry, nodes: np.ndarray) -> np.ndarray:
    """(rows, columns) depth towards the camera in px.

    Landmarks know the face. Around it the skull rounds off to the depth of the ears, where its
    outline is, and stays there: hair that stands out beyond turns with the skull.
    """
    oval = list(t.OVAL)
    fw = face.face_width
    rim = face.landmarks[oval, 2]
    ears = face.landmarks[list(EARS), 2].mean()
    round_off = rim - 0.06 * fw - 0.45 * np.maximum(rim - ears, 0)
    anchors = [face.points]
    values = [face.landmarks[:, 2]]
    for scale, depth in (
        (1.25, round_off),
        (1.6, np.minimum(rim, ears) - 0.08 * fw),
        (2.4, np.full(len(oval), ears - 0.10 * fw)),
    ):
        anchors.append(rings_around(face, scale, scale))
        values.append(depth)
    shape = nodes.shape[:2]
    depth = thin_plate(
        np.concatenate(anchors) / fw,
        np.concatenate(values),
        nodes.reshape(-1, 2) / fw,
        ridge=3e-3,
    ).reshape(shape)
    # The face itself keeps its relief; its rim falls off too steeply for one picture to turn it.
    cell = float(np.abs(nodes[1, 0] - nodes[0, 0]).max())
    pad = 8
    outline = face.points[oval] / cell + pad
    outside = signed_distance(polygon_mask(shape[0] + 2 * pad, shape[1] + 2 * pad, outline))
    outside = outside[pad:-pad, pad:-pad] * cell / fw
    share = smoothstep(-0.16, -0.06, outside)
    beside = smoothstep(-0.03, 0.03, outside)
    steepest = STEEPEST + (BESIDE - STEEPEST) * beside
    return depth + share * (_limit_slope(depth, steepest * cell) - depth)


def _limit_slope(depth: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The lowest surface above ``depth`` that falls by at most ``step`` towards each node."""
    result = depth
    for _ in range(int(np.ptp(depth) / step.min()) + 1):
        padded = np.pad(result, 1, mode="edge")
        higher = result
        for row in range(3):
            for column in range(3):
                apart = float(np.hypot(row - 1, column - 1))
                near = padded[row : row + depth.shape[0], column : column + depth.shape[1]]
                higher = np.maximum(higher, near - step * apart)
        if np.array_equal(higher, result):
            break
        result = higher
    return blur(result.astype(np.float32), 0.7)


def _head_weight(face: FaceGeometry, nodes: np.ndarray) -> np.ndarray:
    """(rows, columns) share of the head's motion."""
    fw, fh = face.face_width, face.face_height
    below, across = _below_chin(face, nodes)
    above = (face.points[t.FOREHEAD] - nodes) @ face.down
    # The neck follows a long way down; the shoulders beside it do not.
    reach = (0.72 - 0.24 * smoothstep(0.35 * fw, 0.85 * fw, across)) * fh
    weight = 1 - smoothstep(-0.05 * fh, reach, below)
    # Long hair and shoulders far to the side stay; the head itself is never that wide.
    weight *= 1 - smoothstep(0.95 * fw, 1.7 * fw, across)
    weight *= 1 - smoothstep(0.75 * fh, 1.0 * fh, above)
    return weight


def _torso_weight(face: FaceGeometry, nodes: np.ndarray, head: np.ndarray) -> np.ndarray:
    """(rows, columns) share of the shoulders' motion: what is below the chin and not the head's."""
    below, _ = _below_chin(face, nodes)
    return (1 - head) * smoothstep(0.05 * face.face_height, 0.45 * face.face_height, below)


def _below_chin(face: FaceGeometry, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """px below the chin and px to the side of the face's middle, for nodes (..., 2)."""
    below = (nodes - face.points[t.CHIN]) @ face.down
    return below, np.abs((nodes - face.centre) @ face.right)


def _borders(
    face: FaceGeometry, nodes: np.ndarray, matte: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A ramp (rows, columns) that is 0 where the crop ends within the picture, and the pins."""
    fw = face.face_width
    height, width = matte.shape
    x, y = nodes[..., 0], nodes[..., 1]
    picture_height, picture_width = face.size
    inside = np.ones(nodes.shape[:2])
    pins = np.zeros((4, *nodes.shape[:2]))
    sides = (
        (x, face.crop.x0 == 0, matte[:, 0], y),
        (width - 1 - x, face.crop.x1 == picture_width, matte[:, -1], y),
        (y, face.crop.y0 == 0, matte[0], x),
        (height - 1 - y, face.crop.y1 == picture_height, matte[-1], x),
    )
    for pin, (distance, at_border, touch, along) in zip(pins, sides, strict=True):
        ramp = smoothstep(0, 0.3 * fw, distance)
        if at_border:
            profile = blur(touch[None, :].astype(np.float32), 0.12 * fw)[0]
            profile = np.clip(profile * 1.6, 0, 1)
            index = np.clip(np.round(along), 0, len(profile) - 1).astype(int)
            pin[:] = profile[index] * (1 - ramp)
        else:
            inside *= ramp
    return inside, pins

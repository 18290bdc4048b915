"""Smooth fields on a coarse grid: how far landmarks, depth and the head's weight reach.

Two fields follow the landmarks. Field A leaves the lower lip out and carries the whole picture;
field B leaves the upper lip out and carries the lower-lip layer. Their difference opens the mouth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....curves.easing import smoothstep
from ....face import topology as t
from ...box import Box
from ..portrait.geometry import FaceGeometry
from ..portrait.head import head_field, rings_around
from ..portrait.raster import pixel_grid, polygon_mask, signed_distance
from .thin_plate import thin_plate_operator

CELLS_PER_FACE = 38
"""Grid cells across the face width."""


@dataclass(frozen=True)
class Fields:
    """The grid and what is sampled on it.

    Attributes:
        cell: px per grid cell; node (i, j) is at pixel (j * cell, i * cell) of the crop.
        shape: (rows, columns) of the grid.
        points: (rows, columns, 3) float32, node positions with depth, px.
        head: (rows, columns) float32, share of the head's motion.
        torso: (rows, columns) float32, share of the shoulders' motion.
        pins: (4, rows, columns) float32, how far the left, right, upper and lower border of the
            picture keep what they cut through from moving inwards.
        face: rows and columns of the grid where landmarks have influence.
        weights_a: (face nodes, 478) float32: displacement = weights @ landmark displacements.
        lip: rows and columns of the grid around the mouth, where field B is wanted.
        weights_b: (lip nodes, 478) float32, the same for field B.
        lids: (4, 478) float32, field A at the middle of the lids: the right eye's upper and lower
            one, then the left eye's.
        support: (rows, columns) bool, nodes that can move at all.
    """

    cell: float
    shape: tuple[int, int]
    points: np.ndarray
    head: np.ndarray
    torso: np.ndarray
    pins: np.ndarray
    face: Box
    weights_a: np.ndarray
    lip: Box
    weights_b: np.ndarray
    lids: np.ndarray
    support: np.ndarray


@dataclass(frozen=True)
class Reach:
    """What of :class:`Fields` does not depend on who is cut out of the picture.

    Attributes:
        cell, face, weights_a, lip, weights_b, lids: as there.
        nodes: (rows, columns, 2) px of the crop.
        window: (rows, columns) how far landmarks act.
    """

    cell: float
    nodes: np.ndarray
    window: np.ndarray
    face: Box
    weights_a: np.ndarray
    lip: Box
    weights_b: np.ndarray
    lids: np.ndarray


def reach_of_landmarks(face: FaceGeometry, height: int, width: int) -> Reach:
    """How landmarks move the grid of a crop of that size, px."""
    fw = face.face_width
    cell = max(fw / CELLS_PER_FACE, 1.0)
    rows, columns = int(np.ceil((height - 1) / cell)) + 1, int(np.ceil((width - 1) / cell)) + 1
    nodes = pixel_grid(rows, columns) * np.float32(cell)

    # Landmarks act inside the face and fade out around it, further down than up (chin and neck).
    pad = int(np.ceil(1.2 * fw / cell))
    oval = (face.points[list(t.OVAL)] / cell) + pad
    outside = signed_distance(polygon_mask(rows + 2 * pad, columns + 2 * pad, oval))
    outside = outside[pad : pad + rows, pad : pad + columns] * cell / fw
    low = smoothstep(-0.1 * fw, 0.35 * fw, (nodes - face.centre) @ face.down)
    window = 1 - smoothstep(0.04, 0.26 + 0.3 * low, outside)
    # The landmarks never move the borders of the crop.
    x, y = nodes[..., 0], nodes[..., 1]
    border = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y))
    window = window * smoothstep(0, 0.12 * fw, border)
    inside_rows = np.flatnonzero((window > 1e-4).any(1))
    inside_columns = np.flatnonzero((window > 1e-4).any(0))
    patch = Box(
        int(inside_columns[0]),
        int(inside_rows[0]),
        int(inside_columns[-1]) + 1,
        int(inside_rows[-1]) + 1,
    )
    corners = face.points[[t.INNER_RIGHT, t.INNER_LEFT]]
    half = np.linalg.norm(corners[1] - corners[0]) / 2
    lip_points = [
        corners.mean(0) + face.right * a * half + face.down * b * half
        for a in (-2.6, 2.6)
        for b in (-1.6, 4.4)
    ]
    lip = Box.around(
        np.min(lip_points, 0) / cell, np.max(lip_points, 0) / cell, columns, rows, least=4
    )
    rings = np.concatenate([rings_around(face, 1.22, 1.5), rings_around(face, 1.57, 1.85)]) / fw
    middles = face.points[[eye[lid][3] for eye in t.EYES for lid in ("upper", "lower")]]
    weights, lids = [], np.zeros((len(middles), 478), np.float32)
    for left_out, area in ((t.LOWER_RINGS, patch), (t.UPPER_RINGS, lip)):
        skip = {i for ring in left_out for i in ring} | set(t.LIDS)
        used = [i for i in range(478) if i not in skip]
        controls = np.concatenate([face.points[used] / fw, rings])
        share = window[area.slices].ravel()
        reached = np.flatnonzero(share)
        targets = np.concatenate([nodes[area.slices].reshape(-1, 2)[reached], middles]) / fw
        operator = thin_plate_operator(controls, targets, ridge=6e-4)[:, : len(used)]
        full = np.zeros((len(share), 478), np.float32)
        full[np.ix_(reached, np.array(used))] = operator[: -len(middles)] * share[reached, None]
        weights.append(full)
        if area is patch:
            lids[:, used] = operator[-len(middles) :]
    return Reach(float(cell), nodes, window, patch, weights[0], lip, weights[1], lids)


def build_fields(face: FaceGeometry, reach: Reach, matte: np.ndarray) -> Fields:
    """Everything that can be precomputed about motion in a portrait.

    Args:
        face: the face in the crop.
        reach: of its landmarks.
        matte: (H, W) float32, the person.
    """
    held = head_field(face, reach.nodes, matte)
    return Fields(
        cell=reach.cell,
        shape=reach.window.shape,
        points=np.concatenate([reach.nodes, held.depth[..., None]], -1).astype(np.float32),
        head=held.weight,
        torso=held.torso,
        pins=held.pins,
        face=reach.face,
        weights_a=reach.weights_a,
        lip=reach.lip,
        weights_b=reach.weights_b,
        lids=reach.lids,
        support=(reach.window > 1e-4) | (held.weight > 1e-4) | (held.torso > 1e-4),
    )

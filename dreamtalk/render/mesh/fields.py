"""Smooth fields on a coarse grid: how far landmarks, depth and the head's weight reach.

Two fields follow the landmarks. Field A leaves the lower lip out and carries the whole picture;
field B leaves the upper lip out and carries the lower-lip layer. Their difference opens the mouth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import topology as t
from .geometry import Box, FaceGeometry
from .raster import blur, pixel_grid, polygon_mask, signed_distance, smoothstep

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
        face: rows and columns of the grid where landmarks have influence.
        weights_a: (face nodes, 478) float32: displacement = weights @ landmark displacements.
        lip: rows and columns of the grid around the mouth, where field B is wanted.
        weights_b: (lip nodes, 478) float32, the same for field B.
        support: (rows, columns) bool, nodes that can move at all.
    """

    cell: float
    shape: tuple[int, int]
    points: np.ndarray
    head: np.ndarray
    face: Box
    weights_a: np.ndarray
    lip: Box
    weights_b: np.ndarray
    support: np.ndarray


def thin_plate_kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """U(r) = r^2 log r^2 between points (N, 2) and (M, 2): (N, M)."""
    r2 = ((a[:, None, :] - b[None, :, :]) ** 2).sum(-1)
    return r2 * np.log(np.maximum(r2, 1e-12))


def thin_plate_operator(
    controls: np.ndarray, targets: np.ndarray, ridge: float, block: int = 4096
) -> np.ndarray:
    """The linear map from values at controls to a thin-plate spline's values at targets.

    Bookstein, "Principal Warps", 1989, with a ridge on the bending part so that near-coincident
    controls with different values don't fold the plane.

    Args:
        controls: (N, 2), in units of about 1.
        targets: (M, 2), same units.
        ridge: added to the diagonal of the kernel matrix.
        block: targets handled at once.

    Returns:
        (M, N) float32.
    """
    n = len(controls)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = thin_plate_kernel(controls, controls) + ridge * np.eye(n)
    system[:n, n] = 1
    system[:n, n + 1 :] = controls
    system[n:, :n] = system[:n, n:].T
    inverse = np.linalg.inv(system)[:, :n]
    result = np.empty((len(targets), n), np.float32)
    for start in range(0, len(targets), block):
        part = targets[start : start + block]
        basis = np.concatenate(
            [thin_plate_kernel(part, controls), np.ones((len(part), 1)), part], axis=1
        )
        result[start : start + block] = basis @ inverse
    return result


def _rings(face: FaceGeometry, scale: float, chin_scale: float) -> np.ndarray:
    """The outline pushed outwards: by ``scale`` at the top and the sides, more at the chin."""
    oval = face.points[list(t.OVAL)]
    rays = oval - face.centre
    low = smoothstep(0.0, 0.5 * face.face_height, rays @ face.down)
    return face.centre + rays * (scale + (chin_scale - scale) * low)[:, None]


def _depth(face: FaceGeometry, nodes: np.ndarray) -> np.ndarray:
    """(M,) depth towards the camera in px for node positions (M, 2)."""
    oval = list(t.OVAL)
    fw = face.face_width
    rim = face.landmarks[oval, 2]
    anchors = [face.points]
    values = [face.landmarks[:, 2]]
    for scale, depth in (
        (1.25, rim - 0.16 * fw),
        (1.6, np.full(len(oval), rim.mean() - 0.42 * fw)),
        (2.4, np.full(len(oval), rim.mean() - 0.5 * fw)),
    ):
        anchors.append(_rings(face, scale, scale))
        values.append(depth)
    operator = thin_plate_operator(np.concatenate(anchors) / fw, nodes / fw, ridge=3e-3)
    return operator @ np.concatenate(values).astype(np.float32)


def _head_weight(face: FaceGeometry, nodes: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """(rows, columns) share of the head's motion for nodes (rows, columns, 2)."""
    fw, fh = face.face_width, face.face_height
    below = (nodes - face.points[t.CHIN]) @ face.down
    above = (face.points[t.FOREHEAD] - nodes) @ face.down
    across = np.abs((nodes - face.centre) @ face.right)
    weight = 1 - smoothstep(-0.05 * fh, 0.72 * fh, below)
    # Long hair and shoulders far to the side stay; the head itself is never that wide.
    weight *= 1 - smoothstep(0.95 * fw, 1.7 * fw, across)
    weight *= 1 - smoothstep(0.75 * fh, 1.0 * fh, above)
    height, width = matte.shape
    x, y = nodes[..., 0], nodes[..., 1]
    picture_height, picture_width = face.size
    sides = (
        (x, face.crop.x0 == 0, matte[:, 0], y),
        (width - 1 - x, face.crop.x1 == picture_width, matte[:, -1], y),
        (y, face.crop.y0 == 0, matte[0], x),
        (height - 1 - y, face.crop.y1 == picture_height, matte[-1], x),
    )
    for distance, at_border, touch, along in sides:
        ramp = smoothstep(0, 0.3 * fw, distance)
        if at_border:
            # Where the person is cut off by the frame nothing is known beyond: pin it there.
            profile = blur(touch[None, :].astype(np.float32), 0.12 * fw)[0]
            profile = np.clip(profile * 1.6, 0, 1)
            index = np.clip(np.round(along), 0, len(profile) - 1).astype(int)
            ramp = 1 - profile[index] * (1 - ramp)
        weight = weight * ramp
    return weight.astype(np.float32)


def build_fields(face: FaceGeometry, matte: np.ndarray) -> Fields:
    """Everything that can be precomputed about motion in a portrait.

    Args:
        face: the face in the crop.
        matte: (H, W) float32, the person.
    """
    height, width = matte.shape
    fw = face.face_width
    cell = max(fw / CELLS_PER_FACE, 1.0)
    rows, columns = int(np.ceil((height - 1) / cell)) + 1, int(np.ceil((width - 1) / cell)) + 1
    nodes = pixel_grid(rows, columns) * np.float32(cell)

    depth = _depth(face, nodes.reshape(-1, 2)).reshape(rows, columns)
    head = _head_weight(face, nodes, matte)

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
    rings = np.concatenate([_rings(face, 1.22, 1.5), _rings(face, 1.57, 1.85)]) / fw
    weights = []
    for left_out, area in ((t.LOWER_RINGS, patch), (t.UPPER_RINGS, lip)):
        skip = {i for ring in left_out for i in ring} | set(t.LIDS)
        used = [i for i in range(478) if i not in skip]
        controls = np.concatenate([face.points[used] / fw, rings])
        targets = nodes[area.slices].reshape(-1, 2) / fw
        operator = thin_plate_operator(controls, targets, ridge=6e-4)
        full = np.zeros((len(targets), 478), np.float32)
        full[:, used] = operator[:, : len(used)] * window[area.slices].reshape(-1, 1)
        weights.append(full)
    return Fields(
        cell=float(cell),
        shape=(rows, columns),
        points=np.concatenate([nodes, depth[..., None]], -1).astype(np.float32),
        head=head,
        face=patch,
        weights_a=weights[0],
        lip=lip,
        weights_b=weights[1],
        support=(window > 1e-4) | (head > 1e-4),
    )

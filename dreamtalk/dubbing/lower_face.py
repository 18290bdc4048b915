"""The lower face of one reference picture: how landmarks bend it, and which part may change.

Everything is laid out in the picture's own pixels, where the lips are closed or parted in a known
way. A filmed frame is that picture moved as a plane and bent by what is left; the frame that is
wanted is the same with other lips. Upper lip and lower lip are two fields, as in the mesh renderer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..curves.easing import smoothstep
from ..face import topology as t
from ..face.basis import FaceBasis
from ..motion.spaces import FACE
from ..render.box import Box
from ..render.mesh.portrait.geometry import FaceGeometry
from ..render.mesh.portrait.raster import blur, pixel_grid, polygon_mask, signed_distance
from ..render.mesh.warp.thin_plate import thin_plate_operator

Array = npt.NDArray[np.float32]

CELLS_PER_FACE = 38
RIDGE = 6e-4
"""Of the splines, both as in the mesh renderer."""
STILL_SHARE = 0.08
"""Landmarks that speech moves less than this share of what it moves most tell where the head is."""

# Where the lower face begins to change and where it has changed fully, mm on an average face:
# below the nose's base, beside the middle, below the chin. Where the second is the smaller one,
# from the first inwards.
NOSE_MM = (-5.0, 4.0)
SIDE_MM = (62.0, 44.0)
CHIN_MM = (24.0, 4.0)
MASK_SHARE = 0.35
"""Of the change, from which on only painted pixels show."""
LIP_MM = (2.0, 7.0)
"""mm around the lips within which their picture goes over into the skin's."""


@dataclass(frozen=True)
class LowerFace:
    """Fields of one picture on a coarse grid, and masks in its pixels.

    Attributes:
        cell: px per grid cell; node (i, j) is at pixel (j * cell, i * cell) of the crop.
        box: rows and columns of the grid that the fields cover.
        upper, lower: (nodes, 478) float32, what the nodes of ``box`` move by when landmarks do:
            with the upper lip, and with the lower lip.
        change: (rows, columns) float32 in 0..1, how far the nodes may follow new lips.
        mask: (H, W) float32 in 0..1, what of the crop is painted.
        lips: (H, W) float32 in 0..1, the lips and a soft rim around them.
        still: landmarks that say where the head is.
    """

    cell: float
    box: Box
    upper: Array
    lower: Array
    change: Array
    mask: Array
    lips: Array
    still: npt.NDArray[np.int64]


def still_landmarks(basis: FaceBasis) -> npt.NDArray[np.int64]:
    """Landmarks that lips and jaw hardly move, without eyelids and irises."""
    columns = [FACE.index[name] for name in FACE.regions["mouth"]]
    moved = basis.spread[columns, None, None] * basis.decoder[columns]
    reach = np.sqrt((moved**2).sum(axis=(0, 2)))
    quiet = reach < STILL_SHARE * reach.max()
    quiet[list(t.LIDS)] = False
    return np.flatnonzero(quiet)


def build_lower_face(face: FaceGeometry, basis: FaceBasis) -> LowerFace:
    """Everything about a picture's lower face that does not depend on the frame."""
    mm, crop = face.mm, face.crop
    cell = max(face.face_width / CELLS_PER_FACE, 1.0)
    change = changeable(face, pixel_grid(crop.height, crop.width))
    rows, columns = (int(np.ceil((side - 1) / cell)) + 1 for side in (crop.height, crop.width))
    marks = np.argwhere(change > 0)[:, ::-1]
    reach = 6 * mm  # nodes around, for what is looked up just outside
    box = Box.around(
        (marks.min(0) - reach) / cell, (marks.max(0) + reach) / cell, columns, rows, least=4
    )
    nodes = pixel_grid(rows, columns)[box.slices] * np.float32(cell)
    operators = [_field(face, nodes, rings) for rings in (t.LOWER_RINGS, t.UPPER_RINGS)]
    outer = [t.MOUTH_RIGHT, *t.UPPER_RINGS[3], t.MOUTH_LEFT, *reversed(t.LOWER_RINGS[3])]
    lips = signed_distance(polygon_mask(crop.height, crop.width, face.points[outer]))
    return LowerFace(
        cell=float(cell),
        box=box,
        upper=operators[0],
        lower=operators[1],
        change=changeable(face, nodes),
        mask=smoothstep(0.0, MASK_SHARE, change).astype(np.float32),
        lips=blur((1 - smoothstep(LIP_MM[0] * mm, LIP_MM[1] * mm, lips)).astype(np.float32), mm),
        still=still_landmarks(basis),
    )


def _field(face: FaceGeometry, nodes: Array, left_out: tuple[tuple[int, ...], ...]) -> Array:
    """(nodes, 478) float32: a thin-plate spline through all landmarks but those of one lip."""
    skip = {i for ring in left_out for i in ring} | set(t.LIDS)
    used = [i for i in range(t.NUM_LANDMARKS) if i not in skip]
    controls, targets = face.points[used], nodes.reshape(-1, 2)
    weights = np.zeros((len(targets), t.NUM_LANDMARKS), np.float32)
    unit = face.face_width
    weights[:, used] = thin_plate_operator(controls / unit, targets / unit, ridge=RIDGE)
    return weights


def changeable(face: FaceGeometry, places: Array) -> Array:
    """How far places (..., 2) px of the crop may follow new lips: (...) float32 in 0..1."""
    mm = face.mm
    nose = face.points[t.NOSE_BASE[0]]
    below_nose = (places - nose) @ face.down / mm
    below_chin = (places - face.points[t.CHIN]) @ face.down / mm
    middle = face.points[[t.MOUTH_RIGHT, t.MOUTH_LEFT, t.CHIN]].mean(0)
    beside = np.abs((places - middle) @ face.right) / mm
    share = smoothstep(*NOSE_MM, below_nose)
    share = share * smoothstep(*CHIN_MM, below_chin)
    share = share * smoothstep(*SIDE_MM, beside)
    return share.astype(np.float32)

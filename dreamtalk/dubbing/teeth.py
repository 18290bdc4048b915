"""Where the teeth of a reference frame are in another frame: on the skull and on the jaw."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..curves.easing import smoothstep
from ..face import topology as t
from ..face.basis import FaceBasis
from ..face.pose import Similarity
from ..render.mesh.mouth.interior import (
    JAW_GAIN,
    SKULL_SHARE,
    Interior,
    MouthPose,
    tongue_and_tuck,
)
from ..render.mesh.portrait.geometry import FLIP, FaceGeometry

Array = npt.NDArray[np.float32]

INNER = [*t.UPPER_INNER, *t.LOWER_INNER, t.INNER_RIGHT, t.INNER_LEFT]
"""Landmarks of the opening."""
_UPPER_MIDDLE, _LOWER_MIDDLE = INNER.index(t.INNER_UPPER), INNER.index(t.INNER_LOWER)

LEAST_SHOWN = 1.2
"""mm of the upper teeth that are seen in an open mouth at least: nearly everybody shows their edge
in an open vowel, and where the skull is, is known to a millimetre or two only."""
OPEN_MM = (2.0, 6.0)
"""Openings from which on that begins to hold, and holds."""
MOST_LOWERED = 3.0
"""mm that teeth are lowered for it at the most."""


class PlacedTeeth:
    """Places the inside of a reference frame's mouth in other frames.

    Args:
        interior: what the reference frame shows between its lips.
        face: the face in it.
        basis: whose template tells the head's pose.
    """

    def __init__(self, interior: Interior, face: FaceGeometry, basis: FaceBasis) -> None:
        self._interior = interior
        away = np.array([1.0, 1.0, -1.0], np.float32)
        points, self._known = basis.align((face.landmarks * away)[None])
        self._face = points[0]
        self._anchor = self._in_face(interior.anchor.numpy())
        self._edge = None if (edge := _edge(interior)) is None else self._in_face(edge)

    def _in_face(self, point: Array) -> npt.NDArray[np.float64]:
        """A point (3,) of the reference's crop (y down, z near) in the face frame, IOD."""
        return self._known.to_face((point * FLIP).astype(np.float64)[None, None])[0, 0]

    def pose(self, pose: Similarity, inner: Array, marks: Array, moved: Tensor) -> MouthPose:
        """Where skull and jaw are.

        Args:
            pose: of the head in the frame.
            inner: (20, 2) px, where the lips' inner contour is, as in ``INNER``.
            marks: (478, 2) px, where the new landmarks are.
            moved: (478, 3) px that the landmarks of the lips' picture are displaced by.
        """

        def seen(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            """Points (K, 3) of the face frame in the frame, px."""
            return (pose.to_camera(np.atleast_2d(points)[None])[0] * FLIP)[:, :2]

        def away(which: tuple[int, ...]) -> npt.NDArray[np.float64]:
            return (marks[list(which)] - seen(self._face[list(which)])).mean(0)

        interior, scale = self._interior, float(pose.scale[0]) / float(self._known.scale[0])
        # the nose's base tells where the pose that the tracker saw was off
        skull = SKULL_SHARE * away(t.NOSE_BASE)
        axes = scale * interior.mm * (FLIP[:, None] * pose.rotation[0])[:2, :2] * [1, -1]
        down = axes[:, 1] / np.linalg.norm(axes[:, 1])
        mm = scale * interior.mm
        gap = float((inner[_LOWER_MIDDLE] - inner[_UPPER_MIDDLE]) @ down) / mm
        lowered = 0.0
        if self._edge is not None:
            shown = float((seen(self._edge)[0] + skull - inner[_UPPER_MIDDLE]) @ down) / mm
            wanted = LEAST_SHOWN * float(smoothstep(*OPEN_MM, np.array(gap)))
            lowered = float(np.clip(wanted - shown, 0, MOST_LOWERED))
        origin = seen(self._anchor)[0] + skull + lowered * mm * down
        jaw = away(t.CHIN_PATCH) - skull
        lift, tuck = tongue_and_tuck(interior, moved[None])
        gain = 1.0 if interior.own is None else JAW_GAIN

        def tensor(values: npt.NDArray[np.float64]) -> Tensor:
            return torch.from_numpy(values.astype(np.float32))[None]

        return MouthPose(
            origin=tensor(origin),
            matrix=tensor(np.linalg.inv(axes)),
            jaw=tensor(gain * jaw),
            activity=torch.ones(1),
            lift=lift,
            tuck=tuck,
        )


def teeth_shown(interior: Interior) -> float:
    """How much of its own upper teeth a frame shows, in square px."""
    own = interior.own
    return 0.0 if own is None or own.upper is None else float(own.upper.array[..., 3].sum())


def _edge(interior: Interior) -> Array | None:
    """(3,) px of the crop: the lower end of the upper teeth in the middle; None for drawn ones."""
    own = interior.own
    if own is None or own.upper is None:
        return None
    cover = own.upper.array[..., 3]
    column = round(float(interior.anchor[0])) - own.corner[0]
    column = min(max(column, 1), cover.shape[1] - 2)
    rows = np.flatnonzero(cover[:, column - 1 : column + 2].mean(1) > 0.5)
    if not len(rows):
        return None
    depth = float(interior.anchor[2])
    return np.array([own.corner[0] + column, own.corner[1] + rows[-1], depth], np.float32)

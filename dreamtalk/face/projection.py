"""Where the landmarks of a portrait lie in the picture while it moves: no pixels, geometry alone.

The face bends in its own frame, as the face basis says; then the head turns about the neck, and a
camera far away sees it (weak perspective).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import SpaceMismatchError
from . import topology as t
from .basis import FaceBasis
from .portrait import Portrait
from .pose import euler_angles, euler_matrix
from .units import CAMERA_DISTANCE, NECK


def head_transform(head: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """What a head offset does to points around the pivot, in the picture frame (y down, z near).

    Args:
        head: (n, 6) offsets: pitch, yaw, roll in radians, x, y, z in inter-ocular distances.
        rest: (3, 3) orientation of the head in the portrait, camera frame.

    Returns:
        ((n, 3, 3) rotation times scale, (n, 2) translation in inter-ocular distances, y down).
    """
    angles = euler_angles(rest)
    # Relative to the rest pose as the same angles give it, so that no offset is no rotation.
    rotation = euler_matrix(head[:, :3] + angles) @ euler_matrix(angles).T
    flip = torch.tensor([1.0, -1.0, 1.0], device=head.device, dtype=head.dtype)
    rotation = flip[:, None] * rotation * flip
    scale = torch.exp(head[:, 5] / CAMERA_DISTANCE)
    return rotation * scale[:, None, None], head[:, 3:5] * flip[:2]


def project_landmarks(
    portrait: Portrait, expression: Tensor, head: Tensor, basis: FaceBasis | None = None
) -> Tensor:
    """The landmarks of a portrait in every frame of a motion.

    Exact in what it is told: no limit is put on how far a head turns, and lips may overlap; what a
    renderer adds for the picture's sake is its own.

    Args:
        portrait: whose face moves.
        expression: (T, 31) of the ``face`` space. At the portrait's rest (``portrait.rest``) the
            landmarks are the portrait's own; at 0 its lips are closed.
        head: (T, 6) offsets from the portrait's pose, as ``Motion.head``.
        basis: the bundled one by default.

    Returns:
        (T, 478, 3) float32 px of the portrait's picture: x right, y down, z away from the camera.

    Raises:
        SpaceMismatchError: if the expression has not 31 channels, or the lengths differ.
    """
    if len(expression) != len(head):
        raise SpaceMismatchError(
            f"{len(expression)} frames of expression and {len(head)} of head motion: give as many"
        )
    head = head.to(expression)
    flip = torch.tensor([1.0, 1.0, -1.0]).to(expression)
    points = portrait.landmarks.to(expression) * flip
    rest = portrait.rotation.to(expression)
    # face frame -> picture frame, px per IOD: y turns over, z already grows towards the camera
    axes = portrait.iod * torch.tensor([1.0, -1.0, 1.0]).to(expression)[:, None] * rest
    basis = basis or FaceBasis.load()
    offsets = basis.decode(expression) - basis.decode(portrait.rest[None].to(expression))
    bent = points + offsets @ axes.T
    eyes = (points[t.EYE_OUTER_LEFT] + points[t.EYE_OUTER_RIGHT]) / 2
    pivot = eyes + axes @ torch.tensor(NECK).to(expression)
    turn, shift = head_transform(head, rest)
    turned = (bent - pivot) @ turn.transpose(1, 2) + pivot
    turned[..., :2] += portrait.iod * shift[:, None]
    return turned * flip

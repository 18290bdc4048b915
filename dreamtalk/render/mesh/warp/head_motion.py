"""Head motion in the picture: rotations, soft limits, weak perspective."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LIMITS_DEGREES = (16.0, 18.0, 25.0)
"""Where pitch, yaw and roll saturate: a single picture does not know the far side of a head."""
TRANSLATION_LIMIT = 0.45
"""Where translations saturate, in inter-ocular distances."""
CAMERA_DISTANCE = 10.0
"""Distance of the camera in inter-ocular distances (about 0.9 m): z is CAMERA_DISTANCE times the
logarithm of the face's scale, as the face basis measures it."""


def soft_limit(value: Tensor, limit: float | Tensor) -> Tensor:
    """Identity near 0 that saturates at +-limit: limit * tanh(value / limit)."""
    return limit * torch.tanh(value / limit)


def euler_matrix(pitch: Tensor, yaw: Tensor, roll: Tensor) -> Tensor:
    """R = Ry(yaw) Rx(pitch) Rz(-roll), as ``Motion.head`` defines it: (..., 3, 3)."""
    cp, sp, cy, sy = pitch.cos(), pitch.sin(), yaw.cos(), yaw.sin()
    cr, sr = roll.cos(), -roll.sin()
    zero, one = torch.zeros_like(cp), torch.ones_like(cp)
    rx = torch.stack([one, zero, zero, zero, cp, -sp, zero, sp, cp], -1)
    ry = torch.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], -1)
    rz = torch.stack([cr, -sr, zero, sr, cr, zero, zero, zero, one], -1)
    shape = (*cp.shape, 3, 3)
    return ry.reshape(shape) @ rx.reshape(shape) @ rz.reshape(shape)


def euler_angles(rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pitch, yaw, roll of (..., 3, 3), the inverse of :func:`euler_matrix`."""
    pitch = torch.asin((-rotation[..., 1, 2]).clamp(-1, 1))
    yaw = torch.atan2(rotation[..., 0, 2], rotation[..., 2, 2])
    roll = -torch.atan2(rotation[..., 1, 0], rotation[..., 1, 1])
    return pitch, yaw, roll


def head_transform(head: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """What a head offset does to points around the pivot, in the picture frame (y down).

    Args:
        head: (n, 6) offsets: pitch, yaw, roll in radians, x, y, z in inter-ocular distances.
        rest: (3, 3) orientation of the head in the portrait, camera frame.

    Returns:
        ((n, 3, 3) rotation times scale, (n, 2) translation in inter-ocular distances, y down).
    """
    limits = torch.tensor([math.radians(v) for v in LIMITS_DEGREES], device=head.device)
    angles = soft_limit(head[:, :3], limits.to(head.dtype))
    pitch, yaw, roll = euler_angles(rest)
    turned = euler_matrix(angles[:, 0] + pitch, angles[:, 1] + yaw, angles[:, 2] + roll)
    # Relative to the rest pose as the same angles give it, so that no offset is no rotation.
    rotation = turned @ euler_matrix(pitch, yaw, roll).T
    flip = torch.tensor([1.0, -1.0, 1.0], device=head.device, dtype=head.dtype)
    rotation = flip[:, None] * rotation * flip
    shift = soft_limit(head[:, 3:], TRANSLATION_LIMIT)
    scale = torch.exp(shift[:, 2] / CAMERA_DISTANCE)
    return rotation * scale[:, None, None], shift[:, :2] * flip[:2]


TORSO_SHARES = (0.5, 1.6, 0.5)
"""Shoulders per head for x, y, z. A breath lifts the shoulders more than the head."""
TORSO_LIMITS = (0.14, 0.07, 0.3)
"""Where the shoulders' x, y, z saturate, in inter-ocular distances."""
TORSO_ROLL = 0.16
TORSO_YAW = 0.12
"""Shoulders per head: how far they lean with its roll; IOD that they shift per radian of yaw."""


def torso_transform(head: Tensor) -> tuple[Tensor, Tensor]:
    """What the shoulders do while the head does ``head``: they follow a little, and breathe.

    A function of the same frame alone: frames can be made in any order and in pieces.

    Args:
        head: (n, 6) offsets, as in :func:`head_transform`.

    Returns:
        ((n, 2, 2) rotation times scale in the picture frame (y down), (n, 2) translation in
        inter-ocular distances, y down).
    """
    shares, limits = (
        torch.tensor(v, device=head.device, dtype=head.dtype) for v in (TORSO_SHARES, TORSO_LIMITS)
    )
    x, y, z = soft_limit(shares * head[:, 3:], limits).unbind(-1)
    yaw, roll = (
        soft_limit(head[:, i], math.radians(LIMITS_DEGREES[i])) * share
        for i, share in ((1, TORSO_YAW), (2, TORSO_ROLL))
    )
    scale = torch.exp(z / CAMERA_DISTANCE)
    c, s = scale * roll.cos(), scale * roll.sin()
    rotation = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
    return rotation, torch.stack([x + yaw, -y], -1)

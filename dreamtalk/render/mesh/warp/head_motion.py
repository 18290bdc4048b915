"""How much head motion a picture can show, and what the shoulders make of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ....face.units import CAMERA_DISTANCE

LIMITS_DEGREES = (16.0, 18.0, 25.0)
"""Where pitch, yaw and roll saturate: a single picture does not know the far side of a head."""
TRANSLATION_LIMIT = 0.45
"""Where translations saturate, in inter-ocular distances."""


def soft_limit(value: Tensor, limit: float | Tensor) -> Tensor:
    """Identity near 0 that saturates at +-limit: limit * tanh(value / limit)."""
    return limit * torch.tanh(value / limit)


def limited_head(head: Tensor) -> Tensor:
    """Head offsets (n, 6) that saturate where the picture runs out of head."""
    limits = torch.tensor([math.radians(v) for v in LIMITS_DEGREES], device=head.device)
    angles = soft_limit(head[:, :3], limits.to(head.dtype))
    return torch.cat([angles, soft_limit(head[:, 3:], TRANSLATION_LIMIT)], dim=1)


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
        head: (n, 6) offsets: pitch, yaw, roll in radians, x, y, z in inter-ocular distances.

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

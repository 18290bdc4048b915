"""What the generator takes: 73 numbers a frame."""

from __future__ import annotations

import torch
from torch import Tensor

from ...curves.length import hold_last
from ...errors import MotionError
from ...motion.bridges import convert, head_to_pose
from ...motion.motion import Motion

RADIUS = 13
"""Frames on each side of the rendered one that its motion descriptor sees."""
STILL_POSE: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.9370641, 126.84911, 129.03864)
"""The official pose of a head that doesn't move."""


def motion_coefficients(motion: Motion, move_head: bool = True) -> Tensor:
    """A motion as the generator takes it.

    Args:
        motion: in any space; other spaces than ``bfm`` go through the bridge.
        move_head: false holds the official resting pose.

    Returns:
        (T, 73) float32: 64 expression, 3 angles, 3 translation, 3 crop.
    """
    motion = convert(motion, "bfm")
    if not move_head:
        pose = torch.tensor(STILL_POSE).expand(len(motion), 9)
    elif motion.pose is None:
        pose = head_to_pose(motion.head.float())
    else:
        pose = motion.pose
    return torch.cat([motion.expression.float().cpu(), pose.float().cpu()], dim=1)


def with_pose(motion: Motion, pose: Tensor) -> Motion:
    """Give a ``bfm`` motion the pose columns of a clip, as the official routine does.

    Args:
        pose: (P, 9), cut to the motion's length; where it is shorter its last row holds.

    Raises:
        MotionError: if the pose is empty or not (P, 9).
    """
    if pose.ndim != 2 or pose.shape[1] != 9 or len(pose) == 0:
        raise MotionError(f"pose columns are (P, 9), not {tuple(pose.shape)}")
    return motion.with_(pose=hold_last(pose, len(motion)).float())


def semantic_windows(coefficients: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
    """The windows of frames ``start..stop``: 13 frames on each side, held at both ends.

    Args:
        coefficients: (T, 73)

    Returns:
        (stop - start, 73, 27)
    """
    stop = len(coefficients) if stop is None else stop
    frames = torch.arange(start, stop)[:, None] + torch.arange(-RADIUS, RADIUS + 1)
    return coefficients[frames.clamp(0, len(coefficients) - 1)].transpose(1, 2)

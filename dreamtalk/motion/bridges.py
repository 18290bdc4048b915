"""Maps between the motion spaces (placeholder until they are fitted)."""

from __future__ import annotations

from torch import Tensor

from .motion import Motion


def to_face(motion: Motion) -> Motion:
    return motion


def map_offsets(offsets: Tensor, source: str, target: str) -> Tensor:
    raise NotImplementedError


def add_head_to_pose(pose: Tensor, head: Tensor) -> Tensor:
    raise NotImplementedError

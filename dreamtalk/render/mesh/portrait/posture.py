"""What channels mean for one portrait: its brows, lids and gaze."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ....face import topology as t
from ....motion import FACE
from ..eyes.layer import WIDEST, EyeLayer, LidPose

SQUINT = 0.92
"""Share of a squint that is drawn: lashes and the lids' edges hide part of what stays open."""


BROW_HEADS = (
    {55: 1.0, 107: 0.9, 65: 0.75, 66: 0.6, 52: 0.3, 105: 0.2, 9: 0.3, 8: 0.25},
    {285: 1.0, 336: 0.9, 295: 0.75, 296: 0.6, 282: 0.3, 334: 0.2, 9: 0.3, 8: 0.25},
)
"""How far landmarks of the right and the left brow go along with its inner end."""
DRAWN_IN, DRAWN_DOWN = 0.45, 0.35
"""What a lowered brow's head moves further, towards the nose and down. Trackers see brows that come
down and hardly see them drawn together: a landmark model knows few frowning faces."""


BROW_ENDS = ("Inner", "Outer")


def frown_offsets() -> Tensor:
    """(2, 478, 3) what moves if the right and the left brow are lowered by one IOD."""
    offsets = torch.zeros(2, 478, 3)
    for index, (brow, inwards) in enumerate(zip(BROW_HEADS, (1.0, -1.0), strict=True)):
        for mark, share in brow.items():
            across = 0.0 if mark in (8, 9) else inwards * DRAWN_IN
            offsets[index, mark, 0] = share * across
            offsets[index, mark, 1] = -share * DRAWN_DOWN
    return offsets


def brow_room(points: np.ndarray, down: np.ndarray, iod: float) -> float:
    """How far the brows of a portrait can come down, in IOD: most of the way to the lids.

    Args:
        points: (478, 2) px.
        down: (2,), unit vector down the face.
        iod: px.
    """
    ways = []
    for eye in t.EYES:
        height = points @ down
        ways.append(np.median(height[list(eye["upper"])]) - np.median(height[list(eye["brow"])]))
    return float(np.clip(0.75 * np.mean(ways) / iod, 0.04, 0.16))


def lower_brows(channels: Tensor, room: float) -> Tensor:
    """(n, 31) with brows that come down as far as there is room for, softly: never over the eye."""
    result = channels.clone()
    brows = [FACE.index[f"brow{end}{side}Y"] for end in BROW_ENDS for side in ("Right", "Left")]
    heights = channels[:, brows]
    result[:, brows] = torch.where(heights < 0, room * torch.tanh(heights / room), heights)
    return result


def frown(channels: Tensor, offsets: Tensor) -> Tensor:
    """(n, 478, 3) IOD: brows drawn together as far as they are lowered.

    Args:
        channels: (n, 31) offsets from the portrait.
        offsets: from :func:`frown_offsets`.
    """
    inner = [FACE.index["browInnerRightY"], FACE.index["browInnerLeftY"]]
    return torch.einsum("ns,skc->nkc", (-channels[:, inner]).clamp_min(0), offsets)


def lid_poses(
    eyes: Sequence[EyeLayer], channels: Tensor, carried: Tensor, neutral: Tensor, iod: float
) -> list[LidPose]:
    """Closure, lower lid and gaze of the right and the left eye.

    Args:
        eyes: right, left.
        channels: (n, 31) offsets from the portrait.
        carried: (n, 2, 2) px that brows and cheeks drag the middle of the upper and the lower lid
            down by, per eye: that much of the lids' motion is there already.
        neutral: (31,) absolute channels of the mean face: how wide open eyes usually are.
        iod: px per inter-ocular distance.
    """
    poses = []
    for index, (eye, side) in enumerate(zip(eyes, ("Right", "Left"), strict=True)):
        upper_index, lower_index = FACE.index[f"lidUpper{side}Y"], FACE.index[f"lidLower{side}Y"]
        upper, lower = channels[:, upper_index], channels[:, lower_index]
        opening = eye.opening / iod
        reference = max(float(neutral[upper_index] - neutral[lower_index]), 0.03)
        # Small motions keep their size, but narrow eyes close by the same share as others; a blink
        # shuts the eyes of every portrait, however wide it has them open; in between, a squint
        # stays a little wider, because lashes hide part of what is left.
        way = lower - upper
        blink = ((way / reference - 0.6) / 0.32).clamp(0, 1)
        share = torch.where(way < 0, way / opening, SQUINT * way / max(opening, reference))
        drag = carried[:, index] / eye.opening
        raised = (lower / reference + drag[:, 1]).clamp(-0.3, 0.4)
        # What the lids leave open, of what the field and the lower lid leave of the opening.
        left = (1 - share) / (1 + drag[:, 1] - drag[:, 0]).clamp(0.4, 1.6)
        closure = 1 - left.clamp_min(0) / (1 - raised)
        # No upper lid goes up only because the lower one does.
        closure = torch.where(share > 0, closure.clamp_min(0), closure)
        closure = closure + blink * (1.05 * way / reference - closure)
        wider = WIDEST * torch.tanh(closure / WIDEST)
        closure = torch.where(closure < 0, wider, closure.clamp(0, 1))
        raised = raised * eye.opening
        gaze_x = channels[:, FACE.index[f"gaze{side}X"]]
        gaze_y = channels[:, FACE.index[f"gaze{side}Y"]]
        limit = 0.6 * eye.radius
        gaze = limit * torch.tanh(torch.stack([gaze_x, -gaze_y], -1) * iod / limit)
        poses.append(LidPose(closure, raised, gaze))
    return poses

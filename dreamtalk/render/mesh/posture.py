"""What channels mean for one portrait: its lids and gaze, and what its mouth does already."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...motion import FACE
from .eyes import WIDEST, EyeLayer, LidPose

SQUINT = 0.85
"""Share of a squint that is drawn: lashes and the lids' edges hide part of what stays open."""


def lid_poses(
    eyes: Sequence[EyeLayer], channels: Tensor, neutral: Tensor, iod: float
) -> list[LidPose]:
    """Closure, lower lid and gaze of the right and the left eye.

    Args:
        eyes: right, left.
        channels: (n, 31) offsets from the portrait.
        neutral: (31,) absolute channels of the mean face: how wide open eyes usually are.
        iod: px per inter-ocular distance.
    """
    poses = []
    for eye, side in zip(eyes, ("Right", "Left"), strict=True):
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
        closure = share + blink * (1.05 * way / reference - share)
        wider = WIDEST * torch.tanh(closure / WIDEST)
        closure = torch.where(closure < 0, wider, closure.clamp(0, 1))
        raised = (lower * opening / reference).clamp(-0.03, 0.04) * iod
        gaze_x = channels[:, FACE.index[f"gaze{side}X"]]
        gaze_y = channels[:, FACE.index[f"gaze{side}Y"]]
        limit = 0.6 * eye.radius
        gaze = limit * torch.tanh(torch.stack([gaze_x, -gaze_y], -1) * iod / limit)
        poses.append(LidPose(closure, raised, gaze))
    return poses


def lip_posture(expression: Tensor) -> Tensor:
    """(1, 31) what a portrait's mouth does already, as channels that can be taken back.

    One picture tells the aperture; the other lip channels take the share of it that they usually
    have, so that the lips close by moving towards each other rather than by the lower one alone.
    """
    rest = torch.zeros(1, len(FACE))
    aperture = float(expression[FACE.index["lipAperture"]])
    shares = {
        "lipAperture": 1.0,
        "lipLowerY": -0.62,
        "lipUpperInnerY": 0.20,
        "lipUpperY": 0.14,
        "chinY": -0.45,
    }
    for name, share in shares.items():
        rest[0, FACE.index[name]] = share * aperture
    return rest

"""What the painter is told of a motion's lips: numbers, and how far they move points.

The channels' zero is a person's neutral face, which a picture alone does not tell. So lips are told
against those of the reference picture, whose zero is the same; apertures have a zero of their own.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ...face.basis import FaceBasis
from ...face.channels import LIP_CHANNELS
from ..conditioning import IBUG_OF_MEDIAPIPE

_EYES_OUTER = (36, 45)
_APERTURE = LIP_CHANNELS.index("lipAperture")
_OTHER_SIDE = {"mouthCornerLeftY": "mouthCornerRightY", "mouthCornerRightY": "mouthCornerLeftY"}
LIP_MIRROR: tuple[int, ...] = tuple(
    LIP_CHANNELS.index(_OTHER_SIDE.get(name, name)) for name in LIP_CHANNELS
)
"""The channel of the other side."""
LIP_SIGNS: tuple[float, ...] = tuple(
    -1.0 if name in ("lipX", "jawX") else 1.0 for name in LIP_CHANNELS
)
"""Of the channels in the mirror."""
_UNIT = 0.1  # IOD: brings channels to about -1..1


def lip_numbers(target: Tensor, reference: Tensor, own: Tensor) -> Tensor:
    """The token's numbers.

    Args:
        target, reference: (B, 13) lip channels of the frame and of the reference.
        own: (B,) 1 where the placed picture is the frame itself, wrong between the lips alone.

    Returns:
        (B, 16)
    """
    aperture = [x[:, _APERTURE, None] for x in (target, reference)]
    return torch.cat([torch.cat([target - reference, *aperture], -1) / _UNIT, own[:, None]], -1)


def lip_offsets(change: Tensor, landmarks: Tensor) -> Tensor:
    """How far iBUG's points move when lip channels change, seen from the front.

    Args:
        change: (B, 13) in IOD.
        landmarks: (B, 68, 2) px, whose eyes tell the size of the face.

    Returns:
        (B, 68, 2) px
    """
    right, left = (landmarks[:, index] for index in _EYES_OUTER)
    iod = (left - right).norm(dim=-1)[:, None, None]
    matrix = _lip_matrix().to(change)
    return iod * torch.einsum("bc,ckd->bkd", change, matrix)


@lru_cache(maxsize=1)
def _lip_matrix() -> Tensor:
    """(13, 68, 2) in the picture: x right, y down."""
    decoder = torch.from_numpy(FaceBasis.load().decoder[: len(LIP_CHANNELS)]).float()
    return decoder[:, list(IBUG_OF_MEDIAPIPE), :2] * torch.tensor([1.0, -1.0])

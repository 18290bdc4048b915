"""The resting face that a motion carries, and how to take it off.

Coefficients of a fitted face model and scores of a tracker don't rest at 0: what a person looks
like at rest is in them too (mouth corners that hang, lips that seem parted). Given a clip of the
same person in which nothing is acted, that offset is known.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import MotionError
from .bridges import convert
from .motion import Motion
from .spaces import FACE

_CLOSED_SHARE = 0.1  # of the frames: those with the smallest gap count as closed lips
_PARTED = 0.4  # share of the gap seen there that stays: part of it are lips that seem to move less
_OPEN_EYES = 0.33  # share of the frames whose eyes are too far shut to count


def resting_expression(motion: Motion) -> Tensor:
    """What the face is like in a motion while the lips are closed and the eyes open.

    Args:
        motion: of a person who acts nothing, speaking or silent, in any space.

    Returns:
        (C,) in the motion's space: the median over those frames. Where lips seem to stay parted,
        not all of the gap is taken for rest; a lip aperture of the ``face`` space rests at 0.

    Raises:
        MotionError: if the motion has no frames.
    """
    if len(motion) == 0:
        raise MotionError("there are no frames to see a resting face in")
    face = convert(motion, "face").expression

    def column(name: str) -> Tensor:
        return face[:, FACE.index[name]]

    upper = column("lidUpperLeftY") + column("lidUpperRightY")
    eyes = upper - column("lidLowerLeftY") - column("lidLowerRightY")
    awake = eyes >= torch.quantile(eyes, _OPEN_EYES)
    gap, values = column("lipAperture")[awake], motion.expression[awake]
    limit = torch.quantile(gap, _CLOSED_SHARE)
    rest = values[gap <= limit].median(dim=0).values
    away = gap - gap.mean()
    opening = away @ (values - values.mean(dim=0)) / away.square().sum().clamp(min=1e-6)
    rest = rest - _PARTED * gap[gap <= limit].median() * opening
    if motion.space == "face":
        rest[FACE.index["lipAperture"]] = 0.0
    return rest


def without_rest(motion: Motion, neutral: Motion) -> Motion:
    """A motion without the resting face of its person; the head stays as it is.

    Args:
        motion: in any space.
        neutral: of the same person at rest, see :func:`resting_expression`; converted to the space
            of ``motion`` if it is in another.

    Returns:
        The motion as offsets from that rest. ARKit scores end at 0 and 1, a lip aperture at 0.
    """
    rest = resting_expression(convert(neutral, motion.space))
    expression = motion.expression - rest.to(motion.expression)
    return motion.with_(expression=motion.motion_space.limited(expression))

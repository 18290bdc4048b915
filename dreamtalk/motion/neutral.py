"""The neutral face of a person: how to see it in their motion, and how to take it off.

A motion counts from a neutral face, and whose that is depends on where the motion comes from: the
mean face, for what was tracked against it; that of a face model, for coefficients and scores. What
a person looks like while they act nothing (mouth corners that hang, lips that seem parted) is then
in the motion too. Given a clip of the same person in which nothing is acted, that offset is known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import MotionError
from ..face.channels import CLOSED_APERTURE
from .bridges import convert
from .motion import Motion
from .spaces import FACE

_CLOSED_SHARE = 0.1  # of the frames: those with the smallest gap count as closed lips
_PARTED = 0.4  # share of the gap seen there that stays: part of it are lips that seem to move less
_OPEN_EYES = 0.33  # share of the frames whose eyes are too far shut to count


def neutral_channels(channels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A person's neutral face in the ``face`` space, from what they do in a clip.

    Lips and jaw: the median of the frames with closed lips (or the tenth with the smallest gap);
    a closed gap is 0 by definition. Lids: open as they are two thirds of the time. The rest: the
    median.

    Args:
        channels: (T, 31), absolute or against any other face: what they count from is what the
            result counts from.

    Returns:
        (31,)
    """
    gap = channels[:, FACE.index["lipAperture"]]
    closed = gap <= max(CLOSED_APERTURE, float(np.quantile(gap, _CLOSED_SHARE)))
    neutral = np.median(channels, axis=0)
    mouth = [FACE.index[name] for name in FACE.regions["mouth"]]
    neutral[mouth] = np.median(channels[closed][:, mouth], axis=0)
    for side in ("Left", "Right"):
        upper, lower = FACE.index[f"lidUpper{side}Y"], FACE.index[f"lidLower{side}Y"]
        neutral[upper] = np.quantile(channels[:, upper], 1.0 - _OPEN_EYES)
        neutral[lower] = np.quantile(channels[:, lower], _OPEN_EYES)
    neutral[[FACE.index[name] for name in FACE.closed_neutral]] = 0.0
    return neutral


def neutral_expression(motion: Motion) -> Tensor:
    """What counts as 0 for the person in a motion: their face with lips closed and eyes open.

    Args:
        motion: of a person who acts nothing, speaking or silent, in any space.

    Returns:
        (C,) in the motion's space. In ``face`` see :func:`neutral_channels`; in the others, which
        don't measure the gap of the lips, the median over the frames in which it looks smallest,
        and where lips seem to stay parted not all of the gap is taken for the person's.

    Raises:
        MotionError: if the motion has no frames.
    """
    if len(motion) == 0:
        raise MotionError("there are no frames to see a neutral face in")
    if motion.motion_space.closed_neutral:
        found = neutral_channels(motion.expression.cpu().double().numpy())
        return torch.from_numpy(found).to(motion.expression)
    face = convert(motion, "face").expression

    def column(name: str) -> Tensor:
        return face[:, FACE.index[name]]

    upper = column("lidUpperLeftY") + column("lidUpperRightY")
    eyes = upper - column("lidLowerLeftY") - column("lidLowerRightY")
    awake = eyes >= torch.quantile(eyes, _OPEN_EYES)
    gap, values = column("lipAperture")[awake], motion.expression[awake]
    limit = torch.quantile(gap, _CLOSED_SHARE)
    neutral = values[gap <= limit].median(dim=0).values
    away = gap - gap.mean()
    opening = away @ (values - values.mean(dim=0)) / away.square().sum().clamp(min=1e-6)
    return neutral - _PARTED * gap[gap <= limit].median() * opening


def without_neutral(motion: Motion, neutral: Motion) -> Motion:
    """A motion without the neutral face of its person; the head stays as it is.

    Args:
        motion: in any space.
        neutral: of the same person who acts nothing, see :func:`neutral_expression`; converted to
            the space of ``motion`` if it is in another.

    Returns:
        The motion as offsets from that face, within the limits of its space.
    """
    zero = neutral_expression(convert(neutral, motion.space))
    expression = motion.expression - zero.to(motion.expression)
    return motion.with_(expression=motion.motion_space.limited(expression))

"""Soft steps from 0 to 1, of numpy arrays and of tensors alike."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from torch import Tensor

Curve = TypeVar("Curve", np.ndarray, Tensor)


def smoothstep(low: float | Curve, high: float | Curve, x: Curve) -> Curve:
    """0 below ``low``, 1 above ``high``, a cubic in between that is flat at both ends.

    Where ``high`` is the smaller one the step goes down.
    """
    share: Curve = ((x - low) / (high - low)).clip(0, 1)
    return share * share * (3 - 2 * share)


def minimum_jerk(phase: Curve) -> Curve:
    """How people move from one point to another: speed and acceleration are 0 at both ends.

    Flash and Hogan, "The coordination of arm movements", 1985.

    Args:
        phase: 0..1 of the way's duration.
    """
    return phase**3 * (10.0 - 15.0 * phase + 6.0 * phase**2)

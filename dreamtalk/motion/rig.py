"""Scores for rigs: what a head with ARKit's 52 shapes is told so that it shows a motion.

The scores of the bridges are those that a tracker gives: a closed eye has 0.6, and lips that close
over an open jaw none at all. A rig wants them as they were modelled: an eye is closed at 1. So they
are solved for once more, with what the shapes of our own head do in the place of what a tracker's
scores go along with.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch

from ..face.basis import FaceBasis
from ..face.channels import measure_channels
from ..face.head_mesh import resting_face
from ..face.head_shapes import landmark_offsets
from .bridges import Bridges, convert, face_to_scores, load_bridges, to_face
from .motion import Motion
from .spaces import ARKIT_CHANNELS

_FREEDOM = 16.0
"""By how much more than a tracker's scores a rig's may differ from the first guess (variance)."""
_UNSEEN = {"mouthClose": 0.2}
"""Deviation of scores that a tracker hardly ever gives, and a rig needs to close its lips."""
_STEP = 0.05
_OPEN = ("jawOpen", 0.5)  # distances are measured where the lips are apart: at 0 they can't shrink


def rig_scores(motion: Motion) -> Motion:
    """A motion as scores for a rig.

    Args:
        motion: in any space.

    Returns:
        The motion in the ``arkit`` space, within 0..1. One that is there already has the scores
        that it was recorded with.
    """
    scores = convert(motion, "arkit")
    if motion.space == "arkit":
        return scores.with_(expression=scores.motion_space.limited(scores.expression))
    face = to_face(motion).expression
    return scores.with_(expression=face_to_scores(face, scores.expression, _modelled()))


@lru_cache(maxsize=1)
def _modelled() -> Bridges:
    """The bridges with the shapes of the plain head as the way from ``arkit`` to ``face``."""
    moved = landmark_offsets(ARKIT_CHANNELS)
    name, value = _OPEN
    around = resting_face(FaceBasis.load()) + value * moved[ARKIT_CHANNELS.index(name)]
    effect = (measure_channels(around + _STEP * moved) - measure_channels(around)) / _STEP
    bridges = load_bridges()
    matrix = torch.from_numpy(effect.astype(np.float32))
    matrices = {**bridges.matrices, ("arkit", "face"): matrix}
    scatter = _FREEDOM * bridges.scatter
    for name, deviation in _UNSEEN.items():
        scatter[ARKIT_CHANNELS.index(name), ARKIT_CHANNELS.index(name)] += deviation**2
    return replace(bridges, matrices=matrices, scatter=scatter)

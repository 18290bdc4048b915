"""What the speech encoder learns to tell of a recording: phones and style-free articulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...motion.spaces import LIP_CHANNELS
from ..corpus.phones import PHONE_INDEX
from ..corpus.recordings import Recording
from ..rules.compose import gestural_score, phone_loudness, styled_motion

TARGET_RATE = 100
"""Targets a second."""
CURVE_MEAN = np.array([0.070, -0.005, 0.004, 0.030, 0.12, 0.05])
CURVE_SCALE = np.array([0.055, 0.040, 0.014, 0.028, 0.30, 0.20])
"""Roughly mean and deviation of aperture, width, protrusion, jaw, closure and tuck."""
_LIP_SCALE = 0.04


@dataclass(frozen=True)
class Targets:
    """Targets on a grid of 100 a second.

    Attributes:
        phones: (G,) int64 phone numbers at the middle of each cell, time (g + 0.5) / 100.
        curves: (G, 6) float32 standardized articulation at time g / 100.
        aux: (G, 15) float32: the 13 lip channels of the neutral style, loudness, stress.
    """

    phones: npt.NDArray[np.int64]
    curves: npt.NDArray[np.float32]
    aux: npt.NDArray[np.float32]


def make_targets(recording: Recording) -> Targets:
    """Targets of a whole recording."""
    count = int(recording.duration * TARGET_RATE) + 1
    times = np.arange(count) / TARGET_RATE
    segments = recording.segments
    starts = np.array([s.start for s in segments])
    numbers = np.array([PHONE_INDEX[s.phone] for s in segments])
    at = np.searchsorted(starts, times + 0.5 / TARGET_RATE, side="right") - 1
    loudness = phone_loudness(segments, recording.waveform)
    score = gestural_score(segments, recording.waveform, count, TARGET_RATE)
    a, stress = score.tracks, score.stress
    curves = np.stack([a.aperture, a.width, a.protrusion, a.jaw, a.closure, a.tuck], 1)
    lips = styled_motion(score)[:, : len(LIP_CHANNELS)]
    level = np.log(np.maximum(loudness[np.maximum(at, 0)], 0.05))
    aux = np.concatenate([lips / _LIP_SCALE, level[:, None], stress[:, None]], 1)
    return Targets(
        numbers[np.maximum(at, 0)].astype(np.int64),
        ((curves - CURVE_MEAN) / CURVE_SCALE).astype(np.float32),
        aux.astype(np.float32),
    )

"""Emotion presets: mean style codes of clips of each emotion."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...motion.spaces import FACE_CHANNELS
from ...networks.denoiser import Denoiser
from ...style import EMOTIONS
from ..corpus.recordings import Recording
from ..rules.compose import SpeakingStyle, gestural_score, styled_motion

_UNTOUCHED = ("lipAperture", "gaze", "lidUpper", "lidLower")


def style_gains(gain: float) -> Tensor:
    """Gain of each channel's mean in style clips: (31,). Closed lips stay closed, narrow eyes
    open, and where somebody looks is no style."""
    return torch.tensor([1.0 if name.startswith(_UNTOUCHED) else gain for name in FACE_CHANNELS])


def style_center(recordings: list[Recording]) -> Tensor:
    """What an average neutral speaker shows on average: (31,) in IOD."""
    clips = [styled_motion(gestural_score(r.segments, r.waveform)) for r in recordings]
    return torch.from_numpy(np.concatenate(clips).mean(0))


@torch.no_grad()
def emotion_presets(
    model: Denoiser,
    recordings: list[Recording],
    mean: Tensor,
    std: Tensor,
    intensity: float = 1.0,
    articulation: float = 1.0,
) -> dict[str, Tensor]:
    """One code per emotion: an average talker at the given intensity.

    Args:
        recordings: whose phones are acted; a dozen is enough.
        articulation: of the clips: what makes the generated amplitude that of an average talker.

    Returns:
        emotion -> (d,)
    """
    length = model.config.max_style_length
    scores = [gestural_score(r.segments, r.waveform, frames=25 + length) for r in recordings]
    presets = {}
    for emotion in EMOTIONS:
        style = SpeakingStyle(emotion, intensity, articulation)
        clips = [styled_motion(score, style, seed=i)[25:] for i, score in enumerate(scores)]
        values = (torch.from_numpy(np.stack(clips)) - mean) / std
        presets[emotion] = model.encode_style(values).mean(0)
    return presets

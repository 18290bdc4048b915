"""Two people on two channels: who of them speaks, though each microphone hears both."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..errors import AudioError
from ..motion.prosody import level_db, speaking_level, stretches
from ..speech.loading import normalize_loudness, speech_from_waveform
from ..speech.speech import Speech
from .voices import FaceVoice, cut_out, voice_of

CROSSTALK_DB = 6.0
"""A channel that is softer than the other by more than this hears the other's speaker."""
LEVELLED_DB = 6.0
"""Microphones may differ by so much in gain: beyond that, one of them only hears crosstalk."""
_SMOOTH = 6.0  # hops of 10 ms that levels are compared over
_BEFORE, _AFTER = 0.1, 0.15  # s: soft consonants at the ends of a stretch belong to it


def split_stereo(waveform: Tensor, rate: int) -> tuple[FaceVoice, FaceVoice]:
    """Each channel's speech where it is the louder one.

    Levels are compared after bringing both channels' loud syllables together, as far as
    microphones differ. Where both are about as loud, both people speak.

    Args:
        waveform: (2, N) in -1..1.
        rate: Hz.

    Returns:
        The voice on the left and on the right channel.

    Raises:
        AudioError: if there are not two channels, or they are the same.
    """
    if waveform.ndim != 2 or len(waveform) != 2:
        channels = len(waveform) if waveform.ndim == 2 else 1
        raise AudioError(
            f"'stereo' needs a recording with two channels, this one has {channels}: write who "
            "speaks when, for example 0:left 4.2:right"
        )
    difference = float((waveform[0] - waveform[1]).abs().max())
    if difference <= 0.001 * float(waveform.abs().max()):
        raise AudioError(
            "both channels of the recording are the same, so they don't tell who speaks: write "
            "it, for example 0:left 4.2:right"
        )
    speeches = [speech_from_waveform(channel, rate, normalize=False) for channel in waveform]
    spoken = _who_speaks(speeches)
    voices = [_gated(s, mask) for s, mask in zip(speeches, spoken, strict=True)]
    return voices[0], voices[1]


def _who_speaks(speeches: list[Speech]) -> np.ndarray:
    """(2, n) bool at 100 a second."""
    levels = [level_db(s.waveform.numpy()) for s in speeches]
    loud = np.array([np.percentile(level, 95) for level in levels])
    above = np.stack([level > speaking_level(level) for level in levels])
    lifted = np.clip(loud.max() - loud, 0.0, LEVELLED_DB)
    even = np.stack(
        [
            gaussian_filter1d(level, _SMOOTH, mode="nearest") + lift
            for level, lift in zip(levels, lifted, strict=True)
        ]
    )
    return above & (even > even[::-1] - CROSSTALK_DB)


def _gated(speech: Speech, speaking: np.ndarray) -> FaceVoice:
    found = stretches(speaking) + np.array([-_BEFORE, _AFTER])
    turns: list[list[float]] = []
    for start, end in found.clip(0.0, speech.duration):
        if turns and start <= turns[-1][1]:
            turns[-1][1] = float(end)
        else:
            turns.append([float(start), float(end)])
    own = np.array(turns, dtype=np.float64).reshape(-1, 2)
    if not len(own):
        return voice_of(Speech(torch.zeros_like(speech.waveform)), own)
    return voice_of(normalize_loudness(cut_out(speech, own)), own)

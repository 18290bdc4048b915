"""Other speakers out of one, with the WORLD vocoder (``pip install pyworld``, MIT).

Pitch, its range and the length of the vocal tract change independently and the timing stays, so
that one natural voice becomes many: men, women, children.
"""

from __future__ import annotations

import importlib
import random
from dataclasses import replace

import numpy as np

from ....errors import MissingDependencyError
from ....speech.speech import SAMPLE_RATE
from ..utterance import Samples, Voice

_PERIOD = 5.0  # milliseconds


def installed() -> bool:
    """Whether WORLD is there, and can be imported: older releases want setuptools, too."""
    try:
        importlib.import_module("pyworld")
    except ImportError:
        return False
    return True


def change_voice(
    waveform: Samples, pitch: float = 1.0, pitch_range: float = 1.0, tract: float = 1.0
) -> Samples:
    """The same words at the same times in another voice.

    Args:
        waveform: (N,) at 16 kHz.
        pitch: factor on the fundamental.
        pitch_range: factor on its deviation from the median, in octaves.
        tract: factor on the formants: above 1 is a shorter vocal tract.

    Returns:
        (N,) float32.

    Raises:
        MissingDependencyError: if WORLD is not installed.
    """
    try:
        import pyworld
    except ImportError as error:
        raise MissingDependencyError(
            f"changing voices needs: pip install pyworld 'setuptools<81' ({error})"
        ) from error
    signal = waveform.astype(np.float64)
    rough, times = pyworld.dio(signal, SAMPLE_RATE, frame_period=_PERIOD)
    fundamental = pyworld.stonemask(signal, rough, times, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(signal, fundamental, times, SAMPLE_RATE)
    noise = pyworld.d4c(signal, fundamental, times, SAMPLE_RATE)
    voiced = fundamental > 0
    if voiced.any():
        octaves = np.log2(fundamental[voiced])
        middle = np.median(octaves)
        moved = middle + np.log2(pitch) + pitch_range * (octaves - middle)
        fundamental[voiced] = np.clip(2**moved, 55, 600)
    if tract != 1.0:
        envelope, noise = _stretch(envelope, tract), _stretch(noise, tract)
    out = pyworld.synthesize(fundamental, envelope, noise, SAMPLE_RATE, _PERIOD)
    out = np.pad(out, (0, max(0, len(waveform) - len(out))))[: len(waveform)]
    peak = float(np.abs(out).max()) + 1e-9
    result: Samples = (out * min(1.0, 0.98 / peak)).astype(np.float32)
    return result


def random_speaker(rng: random.Random, voice: Voice, pitch: float, tract: float) -> Voice:
    """A woman, a man or a child out of the one voice of a neural engine; a third stays as it is,
    and all do where WORLD is not there.

    Args:
        pitch, tract: factors that make the voice's pitch and formants those of a woman.
    """
    if not installed() or rng.random() < 0.33:
        return voice
    speaker = rng.choice(((1.0, 1.0), (0.6, 0.87), (1.35, 1.18)))
    pitch = speaker[0] * (rng.uniform(0.87, 1.15) * pitch)
    tract = speaker[1] * (rng.uniform(0.94, 1.06) * tract)
    return replace(voice, pitch=pitch, tract=tract)


def _stretch(spectra: np.ndarray, factor: float) -> np.ndarray:
    """Each row (frames, bins) read at bin / factor."""
    bins = np.arange(spectra.shape[1])
    at = np.minimum(bins / factor, bins[-1])
    low = np.minimum(at.astype(int), bins[-1] - 1)
    share = at - low
    # log spectra: interpolated formants keep their height
    logs = np.log(np.maximum(spectra, 1e-16))
    out: np.ndarray = np.exp(logs[:, low] * (1 - share) + logs[:, low + 1] * share)
    return np.ascontiguousarray(out)

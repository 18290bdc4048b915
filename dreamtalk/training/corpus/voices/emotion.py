"""How a voice sounds in an emotion: the engines' controls, level and spectral tilt.

Directions and sizes after the usual findings on acted speech: anger and joy are loud, high, lively
and bright; sadness is soft, low, flat, slow and dull; fear is high and fast.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np

from ....speech.speech import SAMPLE_RATE
from ....style import EMOTIONS
from ..utterance import Samples, Voice


@dataclass(frozen=True)
class Prosody:
    """Changes against neutral speech at intensity 1.

    Attributes:
        pitch, pitch_range, rate: factors; a rate above 1 is slower.
        level: dB.
        tilt: dB per octave above 500 Hz: vocal effort.
    """

    pitch: float = 1.0
    pitch_range: float = 1.0
    rate: float = 1.0
    level: float = 0.0
    tilt: float = 0.0


PROSODY: dict[str, Prosody] = {
    "neutral": Prosody(),
    "happy": Prosody(1.18, 1.5, 0.94, 3, 0.8),
    "sad": Prosody(0.92, 0.6, 1.18, -5, -1.5),
    "angry": Prosody(1.12, 1.35, 0.92, 6, 2.0),
    "surprised": Prosody(1.28, 1.6, 0.97, 3, 0.8),
    "fear": Prosody(1.25, 0.9, 0.88, 0, 0.5),
    "disgusted": Prosody(0.93, 0.85, 1.12, 0, -0.5),
    "contempt": Prosody(0.95, 0.75, 1.08, -1, -0.5),
}


def random_emotion(rng: random.Random) -> tuple[str, float]:
    """An emotion and its intensity, 0.4 to 1.2."""
    return rng.choice(EMOTIONS), rng.uniform(0.4, 1.2)


def emotional_voice(voice: Voice, emotion: str, intensity: float) -> Voice:
    """The voice with the engine's controls set for an emotion."""
    p = PROSODY[emotion]
    return replace(
        voice,
        pitch=voice.pitch * p.pitch**intensity,
        pitch_range=voice.pitch_range * p.pitch_range**intensity,
        rate=voice.rate * p.rate**intensity,
    )


def emotional_sound(waveform: Samples, emotion: str, intensity: float) -> Samples:
    """Level and tilt of an emotion: (N,) -> (N,) float32, peak at most 1."""
    p = PROSODY[emotion]
    spectrum = np.fft.rfft(waveform)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE), 500) / 500)
    gain = 10 ** (intensity * (p.level + p.tilt * octaves) / 20)
    out = np.fft.irfft(spectrum * gain, len(waveform))
    peak = float(np.abs(out).max()) + 1e-9
    result: Samples = (out * min(1.0, 0.98 / peak)).astype(np.float32)
    return result

"""A small formant synthesizer, for machines without a speech engine (tests, continuous
integration).

It buzzes and hisses through three resonances per phone: enough for the encoder to have something to
tell apart, and exact about when each phone is.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import replace

import numpy as np
from scipy.signal import lfilter

from ....speech.speech import SAMPLE_RATE
from ..phones import VOWELS, Segment
from ..utterance import Samples, Utterance, Voice

_FORMANTS: dict[str, tuple[float, float, float]] = {
    "AA": (730, 1090, 2440), "AE": (660, 1720, 2410), "AH": (640, 1190, 2390), "AO": (570, 840,
        2410),
    "AX": (500, 1500, 2500), "EH": (530, 1840, 2480), "ER": (490, 1350, 1690), "IH": (390, 1990,
        2550),
    "IY": (270, 2290, 3010), "OE": (390, 1600, 2300), "UE": (270, 1900, 2300), "UH": (440, 1020,
        2240),
    "UW": (300, 870, 2240), "AW": (700, 1000, 2400), "AY": (650, 1500, 2500), "EY": (450, 2050,
        2600),
    "OW": (480, 900, 2300), "OY": (500, 1100, 2400),
}  # fmt: skip
_NASALS = {"M": (250, 1000, 2200), "N": (250, 1500, 2400), "NG": (250, 1900, 2500)}
_GLIDES = {
    "L": (360, 1300, 2700),
    "R": (330, 1200, 1600),
    "W": (290, 650, 2200),
    "Y": (260, 2200, 3000),
}
_NOISES = {"S": 5500.0, "Z": 5200.0, "SH": 2800.0, "ZH": 2700.0, "CH": 3000.0, "JH": 2900.0,
    "F": 1800.0,
           "V": 1600.0, "TH": 4000.0, "DH": 3500.0, "HH": 1200.0, "X": 1500.0}  # fmt: skip
_STOPS = {"P": 800.0, "B": 700.0, "T": 4000.0, "D": 3600.0, "K": 1900.0, "G": 1800.0}
_LETTERS = {
    "a": "AA", "e": "EH", "i": "IY", "o": "OW", "u": "UW", "b": "B", "c": "K", "d": "D", "f": "F",
    "g": "G",
    "h": "HH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "p": "P", "q": "K", "r": "R",
    "s": "S",
    "t": "T", "v": "V", "w": "W", "x": "S", "y": "Y", "z": "Z",
}  # fmt: skip


def installed() -> bool:
    """Always: it is here."""
    return True


def name_voice(rng: random.Random, voice: Voice) -> Voice:
    """One of a hundred voices, with the settings of ``voice``."""
    return replace(voice, name=f"f{rng.randint(0, 99)}")


def speak(voice: Voice, text: str) -> Utterance:
    """Read letters as phones: no language, but varied sounds."""
    phones = ["sil"]
    for letter in text.lower():
        if letter in _LETTERS:
            phones.append(_LETTERS[letter])
        elif letter in ".,!?" and phones[-1] != "sil":
            phones.append("sil")
    waveform, segments = synthesize([*phones, "sil"], voice.label, voice.rate, voice.pitch)
    return Utterance(waveform, segments, voice.label, text)


def synthesize(
    phones: list[str], voice: str = "formant/0", rate: float = 1.0, pitch: float = 1.0
) -> tuple[Samples, tuple[Segment, ...]]:
    """Phones -> waveform at 16 kHz and segments.

    Args:
        phones: of the inventory.
        voice: decides pitch, vocal tract and the noise.
        rate: duration factor.
        pitch: factor.
    """
    seed = zlib.crc32(voice.encode())
    rng = random.Random(seed)
    noise = np.random.Generator(np.random.PCG64(seed))
    base, tract = rng.uniform(90, 220) * pitch, rng.uniform(0.9, 1.2)
    pieces: list[np.ndarray] = []
    segments: list[Segment] = []
    place, phase = 0, 0.0
    for phone in phones:
        seconds = 0.25 if phone == "sil" else rng.uniform(0.07, 0.16 if phone in VOWELS else 0.1)
        count = int(seconds * rate * SAMPLE_RATE)
        glottis = base * (1 - 0.2 * place / (3 * SAMPLE_RATE) % 0.3) * np.ones(count)
        turns = phase + np.cumsum(glottis) / SAMPLE_RATE
        phase = float(turns[-1])
        buzz = np.diff(np.floor(turns), prepend=np.floor(turns[0])) - glottis / SAMPLE_RATE
        hiss = noise.standard_normal(count) * 0.1
        pieces.append(_sound(phone, buzz, hiss, tract))
        segments.append(Segment(phone, place / SAMPLE_RATE, (place + count) / SAMPLE_RATE))
        place += count
    waveform = np.concatenate(pieces)
    waveform = 0.5 * waveform / max(float(np.abs(waveform).max()), 1e-6)
    return waveform.astype(np.float32), tuple(segments)


def _sound(phone: str, buzz: np.ndarray, hiss: np.ndarray, tract: float) -> np.ndarray:
    count = len(buzz)
    if phone in _FORMANTS:
        return _resonate(buzz, _FORMANTS[phone], tract)
    if phone in _NASALS:
        return 0.35 * _resonate(buzz, _NASALS[phone], tract)
    if phone in _GLIDES:
        return 0.6 * _resonate(buzz, _GLIDES[phone], tract)
    if phone in _NOISES:
        return 0.8 * _resonate(hiss, (_NOISES[phone],), 1.0)
    if phone in _STOPS:
        burst = _resonate(hiss, (_STOPS[phone],), 1.0)
        burst[: int(0.7 * count)] = 0
        return burst
    return np.zeros(count)


def _resonate(source: np.ndarray, formants: tuple[float, ...], tract: float) -> np.ndarray:
    out = np.zeros(len(source))
    for i, formant in enumerate(formants):
        frequency = min(formant * tract, 7000.0)
        radius = np.exp(-np.pi * (60 + 40 * i) / SAMPLE_RATE)
        angle = 2 * np.pi * frequency / SAMPLE_RATE
        gain = (1 - radius) * 2 ** (-i)
        out += lfilter([gain], [1, -2 * radius * np.cos(angle), radius**2], source)
    return out

"""What every speech engine takes and gives: a voice with its settings, speech with its phones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from ...speech.speech import SAMPLE_RATE
from .phones import Segment

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Utterance:
    """Speech with its phones.

    Attributes:
        waveform: (N,) float32 at 16 kHz, peak at most 1.
        segments: phones in time order, without gaps or overlaps.
        voice: engine and voice, e.g. ``"flite/slt"``.
        text: what is said.
    """

    waveform: Samples
    segments: tuple[Segment, ...]
    voice: str
    text: str


@dataclass(frozen=True)
class Voice:
    """A voice of an engine with its settings.

    Attributes:
        engine: its name in ``voices.engines.ENGINES``, e.g. ``"flite"``.
        name: the engine's name of the voice (for espeak ``language+variant``).
        language: of the text that it can say.
        rate: duration factor, above 1 is slower.
        pitch: factor on the voice's own pitch, where the engine can.
        pitch_range: factor on the range of the pitch, where the engine can.
        tract: factor on the formants, above 1 is a shorter vocal tract; other than 1 it takes
            WORLD, which then does the pitch too.
    """

    engine: str
    name: str
    language: str = "en"
    rate: float = 1.0
    pitch: float = 1.0
    pitch_range: float = 1.0
    tract: float = 1.0

    @property
    def label(self) -> str:
        """Engine and voice, for reports."""
        return f"{self.engine}/{self.name}"


def to_16k(waveform: Samples, rate: int) -> Samples:
    """Resample to 16 kHz."""
    if rate == SAMPLE_RATE:
        return waveform
    divisor = gcd(rate, SAMPLE_RATE)
    out: Samples = resample_poly(waveform, SAMPLE_RATE // divisor, rate // divisor).astype(
        np.float32
    )
    return out


def merge_segments(phones: list[tuple[str, float, float]]) -> tuple[Segment, ...]:
    """Segments without the empty ones, neighbouring silences joined."""
    merged: list[Segment] = []
    for phone, start, end in phones:
        if end - start < 1e-4:
            continue
        if merged and merged[-1].phone == "sil" == phone:
            merged[-1] = replace(merged[-1], end=end)
        else:
            merged.append(Segment(phone, start, end))
    return tuple(merged)


def segments_from_ends(names: list[tuple[str, float]], duration: float) -> tuple[Segment, ...]:
    """Segments of an engine that says phones and when they end; silence up to ``duration``."""
    phones, start = [], 0.0
    for phone, end in names:
        phones.append((phone, start, min(end, duration)))
        start = min(end, duration)
    phones.append(("sil", start, duration))
    return merge_segments(phones)

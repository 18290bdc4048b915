"""Speech as it isn't in the corpus: loud noise, other voices, whispering, for the evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.signal import lfilter

from ..corpus.augment import coloured_noise, resample_window, room
from ..corpus.recordings import Recording
from ..corpus.singing import SingingStyle, prediction_filter, sing


def noisy(recording: Recording, snr: float = 5.0) -> Recording:
    """Stationary noise at a signal-to-noise ratio in dB."""
    rng = np.random.Generator(np.random.PCG64(0))
    noise = coloured_noise(len(recording.waveform), rng)
    level = np.sqrt(np.mean(recording.waveform**2) / np.mean(noise**2)) * 10 ** (-snr / 20)
    return replace(recording, waveform=recording.waveform + np.float32(level) * noise)


def child(recording: Recording, factor: float = 1.35) -> Recording:
    """A short vocal tract and a high voice, and faster by as much."""
    count = int(len(recording.waveform) / factor)
    return Recording(
        resample_window(recording.waveform, 0.0, factor, count),
        tuple(replace(s, start=s.start / factor, end=s.end / factor) for s in recording.segments),
        recording.voice,
    )


def whispered(recording: Recording, order: int = 18) -> Recording:
    """The voice replaced by noise: linear prediction every 20 ms, excited by white noise."""
    waveform = recording.waveform
    rng = np.random.Generator(np.random.PCG64(0))
    size, hop = 640, 320
    out: np.ndarray = np.zeros(len(waveform) + size, np.float64)
    window = np.hanning(size)
    for start in range(0, len(waveform) - size, hop):
        frame = waveform[start : start + size] * window
        power = float(np.mean(frame**2))
        if power < 1e-8:
            continue
        filtered = lfilter([1.0], prediction_filter(frame, order), rng.standard_normal(size))
        filtered *= np.sqrt(power / (np.mean(filtered**2) + 1e-12))
        out[start : start + size] += filtered * window
    return replace(recording, waveform=out[: len(waveform)].astype(np.float32))


def sung(recording: Recording) -> Recording:
    """The first seconds as a song; the training's songs have other styles."""
    return sing(recording, SingingStyle(), np.random.Generator(np.random.PCG64(0)))


def echoing(recording: Recording) -> Recording:
    """A large room."""
    rng = np.random.Generator(np.random.PCG64(3))
    return replace(recording, waveform=room(recording.waveform, rng))


def quiet(recording: Recording) -> Recording:
    """Forty decibels down."""
    return replace(recording, waveform=recording.waveform * np.float32(0.01))


CONDITIONS: dict[str, Callable[[Recording], Recording]] = {
    "noise at 5 dB": noisy,
    "a child's voice": child,
    "whispered": whispered,
    "sung": sung,
    "large room": echoing,
    "40 dB down": quiet,
}

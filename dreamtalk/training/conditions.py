"""Speech as it isn't in the corpus: loud noise, other voices, whispering, for the evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from ..speech.speech import SAMPLE_RATE
from .corpus.augment import coloured_noise, resample_window, room
from .corpus.phones import VOWELS
from .corpus.recordings import Recording

Samples = npt.NDArray[np.float32]


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


def _prediction_filter(frame: npt.NDArray[np.float64], order: int) -> npt.NDArray[np.float64]:
    """Linear prediction by the autocorrelation method: (order + 1,) with a leading 1."""
    lags = np.array([frame[: len(frame) - k] @ frame[k:] for k in range(order + 1)])
    # a little white noise keeps the equations regular where the frame is nearly periodic
    lags[0] *= 1 + 1e-5
    return np.concatenate([[1.0], -solve_toeplitz(lags[:-1], lags[1:])])


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
        filtered = lfilter([1.0], _prediction_filter(frame, order), rng.standard_normal(size))
        filtered *= np.sqrt(power / (np.mean(filtered**2) + 1e-12))
        out[start : start + size] += filtered * window
    return replace(recording, waveform=out[: len(waveform)].astype(np.float32))


_VOICELESS = frozenset({"sil", "P", "T", "K", "F", "S", "SH", "CH", "TH", "HH", "X"})
_NOTES = 196.0 * 2 ** (np.array([0, 2, 4, 7, 9, 12]) / 12)  # Hz, a pentatonic scale


def sung(recording: Recording, stretch: float = 2.2, seconds: float = 14.0) -> Recording:
    """Every vowel held on a note of its own, with vibrato: linear prediction excited by pulses.

    Args:
        stretch: factor on the length of vowels.
        seconds: of the recording that are sung.
    """
    rng = np.random.Generator(np.random.PCG64(0))
    segments, place = [], 0.0
    spoken = [s for s in recording.segments if s.end <= seconds]
    for s in spoken:
        length = (s.end - s.start) * (stretch if s.phone in VOWELS else 1.0)
        segments.append(replace(s, start=place, end=place + length))
        place += length
    count, hop = int(place * SAMPLE_RATE), 160
    edges = np.array([0.0, *(s.end for s in segments)])
    sources = np.array([spoken[0].start, *(s.end for s in spoken)])
    times = np.arange(0, count, hop) / SAMPLE_RATE
    which = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, len(segments) - 1)
    notes = _NOTES[np.clip(2 + np.cumsum(rng.integers(-1, 2, len(segments))), 0, len(_NOTES) - 1)]
    pitch = notes[which] * 2 ** (0.4 / 12 * np.sin(2 * np.pi * 5.5 * times))
    phase = np.cumsum(np.repeat(pitch, hop)[:count] / SAMPLE_RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0)
    voiced = np.array([segments[i].phone not in _VOICELESS for i in which])
    at = np.interp(times, edges, sources) * SAMPLE_RATE
    return replace(
        recording,
        waveform=_vocoded(recording.waveform, at, pulses, voiced, hop, rng),
        segments=tuple(segments),
    )


def _vocoded(
    waveform: Samples,
    at: npt.NDArray[np.float64],
    pulses: npt.NDArray[np.float64],
    voiced: npt.NDArray[np.bool_],
    hop: int,
    rng: np.random.Generator,
    order: int = 18,
) -> Samples:
    """Overlapping frames: the spectrum around sample ``at`` of the waveform, a new excitation."""
    size = 4 * hop
    window = np.hanning(size)
    padded = np.pad(waveform.astype(np.float64), (size, 2 * size))
    out: np.ndarray = np.zeros(len(pulses) + 2 * size)
    for i, middle in enumerate(at):
        first = int(middle) + size - size // 2
        frame = padded[first : first + size] * window
        power = float(np.mean(frame**2))
        if power < 1e-8:
            continue
        excitation: np.ndarray = rng.standard_normal(size)
        if voiced[i]:
            there = pulses[i * hop : i * hop + size]
            excitation = np.pad(there, (0, size - len(there))) * 10 + 0.1 * excitation
        sound = lfilter([1.0], _prediction_filter(frame, order), excitation)
        sound *= np.sqrt(power / (np.mean(sound**2) + 1e-12))
        out[i * hop : i * hop + size] += 0.5 * sound * window
    # each frame was written from its left end on
    out = out[size // 2 :][: len(pulses)]
    peak = max(1.0, float(np.abs(out).max()))
    return (out / peak).astype(np.float32)


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

"""What a recording's loudness tells about its delivery: speaking, pausing, stressing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from ..speech.speech import SAMPLE_RATE, Speech

_HOP = SAMPLE_RATE // 100
_PIECE = 10_000  # hops
_MIN_PAUSE = 0.2
_MIN_PHRASE = 0.15
_FLOOR_DB = -60.0


@dataclass(frozen=True)
class Prosody:
    """Cues of delivery, in seconds from the start.

    Attributes:
        duration: length of the recording.
        activity: (N,) 0..1 at 100 a second: 1 where somebody speaks, with soft edges.
        phrases: (P, 2) start and end of each stretch of speech between pauses.
        accents: (A,) times of stressed syllables.
        weights: (A,) 0..1, how strong each one is.
    """

    duration: float
    activity: np.ndarray
    phrases: np.ndarray
    accents: np.ndarray
    weights: np.ndarray

    @property
    def phrase_ends(self) -> np.ndarray:
        """(P,) times at which speech stops for a pause."""
        return self.phrases[:, 1]

    @property
    def phrase_starts(self) -> np.ndarray:
        """(P,) times at which speech starts after a pause."""
        return self.phrases[:, 0]

    def activity_at(self, times: np.ndarray) -> np.ndarray:
        """Activity (n,) at arbitrary times (n,), s; 0 outside the recording."""
        grid = (np.arange(len(self.activity)) + 0.5) / 100.0
        return np.interp(times, grid, self.activity, left=0.0, right=0.0)


def silence(duration: float) -> Prosody:
    """The prosody of somebody who listens."""
    return Prosody(
        duration=duration,
        activity=np.zeros(max(1, round(duration * 100))),
        phrases=np.zeros((0, 2)),
        accents=np.zeros(0),
        weights=np.zeros(0),
    )


def analyse(speech: Speech | None, duration: float) -> Prosody:
    """Measure the prosody of a recording.

    Speech is where the level exceeds a threshold between the recording's own noise floor and its
    loud syllables; accents are syllable peaks that stand out from the two seconds around them.

    Args:
        speech: the recording, or None for silence.
        duration: seconds of motion it goes with (only used without a recording).

    Returns:
        The cues. A silent recording has no phrases and no accents.
    """
    if speech is None:
        return silence(duration)
    level = level_db(speech.waveform.detach().cpu().numpy())
    threshold = speaking_level(level)
    if threshold == np.inf:
        return silence(speech.duration)
    phrases = stretches(level > threshold)
    mask = np.zeros(len(level))
    for start, stop in phrases:
        mask[int(start * 100) : int(stop * 100)] = 1.0
    accents, weights = _accents(level, mask)
    return Prosody(
        duration=speech.duration,
        activity=gaussian_filter1d(mask, 8.0, mode="nearest"),
        phrases=phrases,
        accents=accents,
        weights=weights,
    )


def speaking_level(level: np.ndarray) -> float:
    """dB above which somebody speaks, given the level of a recording (N,); infinite for silence."""
    loud = float(np.percentile(level, 95))
    if loud <= _FLOOR_DB + 3.0:
        return float("inf")
    floor = float(np.percentile(level, 5))
    return max(loud - 25.0, min(floor + 8.0, loud - 8.0))


def level_db(waveform: np.ndarray) -> np.ndarray:
    """RMS level in dB of samples (N,) at 16 kHz: 100 values a second."""
    count = max(1, len(waveform) // _HOP)
    if len(waveform) < _HOP:
        waveform = np.pad(waveform, (0, _HOP - len(waveform)))
    hops = waveform[: count * _HOP].reshape(count, _HOP)
    # piece by piece: an hour in double precision would take 460 MB
    pieces = (hops[start : start + _PIECE] for start in range(0, count, _PIECE))
    power = np.concatenate([(piece.astype(np.float64) ** 2).mean(1) for piece in pieces])
    smooth = gaussian_filter1d(power, 2.0, mode="nearest")
    return np.maximum(10.0 * np.log10(smooth + 1e-12), _FLOOR_DB)


def stretches(speaking: np.ndarray) -> np.ndarray:
    """Runs of True as (start, end) in s; short gaps closed, short runs dropped."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], speaking.astype(np.int8), [0]])))
    runs = edges.reshape(-1, 2) / 100.0
    merged: list[list[float]] = []
    for start, stop in runs:
        if merged and start - merged[-1][1] < _MIN_PAUSE:
            merged[-1][1] = stop
        else:
            merged.append([start, stop])
    kept = [run for run in merged if run[1] - run[0] >= _MIN_PHRASE]
    return np.array(kept, dtype=np.float64).reshape(-1, 2)


def _accents(level: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Syllable peaks that are louder than the speech of the second around them."""
    if not mask.any():
        return np.zeros(0), np.zeros(0)
    syllable = gaussian_filter1d(level, 5.0, mode="nearest")
    weight = gaussian_filter1d(mask, 100.0, mode="nearest") + 1e-6
    around = gaussian_filter1d(syllable * mask, 100.0, mode="nearest") / weight
    prominence = syllable - around
    # one accent in any half second: syllables come faster than heads can nod
    peak = (prominence == maximum_filter1d(prominence, 50)) & (mask > 0) & (prominence > 2.5)
    frames = np.flatnonzero(peak)
    return frames / 100.0, np.clip(prominence[frames] / 9.0, 0.0, 1.0)

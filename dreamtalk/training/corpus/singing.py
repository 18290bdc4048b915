"""Singing out of speech: every vowel held on a note of its own, with vibrato.

Linear prediction keeps the vocal tract and pulses replace the voice, so that phone times stay
known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from ...errors import DreamTalkError
from ...progress import Progress, silent
from ...speech.speech import SAMPLE_RATE
from .phones import VOWELS, Segment
from .recordings import Recording, load_shard, save_recordings
from .utterance import Samples

Array = npt.NDArray[np.float64]

_VOICELESS = frozenset({"sil", "P", "T", "K", "F", "S", "SH", "CH", "TH", "HH", "X"})
_HOP = 160
SUNG_SECONDS = 14.0
"""Of each recording that is sung."""
_SONG = 20.0  # seconds that become of them on average


@dataclass(frozen=True)
class SingingStyle:
    """How somebody sings.

    Attributes:
        stretch: factor on the length of vowels.
        lowest: Hz, the scale's first note.
        scale: semitones of the notes above it.
        vibrato: depth in semitones.
        rate: of the vibrato, Hz.
        breath: noise beside the pulses, relative.
        order: of the linear prediction.
    """

    stretch: float = 2.2
    lowest: float = 196.0
    scale: tuple[int, ...] = (0, 2, 4, 7, 9, 12)
    vibrato: float = 0.4
    rate: float = 5.5
    breath: float = 0.1
    order: int = 18


_SCALES = ((0, 2, 4, 5, 7, 9, 11, 12), (0, 2, 3, 5, 7, 8, 10, 12), (0, 3, 5, 7, 10, 12), (0, 5, 7))


def random_singing_style(rng: np.random.Generator) -> SingingStyle:
    """A singer for the training."""
    return SingingStyle(
        stretch=float(rng.uniform(1.2, 3.2)),
        lowest=float(np.exp(rng.uniform(np.log(95), np.log(330)))),
        scale=_SCALES[int(rng.integers(len(_SCALES)))],
        vibrato=float(rng.uniform(0, 0.8)),
        rate=float(rng.uniform(4.5, 7)),
        breath=float(rng.uniform(0.02, 0.25)),
        order=int(rng.integers(14, 23)),
    )


def sing(
    recording: Recording,
    style: SingingStyle,
    rng: np.random.Generator,
    start: float = 0.0,
    seconds: float = SUNG_SECONDS,
) -> Recording:
    """The phones of a stretch of a recording as a song.

    Args:
        style: how.
        rng: of the melody and the noise.
        start, seconds: the stretch; whole phones are taken.

    Returns:
        The song, with its longer phones. The recording itself if there are no phones there.
    """
    spoken = [s for s in recording.segments if start <= s.start and s.end <= start + seconds]
    if not spoken:
        return recording
    segments, place = [], 0.0
    for s in spoken:
        length = (s.end - s.start) * (style.stretch if s.phone in VOWELS else 1.0)
        segments.append(replace(s, start=place, end=place + length))
        place += length
    count = int(place * SAMPLE_RATE)
    edges = np.array([0.0, *(s.end for s in segments)])
    sources = np.array([spoken[0].start, *(s.end for s in spoken)])
    times = np.arange(0, count, _HOP) / SAMPLE_RATE
    which = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, len(segments) - 1)
    pulses = _pulses(which, times, count, segments, style, rng)
    voiced = np.array([segments[i].phone not in _VOICELESS for i in which])
    at = np.interp(times, edges, sources) * SAMPLE_RATE
    sound = _vocoded(recording.waveform, at, pulses, voiced, style, rng)
    return replace(recording, waveform=sound, segments=tuple(segments))


def _pulses(
    which: npt.NDArray[np.int64],
    times: Array,
    count: int,
    segments: list[Segment],
    style: SingingStyle,
    rng: np.random.Generator,
) -> Array:
    scale = style.lowest * 2 ** (np.array(style.scale) / 12)
    steps = 2 + np.cumsum(rng.integers(-1, 2, len(segments)))
    notes = scale[np.clip(steps, 0, len(scale) - 1)]
    pitch = notes[which] * 2 ** (style.vibrato / 12 * np.sin(2 * np.pi * style.rate * times))
    phase = np.cumsum(np.repeat(pitch, _HOP)[:count] / SAMPLE_RATE)
    out: Array = np.diff(np.floor(phase), prepend=0.0)
    return out


def prediction_filter(frame: Array, order: int) -> Array:
    """Linear prediction by the autocorrelation method: (order + 1,) with a leading 1."""
    lags = np.array([frame[: len(frame) - k] @ frame[k:] for k in range(order + 1)])
    # a little white noise keeps the equations regular where the frame is nearly periodic
    lags[0] *= 1 + 1e-5
    return np.concatenate([[1.0], -solve_toeplitz(lags[:-1], lags[1:])])


def _vocoded(
    waveform: Samples,
    at: Array,
    pulses: Array,
    voiced: npt.NDArray[np.bool_],
    style: SingingStyle,
    rng: np.random.Generator,
) -> Samples:
    """Overlapping frames: the spectrum around sample ``at`` of the waveform, a new excitation."""
    size = 4 * _HOP
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
            there = pulses[i * _HOP : i * _HOP + size]
            tone = np.pad(there, (0, size - len(there))) * 10
            excitation = tone + style.breath * excitation
        sound = lfilter([1.0], prediction_filter(frame, style.order), excitation)
        sound *= np.sqrt(power / (np.mean(sound**2) + 1e-12))
        out[i * _HOP : i * _HOP + size] += 0.5 * sound * window
    # each frame was written from its left end on
    out = out[size // 2 :][: len(pulses)]
    peak = max(1.0, float(np.abs(out).max()))
    return (out / peak).astype(np.float32)


def sung_recordings(
    recordings: Sequence[Recording], count: int, seed: int = 0, progress: Progress = silent
) -> list[Recording]:
    """Songs for the training: ``count`` recordings, evenly chosen, in random styles."""
    count = min(count, len(recordings))
    songs = []
    for i in range(count):
        progress(i, count)
        rng = np.random.Generator(np.random.PCG64([seed, 23, i]))
        source = recordings[i * len(recordings) // count]
        start = float(rng.uniform(0, max(0.0, source.duration - SUNG_SECONDS)))
        songs.append(sing(source, random_singing_style(rng), rng, start))
    progress(count, count)
    return songs


def add_songs(folder: Path, hours: float, seed: int = 0, progress: Progress = silent) -> int:
    """Songs out of the speech that a corpus holds, as a part of its own.

    Args:
        folder: of the corpus; acted speech and recorded prompts in it are not sung.

    Returns:
        The number of recordings.

    Raises:
        DreamTalkError: if there is no speech.
    """
    paths = sorted((folder / "train").glob("[!.]*.npz"))
    spoken = [p for p in paths if not p.name.startswith(("acted", "prompts", "sung"))]
    sources = [r for path in spoken for r in load_shard(path)]
    if not sources:
        raise DreamTalkError(f"no speech in '{folder / 'train'}': make the base part first")
    count = max(1, round(hours * 3600 / _SONG))
    return save_recordings(folder, "sung", sung_recordings(sources, count, seed, progress))

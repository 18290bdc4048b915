"""Filmed talkers: motion made from their voice beside the motion tracked from their faces.

Clips with sound are a yardstick for what the rules know of people. Published clips are often out of
sync by several frames, which decides the figures, so the lead is measured and taken out first.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from ...errors import DreamTalkError
from ...motion.edit import shift
from ...motion.motion import Motion
from ...motion.spaces import FACE
from ...speech import load_speech
from ...speech.speech import FPS, SAMPLE_RATE
from ...tracking.track import track_video
from ..corpus.align import align, recognize
from ..corpus.phones import BILABIALS, Segment
from .figures import best_lag, closure_rate, correlation, flicker, moved_segments, ratio

Values = npt.NDArray[np.float64]

EDGE = 4
"""Frames at both ends that don't count: correcting a lead holds them."""
SLOW = round(1.5 * FPS)
"""Frames of the moving mean that is the slow part."""
_APERTURE, _WIDTH = FACE.index["lipAperture"], FACE.index["mouthWidth"]


@dataclass(frozen=True)
class Talker:
    """A clip of somebody talking.

    Attributes:
        name: of the file.
        speaker: who; clips of one speaker are left out together.
        kind: a group that means are taken over.
        waveform: (N,) float32 at 16 kHz.
        motion: (T, 31) tracked at 25 fps, in time with the sound.
        segments: phones, none where they could not be found.
    """

    name: str
    speaker: str
    kind: str
    waveform: npt.NDArray[np.float32]
    motion: npt.NDArray[np.float32]
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class TalkerFigures:
    """Motion beside the tracked one; ``hp``: with the slow part taken off.

    Attributes:
        aperture, width: correlation at lag 0.
        aperture_hp, width_hp: the same without the moving mean of 1.5 s.
        amplitude, width_amplitude: deviation over the tracked one's.
        low, median, high: 10th, 50th and 90th percentile of the aperture, percent of IOD.
        lag: frames by which the aperture is late.
        jitter: rms of the aperture at 8-12 Hz over the tracked one's.
        closure: share of p, b, m with the lips closed; ``chance``: the same at moved times.
    """

    aperture: float
    aperture_hp: float
    width: float
    width_hp: float
    amplitude: float
    width_amplitude: float
    low: float
    median: float
    high: float
    lag: float
    jitter: float
    closure: float
    chance: float


def read_talkers(folder: Path, cache: Path) -> list[Talker]:
    """Every clip of the table, tracked once.

    Args:
        folder: video files.
        cache: where the tracked motions and the words are kept, and ``clips.csv`` is: columns
            ``clip``, ``speaker``, ``kind``, ``lag`` (s by which the lips are late against the
            sound; negative where they run ahead) and, if known, ``text``, what is said.

    Raises:
        DreamTalkError: if the table is not there or names a clip that isn't.
    """
    table = cache / "clips.csv"
    if not table.exists():
        raise DreamTalkError(
            f"no table '{table}': write one with clip, speaker, kind, lag (, text)"
        )
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [_talker(row, folder, cache) for row in rows]


def _talker(row: dict[str, str], folder: Path, cache: Path) -> Talker:
    name = row["clip"]
    found = sorted(folder.glob(f"{name}.*"))
    if not found:
        raise DreamTalkError(f"the table names '{name}', but '{folder}' has no such clip")
    kept = cache / f"{name}.npz"
    if not kept.exists():
        track_video(found[0], fps=FPS).motion.save(kept)
    motion = shift(Motion.load(kept), -float(row["lag"]))
    waveform = load_speech(found[0]).waveform.numpy()
    frames = min(len(motion), int(len(waveform) / SAMPLE_RATE * FPS))
    said = cache / f"{name}.txt"
    if not said.exists():
        said.write_text((row.get("text") or recognize(waveform)) + "\n", encoding="utf-8")
    return Talker(
        name,
        row["speaker"],
        row["kind"],
        waveform,
        motion.expression.numpy()[:frames],
        align(waveform, said.read_text(encoding="utf-8")),
    )


def compare_talker(predicted: npt.NDArray[np.floating], talker: Talker) -> TalkerFigures:
    """Figures of a motion (T or more, 31) made from the talker's voice."""
    frames = min(len(predicted), len(talker.motion))
    inside = slice(EDGE, frames - EDGE)
    p, t = predicted[inside].astype(float), talker.motion[inside].astype(float)
    a, b, w, v = p[:, _APERTURE], t[:, _APERTURE], p[:, _WIDTH], t[:, _WIDTH]
    first, last = EDGE / FPS, (frames - EDGE) / FPS
    closing = [
        Segment(s.phone, s.start - first, s.end - first)
        for s in talker.segments
        if s.phone in BILABIALS and s.start >= first and s.end <= last
    ]
    low, median, high = 100 * np.quantile(a, (0.1, 0.5, 0.9))
    return TalkerFigures(
        correlation(a, b), correlation(fast(a), fast(b)),
        correlation(w, v), correlation(fast(w), fast(v)),
        ratio(a, b), ratio(w, v), float(low), float(median), float(high),
        best_lag(a, b, 8), ratio(flicker(a), flicker(b)),
        closure_rate(a, closing), closure_rate(a, moved_segments(closing, 0)),
    )  # fmt: skip


def mean_figures(rows: Sequence[TalkerFigures]) -> TalkerFigures:
    """Mean over clips of what can be measured on them."""
    columns = np.array([list(vars(row).values()) for row in rows], float)
    known = ~np.isnan(columns)
    total = np.where(known, columns, 0).sum(0)
    return TalkerFigures(*np.where(known.any(0), total / np.maximum(known.sum(0), 1), np.nan))


def loudness_motion(talker: Talker) -> npt.NDArray[np.float32]:
    """The aperture as the loudness alone would have it: (T, 31), zero but for that channel."""
    hop = int(SAMPLE_RATE / FPS)
    motion = np.zeros_like(talker.motion)
    power = np.pad(talker.waveform.astype(float) ** 2, (0, hop))
    level = uniform_filter1d(power, 3 * hop // 2)[: len(motion) * hop : hop]
    decibel = 10 * np.log10(level + 1e-8)
    loud = np.clip((decibel - decibel.max() + 40) / 40, 0, None)
    motion[: len(loud), _APERTURE] = 0.15 * loud
    return motion


def fast(x: Values) -> Values:
    """Without the slow part."""
    out: Values = x - uniform_filter1d(x, SLOW, mode="nearest")
    return out

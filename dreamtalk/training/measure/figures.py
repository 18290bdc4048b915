"""Figures on held-out voices and texts, against the rule target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.signal import butter, sosfiltfilt

from ...model import DreamTalkModel
from ...motion.spaces import FACE
from ...progress import Progress, silent
from ...speech.loading import normalize_loudness
from ...speech.speech import FPS, Features, Speech
from ..corpus.augment import augment
from ..corpus.codecs import CODECS, through_codec
from ..corpus.phones import BILABIALS, Segment
from ..corpus.recordings import Recording
from ..rules.compose import rule_motion

Values = npt.NDArray[np.float32]
CLOSED = 0.035
"""IOD: lips below this are seen as closed (of real talkers the median in p, b, m is 0.013)."""


@dataclass(frozen=True)
class Figures:
    """Means over recordings.

    Attributes:
        aperture, width: correlation with the target at lag 0.
        lag: frames by which the motion is best moved back, in tenths.
        closure: share of p, b, m with the lips closed; ``chance``: the same at moved times;
            ``closure_target``: the same of the target.
        amplitude: deviation of the aperture over the target's.
        jitter: rms of the aperture at 8-12 Hz over the target's.
        silence: mean aperture, IOD, in pauses of half a second and more.
    """

    aperture: float
    width: float
    lag: float
    closure: float
    chance: float
    closure_target: float
    amplitude: float
    jitter: float
    silence: float

    def table(self) -> str:
        """One line per figure."""
        return "\n".join(f"{k:16s} {v:7.3f}" for k, v in self.__dict__.items())


def compare(
    predicted: Sequence[Values], targets: Sequence[Values], recordings: Sequence[Recording]
) -> Figures:
    """Figures of predicted motions (T, 31) against targets of the same lengths."""
    rows = [
        _one(p, t, r, i)
        for i, (p, t, r) in enumerate(zip(predicted, targets, recordings, strict=True))
    ]
    return Figures(*(_mean(column) for column in zip(*rows, strict=True)))


def _mean(column: Sequence[float]) -> float:
    known = [x for x in column if not np.isnan(x)]
    return float(np.mean(known)) if known else float("nan")


def _one(p: Values, t: Values, recording: Recording, seed: int) -> tuple[float, ...]:
    aperture, width = FACE.index["lipAperture"], FACE.index["mouthWidth"]
    a, b = p[:, aperture].astype(float), t[:, aperture].astype(float)
    bilabials = [s for s in recording.segments if s.phone in BILABIALS]
    moved = moved_segments(bilabials, seed)
    return (
        correlation(a, b),
        correlation(p[:, width], t[:, width]),
        best_lag(a, b),
        closure_rate(a, bilabials),
        closure_rate(a, moved),
        closure_rate(b, bilabials),
        ratio(a, b),
        ratio(flicker(a), flicker(b)),
        _in_pauses(a, recording.segments),
    )


def moved_segments(segments: Sequence[Segment], seed: int) -> list[Segment]:
    """The same segments at other times: 0.5 to 1.25 s earlier or later."""
    rng = np.random.Generator(np.random.PCG64(seed))
    moves = rng.uniform(0.5, 1.25, len(segments)) * rng.choice((-1, 1), len(segments))
    return [Segment(s.phone, s.start + m, s.end + m) for s, m in zip(segments, moves, strict=True)]


def correlation(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """Of two curves (T,); NaN where one of them stands still."""
    if a.std() < 1e-9 or b.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def ratio(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """Deviation of a curve over the other's."""
    return float(a.std() / (b.std() + 1e-9))


def best_lag(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating], reach: int = 5) -> float:
    """Frames by which a curve (T,) is late against another: the vertex of the correlation over the
    lag."""
    lags = np.arange(-reach, reach + 1)
    inside = slice(reach, len(b) - reach)
    scores = np.array([correlation(np.roll(a, -k)[inside], b[inside]) for k in lags])
    best = int(scores.argmax())
    if best in (0, len(lags) - 1):
        return float(lags[best])
    left, middle, right = scores[best - 1 : best + 2]
    return float(lags[best] + 0.5 * (left - right) / (left - 2 * middle + right + 1e-12))


def closure_rate(aperture: npt.NDArray[np.floating], segments: Sequence[Segment]) -> float:
    """Share of segments in which the aperture (T,), IOD at 25 fps, is below :data:`CLOSED`."""
    shut = []
    for s in segments:
        first, last = int(np.floor(s.start * FPS)), int(np.ceil(s.end * FPS))
        inside = aperture[max(first, 0) : last + 1]
        if last >= 0 and len(inside):
            shut.append(float(inside.min() < CLOSED))
    return float(np.mean(shut)) if shut else float("nan")


def flicker(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """What of a curve (T,) at 25 fps moves at 8-12 Hz: quicker than lips do."""
    out: npt.NDArray[np.floating] = sosfiltfilt(
        butter(4, (8.0, 12.0), "bandpass", fs=FPS, output="sos"), x
    )
    return out


def _in_pauses(aperture: npt.NDArray[np.floating], segments: Sequence[Segment]) -> float:
    found = [
        aperture[int((s.start + 0.2) * FPS) : int((s.end - 0.2) * FPS)]
        for s in segments
        if s.phone == "sil" and s.end - s.start >= 0.5
    ]
    found = [x for x in found if len(x)]
    return float(np.concatenate(found).mean()) if found else float("nan")


def features_of(model: DreamTalkModel, waveform: Values) -> Features:
    """The starter's feature rows of a waveform, at the loudness that every recording is brought
    to."""
    speech = normalize_loudness(Speech(torch.from_numpy(waveform)))
    return Features(model.speech_encoder.encode(speech.waveform), model.feature_kind)


def evaluate_speech(
    model: DreamTalkModel,
    recordings: Sequence[Recording],
    steps: int = 10,
    degraded: bool = False,
    sync: float = 0.0,
    progress: Progress = silent,
) -> Figures:
    """Neutral speech of held-out voices against the rule motion of an average talker.

    Args:
        degraded: with rooms, noise and codecs, as in training.
        sync: scale of lip-sync guidance.
    """
    predicted, targets = [], []
    for i, recording in enumerate(recordings):
        progress(i, len(recordings))
        waveform = recording.waveform
        if degraded:
            rng = np.random.Generator(np.random.PCG64(i))
            waveform = augment(waveform, rng)
            if i % 2:
                waveform = through_codec(waveform, sorted(CODECS)[i // 2 % len(CODECS)])
        motion = model.sample(
            features_of(model, waveform), model.preset("neutral"), steps, seed=i, sync=sync
        )
        predicted.append(motion.expression.numpy())
        targets.append(rule_motion(recording.segments, recording.waveform, frames=len(motion)))
    progress(len(recordings), len(recordings))
    return compare(predicted, targets, recordings)

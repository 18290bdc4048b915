"""What a speech encoder hears: phones, closures and articulation, before anything moves by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch

from ...motion.spaces import FACE
from ...networks.speech_encoder import ROW, SpeechEncoder
from ...speech.loading import normalize_loudness
from ...speech.speech import SAMPLE_RATE, Speech
from ..corpus.augment import augment
from ..corpus.codecs import CODECS, through_codec
from ..corpus.phones import BILABIALS, PHONE_INDEX, PHONES, Segment
from ..corpus.recordings import Recording
from ..corpus.utterance import Samples
from ..data.targets import make_targets
from ..rules.calibrate import Spoken, heard_phones, tracks_of, trimmed
from ..rules.visemes import VISEMES
from .figures import correlation
from .talkers import EDGE, Talker, compare_talker

Rows = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Ears = Callable[[Samples], Rows]
"""(N,) at 16 kHz -> rows that begin as those of a speech encoder: (R, 46 or more), phone posteriors
in its unit, aperture and width; 0 where these are not told."""

FALSE_ALARMS = 0.04
"""Share of the other spoken rows that may be taken for p, b or m."""
_BILABIALS = [PHONE_INDEX[p] for p in sorted(BILABIALS)]
_APERTURE, _WIDTH = len(PHONES), len(PHONES) + 1
_TABLE = {
    "aperture": np.array([v.aperture for v in VISEMES.values()]),
    "width": np.array([v.width for v in VISEMES.values()]),
}


@dataclass(frozen=True)
class Hearing:
    """Of one recording; all are better when larger.

    Attributes:
        phones: share of the spoken rows whose likeliest phone is the one that is said.
        bilabials: share of the rows of p, b, m that are found with :data:`FALSE_ALARMS`.
        aperture, width: correlation of the curves with the rules', or with what was tracked.
        rules_aperture, rules_width: correlation of the rules' motion on the heard phones with what
            was tracked; NaN where nobody was filmed.
    """

    phones: float
    bilabials: float
    aperture: float
    width: float
    rules_aperture: float = float("nan")
    rules_width: float = float("nan")


def ears_of(encoder: SpeechEncoder) -> Ears:
    """Feature rows (R, D) as a user's recording gets them."""

    def hear(waveform: Samples) -> Rows:
        speech = normalize_loudness(Speech(torch.from_numpy(waveform)))
        rows: Rows = encoder.encode(speech.waveform).double().numpy()
        return rows

    return hear


def row_phones(segments: Sequence[Segment], rows: int) -> Labels:
    """Number of the phone that is said in the middle of each row: (R,). None known: all silent."""
    if not segments:
        return np.zeros(rows, np.int64)
    times = (np.arange(rows) + 0.5) * ROW / SAMPLE_RATE
    numbers = np.array([PHONE_INDEX[s.phone] for s in segments])
    at = np.searchsorted([s.start for s in segments], times, side="right") - 1
    found: Labels = np.where(
        times < segments[-1].end, numbers[np.maximum(at, 0)], PHONE_INDEX["sil"]
    )
    return found


def degraded(recording: Recording, seed: int) -> Samples:
    """A room, noise and, every other time, a codec, as in training."""
    waveform = augment(recording.waveform, np.random.Generator(np.random.PCG64(seed)))
    names = sorted(CODECS)
    return through_codec(waveform, names[seed // 2 % len(names)]) if seed % 2 else waveform


def hear_recordings(
    ears: Ears,
    recordings: Sequence[Recording],
    change: Callable[[Recording, int], Samples] = lambda r, _: r.waveform,
) -> list[Hearing]:
    """Recordings with known phones, beside the rules' articulation."""
    heard = [ears(change(r, i)) for i, r in enumerate(recordings)]
    labels = [row_phones(r.segments, len(x)) for r, x in zip(recordings, heard, strict=True)]
    limit = alarm_limit(heard, labels)
    found = []
    for recording, rows, said in zip(recordings, heard, labels, strict=True):
        wanted = make_targets(recording).curves[::2][: len(rows)].astype(float)
        curves = rows[: len(wanted), _APERTURE : _WIDTH + 1]
        found.append(
            Hearing(
                *_phones(rows, said, limit),
                correlation(curves[:, 0], wanted[:, 0]),
                correlation(curves[:, 1], wanted[:, 1]),
            )
        )
    return found


def hear_talkers(ears: Ears, talkers: Sequence[Talker]) -> list[Hearing]:
    """Filmed talkers: the curves, and the rules on the phones that are heard, beside the tracked
    motion. The phones that are said are PocketSphinx's, of words that it may have misheard."""
    heard = [ears(t.waveform) for t in talkers]
    labels = [row_phones(t.segments, len(x)) for t, x in zip(talkers, heard, strict=True)]
    limit = alarm_limit(heard, labels)
    found = []
    for talker, rows, said in zip(talkers, heard, labels, strict=True):
        curves = compare_talker(_as_motion(rows), talker)
        rules = compare_talker(tracks_of(_TABLE, _spoken(talker, rows)), talker)
        found.append(
            Hearing(
                *_phones(rows, said, limit), curves.aperture, curves.width,
                rules.aperture, rules.width,
            )
        )  # fmt: skip
    return found


def _spoken(talker: Talker, rows: Rows) -> Spoken:
    segments = heard_phones(torch.from_numpy(rows))
    return trimmed(Spoken(talker.speaker, 1.0, segments, talker.waveform, talker.motion), EDGE)


def _as_motion(rows: Rows) -> Rows:
    motion = np.zeros((len(rows) // 2, len(FACE)))
    motion[:, FACE.index["lipAperture"]] = rows[: 2 * len(motion) : 2, _APERTURE]
    motion[:, FACE.index["mouthWidth"]] = rows[: 2 * len(motion) : 2, _WIDTH]
    return motion


def closing(rows: Rows) -> Rows:
    """Log-posterior of p, b and m together, in the rows' unit: (R,)."""
    best: Rows = np.logaddexp.reduce(8.0 * rows[:, _BILABIALS], axis=1)
    return best


def alarm_limit(heard: Sequence[Rows], labels: Sequence[Labels]) -> float:
    """Where :func:`closing` must lie for :data:`FALSE_ALARMS` of all other spoken rows."""
    rows, said = np.concatenate(heard), np.concatenate(labels)
    others = (said > 0) & ~np.isin(said, _BILABIALS)
    return float(np.quantile(closing(rows)[others], 1 - FALSE_ALARMS))


def _phones(rows: Rows, said: Labels, limit: float) -> tuple[float, float]:
    told = rows[:, : len(PHONES)].argmax(1)
    shut = np.isin(said, _BILABIALS)
    return _share((told == said)[said > 0]), _share(closing(rows)[shut] > limit)


def _share(values: npt.NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def means(rows: Sequence[Hearing]) -> Hearing:
    """Over recordings, of what is known of them."""
    return Hearing(*(_mean(_column(rows, f.name))[0] for f in fields(Hearing)))


def differences(
    rows: Sequence[Hearing], others: Sequence[Hearing]
) -> dict[str, tuple[float, float]]:
    """Mean difference from another encoder on the same recordings, and its standard error."""
    return {f.name: _mean(_column(rows, f.name) - _column(others, f.name)) for f in fields(Hearing)}


def _column(rows: Sequence[Hearing], name: str) -> Rows:
    return np.array([getattr(row, name) for row in rows], float)


def _mean(values: Rows) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return (float(known[0]) if len(known) else float("nan")), float("nan")
    return float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known)))

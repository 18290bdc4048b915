"""The viseme table fitted to filmed talkers.

At fixed dominances a track is linear in the table's targets, so a ridge regression finds them; it
pulls towards the table written by hand. A network is not trained on anybody here: 41 visemes times
two numbers come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ...motion.spaces import FACE
from ...speech.speech import FPS
from ..corpus.phones import PHONES, Segment
from .coarticulation import lip_closures, track_weights, unit_gains
from .compose import LEAD, LOUDNESS_EXPONENT, OPENING, WIDENING, phone_loudness
from .visemes import HAND, VISEMES, viseme_sequence

Array = npt.NDArray[np.float64]

FITTED: tuple[tuple[str, str, int, float], ...] = (
    ("aperture", "lipAperture", 0, OPENING),
    ("width", "mouthWidth", 1, WIDENING),
)
"""Number of the table, channel that shows it, track, and the channel's size for 1 of it."""
ROUNDING = 0.8
"""Aperture, IOD, that goes with one IOD of width, in the prior: rounded lips are nearly shut."""
SHRINK, WIDEN = 0.85, 1.2
"""Of the hand values in the prior."""
RIDGE = 0.02
"""Pull towards the prior, a frame."""
FILMED_WEIGHT = 3.0
"""Of filmed people against generated ones."""
_SPREAD = {"aperture": 0.055, "width": 0.035}
"""IOD; every speaker's deviation is brought to it, so that nobody counts more than others."""
NARROWEST = -0.06
"""IOD, the smallest aperture of a phone that is not closed. Below 0 it is a virtual target, which
W and UW reach for but their neighbours don't let them reach."""
_ROW = 0.02
_SWITCH = 2.0
"""What a change of phone costs when phones are read off the posteriors, nats."""


@dataclass(frozen=True)
class Spoken:
    """What the fit needs of a clip.

    Attributes:
        speaker: who.
        weight: of its frames.
        segments: phones as the starter hears them.
        waveform: (N,) at 16 kHz.
        motion: (T, 31) tracked, in time with the sound; the ends may be cut.
    """

    speaker: str
    weight: float
    segments: tuple[Segment, ...]
    waveform: npt.NDArray[np.float32]
    motion: npt.NDArray[np.float32]


def heard_phones(rows: Tensor) -> tuple[Segment, ...]:
    """The likeliest phones of feature rows (R, D) of the starter, by Viterbi's algorithm with one
    cost for all changes."""
    scores = rows[:, : len(PHONES)].double().numpy() * 8.0
    best, back = scores[0].copy(), []
    for row in scores[1:]:
        top = int(best.argmax())
        stays = best >= best[top] - _SWITCH
        back.append(np.where(stays, np.arange(len(PHONES)), top))
        best = np.where(stays, best, best[top] - _SWITCH) + row
    path = [int(best.argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    path.reverse()
    edges = [0, *(i for i in range(1, len(path)) if path[i] != path[i - 1]), len(path)]
    return tuple(Segment(PHONES[path[a]], a * _ROW, b * _ROW) for a, b in pairwise(edges))


def design(clip: Spoken, track: int) -> Array:
    """Share of each viseme of the table in a track: (T, 41)."""
    times = np.arange(len(clip.motion)) / FPS + LEAD
    units = viseme_sequence(clip.segments)
    number = {id(viseme): i for i, viseme in enumerate(VISEMES.values())}
    loudness = phone_loudness(clip.segments, clip.waveform)
    gains = np.clip(loudness, 0.4, 2.2) ** LOUDNESS_EXPONENT
    factor = unit_gains(clip.segments, units, gains) if track == 0 else np.ones(len(units))
    members = np.zeros((len(units), len(VISEMES)))
    members[np.arange(len(units)), [number[id(v)] for v, _ in units]] = factor
    shares: Array = track_weights(units, times, track) @ members
    if track == 0:
        shares = shares * (1 - lip_closures(clip.segments, times))[:, None]
    return shares


def hand_table() -> dict[str, Array]:
    """The numbers written by hand: name -> (41,)."""
    return {
        name: np.array([getattr(viseme, name) for viseme in HAND.values()]) for name, *_ in FITTED
    }


def prior_table() -> dict[str, Array]:
    """Where the fit pulls to: the hand's, with apertures that rounding narrows."""
    hand = hand_table()
    aperture = SHRINK * hand["aperture"] + ROUNDING * hand["width"] * WIDENING / OPENING
    return _possible({"aperture": aperture, "width": WIDEN * hand["width"]})


def fit_table(clips: Sequence[Spoken], ridge: float = RIDGE) -> dict[str, Array]:
    """The table fitted to clips: name -> (41,). The means of the clips don't count."""
    fitted = {}
    for name, channel, track, size in FITTED:
        start = prior_table()[name]
        gram, pull, frames = np.zeros((len(start),) * 2), np.zeros(len(start)), 0.0
        for clip in clips:
            x, y = design(clip, track), clip.motion[:, FACE.index[channel]].astype(float)
            x, y = x - x.mean(0), y - y.mean()
            y = y * _SPREAD[name] / (y.std() * size)
            gram += clip.weight * x.T @ x
            pull += clip.weight * x.T @ (y - x @ start)
            frames += clip.weight * len(y)
        fitted[name] = start + np.linalg.solve(gram + ridge * frames * np.eye(len(start)), pull)
    return _possible(fitted)


def _possible(table: dict[str, Array]) -> dict[str, Array]:
    rest = np.array([phone == "sil" for phone in HAND])
    aperture = np.where(rest, 0.0, np.maximum(table["aperture"], NARROWEST))
    return {"aperture": aperture, "width": np.where(rest, 0.0, table["width"])}


def rescaled(table: dict[str, Array], clips: Sequence[Spoken]) -> dict[str, Array]:
    """A fitted table with the hand's deviation over the clips (of the width :data:`WIDEN` of it).

    Phones that were misheard shrink what is fitted; the sizes were set to published statistics of
    many talkers before.
    """
    hand, wanted = hand_table(), {"aperture": 1.06, "width": WIDEN}
    sizes = {}
    for name, _, track, _ in FITTED:
        ours, theirs = (
            np.sqrt(np.mean([np.var(design(c, track) @ t[name]) for c in clips]))
            for t in (table, hand)
        )
        sizes[name] = wanted[name] * theirs / ours
    return {name: values * sizes[name] for name, values in table.items()}


def tracks_of(table: dict[str, Array], clip: Spoken) -> npt.NDArray[np.float32]:
    """Motion (T, 31) with the fitted channels as a table has them, the others at rest."""
    motion = np.zeros_like(clip.motion)
    for name, channel, track, size in FITTED:
        motion[:, FACE.index[channel]] = size * (design(clip, track) @ table[name])
    return motion


def left_out(clips: Sequence[Spoken]) -> list[dict[str, Array]]:
    """For every clip the table fitted to the other speakers."""
    tables = {
        speaker: fit_table([c for c in clips if c.speaker != speaker])
        for speaker in {c.speaker for c in clips}
    }
    return [tables[c.speaker] for c in clips]


def trimmed(clip: Spoken, edge: int) -> Spoken:
    """Without so many frames at the end, where a corrected lead holds them."""
    return replace(clip, motion=clip.motion[: len(clip.motion) - edge])

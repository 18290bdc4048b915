"""What a voice sounds like over time, and a style that follows it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..options import EMOTIONS, checked, default
from ..progress import Progress, silent
from ..speech.loading import is_silent
from ..speech.speech import Features, Speech
from ..style.style import Style
from ..style.track import StyleMark, style_track
from .style_predictor import LoadedPredictor, code_of_speech, hear

log = logging.getLogger("dreamtalk")

REACH = 4
"""Tokens before and after a moment that tell how the voice sounds in it: 4.5 s in all."""
PERSISTENCE = 1.0
"""How much likelier than the old one a new emotion must be, in nats over a span, to be shown: what
keeps the face from changing its mind with every sentence."""
NEAR = 1
"""Tokens before and after, for the moment of a change: 1.5 s in all."""
SEARCH = 6
"""Tokens around a change among which its moment is looked for: 3 s to both sides."""
_BATCH = 128


@dataclass(frozen=True)
class Heard:
    """What a voice sounded like.

    Attributes:
        probabilities: (8,) of the presets, in the order of ``EMOTIONS``.
        times: (K,) s, and
        track: (K, 8) probabilities around them.
    """

    probabilities: Tensor
    times: Tensor
    track: Tensor

    @property
    def emotion(self) -> str:
        """The most likely."""
        return EMOTIONS[int(self.probabilities.argmax())]

    def words(self) -> str:
        """Probabilities of all presets in words, the likeliest first."""
        order = self.probabilities.argsort(descending=True).tolist()
        return ", ".join(f"{EMOTIONS[i]} {float(self.probabilities[i]):.0%}" for i in order)


@torch.no_grad()
def listen(loaded: LoadedPredictor, tokens: Tensor, progress: Progress = silent) -> Heard:
    """How likely each emotion is, over time and in all.

    Args:
        tokens: (K, D) standardized.
    """
    track = _around(loaded, tokens, REACH, progress)
    count = len(tokens)
    short_enough = 2 * REACH + 1 < count <= loaded.longest
    whole = hear(loaded, tokens[None])[0] if short_enough else track.mean(0)
    return Heard(whole, 0.5 * torch.arange(count) + 0.5, track)


def _neutral(count: int) -> Heard:
    """What is heard in ``count`` tokens of silence."""
    certain = torch.zeros(len(EMOTIONS))
    certain[EMOTIONS.index("neutral")] = 1
    return Heard(certain, 0.5 * torch.arange(count) + 0.5, certain.expand(count, -1))


def _around(
    loaded: LoadedPredictor, tokens: Tensor, reach: int, progress: Progress = silent
) -> Tensor:
    """(K, 8) probabilities, each told from a token and ``reach`` others on both sides."""
    count = len(tokens)
    at = torch.arange(count)[:, None] + torch.arange(-reach, reach + 1)
    outside = (at < 0) | (at >= count)
    # what is padding comes last, as in the training
    order = outside.long().argsort(dim=1, stable=True)
    at, outside = at.gather(1, order).clamp(0, count - 1), outside.gather(1, order)
    found = []
    for first in range(0, count, _BATCH):
        progress(first, count)
        part = slice(first, first + _BATCH)
        found.append(hear(loaded, tokens[at[part]], outside[part]))
    progress(count, count)
    return torch.cat(found)


def predict_style(
    loaded: LoadedPredictor,
    features: Features,
    speech: Speech,
    shape: Tensor | None = None,
    seed: int = 0,
    steps: int = default("steps"),
    strength: float = default("intensity"),
    over_time: bool = False,
    transition: float = default("transition"),
    progress: Progress = silent,
) -> tuple[Style, Heard]:
    """The style of a speech.

    Args:
        features: of the checkpoint's speech encoder.
        speech: the same recording.
        shape: of the portrait's face, see :func:`~dreamtalk.face.shape.face_shape`; None for no
            portrait.
        seed: other seeds give other styles that fit as well.
        steps: of the DDIM sampler.
        strength: the style's intensity.
        over_time: a style that changes where the voice does, instead of one for the whole speech.
        transition: s that a change takes.

    Returns:
        The style, and what was heard.

    Raises:
        MissingDependencyError: if librosa is not installed.
        SpaceMismatchError: if the features are of another kind.
    """
    checked(seed=seed, steps=steps, intensity=strength)
    tokens = loaded.tokens(features, speech)
    if is_silent(speech):
        log.warning("the recording is silent: no emotion is heard in it, its style is neutral")
        heard = _neutral(len(tokens))
    else:
        heard = listen(loaded, tokens, progress)

    def style_of(emotion: int, inside: Tensor) -> Style:
        code = code_of_speech(loaded, inside, shape, int(seed), int(steps), emotion)
        return Style(code, loaded.model, strength, EMOTIONS[emotion])

    if over_time:
        style = _changing(loaded, tokens, heard, style_of, speech.duration, transition)
    else:
        style = style_of(int(heard.probabilities.argmax()), tokens)
    return replace(style, intensity=strength, name=f"auto: {style.name}"), heard


def _changing(
    loaded: LoadedPredictor,
    tokens: Tensor,
    heard: Heard,
    style_of: Callable[[int, Tensor], Style],
    duration: float,
    transition: float,
) -> Style:
    """The styles of the stretches in which one emotion is heard, one after the other."""
    path = steady_path(heard.track.double().numpy(), PERSISTENCE)
    if len(set(path)) > 1:
        path = placed_changes(path, _around(loaded, tokens, NEAR).double().numpy())
    starts = [0, *(i for i in range(1, len(path)) if path[i] != path[i - 1])]
    styles = [
        style_of(path[first], tokens[first:end]) for first, end in pairwise([*starts, len(path)])
    ]
    marks = [
        StyleMark(float(heard.times[first]) - 0.25 if first else 0.0, style.name)
        for first, style in zip(starts, styles, strict=True)
    ]
    made = iter(styles)
    return style_track(marks, lambda *_: next(made), duration, transition)


def steady_path(track: npt.NDArray[np.float64], persistence: float) -> list[int]:
    """The likeliest course of emotions when a change costs something (Viterbi's algorithm).

    Args:
        track: (K, 8) probabilities; neighbours share most of what they are told from.
        persistence: nats that a change costs.

    Returns:
        K indices into ``EMOTIONS``.
    """
    told = np.log(np.maximum(track, 1e-3)) / (2 * REACH + 1)
    score, back = told[0], []
    for row in told[1:]:
        best = int(score.argmax())
        changed = score[best] - persistence > score
        back.append(np.where(changed, best, np.arange(len(score))))
        score = np.maximum(score, score[best] - persistence) + row
    path = [int(score.argmax())]
    for choice in reversed(back):
        path.append(int(choice[path[-1]]))
    return path[::-1]


def placed_changes(path: list[int], near: npt.NDArray[np.float64]) -> list[int]:
    """The same emotions one after the other, with each change where the near evidence puts it.

    What is told from several seconds says which emotions there are, but blurs when one begins.

    Args:
        path: K indices into ``EMOTIONS``.
        near: (K, 8) probabilities told from a moment's own second and a half.

    Returns:
        K indices; no stretch is lost.
    """
    told = np.log(np.maximum(near, 1e-2))
    starts = [0, *(i for i in range(1, len(path)) if path[i] != path[i - 1])]
    emotions, ends = [path[i] for i in starts], [*starts[1:], len(path)]
    for n in range(1, len(starts)):
        first = max(starts[n - 1] + 1, starts[n] - SEARCH)
        last = min(ends[n] - 1, starts[n] + SEARCH)
        lead = told[first:last, emotions[n - 1]] - told[first:last, emotions[n]]
        # the old emotion up to the change, the new one from there on
        gain = np.concatenate([[0.0], np.cumsum(lead)])
        starts[n] = first + int(gain.argmax())
    lengths = np.diff([*starts, len(path)])
    return np.repeat(emotions, lengths).tolist()


def changes(path: list[int]) -> int:
    """How often a path changes."""
    return sum(a != b for a, b in pairwise(path))

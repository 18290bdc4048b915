"""Which emotion a motion shows: a classifier trained on the corpus's styles."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...model import DreamTalkModel
from ...speech.speech import FPS
from ...style import EMOTIONS, Style
from ..corpus.recordings import Recording
from ..rules.compose import act, random_style, read_score
from .figures import features_of

Values = npt.NDArray[np.float32]
PIECE = 4
"""Seconds that are judged at a time."""
_SHRINK = 0.15
_TAKES = 6


class EmotionNamer:
    """Linear discriminants on the means and deviations of the channels over four seconds.

    It learns from rule motion in random styles, as the training has them: different people, who
    articulate and show emotions differently.

    Args:
        recordings: whose phones are acted.
        seed: of the styles.
    """

    def __init__(self, recordings: Sequence[Recording], seed: int = 0) -> None:
        rows: list[np.ndarray] = []
        labels: list[int] = []
        for i, recording in enumerate(recordings):
            rng = random.Random(f"namer/{seed}/{i}")
            score = read_score(recording.segments, recording.waveform)
            for k in range(_TAKES):
                for label, emotion in enumerate(EMOTIONS):
                    motion = act(score, random_style(rng, emotion), seed=1000 * i + k)
                    found = [summary(piece) for piece in pieces(motion)]
                    rows += found
                    labels += [label] * len(found)
        x, y = np.stack(rows), np.array(labels)
        self.scale = x.std(0) + 1e-3
        x = x / self.scale
        means = np.stack([x[y == k].mean(0) for k in range(len(EMOTIONS))])
        inside = np.cov((x - means[y]).T)
        inside = (1 - _SHRINK) * inside + _SHRINK * np.trace(inside) / len(inside) * np.eye(
            len(inside)
        )
        self.weights = np.linalg.solve(inside, means.T)
        self.bias = -0.5 * np.einsum("kd,dk->k", means, self.weights)

    def name(self, motion: Values) -> int:
        """Index into ``EMOTIONS`` for a piece of motion (T, 31)."""
        return int((summary(motion) / self.scale @ self.weights + self.bias).argmax())


Named = tuple[float, npt.NDArray[np.int64]]
"""Accuracy, and the confusion matrix (true, named)."""


def evaluate_presets(
    model: DreamTalkModel,
    namer: EmotionNamer,
    recordings: Sequence[Recording],
    intensity: float = 1.0,
    steps: int = 10,
) -> Named:
    """How often the generated motion of the presets is named right."""
    styles = [(emotion, model.preset(emotion, intensity)) for emotion in EMOTIONS]
    return evaluate_styles(model, namer, styles, recordings, steps)


def evaluate_styles(
    model: DreamTalkModel,
    namer: EmotionNamer,
    styles: Sequence[tuple[str, Style]],
    recordings: Sequence[Recording],
    steps: int = 10,
    guidance: float = 1.0,
) -> Named:
    """How often motion in a style is named as the style's emotion.

    Args:
        styles: emotion and style.
        recordings: ten seconds of each are spoken, in every style.
        steps: of the sampler.
        guidance: multiplies each style's own intensity.
    """
    pairs = []
    for i, recording in enumerate(recordings):
        features = features_of(model, recording.waveform[: 10 * 16000])
        for emotion, style in styles:
            motion = model.sample(features, style, steps, guidance=guidance, seed=i)
            pairs += [(emotion, namer.name(p)) for p in pieces(motion.expression.numpy())]
    return tally(pairs)


def tally(pairs: Sequence[tuple[str, int]]) -> Named:
    """Count true emotions against the indices that were named."""
    confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    for emotion, named in pairs:
        confusion[EMOTIONS.index(emotion), named] += 1
    return float(np.trace(confusion) / max(confusion.sum(), 1)), confusion


def pieces(motion: Values) -> list[Values]:
    """Four seconds each; what is left over is not judged."""
    length = int(PIECE * FPS)
    return [motion[i : i + length] for i in range(0, len(motion) - length + 1, length)]


def summary(motion: Values) -> npt.NDArray[np.float64]:
    """Means and deviations of the channels: (62,)."""
    both: npt.NDArray[np.float64] = np.concatenate([motion.mean(0), motion.std(0)])
    return both.astype(np.float64)

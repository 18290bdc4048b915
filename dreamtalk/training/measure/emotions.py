"""Which emotion a motion shows: a classifier trained on the corpus's styles."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import DreamTalkError, MissingDependencyError
from ...model import DreamTalkModel
from ...speech.speech import FPS
from ...style import EMOTIONS, Style
from ..corpus.recordings import Recording
from ..rules.compose import gestural_score, random_style, styled_motion
from .figures import features_of

Values = npt.NDArray[np.float32]
PIECE = 4
"""Seconds that are judged at a time."""
_SHRINKAGE = 0.15
_TAKES = 6


class EmotionClassifier:
    """Linear discriminants on the means and deviations of the channels over four seconds.

    Scikit-learn's, with the covariance within an emotion shrunk towards a sphere. It learns from
    rule motion in random styles, as the training has them: different people, who articulate and
    show emotions differently.

    Args:
        recordings: whose phones are acted.
        seed: of the styles.

    Raises:
        MissingDependencyError: if scikit-learn is not installed.
    """

    def __init__(self, recordings: Sequence[Recording], seed: int = 0) -> None:
        try:
            from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        except ImportError as error:
            raise MissingDependencyError(
                "telling emotions apart needs: pip install scikit-learn"
            ) from error
        rows: list[np.ndarray] = []
        labels: list[int] = []
        for i, recording in enumerate(recordings):
            # the seed's name is that of the published figures
            rng = random.Random(f"namer/{seed}/{i}")
            score = gestural_score(recording.segments, recording.waveform)
            for k in range(_TAKES):
                for label, emotion in enumerate(EMOTIONS):
                    motion = styled_motion(score, random_style(rng, emotion), seed=1000 * i + k)
                    found = [channel_statistics(piece) for piece in pieces(motion)]
                    rows += found
                    labels += [label] * len(found)
        if not rows:
            raise DreamTalkError(
                f"no recording lasts {PIECE} seconds: there is nothing to learn emotions from"
            )
        summaries = np.stack(rows)
        # channels that hardly move would be all noise at a deviation of 1
        self._scale = summaries.std(0) + 1e-3
        # every emotion is as frequent as any other
        self._discriminants = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=_SHRINKAGE)
        self._discriminants.fit(summaries / self._scale, labels)

    def classify(self, motion: Values) -> int:
        """Index into ``EMOTIONS`` for a piece of motion (T, 31)."""
        return int(self._discriminants.predict([channel_statistics(motion) / self._scale])[0])


class Confusion(NamedTuple):
    """How a classifier did.

    Attributes:
        accuracy: share that it told right.
        matrix: (8, 8) counts, true by told, in the order of ``EMOTIONS``.
    """

    accuracy: float
    matrix: npt.NDArray[np.int64]


def evaluate_presets(
    model: DreamTalkModel,
    classifier: EmotionClassifier,
    recordings: Sequence[Recording],
    intensity: float = 1.0,
    steps: int = 10,
) -> Confusion:
    """How often the generated motion of the presets is recognized."""
    styles = [(emotion, model.preset(emotion, intensity)) for emotion in EMOTIONS]
    return evaluate_styles(model, classifier, styles, recordings, steps)


def evaluate_styles(
    model: DreamTalkModel,
    classifier: EmotionClassifier,
    styles: Sequence[tuple[str, Style]],
    recordings: Sequence[Recording],
    steps: int = 10,
    guidance: float = 1.0,
) -> Confusion:
    """How often motion in a style is recognized as the style's emotion.

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
            pairs += [(emotion, classifier.classify(p)) for p in pieces(motion.expression.numpy())]
    return count_confusions(pairs)


def count_confusions(pairs: Sequence[tuple[str, int]]) -> Confusion:
    """Count true emotions against the indices that were told."""
    matrix = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    for emotion, told in pairs:
        matrix[EMOTIONS.index(emotion), told] += 1
    return Confusion(float(np.trace(matrix) / max(matrix.sum(), 1)), matrix)


def pieces(motion: Values) -> list[Values]:
    """Four seconds each; what is left over is not judged."""
    length = int(PIECE * FPS)
    return [motion[i : i + length] for i in range(0, len(motion) - length + 1, length)]


def channel_statistics(motion: Values) -> npt.NDArray[np.float64]:
    """Means and deviations of the channels: (62,)."""
    both: npt.NDArray[np.float64] = np.concatenate([motion.mean(0), motion.std(0)])
    return both.astype(np.float64)

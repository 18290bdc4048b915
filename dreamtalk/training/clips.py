"""Styles from tracked clips of acted emotion: does the generated motion show the same?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import DreamTalkError
from ..model import DreamTalkModel
from ..motion.files import load_motion
from ..motion.motion import Motion
from ..style import EMOTIONS
from .corpus.recordings import Recording
from .emotions import EmotionNamer, pieces
from .evaluation import features_of

Clips = list[tuple[str, Motion]]


def read_clips(folder: Path, from_rest: bool = True) -> Clips:
    """Motion files as ``dreamtalk track`` writes them, ``PERSON_..._EMOTION_....npz``.

    Args:
        folder: of the files.
        from_rest: measure from the person's own face at rest instead of the mean face. Every
            person then needs a neutral clip: its quarter with the lips nearest is the rest.

    Returns:
        (emotion, motion) of each clip.

    Raises:
        DreamTalkError: if there are no such files, or a person has no neutral clip.
    """
    people: dict[str, dict[str, list[Motion]]] = {}
    for path in sorted(folder.glob("*.npz")):
        parts = path.stem.split("_")
        emotion = next((e for e in EMOTIONS if e in parts), None)
        if emotion is not None:
            motion = load_motion(path)
            people.setdefault(parts[0], {}).setdefault(emotion, []).append(motion)
    if not people:
        raise DreamTalkError(f"no motion files named PERSON_EMOTION.npz in '{folder}'")
    found: Clips = []
    for person, clips in people.items():
        if not from_rest:
            found += [(emotion, m) for emotion, motions in clips.items() for m in motions]
            continue
        if "neutral" not in clips:
            raise DreamTalkError(f"'{person}' in '{folder}' has no neutral clip")
        quiet = clips["neutral"][0].expression
        lips = quiet[:, 0]
        rest = quiet[lips <= lips.quantile(0.25)].median(dim=0).values
        for emotion, motions in clips.items():
            found += [(emotion, replace(m, expression=m.expression - rest)) for m in motions]
    return found


def evaluate_clips(
    model: DreamTalkModel,
    namer: EmotionNamer,
    clips: Clips,
    recordings: Sequence[Recording],
    steps: int = 10,
    intensity: float = 1.0,
) -> tuple[float, npt.NDArray[np.int64]]:
    """How often motion in the style of a clip is named as the clip's emotion.

    Args:
        intensity: guidance scale of the styles.

    Returns:
        Accuracy, and the confusion matrix (true, named).
    """
    confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    for i, recording in enumerate(recordings):
        features = features_of(model, recording.waveform[: 10 * 16000])
        for emotion, clip in clips:
            style = model.encode_style(clip)
            motion = model.sample(features, style, steps, guidance=intensity, seed=i)
            for piece in pieces(motion.expression.numpy()):
                confusion[EMOTIONS.index(emotion), namer.name(piece)] += 1
    return float(np.trace(confusion) / max(confusion.sum(), 1)), confusion


def name_clips(namer: EmotionNamer, clips: Clips) -> tuple[float, npt.NDArray[np.int64]]:
    """How often the classifier, which knows rule motion only, names the clips themselves right.

    Returns:
        Accuracy, and the confusion matrix (true, named): what styles taken from them can reach.
    """
    confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    for emotion, clip in clips:
        named = namer.name(clip.expression.numpy())
        confusion[EMOTIONS.index(emotion), named] += 1
    return float(np.trace(confusion) / max(confusion.sum(), 1)), confusion

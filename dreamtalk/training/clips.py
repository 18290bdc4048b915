"""Styles from tracked clips of acted emotion: does the generated motion show the same?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import DreamTalkError
from ..model import DreamTalkModel
from ..motion.files import load_motion
from ..motion.motion import Motion
from ..style import EMOTIONS
from .corpus.recordings import Recording
from .emotions import EmotionNamer, Named, evaluate_styles, tally

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
) -> Named:
    """How often motion in the style of a clip is named as the clip's emotion.

    Args:
        intensity: guidance scale of the styles.
    """
    styles = [(emotion, model.encode_style(clip)) for emotion, clip in clips]
    return evaluate_styles(model, namer, styles, recordings, steps, intensity)


def name_clips(namer: EmotionNamer, clips: Clips) -> Named:
    """How often the classifier, which knows rule motion only, names the clips themselves right.

    It tells what styles taken from them can reach.
    """
    return tally([(emotion, namer.name(clip.expression.numpy())) for emotion, clip in clips])

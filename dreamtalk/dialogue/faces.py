"""What every face of a picture does in a conversation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import DreamTalkError
from ..face.portrait import Portrait
from ..model import DreamTalkModel, speech_features
from ..motion.motion import Motion
from ..motion.natural import Attention, add_natural_motion
from ..motion.noise import spawn
from ..options import AUTO, MAX_SEED, checked, default
from ..pipeline import Sampling, Voice, animate, choose_style
from ..progress import Progress, silent
from ..speech.loading import normalize_loudness
from ..speech.speech import Features, Speech
from ..style.style import Style
from .attention import direction, draw_looks, look_curves
from .listening import draw_nods, with_rest
from .styles import FaceStyle
from .voices import FaceVoice

_SEED_STEP = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio: seeds of neighbours are far apart
_ATTENTION = 7  # of the streams of dice that a seed gives


def animate_faces(
    portraits: Sequence[Portrait],
    voices: Sequence[FaceVoice],
    model: DreamTalkModel,
    styles: Sequence[Style],
    sampling: Sampling = Sampling(),  # noqa: B008
    liveliness: float = default("liveliness"),
    features: Sequence[Features] | None = None,
    progress: Progress = silent,
) -> list[tuple[Portrait, Motion]]:
    """Give every face of a picture its motion.

    In its own turns a face does what it would do alone, with lips exactly as sampled. In others' it
    keeps its lips at rest and looks calm, turns eyes and head to the speaker most of the time, and
    nods at some of the speaker's pauses. The first face has the dice of a single person with the
    same seed.

    Args:
        portraits: of the same picture, one a face.
        voices: one a face, of equal length.
        model: the checkpoint.
        styles: one a face, of this checkpoint.
        sampling: how motions are drawn; the seed is the first face's.
        liveliness: scale of all that is not speech.
        features: of the voices, where they are there already.

    Returns:
        Every portrait with its motion, 25 fps, as long as the conversation.

    Raises:
        DreamTalkError: if there is not one of each for every face.
    """
    faces = len(portraits)
    if not faces or {len(voices), len(styles), len(features or portraits)} != {faces}:
        raise DreamTalkError(
            f"{faces} faces, {len(voices)} voices and {len(styles)} styles: give one of each for "
            "every face"
        )
    checked(liveliness=liveliness)
    known = features or face_features(voices, model)
    made = []
    for face, (portrait, voice, style) in enumerate(zip(portraits, voices, styles, strict=True)):
        seed = face_seed(sampling.seed, face)
        settings = {**vars(sampling), "seed": seed}

        def told(done: int, total: int, face: int = face) -> None:
            progress(face * total + done, faces * total)

        sampled = animate(
            voice.speech, model, style, **settings, liveliness=0.0, features=known[face],
            progress=told,
        )  # fmt: skip
        motion = with_rest(sampled, voice.turns)
        if liveliness:
            attention = attention_of(face, portraits, voices, motion, seed)
            motion = add_natural_motion(
                motion, voice.prosody, seed, liveliness, liveliness, liveliness, liveliness,
                attention,
            )  # fmt: skip
        made.append((portrait, motion))
    return made


def face_seed(seed: int, face: int) -> int:
    """The seed of a face: people in one picture don't blink together."""
    return (seed + face * _SEED_STEP) % (MAX_SEED + 1)


def level(speech: Speech) -> Speech:
    """A voice at the common level, whoever is louder in the recording."""
    return normalize_loudness(speech)


def attention_of(
    face: int, portraits: Sequence[Portrait], voices: Sequence[FaceVoice], motion: Motion, seed: int
) -> Attention:
    """Where a face looks, and how it nods, over a motion's frames."""
    times = np.arange(len(motion)) / motion.fps
    streams = spawn(np.random.default_rng([int(seed) % 2**63, _ATTENTION]), 3)
    turns = [voice.turns for voice in voices]
    looks = draw_looks(face, turns, motion.duration, streams[0])
    ways = [direction(portraits[face], other) for other in portraits]
    gaze, turned = look_curves(looks, ways, times, streams[1])
    nods, brows = draw_nods(face, voices, times, streams[2])
    head = np.zeros((len(times), 6))
    # pitch is positive downwards, a direction is positive upwards
    head[:, 0] = nods - turned[:, 1]
    head[:, 1] = turned[:, 0]
    return Attention(gaze, head, brows)


def face_features(
    voices: Sequence[FaceVoice], model: DreamTalkModel, progress: Progress = silent
) -> list[Features]:
    """Features of every voice for a checkpoint, each at the common level."""
    made = []
    for done, voice in enumerate(voices):
        progress(done, len(voices))
        made.append(speech_features(level(voice.speech), model))
    progress(len(voices), len(voices))
    return made


def styles_of(
    model: DreamTalkModel,
    chosen: Sequence[FaceStyle | None],
    portraits: Sequence[Portrait],
    voices: Sequence[FaceVoice],
    features: Sequence[Features],
    otherwise: Style | FaceStyle,
    intensity: float = default("intensity"),
    seed: int = default("seed"),
) -> list[Style]:
    """The style of every face.

    Args:
        model: the checkpoint.
        chosen: what was said about each of the faces.
        portraits, voices, features: of the faces.
        otherwise: holds for those about whom nothing was said.
        intensity: of those whose own isn't said.
        seed: of styles that are heard.
    """
    styles: list[Style] = []
    for face, said in enumerate(chosen):
        wanted = said or otherwise
        if isinstance(wanted, Style):
            styles.append(wanted)
            continue
        strength = intensity if wanted.intensity is None else wanted.intensity
        if wanted.emotion == AUTO:
            voice = Voice(
                level(voices[face].speech), features[face], portraits[face], face_seed(seed, face)
            )
            styles.append(choose_style(model, clip=AUTO, intensity=strength, voice=voice))
        else:
            styles.append(choose_style(model, wanted.emotion, intensity=strength))
    return styles

"""A film dubbed: from film and recording to video, stage by stage, for the command and the node."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..devices import usable_device
from ..dubbing.dub import Dubbing, wanted_motion
from ..dubbing.dub import dub as dubbed
from ..dubbing.film import Film, VideoFilm
from ..dubbing.lips import filmed_motion, spoken_lips
from ..dubbing.order import result_length
from ..dubbing.painter import MouthPainter
from ..dubbing.registry import load_painter
from ..dubbing.trace import Trace, trace
from ..model import DreamTalkModel, load_model, speech_features
from ..motion.bridges import convert
from ..motion.files import save_motion
from ..motion.motion import Motion
from ..options import default
from ..progress import Stages, silent_stages
from ..render.mark import marked
from ..render.video import Sound, write_video
from ..speech.speech import Features
from ..style.style import Style
from .check import check_dub
from .jobs import Dub, Sampling
from .parts import Voice, choose_style
from .run import load_source

log = logging.getLogger("dreamtalk")

DUB_COMMENT = "AI-generated: the mouth in this video was synthesized from another recording."
"""What the container's ``comment`` says, unless it is switched off."""


@dataclass(frozen=True)
class DubVoice:
    """What is said in a dubbed film, and who makes lips of it.

    Attributes:
        features: of the speech.
        duration: of the speech, s.
        sound: of the result.
        model: the checkpoint.
        style: of that checkpoint; None for the way the person speaks in the film.
        intensity: of that way.
        sampling: how the motion is drawn.
    """

    features: Features
    duration: float
    sound: Sound
    model: DreamTalkModel
    style: Style | None = None
    intensity: float = default("intensity")
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Look:
    """How a dubbed film looks and is written.

    Attributes:
        painter: who paints the mouth.
        face: which face of the film.
        fit: what happens where speech and film differ in length.
        quality: constant rate factor.
        comment: goes into the file's metadata; None for none.
        visible_mark: write on every frame that it is AI-generated.
    """

    painter: MouthPainter
    face: str = default("face")
    fit: str = default("fit")
    quality: int = default("quality")
    comment: str | None = DUB_COMMENT
    visible_mark: bool = default("visible_mark")


def dub(job: Dub, stages: Stages = silent_stages) -> Motion:
    """Film + recording -> video.

    Args:
        stages: told about every stage.

    Returns:
        What the face does in the video, at the film's rate; offsets from the person's neutral face.

    Raises:
        DreamTalkError: as the stages do; outputs appear whole or not at all.
    """
    check_dub(job)
    usable_device(job.device)
    film = VideoFilm(job.video)
    speech = load_source(job.speech, stages)
    with stages("model"):
        model = load_model(job.checkpoint, job.device)
        painter = load_painter(job.painter, job.device, seed=job.sampling.seed, **job.options).on(
            job.device
        )
    features = speech_features(speech, model)
    choice, style = job.style, None
    if choice is not None:
        with stages("style") as stage:
            style = choose_style(
                model, choice.emotion, choice.clip, choice.intensity, choice.track, stage.progress,
                speech.duration, Voice(speech, features, seed=job.sampling.seed),
            )  # fmt: skip
            stage.note(style.name)
    sound = Sound(job.speech.audio, start=job.speech.start, duration=speech.duration)
    voice = DubVoice(
        features, speech.duration, sound, model, style, job.intensity,
        job.sampling,
    )  # fmt: skip
    look = Look(
        painter, job.face, job.fit, job.quality, DUB_COMMENT if job.label else None,
        job.visible_mark,
    )  # fmt: skip
    motion = dub_film(film, voice, look, job.out, job.device, stages, job.video.name)
    if job.save_motion is not None:
        save_motion(motion, job.save_motion)
    return motion


def dub_film(
    film: Film,
    voice: DubVoice,
    look: Look,
    out: str | Path,
    device: str | torch.device = "cpu",
    stages: Stages = silent_stages,
    name: str = "the video",
) -> Motion:
    """Dub a film in two passes, in constant memory.

    Args:
        film: read twice.
        voice: what is said.
        look: how it looks.
        out: the video to write.
        device: where the landmarker's networks run.
        stages: told about every stage.
        name: of the film, for messages.

    Returns:
        As :func:`dub`.

    Raises:
        FaceNotFoundError: if the film shows no such face.
        OutputError: if the video can't be written; then nothing is left behind.
    """
    job = plan_dub(film, voice, look, device, stages, name)
    with closing(job.trace.landmarks):
        with stages("video") as stage, closing(dubbed(job, stage.progress)) as chunks:
            frames = marked(chunks) if look.visible_mark else chunks
            count = write_video(out, frames, film.rate, voice.sound, look.comment, look.quality)
            stage.note(f"{count} frames, {float(count / film.rate):.1f} s")
        return wanted_motion(job)


def plan_dub(
    film: Film,
    voice: DubVoice,
    look: Look,
    device: str | torch.device = "cpu",
    stages: Stages = silent_stages,
    name: str = "the video",
) -> Dubbing:
    """The first pass over a film, and the new lips: all that is known before anything is painted.

    Args:
        film, voice, look, device, stages, name: as :func:`dub_film` takes them.

    Returns:
        What ``dubbing.dub.dub`` paints, as often as it is asked to. Its landmarks lie in a
        temporary file, which is gone when they are closed or forgotten.

    Raises:
        FaceNotFoundError: if the film shows no such face.
    """
    seen = _traced(film, look.face, device, stages, name)
    try:
        with stages("motion") as stage:
            style = voice.style
            if style is None:
                style = own_style(voice.model, filmed_motion(seen, float(film.rate)))
                style = Style(style.code, style.model, voice.intensity, style.name)
            motion = voice.model.sample(
                voice.features, style, **vars(voice.sampling), progress=stage.progress
            )
            lips = spoken_lips(convert(motion, "face"))
            length = result_length(len(seen), voice.duration, film.rate, look.fit)
            stage.note(f"{length} frames, {style.name}")
    except BaseException:
        seen.landmarks.close()
        raise
    return Dubbing(film, seen, look.painter, lips, length, look.fit, voice.features)


def own_style(model: DreamTalkModel, filmed: Motion) -> Style:
    """The way the person speaks in the film."""
    return model.encode_style(convert(filmed, model.space), name="in the film's own way")


def _traced(film: Film, face: str, device: str | torch.device, stages: Stages, name: str) -> Trace:
    with stages("tracking") as stage:
        seen = trace(film, face, device, stage.progress, name)
        shots = f", {len(seen.shots)} shots" if len(seen.shots) > 1 else ""
        stage.note(f"{len(seen)} frames, face in {seen.found.mean():.0%}{shots}")
    for start, end in seen.missing(float(film.rate)):
        log.warning("%s: no face to paint from %.2f to %.2f s: it stays as it is", name, start, end)
    return seen

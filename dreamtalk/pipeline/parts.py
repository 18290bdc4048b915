"""The steps of the road from speech to video, for jobs and nodes alike."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..curves.length import hold_last
from ..errors import DreamTalkError, MotionError
from ..face.analysis import analyze_portrait
from ..face.image import VIDEO_PIXELS, is_picture, load_image
from ..face.portrait import Portrait
from ..face.shape import face_shape
from ..files.timeline import exact_rate
from ..model import DreamTalkModel, speech_features
from ..model.listening import Heard, predict_style
from ..model.picture_style import picture_style
from ..model.style_predictor import load_style_predictor
from ..motion.bridges import convert
from ..motion.edit import resample
from ..motion.files import is_motion_file, load_motion
from ..motion.motion import Motion
from ..motion.natural import add_natural_motion
from ..options import AUTO, checked, default
from ..progress import Progress, silent
from ..render.background import Background, over_background
from ..render.mark import marked
from ..render.renderer import Renderer
from ..render.video import AI_COMMENT, Sound, write_video
from ..speech.speech import Features, Speech
from ..style.style import Style
from ..style.track import style_track
from ..tracking.track import track_video

log = logging.getLogger("dreamtalk")


@dataclass(frozen=True)
class Voice:
    """What a style is heard in.

    Attributes:
        speech: what is said.
        features: of it, of the checkpoint's speech encoder.
        portrait: who will say it, if that is known.
        seed: of the style that is drawn.
    """

    speech: Speech
    features: Features
    portrait: Portrait | None = None
    seed: int = default("seed")


def choose_style(
    model: DreamTalkModel,
    emotion: str = default("emotion"),
    clip: str | Path | None = None,
    intensity: float = default("intensity"),
    track: str | None = None,
    progress: Progress = silent,
    duration: float | None = None,
    voice: Voice | None = None,
) -> Style:
    """A style from a preset, from a clip or picture, from the voice, or emotions over time.

    Args:
        model: the checkpoint.
        emotion: which preset, unless there is a clip or a track.
        clip: a video, or a motion file, of somebody who speaks the way that is wanted; a picture of
            the expression that is wanted; or ``"auto"``.
        intensity: how strongly it shows; in a track, of the marks that don't say it themselves.
        track: as :func:`style_track` takes it.
        duration: s of the speech: a track is made no longer.
        voice: where clip or track is ``"auto"``.

    Raises:
        DreamTalkError: if the checkpoint has no such preset, or the clip can't be used.
    """
    checked(intensity=intensity)
    if track == AUTO or (clip is not None and str(clip) == AUTO):
        if voice is None:
            raise DreamTalkError("the style 'auto' is heard in the speech: give the speech, too")
        return heard_style(model, voice, intensity, over_time=track == AUTO, progress=progress)[0]
    if track is not None:
        return style_track(track, model.preset, duration, intensity=intensity)
    if clip is None:
        return model.preset(emotion, intensity)
    if is_picture(clip):
        face = analyze_portrait(load_image(clip, VIDEO_PIXELS))
        return picture_style(model, face.landmarks, None, intensity, Path(clip).stem)
    if is_motion_file(clip):
        motion = load_motion(clip)
    else:
        motion = track_video(clip, progress=progress).motion
    style = model.encode_style(convert(motion, model.space), name=Path(clip).stem)
    return Style(style.code, style.model, intensity, style.name)


def heard_style(
    model: DreamTalkModel,
    voice: Voice,
    intensity: float = default("intensity"),
    over_time: bool = False,
    steps: int = default("steps"),
    progress: Progress = silent,
) -> tuple[Style, Heard]:
    """The style that a voice asks for (DreamTalk, section 3.4), and what was heard.

    Args:
        model: the checkpoint; the built-in predictor is for the starter.
        over_time: a style that changes where the voice does.
        steps: of the predictor's sampler.

    Raises:
        SpaceMismatchError: if there is no predictor for the checkpoint.
        MissingDependencyError: if librosa is not installed.
    """
    predictor = load_style_predictor(model)
    shape = None if voice.portrait is None else face_shape(voice.portrait.landmarks)
    style, heard = predict_style(
        predictor, voice.features, voice.speech, shape, voice.seed, steps, intensity, over_time,
        progress=progress,
    )  # fmt: skip
    log.info("the voice sounds: %s", heard.words())
    if over_time:
        log.info("over time: %s", style.name)
    return style, heard


def animate(
    speech: Speech,
    model: DreamTalkModel,
    style: Style,
    steps: int = default("steps"),
    sampler: str = default("sampler"),
    guidance: float = default("guidance"),
    sync: float = default("sync"),
    seed: int = default("seed"),
    liveliness: float = default("liveliness"),
    features: Features | None = None,
    progress: Progress = silent,
) -> Motion:
    """Speech -> motion.

    Args:
        speech: what is said.
        model: the checkpoint.
        style: how it is said; of the same checkpoint.
        steps: of DDIM or DPM.
        sampler: ``"ddim"``, ``"dpm"`` or ``"ddpm"``.
        guidance: multiplies the style's intensity, see :func:`sample_motion`.
        sync: scale of the lip expert's guidance, 0 for none.
        seed: for all that is drawn.
        liveliness: scale of blinks, gaze, head motion and breathing; 0 for the bare sampler.
        features: of the speech, if they are there already.

    Returns:
        25 fps, as many frames as the speech lasts.
    """
    checked(liveliness=liveliness)
    if features is None:
        features = speech_features(speech, model)
    motion = model.sample(
        features, style, steps, sampler, guidance, seed, progress=progress, sync=sync
    )
    motion = fit_length(motion, speech.num_frames(motion.fps))
    if liveliness > 0:
        motion = add_natural_motion(
            motion, speech, seed,
            blinks=liveliness, gaze=liveliness, head=liveliness, breathing=liveliness,
        )  # fmt: skip
    return motion


def fit_length(motion: Motion, frames: int) -> Motion:
    """Cut a motion, or hold its last frame, so that it has that many frames.

    Raises:
        DreamTalkError: if that is none.
    """
    if len(motion) == frames:
        return motion
    if frames < 1:
        raise DreamTalkError(f"a motion of {frames} frames was asked for")
    pose = None if motion.pose is None else hold_last(motion.pose, frames)
    return motion.with_(
        expression=hold_last(motion.expression, frames),
        head=hold_last(motion.head, frames),
        pose=pose,
    )


def at_rate(motion: Motion, fps: float) -> Motion:
    """A motion at the frame rate of its video.

    Args:
        fps: frames a second; 29.97 and its kind mean 30000/1001; 0 keeps the motion's.

    Raises:
        MotionError: if it is no frame rate.
    """
    checked(MotionError, fps=fps)
    return motion if fps == 0 else resample(motion, float(exact_rate(fps)))


def render(
    renderer: Renderer,
    motion: Motion,
    features: Features | None = None,
    progress: Progress = silent,
) -> Generator[Tensor, None, None]:
    """Frames of a motion, (n, H, W, 3) uint8 each, in constant memory.

    A motion in another space than the renderer's goes through the bridge.
    """
    return renderer.frames(convert(motion, renderer.space), features, progress)


def render_video(
    renderer: Renderer,
    motion: Motion,
    out: str | Path,
    sound: Sound | None = None,
    comment: str | None = AI_COMMENT,
    quality: int = default("quality"),
    features: Features | None = None,
    progress: Progress = silent,
    visible_mark: bool = default("visible_mark"),
    behind: Background | None = None,
    portraits: Sequence[Portrait] = (),
) -> int:
    """Portrait (within the renderer) + motion -> video, in constant memory.

    Args:
        comment: goes into the file's metadata.
        visible_mark: write on every frame that it is AI-generated.
        behind: the background that is put behind the person; None keeps the picture's.
        portraits: that the renderer was made of; needed for another background.

    Returns:
        The number of frames written.

    Raises:
        OutputError: if the file can't be written; then nothing is left behind.
        ImageError: as :func:`over_background`.
    """
    with closing(render(renderer, motion, features, progress)) as chunks:
        frames = chunks
        if behind is not None:
            frames = over_background(chunks, renderer, portraits, motion, behind)
        frames = marked(frames) if visible_mark else frames
        return write_video(out, frames, motion.fps, sound, comment, quality)

"""Jobs done: from recording and portrait to video, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..devices import usable_device
from ..errors import DreamTalkError
from ..face.analysis import analyze_portrait
from ..face.image import VIDEO_PIXELS, load_image, save_image
from ..face.open_mouth import add_open_mouth
from ..face.points import landmarks_from_points, parse_points
from ..face.portrait import Portrait
from ..model import speech_features
from ..motion.files import save_motion
from ..motion.motion import Motion
from ..progress import Stages, silent_stages
from ..render.background import background_of, with_mattes
from ..render.group import together
from ..render.renderer import Renderer
from ..render.video import AI_COMMENT, Sound
from ..speech.loading import load_speech
from ..speech.speech import Features, Speech
from .check import check_shot, check_talk
from .jobs import Performance, Shot, SpeechSource, Talk
from .loaders import Loaders
from .parts import Voice, animate, at_rate, choose_style, render_video


def talk(
    job: Talk,
    stages: Stages = silent_stages,
    loaders: Loaders = Loaders(),  # noqa: B008
) -> Motion:
    """Portrait + recording -> video.

    Args:
        stages: told about every stage.
        loaders: where networks come from: many jobs can share them.

    Returns:
        The motion of the video.

    Raises:
        DreamTalkError: as the stages do; outputs appear whole or not at all.
    """
    check_talk(job)
    speech = load_source(job.performance.speech, stages)
    scene = _open_scene(job.shot, stages, loaders)
    motion, features = _perform(job.performance, speech, stages, loaders, scene[0][0])
    if job.save_motion:
        save_motion(motion, job.save_motion)
    _shoot(job.shot, scene, [motion], features, stages)
    return motion


def perform(job: Performance, stages: Stages = silent_stages) -> Motion:
    """Recording -> motion.

    Raises:
        DreamTalkError: as the stages do.
    """
    return _perform(job, load_source(job.speech, stages), stages, Loaders())[0]


def shoot(job: Shot, motions: Sequence[Motion], stages: Stages = silent_stages) -> None:
    """Portrait + motions, one a face -> video.

    Raises:
        DreamTalkError: as the stages do; the video appears whole or not at all.
    """
    check_shot(job)
    if job.audio is not None:
        load_speech(job.audio, duration=1.0)  # a bad file is an error now, not after the work
    _shoot(job, _open_scene(job, stages, Loaders()), motions, None, stages)


def film(
    job: Shot,
    perform: Callable[[list[Portrait]], Sequence[Motion]],
    sound: Sound | None = None,
    stages: Stages = silent_stages,
    loaders: Loaders = Loaders(),  # noqa: B008
) -> list[Motion]:
    """Portraits -> motions -> video, where what faces do depends on who is in the picture.

    Args:
        perform: gives every portrait of the job its motion.
        sound: of the video; the job's own audio by default.

    Returns:
        The motions.

    Raises:
        DreamTalkError: as the stages do; the video appears whole or not at all.
    """
    check_shot(job)
    scene = _open_scene(job, stages, loaders)
    motions = list(perform(scene[0]))
    _shoot(job, scene, motions, None, stages, sound)
    return motions


def load_source(source: SpeechSource, stages: Stages) -> Speech:
    """The recording of a job."""
    with stages("speech") as stage:
        speech = load_speech(source.audio, source.start, source.duration or None)
        stage.note(f"{speech.duration:.1f} s")
    return speech


def _perform(
    job: Performance,
    speech: Speech,
    stages: Stages,
    loaders: Loaders,
    portrait: Portrait | None = None,
) -> tuple[Motion, Features]:
    usable_device(job.device)
    with stages("model"):
        model = loaders.model(job.checkpoint, job.device)
    features = None
    with stages("style") as stage:
        choice, voice = job.style, None
        if choice.heard:
            features = speech_features(speech, model)
            voice = Voice(speech, features, portrait, job.sampling.seed)
        style = choose_style(
            model, choice.emotion, choice.clip, choice.intensity, choice.track, stage.progress,
            speech.duration, voice,
        )  # fmt: skip
        stage.note(style.name)
    with stages("motion") as stage:
        features = features or speech_features(speech, model)
        motion = animate(
            speech, model, style, **vars(job.sampling), liveliness=job.liveliness,
            features=features, progress=stage.progress,
        )  # fmt: skip
        stage.note(f"{len(motion)} frames")
    return motion, features


_Scene = tuple[list[Portrait], list[Renderer]]


def _open_scene(job: Shot, stages: Stages, loaders: Loaders) -> _Scene:
    usable_device(job.device)
    with stages("portrait") as stage:
        picture = load_image(job.portrait, None if job.points else VIDEO_PIXELS)
        known = None
        if job.points is not None:
            known = landmarks_from_points(parse_points(job.points))
        portraits = [analyze_portrait(picture, face, landmarks=known) for face in job.faces]
        if job.open_mouth is not None:
            mouth = load_image(job.open_mouth, VIDEO_PIXELS)
            portraits = [add_open_mouth(portraits[0], mouth)]
        if background_of(job.background) is not None:
            portraits = with_mattes(portraits)
        height, width = portraits[0].size
        stage.note(f"{width}x{height} px" + (f", {len(portraits)} faces" * (len(portraits) > 1)))
    with stages("renderer") as stage:
        stage.note(job.renderer)
        loaded = loaders.renderer(job.renderer, job.device, **job.options)
        renderers = [loaded.for_portrait(portrait, job.device) for portrait in portraits]
        if job.debug is not None:
            _draw_layers(renderers, job.debug)
    return portraits, renderers


def _draw_layers(renderers: Sequence[Renderer], out: Path) -> None:
    from ..render.mesh import MeshRenderer, debug_sheet

    meshes = [renderer for renderer in renderers if isinstance(renderer, MeshRenderer)]
    if not meshes:
        raise DreamTalkError("only the mesh renderer has layers to draw: leave --debug out")
    save_image(debug_sheet(*meshes), out)


def _shoot(
    job: Shot,
    scene: _Scene,
    motions: Sequence[Motion],
    features: Features | None,
    stages: Stages,
    sound: Sound | None = None,
) -> None:
    if sound is None and job.audio is not None:
        sound = Sound(job.audio, start=job.start)
    with stages("video") as stage:
        first, *others = motions  # the others follow its rate
        renderer, motion = together(*scene, [at_rate(first, job.fps), *others])
        frames = render_video(
            renderer, motion, job.out, sound, AI_COMMENT if job.label else None, job.quality,
            features, stage.progress, job.visible_mark, background_of(job.background), scene[0],
        )  # fmt: skip
        stage.note(f"{frames} frames, {frames / motion.fps:.1f} s")

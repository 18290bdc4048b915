"""The one road from speech to video: what the command runs as a job, and the nodes in parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import DreamTalkError
from .face.analysis import analyze_portrait
from .face.image import load_image, save_image
from .face.portrait import Portrait
from .model import DreamTalkModel, load_model, speech_features
from .motion.bridges import convert
from .motion.files import is_motion_file, load_motion, save_motion
from .motion.motion import Motion
from .motion.natural import add_natural_motion
from .options import checked, default
from .progress import Progress, Stages, silent, silent_stages
from .render.group import together
from .render.registry import load_renderer
from .render.renderer import Renderer
from .render.video import AI_COMMENT, Sound, check_writable, write_video
from .speech.loading import load_speech
from .speech.speech import Features, Speech
from .style.style import Style
from .style.track import style_track
from .tracking.track import track_video

# ------------------------------------------------------------------------------------------- jobs


@dataclass(frozen=True)
class SpeechSource:
    """What is said.

    Attributes:
        audio: a recording, or a video with sound.
        start: seconds to leave out at first.
        duration: seconds to use at most; 0 or None for all.
    """

    audio: Path
    start: float = default("start")
    duration: float | None = None


@dataclass(frozen=True)
class StyleChoice:
    """How it is said: an emotion, the style of a clip, or emotions over time.

    Attributes:
        emotion: a preset of the checkpoint.
        clip: a video or a motion file of somebody who speaks the way that is wanted.
        track: emotions over time, see :func:`style_track`.
        intensity: of the emotion or clip; a track has its own.
    """

    emotion: str = default("emotion")
    clip: Path | None = None
    track: str | None = None
    intensity: float = default("intensity")


@dataclass(frozen=True)
class Sampling:
    """How the motion is drawn: see :func:`sample_motion`."""

    steps: int = default("steps")
    sampler: str = default("sampler")
    guidance: float = default("guidance")
    sync: float = default("sync")
    seed: int = default("seed")

    def __post_init__(self) -> None:
        checked(**vars(self))


@dataclass(frozen=True)
class Performance:
    """Speech to motion.

    Attributes:
        speech, style, sampling: what, how, and how it is drawn.
        liveliness: scale of blinks, gaze, head motion and breathing.
        checkpoint: ``"starter"`` or a file.
        device: where to compute.
    """

    speech: SpeechSource
    style: StyleChoice = StyleChoice()
    sampling: Sampling = Sampling()
    liveliness: float = default("liveliness")
    checkpoint: str = default("checkpoint")
    device: str = default("device")


@dataclass(frozen=True)
class Shot:
    """Motion to video.

    Attributes:
        portrait: a picture.
        out: the mp4 to write.
        faces: which faces of the picture, one a motion.
        renderer: the name of a renderer, or the file of its weights.
        options: of that renderer.
        audio: the sound of the video.
        start: seconds of the sound to leave out.
        quality: constant rate factor.
        label: whether the file says that it is AI-generated.
        debug: a picture to draw the mesh renderer's layers and masks into.
        device: where to compute.
    """

    portrait: Path
    out: Path
    faces: tuple[str, ...] = (default("face"),)
    renderer: str = default("renderer")
    options: Mapping[str, Any] = field(default_factory=dict)
    audio: Path | None = None
    start: float = 0.0
    quality: int = default("quality")
    label: bool = default("label")
    debug: Path | None = None
    device: str = default("device")


@dataclass(frozen=True)
class Talk:
    """A portrait and a recording to video.

    Attributes:
        performance: speech to motion.
        shot: motion to video.
        save_motion: a motion file to keep the motion in.
    """

    performance: Performance
    shot: Shot
    save_motion: Path | None = None

    @classmethod
    def of(cls, portrait: str | Path, audio: str | Path, out: str | Path, **options: Any) -> Talk:
        """A job from plain options, called as the command calls them.

        Args:
            portrait: a picture.
            audio: a recording.
            out: the mp4 to write.
            **options: fields of the parts of a job (``emotion``, ``seed``, ``quality``, ...), and
                ``style``, ``style_track``, ``face``, ``renderer_options``, ``save_motion``.

        Raises:
            DreamTalkError: on an option that there is not, or a value that can't be.
        """
        left = {k.replace("-", "_"): v for k, v in options.items()}
        for name, field_name in (
            ("style", "clip"), ("style_track", "track"), ("renderer_options", "options"),
        ):  # fmt: skip
            if name in left:
                left[field_name] = left.pop(name)
        if "face" in left:
            left["faces"] = (str(left.pop("face")),)
        save_motion = left.pop("save_motion", None)
        shared = {name: left[name] for name in ("start", "device") if name in left}

        def take(part: type, **given: Any) -> Any:
            names = [f.name for f in fields(part) if f.name in left and f.name not in given]
            taken = {name: left[name] for name in names}
            for name in names:
                if name not in shared:
                    del left[name]
            return part(**given, **taken)

        performance = take(
            Performance,
            speech=take(SpeechSource, audio=Path(audio)),
            style=take(StyleChoice),
            sampling=take(Sampling),
        )
        shot = take(Shot, portrait=Path(portrait), out=Path(out), audio=Path(audio))
        unknown = [name for name in left if name not in shared]
        if unknown:
            raise DreamTalkError(f"no option {', '.join(unknown)}: see dreamtalk talk --help")
        return cls(performance, shot, save_motion and Path(save_motion))


def talk(job: Talk, stages: Stages = silent_stages) -> Motion:
    """Portrait + recording -> video.

    Args:
        stages: told about every stage.

    Returns:
        The motion of the video.

    Raises:
        DreamTalkError: as the stages do; outputs appear whole or not at all.
    """
    for path in filter(None, (job.shot.out, job.save_motion)):
        check_writable(path)
    speech = _load_speech(job.performance.speech, stages)
    scene = _open_scene(job.shot, stages)
    motion, features = _perform(job.performance, speech, stages)
    if job.save_motion:
        save_motion(motion, job.save_motion)
    _shoot(job.shot, scene, [motion], features, stages)
    return motion


def perform(job: Performance, stages: Stages = silent_stages) -> Motion:
    """Recording -> motion.

    Raises:
        DreamTalkError: as the stages do.
    """
    return _perform(job, _load_speech(job.speech, stages), stages)[0]


def shoot(job: Shot, motions: Sequence[Motion], stages: Stages = silent_stages) -> None:
    """Portrait + motions, one a face -> video.

    Raises:
        DreamTalkError: as the stages do; the video appears whole or not at all.
    """
    check_writable(job.out)
    if job.audio is not None:
        load_speech(job.audio, duration=1.0)  # a bad file is an error now, not after the work
    _shoot(job, _open_scene(job, stages), motions, None, stages)


def _load_speech(source: SpeechSource, stages: Stages) -> Speech:
    with stages("speech") as stage:
        checked(start=source.start, duration=source.duration or 0.0)
        speech = load_speech(source.audio, source.start, source.duration or None)
        stage.note(f"{speech.duration:.1f} s")
    return speech


def _perform(job: Performance, speech: Speech, stages: Stages) -> tuple[Motion, Features]:
    _check_device(job.device)
    with stages("model"):
        model = load_model(job.checkpoint, job.device)
    with stages("style") as stage:
        choice = job.style
        style = choose_style(
            model, choice.emotion, choice.clip, choice.intensity, choice.track, stage.progress
        )
        stage.note(style.name)
    with stages("motion") as stage:
        features = speech_features(speech, model)
        motion = animate(
            speech, model, style, **vars(job.sampling), liveliness=job.liveliness,
            features=features, progress=stage.progress,
        )  # fmt: skip
        stage.note(f"{len(motion)} frames")
    return motion, features


_Scene = tuple[list[Portrait], list[Renderer]]


def _open_scene(job: Shot, stages: Stages) -> _Scene:
    checked(quality=job.quality)
    _check_device(job.device)
    with stages("portrait") as stage:
        picture = load_image(job.portrait)
        portraits = [analyze_portrait(picture, face) for face in job.faces]
        height, width = portraits[0].size
        stage.note(f"{width}x{height} px" + (f", {len(portraits)} faces" * (len(portraits) > 1)))
    with stages("renderer") as stage:
        stage.note(job.renderer)
        loaded = load_renderer(job.renderer, job.device, **job.options)
        renderers = [loaded.for_portrait(portrait, job.device) for portrait in portraits]
        if job.debug is not None:
            _draw_layers(renderers, job.debug)
    return portraits, renderers


def _draw_layers(renderers: Sequence[Renderer], out: Path) -> None:
    from .render.mesh import MeshRenderer, debug_sheet

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
) -> None:
    sound = None if job.audio is None else Sound(job.audio, start=job.start)
    with stages("video") as stage:
        renderer, motion = together(*scene, motions)
        frames = render_video(
            renderer, motion, job.out, sound, AI_COMMENT if job.label else None, job.quality,
            features, stage.progress,
        )  # fmt: skip
        stage.note(f"{frames} frames, {frames / motion.fps:.1f} s")


def _check_device(name: str) -> None:
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DreamTalkError(f"the device '{name}' can't be used here: {reason}") from None


# ------------------------------------------------------------------------------------------ parts


def choose_style(
    model: DreamTalkModel,
    emotion: str = default("emotion"),
    clip: str | Path | None = None,
    intensity: float = default("intensity"),
    track: str | None = None,
    progress: Progress = silent,
) -> Style:
    """A style from a preset, from a clip, or emotions over time.

    Args:
        model: the checkpoint.
        emotion: which preset, unless there is a clip or a track.
        clip: a video, or a motion file, of somebody who speaks the way that is wanted.
        intensity: how strongly it shows; a track has its own.
        track: as :func:`style_track` takes it.

    Raises:
        DreamTalkError: if the checkpoint has no such preset, or the clip can't be used.
    """
    checked(intensity=intensity)
    if track is not None:
        return style_track(track, model.preset)
    if clip is None:
        return model.preset(emotion, intensity)
    motion = load_motion(clip) if is_motion_file(clip) else track_video(clip, progress=progress)
    style = model.encode_style(convert(motion, model.space), name=Path(clip).stem)
    return Style(style.code, style.model, intensity, style.name)


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
        steps: DDIM steps.
        sampler: ``"ddim"`` or ``"ddpm"``.
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
    """Cut a motion, or hold its last frame, so that it has that many frames."""
    if len(motion) == frames:
        return motion
    if frames < 1:
        raise DreamTalkError(f"a motion of {frames} frames was asked for")

    def fitted(values: Tensor) -> Tensor:
        return values[torch.arange(frames).clamp(max=len(values) - 1)]

    pose = None if motion.pose is None else fitted(motion.pose)
    return motion.with_(expression=fitted(motion.expression), head=fitted(motion.head), pose=pose)


def render(
    renderer: Renderer,
    motion: Motion,
    features: Features | None = None,
    progress: Progress = silent,
) -> Iterator[Tensor]:
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
) -> int:
    """Portrait (within the renderer) + motion -> mp4, in constant memory.

    Returns:
        The number of frames written.

    Raises:
        OutputError: if the file can't be written; then nothing is left behind.
    """
    with closing(render(renderer, motion, features, progress)) as chunks:  # type: ignore[type-var]
        return write_video(out, chunks, motion.fps, sound, comment, quality)

"""Jobs: everything that decides what a video looks like, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import DreamTalkError
from ..face.analysis import check_face_name
from ..options import AUTO, checked, default
from ..style.track import parse_style_track


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

    def __post_init__(self) -> None:
        checked(start=self.start, duration=0.0 if self.duration is None else self.duration)


@dataclass(frozen=True)
class StyleChoice:
    """How it is said: an emotion, the style of a clip or picture, or emotions over time.

    Attributes:
        emotion: a preset of the checkpoint.
        clip: a video or a motion file of somebody who speaks the way that is wanted, a picture of
            the expression that is wanted, or ``"auto"``: what the voice asks for.
        track: emotions over time, see :func:`style_track`; ``"auto"`` for a style that changes
            where the voice does.
        intensity: of the emotion or clip, and of a track's marks that don't say one.
    """

    emotion: str = default("emotion")
    clip: Path | None = None
    track: str | None = None
    intensity: float = default("intensity")

    def __post_init__(self) -> None:
        checked(intensity=self.intensity)
        if self.track is not None and self.track != AUTO:
            parse_style_track(self.track, self.intensity)

    @property
    def heard(self) -> bool:
        """Whether the voice decides."""
        return self.track == AUTO or (self.clip is not None and str(self.clip) == AUTO)


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

    def __post_init__(self) -> None:
        checked(liveliness=self.liveliness)


@dataclass(frozen=True)
class Shot:
    """Motion to video.

    Attributes:
        portrait: a picture.
        out: the video to write; its suffix says in which container.
        faces: which faces of the picture, one a motion.
        points: where the one face is, if it is not found: see :func:`parse_points`.
        renderer: the name of a renderer, or the file of its weights.
        options: of that renderer.
        audio: the sound of the video.
        start: seconds of the sound to leave out.
        quality: constant rate factor.
        label: whether the file says that it is AI-generated.
        debug: a picture to draw the mesh renderer's layers and masks into.
        device: where to compute.
        visible_mark: whether every frame says so too.
        fps: frames a second; 0 for those of the motion.
        background: what is behind the person: see :func:`background_of`.
        open_mouth: another picture of the person whose teeth and mouth are shown, see
            :func:`add_open_mouth`; only the mesh renderer does.

    Raises:
        DreamTalkError: on a value that can't be, a face that is named twice, and on points or an
            open mouth where there are several faces.
    """

    portrait: Path
    out: Path
    faces: tuple[str, ...] = (default("face"),)
    points: str | None = None
    renderer: str = default("renderer")
    options: Mapping[str, Any] = field(default_factory=dict)
    audio: Path | None = None
    start: float = 0.0
    quality: int = default("quality")
    label: bool = default("label")
    debug: Path | None = None
    device: str = default("device")
    visible_mark: bool = default("visible_mark")
    fps: float = default("fps")
    background: str = default("background")
    open_mouth: Path | None = None

    def __post_init__(self) -> None:
        checked(
            start=self.start, quality=self.quality, label=self.label,
            visible_mark=self.visible_mark, fps=self.fps,
        )  # fmt: skip
        for face in self.faces:
            check_face_name(face)
            if self.faces.count(face) > 1:
                raise DreamTalkError(f"face {face} is named twice: choose another face for one")
        given = {"points set by hand are": self.points, "an open mouth is": self.open_mouth}
        for words, value in given.items():
            if value is not None and len(self.faces) != 1:
                raise DreamTalkError(f"{words} for one face: leave them out where several move")


@dataclass(frozen=True)
class Dub:
    """A filmed person and a recording to a video in which the person says it.

    Attributes:
        video: the film.
        speech: what is said.
        out: the video to write; its suffix says in which container.
        style: how it is said; None for the way the person speaks in the film.
        intensity: how strongly that way shows, if there is no other style.
        sampling: how the motion is drawn.
        face: which face of the film, in the first picture of every shot that shows any.
        painter: the name of a mouth painter, or the file of its weights.
        options: of that painter.
        fit: what happens where speech and film differ in length, see :func:`result_length`.
        checkpoint: ``"starter"`` or a file.
        quality: constant rate factor.
        label: whether the file says that it is AI-generated.
        visible_mark: whether every frame says so too; then not only the mouth changes.
        save_motion: a motion file to keep what the face is to do in.
        device: where to compute.
    """

    video: Path
    speech: SpeechSource
    out: Path
    style: StyleChoice | None = None
    intensity: float = default("intensity")
    sampling: Sampling = Sampling()
    face: str = default("face")
    painter: str = default("painter")
    options: Mapping[str, Any] = field(default_factory=dict)
    fit: str = default("fit")
    checkpoint: str = default("checkpoint")
    quality: int = default("quality")
    label: bool = default("label")
    visible_mark: bool = default("visible_mark")
    save_motion: Path | None = None
    device: str = default("device")

    def __post_init__(self) -> None:
        check_face_name(self.face)
        checked(
            intensity=self.intensity, fit=self.fit, quality=self.quality, label=self.label,
            visible_mark=self.visible_mark,
        )  # fmt: skip


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
            out: the video to write; its suffix says in which container.
            **options: fields of the parts of a job (``emotion``, ``seed``, ``quality``, ...), and
                ``style``, ``style_track``, ``face``, ``mark``, ``no_label``, ``renderer_options``,
                ``save_motion``.

        Raises:
            DreamTalkError: on an option that there is not, or a value that can't be.
        """
        left = {k.replace("-", "_"): v for k, v in options.items()}
        for name, field_name in (
            ("style", "clip"), ("style_track", "track"), ("renderer_options", "options"),
            ("mark", "visible_mark"),
        ):  # fmt: skip
            if name in left:
                left[field_name] = left.pop(name)
        if "no_label" in left:
            left["label"] = not left.pop("no_label")
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

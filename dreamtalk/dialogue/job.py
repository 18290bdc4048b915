"""A conversation as a job: a group picture and recordings to a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..devices import usable_device
from ..errors import DreamTalkError
from ..face.analysis import find_faces
from ..face.image import VIDEO_PIXELS, as_rgb, load_image, to_uint8
from ..face.landmarker import FaceLandmarker
from ..face.portrait import Portrait
from ..files.clashes import Paths, check_outputs
from ..model import DreamTalkModel
from ..motion.files import check_motion_name, save_motion
from ..motion.motion import Motion
from ..options import AUTO, checked
from ..pipeline import (
    Loaders,
    Performance,
    Shot,
    StyleChoice,
    check_shot,
    choose_style,
    film,
    load_source,
)
from ..progress import Stages, silent_stages
from ..render.video import Sound
from ..speech.loading import load_recording
from ..style.style import Style
from .faces import animate_faces, face_features, styles_of
from .split import STEREO, Recording, mixed, split_track, who_says_what
from .styles import FaceStyle, parse_face_styles
from .turns import parse_speaker_track
from .voices import FaceVoice, describe_turns

MOST_FACES = 6
"""Of a picture, if nobody says which: in a crowd most people have nothing to say."""


@dataclass(frozen=True)
class Dialogue:
    """Several people of one picture who talk.

    Attributes:
        performance: the recording, the style of those who have none of their own, how motions are
            drawn.
        shot: picture and video. Without ``faces`` all of the picture take part, from the left.
        speakers: who speaks when in the recording, see :func:`who_says_what`; None where every
            recording is one person's.
        others: the recordings of the second face and those further right.
        starts: s at which each of them begins; 0 for those that are not named.
        styles: of single faces, see :func:`parse_face_styles`.
        save_motion: a motion file; each face's gets its number in its name.
    """

    performance: Performance
    shot: Shot
    speakers: str | None = None
    others: tuple[Path, ...] = ()
    starts: tuple[float, ...] = ()
    styles: str = ""
    save_motion: Path | None = None

    def __post_init__(self) -> None:
        if len(self.starts) > len(self.others):
            raise DreamTalkError(
                f"{len(self.starts)} times are given for {len(self.others)} further recordings"
            )
        for start in self.starts:
            checked(start=start)
        if not self.others and not (self.speakers or "").strip():
            raise DreamTalkError(
                "several faces can't talk before it is said who speaks when: give speakers, as "
                "'0:left 4.2:right', or a recording of each"
            )
        if self.speakers and self.speakers.strip().lower() != STEREO:
            parse_speaker_track(self.speakers)

    def motion_file(self, face: int) -> Path | None:
        """Where the motion of a face (from 0) is kept."""
        path = self.save_motion
        return None if path is None else path.with_name(f"{path.stem}-{face + 1}{path.suffix}")


def talk_together(
    job: Dialogue,
    stages: Stages = silent_stages,
    loaders: Loaders = Loaders(),  # noqa: B008
) -> list[Motion]:
    """A group picture + recordings -> video.

    Args:
        stages: told about every stage.
        loaders: where networks come from.

    Returns:
        The motions, in the order of the shot's faces.

    Raises:
        DreamTalkError: as the stages do; outputs appear whole or not at all.
    """
    usable_device(job.performance.device)
    shot = job.shot if job.shot.faces else replace(job.shot, faces=all_faces(job.shot.portrait))
    _check_outputs(job, shot)
    parse_face_styles(job.styles, len(shot.faces))
    voices, sound = _listen(job, len(shot.faces), stages)

    def perform(portraits: list[Portrait]) -> list[Motion]:
        places = from_left(portraits)
        ordered = _perform(job, [portraits[i] for i in places], voices, stages, loaders)
        motions = [ordered[places.index(i)] for i in range(len(portraits))]
        for face, motion in enumerate(motions):
            path = job.motion_file(face)
            if path is not None:
                save_motion(motion, path)
        return motions

    return film(shot, perform, sound, stages, loaders)


def all_faces(picture: Path) -> tuple[str, ...]:
    """The faces of a picture by their numbers from the left.

    Raises:
        DreamTalkError: if there is only one, or a crowd.
    """
    pixels = to_uint8(as_rgb(load_image(picture, VIDEO_PIXELS)))
    return numbered(len(find_faces(pixels, FaceLandmarker())), str(picture))


def from_left(portraits: Sequence[Portrait]) -> list[int]:
    """The places of portraits of one picture in the order in which they stand, from the left."""
    across = [float(portrait.landmarks[:, 0].mean()) for portrait in portraits]
    return sorted(range(len(portraits)), key=across.__getitem__)


def numbered(faces: int, picture: str = "the picture") -> tuple[str, ...]:
    """The names of so many faces, as :func:`analyze_portrait` takes them.

    Raises:
        DreamTalkError: if that is no conversation.
    """
    if faces < 2:
        raise DreamTalkError(
            f"{picture} shows {faces or 'no'} face{'s' * (faces != 1)}: a conversation needs two"
        )
    if faces > MOST_FACES:
        raise DreamTalkError(
            f"{picture} shows {faces} faces: choose up to {MOST_FACES} who take part, by their "
            "numbers from the left"
        )
    return tuple(str(face + 1) for face in range(faces))


def _check_outputs(job: Dialogue, shot: Shot) -> None:
    sources: dict[str, Paths] = {
        "the recording": [job.performance.speech.audio, *job.others],
        "the style's clip": job.performance.style.clip,
        "the checkpoint": job.performance.checkpoint,
    }
    check_shot(shot, sources)
    if job.save_motion is not None:
        check_motion_name(job.save_motion)
        kept = {f"the motion of face {i + 1}": job.motion_file(i) for i in range(len(shot.faces))}
        inputs = {"the portrait": shot.portrait, "the renderer": shot.renderer, **sources}
        check_outputs({"the video": shot.out, **kept}, inputs)


def _listen(
    job: Dialogue, faces: int, stages: Stages
) -> tuple[tuple[FaceVoice, ...], Sound | None]:
    """The voices, and the sound of the video where it is not the one recording."""
    source = job.performance.speech
    track = (job.speakers or "").strip()
    if track and track.lower() != STEREO and not job.others:
        speech = load_source(source, stages)
        with stages("turns") as stage:
            voices = split_track(speech, parse_speaker_track(track), faces)
            stage.note(describe_turns(voices))
        return voices, None
    with stages("speech") as stage:
        stretch = (source.start, source.duration or None)
        recordings = [Recording(*load_recording(source.audio, *stretch))]
        starts = (*job.starts, *[0.0] * (len(job.others) - len(job.starts)))
        recordings += [
            Recording(*load_recording(path), at)
            for path, at in zip(job.others, starts, strict=True)
        ]
        stage.note(f"{len(recordings)} recording{'s' * (len(recordings) > 1)}")
    with stages("turns") as stage:
        voices = who_says_what(recordings, job.speakers, faces)
        stage.note(describe_turns(voices))
    return voices, Sound(*mixed(recordings))


def _perform(
    job: Dialogue,
    portraits: list[Portrait],
    voices: Sequence[FaceVoice],
    stages: Stages,
    loaders: Loaders,
) -> list[Motion]:
    task = job.performance
    with stages("model"):
        model = loaders.model(task.checkpoint, task.device)
    with stages("features") as stage:
        features = face_features(voices, model, stage.progress)
    with stages("styles") as stage:
        chosen = parse_face_styles(job.styles, len(portraits))
        otherwise = _otherwise(task.style, model, voices[0].speech.duration)
        styles = styles_of(
            model, chosen, portraits, voices, features, otherwise, task.style.intensity,
            task.sampling.seed,
        )  # fmt: skip
        stage.note(", ".join(style.name for style in styles))
    with stages("motion") as stage:
        faces = animate_faces(
            portraits, voices, model, styles, task.sampling, task.liveliness, features,
            stage.progress,
        )  # fmt: skip
        motions = [motion for _, motion in faces]
        stage.note(f"{len(motions)} faces, {len(motions[0])} frames")
    return motions


def _otherwise(choice: StyleChoice, model: DreamTalkModel, duration: float) -> Style | FaceStyle:
    """The style of faces about whom nothing is said."""
    if choice.track == AUTO:
        raise DreamTalkError(
            "a style track 'auto' hears one voice: in a conversation give --style auto, which "
            "hears every face's own"
        )
    if choice.heard:
        return FaceStyle(AUTO)
    if choice.clip is None and choice.track is None:
        return FaceStyle(choice.emotion)
    return choose_style(
        model, clip=choice.clip, intensity=choice.intensity, track=choice.track, duration=duration
    )

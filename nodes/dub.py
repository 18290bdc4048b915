"""The node that dubs a filmed person.

It reads the film once, for the face and for the motion; the mouths are painted while the video is
saved.
"""

from __future__ import annotations

import weakref
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io
from torch import Tensor

from ..dreamtalk.errors import ModelNotFoundError, MotionError
from ..dreamtalk.options import FITS, checked, default
from ..dreamtalk.progress import Stage
from . import runtime
from .convert import speech_of, waveform_of
from .inputs import choice, model_input, option_input
from .portrait import FACES
from .sampler import STARTER, load_checkpoint
from .schema import schema
from .sockets import DTMotion, DTStyle, HostedModel
from .speech import features_of
from .video import Footage, RenderedVideo

if TYPE_CHECKING:
    from ..dreamtalk.dubbing.film import Film
    from ..dreamtalk.dubbing.registry import LoadedPainter
    from ..dreamtalk.style import Style

# where each stage of the work begins and ends on the bar
_STAGES = {"speech": (0.0, 0.05), "tracking": (0.05, 0.9), "motion": (0.9, 1.0)}


class DreamTalkDub(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkDub",
            display_name="DreamTalk Dub Video",
            category="DreamTalk",
            description=(
                "A filmed person says something else: lips, jaw and chin follow the new recording, "
                "and every pixel outside of that stays as it was decoded. Head, eyes and brows are "
                "those of the film. Cuts are found, and pictures without the face pass untouched. "
                "The face is tracked here, and the mouth painted while Save Video saves: nothing "
                "is encoded twice, and memory stays the same however long it is."
            ),
            inputs=[
                io.Video.Input(
                    "video", optional=True, tooltip="The film of a person, of any length."
                ),
                io.Image.Input(
                    "images", optional=True, tooltip="Or its frames, as a batch of pictures."
                ),
                io.Audio.Input("audio", tooltip="What the person is to say."),
                option_input(
                    "seed", "The same seed gives the same video, for the same film and recording."
                ),
                option_input(
                    "intensity",
                    "How strongly the person's own way of speaking shows: 0 not at all, 1 as it "
                    "is, 2 strong. A style that is connected has its own.",
                ),
                io.Combo.Input(
                    "face",
                    options=list(FACES),
                    default="largest",
                    tooltip="Which face speaks, in the first picture of every shot that shows any; "
                    "numbers count from the left.",
                ),
                option_input(
                    "fit",
                    "Where recording and film differ in length. loop: as long as the recording; a "
                    "shorter film runs to and fro. hold: as long as the longer one; the last "
                    "picture stays, or the lips rest. cut: as long as the shorter one.",
                ),
                io.Combo.Input(
                    "painter",
                    options=[*painters(), *runtime.model_files()],
                    default=default("painter"),
                    tooltip="Who paints the mouth. mesh bends the filmed skin, with the lips and "
                    "teeth of a good frame of the shot. A weights file in models/dreamtalk says "
                    "itself which painter it is of.",
                ),
                option_input(
                    "frame_rate", "Frame rate of the pictures. A video knows its own.", "images_fps"
                ),
                model_input(),
                DTStyle.Input(
                    "style",
                    optional=True,
                    tooltip="How it is said, from a style node of the same checkpoint. Leave "
                    "unconnected for the way the person speaks in the film.",
                ),
                option_input(
                    "quality",
                    "Constant rate factor of h264: lower is better and larger. 18 looks "
                    "lossless, 28 is small.",
                ),
                option_input(
                    "label", "Write into the file's metadata that the video is AI-generated."
                ),
                option_input(
                    "visible_mark", "Write 'AI-generated' small at the lower edge of every frame."
                ),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video",
                    tooltip="For Save Video, which paints it: mp4 with h264 and aac, or what is "
                    "chosen there.",
                ),
                DTMotion.Output(
                    display_name="motion",
                    tooltip="What the face does in the video, at the film's frame rate: for Plot "
                    "Motion or Save Motion.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        audio: dict[str, Any],
        seed: int,
        intensity: float,
        face: str,
        fit: str,
        painter: str,
        images_fps: float,
        quality: int,
        label: bool,
        visible_mark: bool,
        video: Any = None,
        images: Tensor | None = None,
        model: HostedModel | None = None,
        style: Style | None = None,
    ) -> io.NodeOutput:
        from ..dreamtalk.dubbing.dub import dub, wanted_motion
        from ..dreamtalk.pipeline import DUB_COMMENT, DubVoice, Look, Sampling, plan_dub
        from ..dreamtalk.render.mark import marked
        from ..dreamtalk.render.video import Sound

        choice("fit", fit, FITS)
        checked(intensity=intensity, quality=quality, label=label, visible_mark=visible_mark)
        film = film_of(video, images, images_fps)
        bar = runtime.Bar()
        speech = speech_of(audio, cls)
        hosted = model or load_checkpoint(STARTER)
        features = features_of(speech, hosted, bar.stage(*_STAGES["speech"]))
        device = hosted.host.device()
        voice = DubVoice(
            features, speech.duration, Sound(*waveform_of(audio, cls)), hosted.model, style,
            intensity, Sampling(seed=seed),
        )  # fmt: skip
        loaded, host = open_painter(painter, seed)
        comment = DUB_COMMENT if label else None
        look = Look(loaded.on(host.device()), face, fit, quality, comment, visible_mark)

        @contextmanager
        def stages(name: str) -> Iterator[Stage]:
            yield Stage(lambda _: None, bar.stage(*_STAGES[name]))

        job = plan_dub(film, voice, look, device, stages)
        weakref.finalize(job.trace, job.trace.landmarks.close)

        def frames() -> Generator[Tensor, None, None]:
            # ComfyUI may have moved the network since
            again = replace(job, painter=loaded.on(host.device()))
            with closing(dub(again)) as chunks:
                yield from marked(chunks) if visible_mark else chunks

        footage = Footage(
            frames, job.length, job.trace.size, film.rate, voice.sound, comment, quality
        )
        return io.NodeOutput(RenderedVideo(footage, runtime.node_id(cls)), wanted_motion(job))


def film_of(video: Any, images: Tensor | None, rate: float) -> Film:
    """The film of whichever is connected; the video, if both are.

    A video that is in memory, or trimmed, lies in the temp folder as long as its film is in use.
    """
    from ..dreamtalk.dubbing.film import PictureFilm, VideoFilm

    if video is None:
        if images is None:
            raise MotionError("connect a video or a batch of images to dub")
        return PictureFilm(images, rate)
    with ExitStack() as stack:
        film = VideoFilm(stack.enter_context(runtime.video_file(video)))
        weakref.finalize(film, stack.pop_all().close)
    return film


def painters() -> list[str]:
    """Names of the painters that work as they are."""
    from ..dreamtalk.dubbing.registry import PAINTERS

    return [kind.name for kind in PAINTERS.values() if kind.load is None or kind.starter]


def open_painter(name: str, seed: int) -> tuple[LoadedPainter, runtime.ModelHost]:
    """A painter by its name, or by the name of its file in models/dreamtalk, and who hosts it."""
    from ..dreamtalk.dubbing.registry import load_painter

    path = name if name in painters() else runtime.model_path(name)
    if path is None:
        raise ModelNotFoundError(
            f"there is no '{name}' in models/{runtime.MODEL_FOLDER}: put the painter's file there "
            f"and reload the page, or choose one of {', '.join(painters())}"
        )
    loaded = load_painter(path, seed=seed)
    return loaded, runtime.ModelHost(*([] if loaded.network is None else [loaded.network]))

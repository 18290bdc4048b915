"""Nodes that turn a portrait and a motion into pictures or a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io
from torch import Tensor

from ..dreamtalk.options import checked, default
from . import runtime
from .convert import AS_THE_MOTION, fps_input, fps_of, option_input, watched, waveform_of
from .schema import schema
from .sockets import (
    AnimatedFace,
    DTFaces,
    DTFeatures,
    DTMotion,
    DTPortrait,
    DTRenderer,
    HostedRenderer,
)
from .video import Footage, RenderedVideo, room_for

if TYPE_CHECKING:
    from ..dreamtalk.face.portrait import Portrait
    from ..dreamtalk.motion.motion import Motion
    from ..dreamtalk.render.renderer import Renderer
    from ..dreamtalk.speech.speech import Features

_PORTRAIT_TIP = "The analysed picture, from Portrait."
_MOTION_TIP = "What the face does, from Sampler, Natural Motion or another motion node."
_RENDERER_TIP = (
    "A neural renderer to use instead of the built-in mesh renderer. Leave unconnected for the "
    "built-in one, which needs no download."
)
_FEATURES_TIP = (
    "The speech's features, from Speech Features, for a renderer that listens: DiffTalk where it "
    "paints from speech. Others don't look at them."
)
_FACES_TIP = (
    "More faces of the same picture with motions of their own, from Add Face. The video lasts as "
    "long as the longest motion."
)


def open_scene(
    portrait: Portrait,
    motion: Motion,
    renderer: HostedRenderer | None,
    more_faces: Sequence[AnimatedFace] = (),
    fps: float = default("fps"),
) -> tuple[Renderer, Motion]:
    """One renderer and one motion for one face, or for all faces of a picture.

    Set-up takes seconds and can't be interrupted by itself: a cancel stops waiting for it.

    Args:
        fps: frames a second; 0 for those of the motion.
    """
    from ..dreamtalk.pipeline import at_rate
    from ..dreamtalk.render.group import together

    hosted = renderer or mesh_renderer()
    motion = at_rate(motion, fps)
    device = hosted.host.device()
    faces = [AnimatedFace(portrait, motion), *more_faces]
    portraits = [face.portrait for face in faces]
    renderers = runtime.cancellable(
        lambda: [hosted.loaded.for_portrait(portrait, device) for portrait in portraits]
    )
    return together(portraits, renderers, [face.motion for face in faces])


def mesh_renderer() -> HostedRenderer:
    """The built-in renderer."""
    from ..dreamtalk.render.registry import load_renderer

    return HostedRenderer(load_renderer("mesh"), runtime.ModelHost())


def frames_of(
    renderer: Renderer, motion: Motion, bar: runtime.Bar, features: Features | None = None
) -> Iterator[Tensor]:
    """Chunks of uint8 frames (n, H, W, 3), with the bar and its picture moving."""
    from ..dreamtalk.pipeline import render

    return iter(watched(render(renderer, motion, features), len(motion), bar))


class DreamTalkRender(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkRender",
            display_name="DreamTalk Render Frames",
            category="DreamTalk",
            description=(
                "Renders the portrait with the motion into a batch of pictures, to go on working "
                "with them (upscale, restore, composite). For a finished video use Render Video, "
                "which needs far less memory."
            ),
            inputs=[
                DTPortrait.Input("portrait", tooltip=_PORTRAIT_TIP),
                DTMotion.Input("motion", tooltip=_MOTION_TIP),
                DTRenderer.Input("renderer", optional=True, tooltip=_RENDERER_TIP),
                DTFaces.Input("more_faces", optional=True, tooltip=_FACES_TIP),
                DTFeatures.Input("features", optional=True, tooltip=_FEATURES_TIP),
                fps_input(),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="The frames, at the rate that fps tells."
                ),
                io.Mask.Output(
                    display_name="mask", tooltip="What may move in the picture, 1 inside."
                ),
                io.Float.Output(display_name="fps", tooltip="Frames per second, for Create Video."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        portrait: Portrait,
        motion: Motion,
        renderer: HostedRenderer | None = None,
        more_faces: Sequence[AnimatedFace] = (),
        features: Features | None = None,
        fps: str = AS_THE_MOTION,
    ) -> io.NodeOutput:
        made, motion = open_scene(portrait, motion, renderer, more_faces or (), fps_of(fps))
        images = room_for(len(motion), *made.size, "use Render Video")
        done = 0
        for chunk in frames_of(made, motion, runtime.Bar(), features):
            images[done : done + len(chunk)] = chunk.cpu().float() / 255
            done += len(chunk)
        _tell(cls, made.notes)
        return io.NodeOutput(images[:done], made.mask().cpu().float()[None], motion.fps)


def _tell(cls: Any, notes: Sequence[str]) -> None:
    """Say on the node why the result may not look its best."""
    if notes:
        runtime.notice(cls, "\n".join(notes), important=False)


class DreamTalkRenderVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkRenderVideo",
            display_name="DreamTalk Render Video",
            category="DreamTalk",
            description=(
                "Renders the portrait with the motion into a video with sound, while Save Video "
                "saves it: nothing is encoded twice, and memory stays the same however long it is."
            ),
            inputs=[
                DTPortrait.Input("portrait", tooltip=_PORTRAIT_TIP),
                DTMotion.Input("motion", tooltip=_MOTION_TIP),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="The sound of the video: the recording that is spoken.",
                ),
                DTRenderer.Input("renderer", optional=True, tooltip=_RENDERER_TIP),
                option_input(
                    "quality",
                    "Constant rate factor of h264: lower is better and larger. 18 looks "
                    "lossless, 28 is small.",
                ),
                option_input(
                    "label", "Write into the file's metadata that the video is AI-generated."
                ),
                DTFaces.Input("more_faces", optional=True, tooltip=_FACES_TIP),
                option_input(
                    "visible_mark",
                    "Write 'AI-generated' small at the lower edge of every frame.",
                    optional=True,
                ),
                DTFeatures.Input("features", optional=True, tooltip=_FEATURES_TIP),
                fps_input(),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video",
                    tooltip="For Save Video, which renders it: mp4 with h264 and aac, or what is "
                    "chosen there.",
                )
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        portrait: Portrait,
        motion: Motion,
        audio: dict[str, Any] | None = None,
        renderer: HostedRenderer | None = None,
        quality: int = default("quality"),
        label: bool = default("label"),
        more_faces: Sequence[AnimatedFace] = (),
        visible_mark: bool = default("visible_mark"),
        features: Features | None = None,
        fps: str = AS_THE_MOTION,
    ) -> io.NodeOutput:
        checked(quality=quality, label=label, visible_mark=visible_mark)
        video = render_video(
            cls, portrait, motion, audio, renderer, quality, label, more_faces or (), visible_mark,
            features, fps_of(fps),
        )  # fmt: skip
        return io.NodeOutput(video)


def render_video(
    cls: Any,
    portrait: Portrait,
    motion: Motion,
    audio: dict[str, Any] | None,
    renderer: HostedRenderer | None = None,
    quality: int = default("quality"),
    label: bool = default("label"),
    more_faces: Sequence[AnimatedFace] = (),
    visible_mark: bool = default("visible_mark"),
    features: Features | None = None,
    fps: float = default("fps"),
) -> RenderedVideo:
    """A video that is rendered while it is saved; what doesn't fit together is an error now."""
    from ..dreamtalk.files.timeline import exact_rate
    from ..dreamtalk.pipeline import render
    from ..dreamtalk.render.mark import marked
    from ..dreamtalk.render.video import AI_COMMENT, Sound

    sound = None if audio is None else Sound(*waveform_of(audio, cls))
    hosted = renderer or mesh_renderer()
    made, motion = open_scene(portrait, motion, hosted, more_faces, fps)
    render(made, motion, features)
    _tell(cls, made.notes)

    def frames() -> Iterator[Tensor]:
        hosted.host.device()  # where the networks may not be any more
        chunks = render(made, motion, features)
        return marked(chunks) if visible_mark else chunks

    comment = AI_COMMENT if label else None
    rate = exact_rate(motion.fps)
    return RenderedVideo(Footage(frames, len(motion), made.size, rate, sound, comment, quality))

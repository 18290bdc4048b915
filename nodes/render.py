"""Nodes that turn a portrait and a motion into pictures or a video."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io
from torch import Tensor

from ..dreamtalk.errors import ImageError
from ..dreamtalk.options import checked, default
from . import runtime
from .convert import watched, waveform_of
from .inputs import AS_THE_MOTION, fps_input, fps_of, option_input, video_output
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
    from ..dreamtalk.render.background import Background
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
_BACKGROUND_TIP = (
    "What is behind the person: keep (the picture's own), a colour such as #00b140 or white{more}."
)
_BEHIND_TIP = (
    "A picture to put behind the person, with background at keep. It is cut to the frames' shape; "
    "of a batch, one after the other, from the first again at the end."
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


def background_input(transparent: bool) -> Any:
    """The widget for what is behind the person."""
    more = ", or transparent (pictures with alpha, for Save WEBM)" if transparent else ""
    return io.String.Input(
        "background",
        default=default("background"),
        optional=True,
        tooltip=_BACKGROUND_TIP.format(more=more),
    )


@dataclass(frozen=True)
class Setting:
    """The faces of a picture and what is behind them.

    Attributes:
        background: None keeps the picture's own.
        portrait, more_faces: as they came; for another background with mattes.
    """

    background: Background | None
    portrait: Portrait
    more_faces: Sequence[AnimatedFace]

    @classmethod
    def of(
        cls,
        background: str,
        pictures: Tensor | None,
        portrait: Portrait,
        more_faces: Sequence[AnimatedFace],
    ) -> Setting:
        """Read the widget, and cut the persons out if that is asked for."""
        from ..dreamtalk.render.background import background_of, with_mattes

        behind = background_of(background, pictures, files=False)
        if behind is None:
            return cls(None, portrait, more_faces)
        portraits = [portrait, *(face.portrait for face in more_faces)]
        portrait, *others = runtime.cancellable(lambda: with_mattes(portraits))
        faces = [replace(face, portrait=cut) for face, cut in zip(more_faces, others, strict=True)]
        return cls(behind, portrait, faces)

    def frames(
        self, chunks: Generator[Tensor, None, None], renderer: Renderer, motion: Motion
    ) -> Generator[Tensor, None, None]:
        """Chunks (n, H, W, 3) uint8 with the background behind; of 4 channels if transparent."""
        from ..dreamtalk.render.background import over_background

        portraits = [self.portrait, *(face.portrait for face in self.more_faces)]
        return over_background(chunks, renderer, portraits, motion, self.background)


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
                background_input(transparent=True),
                io.Image.Input("background_image", optional=True, tooltip=_BEHIND_TIP),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images",
                    tooltip="The frames, at the rate that fps tells; with an alpha channel if the "
                    "background is transparent.",
                ),
                io.Mask.Output(
                    display_name="mask",
                    tooltip="What may move in the picture, 1 inside. With a transparent "
                    "background: the person in every frame, 1 inside.",
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
        background: str = default("background"),
        background_image: Tensor | None = None,
    ) -> io.NodeOutput:
        from ..dreamtalk.pipeline import render

        setting = Setting.of(background, background_image, portrait, more_faces or ())
        made, motion = open_scene(
            setting.portrait, motion, renderer, setting.more_faces, fps_of(fps)
        )
        transparent = setting.background is not None and setting.background.transparent
        images = room_for(len(motion), *made.size, "use Render Video", 4 if transparent else 3)
        done = 0
        chunks = setting.frames(render(made, motion, features), made, motion)
        for chunk in watched(chunks, len(motion), runtime.Bar()):
            images[done : done + len(chunk)] = chunk.cpu().float() / 255
            done += len(chunk)
        images = images[:done]
        _tell(cls, made.notes)
        mask = images[..., 3].clone() if transparent else made.mask().cpu().float()[None]
        return io.NodeOutput(images, mask, motion.fps)


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
                background_input(transparent=False),
                io.Image.Input("background_image", optional=True, tooltip=_BEHIND_TIP),
            ],
            outputs=[video_output()],
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
        background: str = default("background"),
        background_image: Tensor | None = None,
    ) -> io.NodeOutput:
        checked(quality=quality, label=label, visible_mark=visible_mark)
        setting = Setting.of(background, background_image, portrait, more_faces or ())
        if setting.background is not None and setting.background.transparent:
            raise ImageError(
                "a VIDEO can't be transparent: take Render Frames with Save WEBM, or write a colour"
            )
        video = render_video(
            cls, portrait, motion, audio, renderer, quality, label, more_faces or (), visible_mark,
            features, fps_of(fps), setting,
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
    setting: Setting | None = None,
) -> RenderedVideo:
    """A video that is rendered while it is saved; what doesn't fit together is an error now."""
    from ..dreamtalk.files.timeline import exact_rate
    from ..dreamtalk.pipeline import render
    from ..dreamtalk.render.mark import marked
    from ..dreamtalk.render.video import AI_COMMENT, Sound

    sound = None if audio is None else Sound(*waveform_of(audio, cls))
    hosted = renderer or mesh_renderer()
    setting = setting or Setting(None, portrait, more_faces)
    made, motion = open_scene(setting.portrait, motion, hosted, setting.more_faces, fps)
    setting.frames(render(made, motion, features), made, motion)
    _tell(cls, made.notes)

    def frames() -> Generator[Tensor, None, None]:
        hosted.host.device()  # where the networks may not be any more
        chunks = setting.frames(render(made, motion, features), made, motion)
        return marked(chunks) if visible_mark else chunks

    comment = AI_COMMENT if label else None
    rate = exact_rate(motion.fps)
    footage = Footage(frames, len(motion), made.size, rate, sound, comment, quality)
    return RenderedVideo(footage, runtime.node_id(cls))

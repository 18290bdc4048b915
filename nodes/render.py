"""Nodes that turn a portrait and a motion into pictures or a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from comfy_api.latest import InputImpl, io
from torch import Tensor

from ..dreamtalk.errors import DreamTalkError
from . import runtime
from .convert import watched, waveform_of
from .sockets import AnimatedFace, DTFaces, DTMotion, DTPortrait, DTRenderer, LoadedRenderer

_PORTRAIT_TIP = "The analysed picture, from Portrait."
_MOTION_TIP = "What the face does, from Sampler, Natural Motion or another motion node."
_RENDERER_TIP = (
    "A neural renderer to use instead of the built-in mesh renderer. Leave unconnected for the "
    "built-in one, which needs no download."
)
_FACES_TIP = (
    "More faces of the same picture with motions of their own, from Add Face. The video lasts as "
    "long as the longest motion."
)
_MEMORY_SHARE = 0.5


@dataclass(frozen=True)
class Rendering:
    """Frames to come.

    Attributes:
        chunks: uint8 (n, H, W, 3), made as they are asked for.
        count: frames in all.
        size: (height, width) px.
        mask: (H, W) what may move.
        notes: what will not look its best, and why.
    """

    chunks: Iterator[Tensor]
    count: int
    size: tuple[int, int]
    mask: Tensor
    notes: list[str]


def frames_of(
    portrait: Any,
    motion: Any,
    renderer: LoadedRenderer | None,
    bar: runtime.Bar,
    more_faces: Sequence[AnimatedFace] = (),
) -> Rendering:
    """Start to render one face, or all faces of a picture."""
    if renderer is not None:
        if more_faces:
            raise DreamTalkError(
                f"{renderer.name} renders one face: disconnect it or more_faces. The built-in "
                "renderer animates several"
            )
        from ..dreamtalk.render.pirenderer import PIRenderer, PIRendererOptions

        network = renderer.network.to(renderer.host.device())
        options = PIRendererOptions(**renderer.options)
        made = runtime.cancellable(lambda: PIRenderer(network, portrait, options))
        chunks = iter(watched(made.frames(motion), len(motion), bar))
        size = getattr(made, "size", portrait.size)
        return Rendering(chunks, len(motion), size, made.mask().cpu().float(), [])

    from ..dreamtalk.motion.bridges import to_face
    from ..dreamtalk.render.group import group_length, render_several

    cast = [AnimatedFace(portrait, motion), *more_faces]
    motions = [to_face(face.motion) for face in cast]
    made = [mesh_renderer(face.portrait) for face in cast]
    if len(made) == 1:
        frames, count = made[0].frames(motions[0]), len(motions[0])
    else:
        frames, count = render_several(made, motions), group_length(motions)
    mask = torch.stack([m.mask().cpu().float() for m in made]).amax(0)
    notes = [note for m in made for note in m.notes]
    return Rendering(iter(watched(frames, count, bar)), count, portrait.size, mask, notes)


def mesh_renderer(portrait: Any) -> Any:
    """The built-in renderer of a portrait; a cancel stops waiting for it."""
    from ..dreamtalk.render.mesh import MeshRenderer

    device = runtime.compute_device()
    return runtime.cancellable(lambda: MeshRenderer(portrait, device))


class DreamTalkRender(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
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
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="The frames, at the motion's frame rate."
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
        cls, portrait, motion, renderer: LoadedRenderer | None = None, more_faces=()
    ) -> io.NodeOutput:
        made = frames_of(portrait, motion, renderer, runtime.Bar(), more_faces or ())
        images = _room_for(made.count, *made.size)
        done = 0
        for chunk in made.chunks:
            images[done : done + len(chunk)] = chunk.cpu().float() / 255
            done += len(chunk)
        _tell(cls, made.notes)
        return io.NodeOutput(images[:done], made.mask[None], motion.fps)


def _tell(cls: Any, notes: list[str]) -> None:
    """Say on the node why the result may not look its best."""
    if notes:
        runtime.notice(cls, "\n".join(notes), important=False)


def _room_for(frames: int, height: int, width: int) -> Tensor:
    """Memory for the frames, or an error that says what to do instead."""
    size = frames * height * width * 3 * 4
    free = runtime.free_ram()
    if free is not None and size > free * _MEMORY_SHARE:
        raise DreamTalkError(
            f"{frames} frames of {width}x{height} need {size / 2**30:.1f} GiB as pictures and "
            f"{free / 2**30:.1f} GiB are free: use Render Video, a shorter recording or a smaller "
            "max_size in Portrait"
        )
    return torch.empty(frames, height, width, 3)


class DreamTalkRenderVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DreamTalkRenderVideo",
            display_name="DreamTalk Render Video",
            category="DreamTalk",
            description=(
                "Renders the portrait with the motion straight into a video with sound. Memory "
                "stays the same however long it is. Connect Save Video."
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
                io.Int.Input(
                    "quality",
                    default=18,
                    min=0,
                    max=51,
                    tooltip="Constant rate factor of h264: lower is better and larger. 18 looks "
                    "lossless, 28 is small.",
                ),
                io.Boolean.Input(
                    "label",
                    default=True,
                    tooltip="Write into the file's metadata that the video is AI-generated.",
                ),
                DTFaces.Input("more_faces", optional=True, tooltip=_FACES_TIP),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="For Save Video: mp4, h264 and aac.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        portrait,
        motion,
        audio=None,
        renderer: LoadedRenderer | None = None,
        quality: int = 18,
        label: bool = True,
        more_faces=(),
    ) -> io.NodeOutput:
        bar = runtime.Bar()
        return io.NodeOutput(
            render_video(
                cls, portrait, motion, audio, renderer, bar, quality, label, more_faces or ()
            )
        )


def render_video(
    cls: Any,
    portrait: Any,
    motion: Any,
    audio: dict[str, Any] | None,
    renderer: LoadedRenderer | None,
    bar: runtime.Bar,
    quality: int = 18,
    label: bool = True,
    more_faces: Sequence[AnimatedFace] = (),
) -> Any:
    """Write the video frame by frame to the temp folder; a cancelled file is removed."""
    from ..dreamtalk.render.video import AI_COMMENT, Sound, write_video

    sound = None if audio is None else Sound(*waveform_of(audio, cls))
    path = runtime.temp_file(".mp4")
    made = frames_of(portrait, motion, renderer, bar, more_faces)
    write_video(path, made.chunks, motion.fps, sound, AI_COMMENT if label else None, quality)
    _tell(cls, made.notes)
    return InputImpl.VideoFromFile(str(path))

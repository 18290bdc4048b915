"""Nodes that turn a portrait and a motion into pictures or a video."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from comfy_api.latest import InputImpl, io
from torch import Tensor

from ..dreamtalk.errors import DreamTalkError
from . import runtime
from .convert import watched, waveform_of
from .sockets import DTMotion, DTPortrait, DTRenderer, LoadedRenderer

_PORTRAIT_TIP = "The analysed picture, from Portrait."
_MOTION_TIP = "What the face does, from Sampler, Natural Motion or another motion node."
_RENDERER_TIP = (
    "A neural renderer to use instead of the built-in mesh renderer. Leave unconnected for the "
    "built-in one, which needs no download."
)
_MEMORY_SHARE = 0.5


def frames_of(
    portrait: Any, motion: Any, renderer: LoadedRenderer | None, bar: runtime.Bar
) -> tuple[Any, Iterator[Tensor]]:
    """The renderer, and its frames as uint8 (n, H, W, 3) chunks, made as they are asked for."""
    if renderer is None:
        from ..dreamtalk.motion.bridges import to_face
        from ..dreamtalk.render.mesh import MeshRenderer

        device, motion = runtime.compute_device(), to_face(motion)
        made: Any = runtime.cancellable(lambda: MeshRenderer(portrait, device))
    else:
        device = renderer.host.device()
        network, options = renderer.network, renderer.options
        made = runtime.cancellable(lambda: network.for_portrait(portrait, device=device, **options))
    return made, iter(watched(made.frames(motion), len(motion), bar))


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
        )

    @classmethod
    def execute(cls, portrait, motion, renderer: LoadedRenderer | None = None) -> io.NodeOutput:
        made, chunks = frames_of(portrait, motion, renderer, runtime.Bar())
        images = _room_for(len(motion), *getattr(made, "size", portrait.size))
        done = 0
        for chunk in chunks:
            images[done : done + len(chunk)] = chunk.cpu().float() / 255
            done += len(chunk)
        return io.NodeOutput(images[:done], made.mask().cpu().float()[None], motion.fps)


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
    ) -> io.NodeOutput:
        return io.NodeOutput(
            render_video(
                cls, portrait, motion, audio, renderer, runtime.Bar(), quality=quality, label=label
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
) -> Any:
    """Write the video frame by frame to the temp folder; a cancelled file is removed."""
    from ..dreamtalk.render.video import AI_COMMENT, Sound, write_video

    sound = None if audio is None else Sound(*waveform_of(audio, cls))
    path = runtime.temp_file(".mp4")
    _, chunks = frames_of(portrait, motion, renderer, bar)
    write_video(path, chunks, motion.fps, sound, AI_COMMENT if label else None, quality)
    return InputImpl.VideoFromFile(str(path))

"""Nodes that load neural renderers, to be used instead of the built-in mesh renderer."""

from __future__ import annotations

from comfy_api.latest import io

from ..dreamtalk.errors import ModelNotFoundError
from . import runtime
from .convert import dtype_of, precision_input
from .sockets import DTRenderer, LoadedRenderer

NO_FILE = "(no file in models/dreamtalk)"


class DreamTalkLoadPIRenderer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DreamTalkLoadPIRenderer",
            display_name="DreamTalk Load PIRenderer",
            category="DreamTalk",
            description=(
                "Loads PIRenderer, the neural renderer of the published DreamTalk. It works on a "
                "256 pixel square around the face; teeth and skin move more naturally than with "
                "the built-in renderer, sharpness and background are worse. Put DreamTalk's "
                "renderer.pt, or StyleTalk's or PIRender's own file, into models/dreamtalk."
            ),
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=runtime.model_files() or [NO_FILE],
                    tooltip="The renderer's file in models/dreamtalk.",
                ),
                io.Boolean.Input(
                    "paste_back",
                    default=True,
                    tooltip="Put the rendered square back into the whole picture. Off gives the "
                    "square alone, 256x256.",
                ),
                io.Boolean.Input(
                    "match_colours",
                    default=True,
                    tooltip="Give the square the colours that the picture has around the face.",
                ),
                io.Float.Input(
                    "feather",
                    default=0.08,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="Width of the square's fading edge, as a share of its side.",
                ),
                io.Boolean.Input(
                    "move_head",
                    default=True,
                    tooltip="Off holds the head still, as the published demo does without a pose.",
                ),
                precision_input(),
            ],
            outputs=[
                DTRenderer.Output(
                    display_name="renderer", tooltip="For Render Frames and Render Video."
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, checkpoint: str, **options: object) -> str:
        path = runtime.model_path(checkpoint)
        stamp = path.stat().st_mtime_ns if path else 0
        return f"{checkpoint} {stamp} {sorted(options.items())}"

    @classmethod
    def execute(cls, checkpoint: str, precision: str = "fp32", **options: object) -> io.NodeOutput:
        from ..dreamtalk.render.pirenderer import load_pirenderer

        path = runtime.model_path(checkpoint)
        if path is None:
            raise ModelNotFoundError(
                f"there is no '{checkpoint}' in models/{runtime.MODEL_FOLDER}: put the renderer's "
                "file there and reload the page, or leave the renderer unconnected to use the "
                "built-in one"
            )
        network = load_pirenderer(path, dtype=dtype_of(precision))
        return io.NodeOutput(LoadedRenderer(network, runtime.Hosted(network), checkpoint, options))

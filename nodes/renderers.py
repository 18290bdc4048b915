"""Nodes that load renderers, to be used instead of the built-in mesh renderer."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..dreamtalk.errors import ModelNotFoundError
from ..dreamtalk.options import OPTIONS
from . import runtime
from .inputs import dtype_of, option_input, precision_input
from .schema import schema
from .sockets import DTRenderer, HostedRenderer

BUILT_IN = "starter (built in)"
NO_FILE = "(no file in models/dreamtalk)"


class DreamTalkLoadPIRenderer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
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
                option_input(
                    "feather",
                    "Width of the square's fading edge, as a share of its side.",
                ),
                io.Boolean.Input(
                    "move_head",
                    default=True,
                    tooltip="Off holds the head still, as the published demo does without a pose.",
                ),
                precision_input(),
            ],
            outputs=[_renderer_output()],
        )

    @classmethod
    def fingerprint_inputs(cls, checkpoint: str, **options: object) -> str:
        return f"{runtime.model_stamp(checkpoint)} {sorted(options.items())}"

    @classmethod
    def execute(cls, checkpoint: str, precision: str = "fp32", **options: object) -> io.NodeOutput:
        return io.NodeOutput(load(checkpoint, precision, **options))


class DreamTalkLoadDiffTalk(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkLoadDiffTalk",
            display_name="DreamTalk Load DiffTalk",
            category="DreamTalk",
            description=(
                "Loads DiffTalk, which paints the mouth by diffusion: the built-in mesh renderer "
                "moves the head, DiffTalk repaints lips, teeth and the inside of the mouth. The "
                "small one that comes with the pack does that in a few steps; a file of the "
                "published form in models/dreamtalk paints the whole face and needs speech."
            ),
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=[BUILT_IN, *runtime.model_files()],
                    default=BUILT_IN,
                    tooltip="The one that came with the pack, or a DiffTalk file in "
                    "models/dreamtalk.",
                ),
                option_input(
                    "painted.steps",
                    "Network calls a frame. 0 takes what suits the weights. More are slower; "
                    "teeth become crisper, not truer.",
                    id="paint_steps",
                ),
                option_input(
                    "painted.strength",
                    "How much of what the network changes on lips and skin shows. 0 repaints the "
                    "opening of the lips alone.",
                ),
                option_input(
                    "painted.from_speech",
                    "Paint what is heard instead of the motion's lips: connect the features to "
                    "Render too. The published form always does.",
                ),
                option_input("seed", "Of the noise that all frames start from."),
                precision_input(),
            ],
            outputs=[_renderer_output()],
        )

    @classmethod
    def fingerprint_inputs(cls, checkpoint: str, **options: object) -> str:
        return f"{runtime.model_stamp(checkpoint)} {sorted(options.items())}"

    @classmethod
    def execute(
        cls,
        checkpoint: str,
        paint_steps: int = 0,
        precision: str = "fp32",
        **options: object,
    ) -> io.NodeOutput:
        name = "difftalk" if checkpoint == BUILT_IN else checkpoint
        return io.NodeOutput(load(name, precision, steps=paint_steps, **options))


class DreamTalkLoadRenderer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkLoadRenderer",
            display_name="DreamTalk Load Renderer",
            category="DreamTalk",
            description=(
                "Any renderer by its name or by its file in models/dreamtalk, with its standard "
                "settings: the built-in ones, and those that other packages bring."
            ),
            inputs=[
                io.Combo.Input(
                    "renderer",
                    options=[*weightless(), *runtime.model_files()],
                    default=OPTIONS["renderer"].default,
                    tooltip="A renderer that needs no weights, or a weights file, whose content "
                    "says which renderer it is of.",
                ),
                precision_input(),
                option_input(
                    "mouth",
                    "Of the mesh renderer: teeth and tongue as they are drawn, or the same in the "
                    "light that the small DiffTalk of the pack paints between the lips, which is "
                    "slower.",
                    optional=True,
                ),
            ],
            outputs=[_renderer_output()],
        )

    @classmethod
    def fingerprint_inputs(cls, renderer: str, precision: str, mouth: str = "") -> str:
        return f"{runtime.model_stamp(renderer)} {precision} {mouth}"

    @classmethod
    def execute(
        cls, renderer: str, precision: str, mouth: str = OPTIONS["mouth"].default
    ) -> io.NodeOutput:
        # Other renderers don't know the option, and say so.
        options = {} if mouth == OPTIONS["mouth"].default else {"mouth": mouth}
        return io.NodeOutput(load(renderer, precision, **options))


def _renderer_output() -> Any:
    return DTRenderer.Output(display_name="renderer", tooltip="For Render Frames and Render Video.")


def weightless() -> list[str]:
    """Names of the renderers that work as they are."""
    from ..dreamtalk.render.registry import known_renderers

    return [kind.name for kind in known_renderers().values() if kind.works_as_it_is]


def load(name: str, precision: str, **options: Any) -> HostedRenderer:
    """A renderer by its name, or by the name of its file in models/dreamtalk."""
    from ..dreamtalk.render.registry import load_renderer

    path = name if name in weightless() else runtime.model_path(name)
    if path is None:
        raise ModelNotFoundError(
            f"there is no '{name}' in models/{runtime.MODEL_FOLDER}: put the renderer's "
            "file there and reload the page, or leave the renderer unconnected to use the "
            "built-in one"
        )
    loaded = load_renderer(path, dtype=dtype_of(precision), **options)
    networks = [] if loaded.network is None else [loaded.network]
    return HostedRenderer(loaded, runtime.ModelHost(*networks))

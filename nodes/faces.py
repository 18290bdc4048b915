"""Nodes for the faces of a picture: more than one of them, and what a renderer makes of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io, ui

from ..dreamtalk.errors import DreamTalkError
from ..dreamtalk.options import default
from . import runtime
from .inputs import growing_inputs, option_input
from .schema import schema
from .sockets import AnimatedFace, DTFaces, DTMotion, DTPortrait

if TYPE_CHECKING:
    from ..dreamtalk.face.portrait import Portrait
    from ..dreamtalk.motion.motion import Motion
_MORE_PORTRAITS = tuple(f"portrait{number}" for number in range(2, 10))
_MORE_MOTIONS = tuple(f"motion{number}" for number in range(2, 10))


class DreamTalkAddFace(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkAddFace",
            display_name="DreamTalk Add Face",
            category="DreamTalk",
            description=(
                "Further faces of the same picture, each with a motion of its own. Analyse the "
                "picture once more with another choice of face, connect it here with its motion, "
                "and connect the result to more_faces of Render Video. Several nodes can be "
                "chained."
            ),
            inputs=[
                DTPortrait.Input(
                    "portrait",
                    tooltip="The same picture, analysed by Portrait with another choice of face.",
                ),
                DTMotion.Input("motion", tooltip="What this face does."),
                DTFaces.Input(
                    "more_faces",
                    optional=True,
                    tooltip="From another Add Face: faces that are animated too.",
                ),
                *growing_inputs(
                    "more_portraits",
                    DTPortrait,
                    _MORE_PORTRAITS,
                    "A third, fourth ... face of the picture: portrait2 goes with motion2.",
                ),
                *growing_inputs(
                    "more_motions", DTMotion, _MORE_MOTIONS, "What each of the further faces does."
                ),
            ],
            outputs=[
                DTFaces.Output(
                    display_name="faces",
                    tooltip="For more_faces of Render Frames, Render Video or another Add Face.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        portrait: Portrait,
        motion: Motion,
        more_faces: tuple[AnimatedFace, ...] = (),
        more_portraits: dict[str, Portrait | None] | None = None,
        more_motions: dict[str, Motion | None] | None = None,
    ) -> io.NodeOutput:
        found = [*(more_faces or ()), AnimatedFace(portrait, motion)]
        for face, move in zip(_MORE_PORTRAITS, _MORE_MOTIONS, strict=True):
            one, other = (more_portraits or {}).get(face), (more_motions or {}).get(move)
            if (one is None) != (other is None):
                lacking = move if other is None else face
                raise DreamTalkError(
                    f"{face} and {move} belong together: connect {lacking}, or neither of them"
                )
            if one is not None and other is not None:
                found.append(AnimatedFace(one, other))
        return io.NodeOutput(tuple(found))


class DreamTalkInspectPortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkInspectPortrait",
            display_name="DreamTalk Inspect Portrait",
            category="DreamTalk",
            description=(
                "Shows why a portrait looks wrong: what the built-in renderer takes for the "
                "landmarks, the person, the background, the moving parts and the mouth, and in "
                "words what it can't do well with this picture."
            ),
            inputs=[
                DTPortrait.Input("portrait", tooltip="The analysed picture, from Portrait."),
                option_input("height", "Height of each of the pictures on the sheet."),
            ],
            outputs=[
                io.Image.Output(display_name="layers", tooltip="One sheet with all layers."),
                io.String.Output(
                    display_name="notes",
                    tooltip="What will not look its best, and why; for Preview Any.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, portrait: Portrait, height: int = default("height")) -> io.NodeOutput:
        from ..dreamtalk.render.mesh import MeshRenderer, debug_sheet

        device = runtime.ModelHost().device()
        renderer = runtime.cancellable(lambda: MeshRenderer(portrait, device))
        sheet = runtime.cancellable(lambda: debug_sheet(renderer, height=height))[None]
        notes = "\n".join(renderer.notes) or "nothing stands against this portrait"
        runtime.notice(cls, notes, important=False)
        return io.NodeOutput(sheet, notes, ui=ui.PreviewImage(sheet, cls=cls))

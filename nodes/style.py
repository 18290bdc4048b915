"""Nodes for the speaking style: a preset emotion, or the style of a clip."""

from __future__ import annotations

from dataclasses import replace

from comfy_api.latest import io

from ..dreamtalk.style import EMOTIONS
from .convert import choice
from .sockets import DTModel, DTMotion, DTStyle, LoadedModel

_INTENSITY = (
    "How strongly the style shows: 0 speaks without any style, 1 as recorded, up to 2 exaggerates. "
    "Above 2 the lips start to lose the sounds."
)


class DreamTalkStylePreset(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DreamTalkStylePreset",
            display_name="DreamTalk Style Preset",
            category="DreamTalk/style",
            description="One of eight emotions, as the checkpoint knows it, at a chosen intensity.",
            inputs=[
                DTModel.Input("model", tooltip="The checkpoint whose presets are used."),
                io.Combo.Input(
                    "emotion",
                    options=list(EMOTIONS),
                    default="happy",
                    tooltip="The emotion to speak with.",
                ),
                io.Float.Input(
                    "intensity", default=1.0, min=0.0, max=3.0, step=0.05, tooltip=_INTENSITY
                ),
            ],
            outputs=[DTStyle.Output(display_name="style", tooltip="For DreamTalk Sampler.")],
        )

    @classmethod
    def execute(cls, model: LoadedModel, emotion: str, intensity: float) -> io.NodeOutput:
        choice("emotion", emotion, EMOTIONS)
        return io.NodeOutput(model.model.preset(emotion, intensity))


class DreamTalkStyleEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DreamTalkStyleEncoder",
            display_name="DreamTalk Style Encoder",
            category="DreamTalk/style",
            description=(
                "Reads the speaking style of a clip from its motion, so that another voice can be "
                "spoken in the same manner. Use 3 to 10 seconds in which the person talks."
            ),
            inputs=[
                DTModel.Input("model", tooltip="The checkpoint that will speak in this style."),
                DTMotion.Input(
                    "motion",
                    tooltip="Motion of somebody speaking, from Track Motion or Load Motion. "
                    "About the first 10 seconds (256 frames) count.",
                ),
                io.Float.Input(
                    "intensity", default=1.0, min=0.0, max=3.0, step=0.05, tooltip=_INTENSITY
                ),
            ],
            outputs=[DTStyle.Output(display_name="style", tooltip="For DreamTalk Sampler.")],
        )

    @classmethod
    def execute(cls, model: LoadedModel, motion, intensity: float) -> io.NodeOutput:
        from ..dreamtalk.motion.bridges import convert

        model.host.device()
        style = model.model.encode_style(convert(motion, model.model.space), name="clip")
        return io.NodeOutput(replace(style, intensity=intensity))

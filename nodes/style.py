"""Nodes for the speaking style: a preset emotion, or the style of a clip."""

from __future__ import annotations

from dataclasses import replace

from comfy_api.latest import io

from ..dreamtalk.style import EMOTIONS, Style
from .convert import choice, option_input
from .schema import schema
from .sockets import DTModel, DTMotion, DTStyle, HostedModel

_INTENSITY = (
    "How strongly the style shows: 0 speaks without any style, 1 as recorded, up to 2 exaggerates. "
    "Above 2 the lips start to lose the sounds."
)


class DreamTalkStylePreset(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkStylePreset",
            display_name="DreamTalk Style Preset",
            category="DreamTalk/style",
            description="One of eight emotions, as the checkpoint knows it, at a chosen intensity.",
            inputs=[
                DTModel.Input("model", tooltip="The checkpoint whose presets are used."),
                option_input("emotion", "The emotion to speak with."),
                option_input("intensity", _INTENSITY),
            ],
            outputs=[DTStyle.Output(display_name="style", tooltip="For DreamTalk Sampler.")],
        )

    @classmethod
    def execute(cls, model: HostedModel, emotion: str, intensity: float) -> io.NodeOutput:
        choice("emotion", emotion, EMOTIONS)
        return io.NodeOutput(model.model.preset(emotion, intensity))


class DreamTalkStyleEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
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
                option_input("intensity", _INTENSITY),
            ],
            outputs=[DTStyle.Output(display_name="style", tooltip="For DreamTalk Sampler.")],
        )

    @classmethod
    def execute(cls, model: HostedModel, motion, intensity: float) -> io.NodeOutput:
        from ..dreamtalk.motion.bridges import convert

        model.host.device()
        style = model.model.encode_style(convert(motion, model.model.space), name="clip")
        return io.NodeOutput(replace(style, intensity=intensity))


class DreamTalkStyleBlend(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkStyleBlend",
            display_name="DreamTalk Style Blend",
            category="DreamTalk/style",
            description=(
                "Mixes two or three styles of the same checkpoint: something between happy and "
                "surprised, or a clip's manner with a touch of anger."
            ),
            inputs=[
                DTStyle.Input("style_a", tooltip="The first style."),
                DTStyle.Input("style_b", tooltip="The second style."),
                DTStyle.Input("style_c", optional=True, tooltip="A third style, if you like."),
                option_input(
                    "weight", "How much the first counts. Only the proportions matter.", "weight_a"
                ),
                option_input("weight", "How much the second counts.", "weight_b"),
                option_input("weight", "How much the third counts, if connected.", "weight_c"),
            ],
            outputs=[DTStyle.Output(display_name="style", tooltip="For DreamTalk Sampler.")],
        )

    @classmethod
    def execute(
        cls,
        style_a: Style,
        style_b: Style,
        weight_a: float,
        weight_b: float,
        weight_c: float,
        style_c: Style | None = None,
    ) -> io.NodeOutput:
        from ..dreamtalk.style.blend import blend_styles

        styles, weights = [style_a, style_b], [weight_a, weight_b]
        if style_c is not None:
            styles, weights = [*styles, style_c], [*weights, weight_c]
        return io.NodeOutput(blend_styles(styles, weights))


class DreamTalkStyleTrack(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkStyleTrack",
            display_name="DreamTalk Style Track",
            category="DreamTalk/style",
            description=(
                "Changes the style over time, with smooth transitions: begin neutral, become "
                "happy after two seconds, end sad."
            ),
            inputs=[
                DTModel.Input("model", tooltip="The checkpoint whose emotions are named."),
                io.String.Input(
                    "track",
                    default="0:neutral 2.5:happy@1.2 6:sad",
                    multiline=True,
                    tooltip="Marks in the form second:style or second:style@intensity, separated "
                    "by spaces or lines. A style is an emotion, or style1, style2, style3 for the "
                    "connected ones.",
                ),
                option_input(
                    "transition",
                    "Seconds that each change takes. Faces need half a second to a second.",
                ),
                DTStyle.Input("style1", optional=True, tooltip="A style to name in the track."),
                DTStyle.Input("style2", optional=True, tooltip="Another style to name."),
                DTStyle.Input("style3", optional=True, tooltip="Another style to name."),
            ],
            outputs=[DTStyle.Output(display_name="style", tooltip="For DreamTalk Sampler.")],
        )

    @classmethod
    def execute(
        cls, model: HostedModel, track: str, transition: float, **connected: Style | None
    ) -> io.NodeOutput:
        from ..dreamtalk.style.track import style_track

        def style_of(name: str, intensity: float) -> Style:
            style = connected.get(name)
            if style is None:
                return model.model.preset(name, intensity)
            return replace(style, intensity=intensity)

        return io.NodeOutput(style_track(track, style_of, transition=transition))

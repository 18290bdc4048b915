"""Nodes for the speaking style: a preset emotion, or the style of a clip."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io
from torch import Tensor

from ..dreamtalk.errors import DreamTalkError
from ..dreamtalk.options import default
from ..dreamtalk.speech.speech import FPS
from ..dreamtalk.style import EMOTIONS, Style
from . import runtime
from .convert import curve_values, first_image, fit, speech_of
from .inputs import choice, curve_inputs, growing_inputs, option_input
from .portrait import find_face
from .schema import schema
from .sockets import DTFeatures, DTModel, DTMotion, DTPortrait, DTStyle, HostedModel
from .speech import features_of

if TYPE_CHECKING:
    from ..dreamtalk.face.portrait import Portrait
    from ..dreamtalk.motion.motion import Motion
    from ..dreamtalk.speech.speech import Features

_INTENSITY = (
    "How strongly the style shows: 0 speaks without any style, 1 as recorded, up to 2 exaggerates. "
    "Above 2 the lips start to lose the sounds."
)
_MORE_BLENDED = tuple(f"style_{letter}" for letter in "defghijkl")
_MORE_NAMED = tuple(f"style{number}" for number in range(4, 13))


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
    def execute(cls, model: HostedModel, motion: Motion, intensity: float) -> io.NodeOutput:
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
                "Mixes styles of the same checkpoint: something between happy and surprised, or a "
                "clip's manner with a touch of anger."
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
                *growing_inputs(
                    "more_styles", DTStyle, _MORE_BLENDED, "Further styles, as many as you like."
                ),
                io.String.Input(
                    "more_weights",
                    default="",
                    optional=True,
                    tooltip="How much each of the further styles counts: numbers with spaces "
                    "between them, such as 0.5 2. Those that are not named count 1.",
                ),
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
        more_styles: dict[str, Style | None] | None = None,
        more_weights: str = "",
    ) -> io.NodeOutput:
        from ..dreamtalk.style.blend import blend_styles, parse_weights

        styles, weights = [style_a, style_b], [weight_a, weight_b]
        if style_c is not None:
            styles, weights = [*styles, style_c], [*weights, weight_c]
        more = [style for style in (more_styles or {}).values() if style is not None]
        styles, weights = [*styles, *more], [*weights, *parse_weights(more_weights, len(more))]
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
                *growing_inputs(
                    "more_styles",
                    DTStyle,
                    _MORE_NAMED,
                    "Further styles to name: style4, style5 and so on.",
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="The recording: the track is made as long as it is. Needed with a "
                    "curve.",
                ),
                *curve_inputs(
                    "curve",
                    "From Curve Editor: how strong the styles are from the beginning of the "
                    "recording to its end. At the top as strong as the track says, at the bottom "
                    "not at all.",
                ),
            ],
            outputs=[DTStyle.Output(display_name="style", tooltip="For DreamTalk Sampler.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: HostedModel,
        track: str,
        transition: float,
        more_styles: dict[str, Style | None] | None = None,
        audio: dict[str, Any] | None = None,
        curve: Any = None,
        **numbered: Style | None,
    ) -> io.NodeOutput:
        from ..dreamtalk.style.track import scaled_intensity, style_track

        connected = {**numbered, **(more_styles or {})}
        duration = None if audio is None else speech_of(audio, cls).duration
        if curve is not None and duration is None:
            raise DreamTalkError(
                "a curve spans the recording: connect the recording to 'audio' as well"
            )

        def style_of(name: str, intensity: float) -> Style:
            style = connected.get(name)
            if style is None:
                return model.model.preset(name, intensity)
            return replace(style, intensity=intensity)

        style = style_track(track, style_of, duration, transition)
        if curve is not None and duration is not None:
            style = scaled_intensity(style, curve_values(curve, max(1, round(duration * FPS))))
        return io.NodeOutput(style)


class DreamTalkStylePredictor(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkStylePredictor",
            display_name="DreamTalk Style Predictor",
            category="DreamTalk/style",
            description=(
                "Hears the emotion in the recording and gives the style to speak it with, so that "
                "nobody has to choose one. For the starter; needs librosa."
            ),
            inputs=[
                DTModel.Input("model", tooltip="The checkpoint that will speak: the starter."),
                io.Audio.Input("audio", tooltip="The recording. Its level doesn't matter."),
                option_input("intensity", _INTENSITY),
                option_input("seed", "Another seed gives another style that fits as well."),
                option_input("steps", "Denoising steps of the predictor: 10 are enough."),
                io.Boolean.Input(
                    "over_time",
                    default=False,
                    tooltip="Off: one style for all of it. On: the style changes where the voice "
                    "does, as from calm to angry.",
                ),
                DTFeatures.Input(
                    "features",
                    optional=True,
                    tooltip="From Speech Features, if you have them: then the recording isn't "
                    "heard twice.",
                ),
                DTPortrait.Input(
                    "portrait",
                    optional=True,
                    tooltip="Who speaks: the shape of the face tells a little about the manner.",
                ),
            ],
            outputs=[
                DTStyle.Output(display_name="style", tooltip="For DreamTalk Sampler."),
                io.String.Output(
                    display_name="heard", tooltip="How likely each emotion is, in words."
                ),
                io.Image.Output(
                    display_name="plot", tooltip="How likely each emotion is over time."
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: HostedModel,
        audio: dict[str, Any],
        intensity: float,
        seed: int,
        steps: int,
        over_time: bool,
        features: Features | None = None,
        portrait: Portrait | None = None,
    ) -> io.NodeOutput:
        from ..dreamtalk.model.heard_plot import plot_heard
        from ..dreamtalk.pipeline import Voice, heard_style

        bar = runtime.Bar()
        speech = speech_of(audio, cls)
        known = features or features_of(speech, model, bar.stage(0.0, 0.5))
        voice, progress = Voice(speech, known, portrait, seed), bar.stage(0.5, 1.0)
        style, heard = runtime.cancellable(
            lambda: heard_style(model.model, voice, intensity, over_time, steps, progress)
        )
        words = heard.words() + (f"; {style.name}" if over_time else "")
        runtime.notice(cls, words, important=False)
        plot = runtime.cancellable(lambda: plot_heard(heard, speech, 1000))
        return io.NodeOutput(style, words, plot[None])


class DreamTalkStylePicture(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkStylePicture",
            display_name="DreamTalk Style from Picture",
            category="DreamTalk/style",
            description=(
                "The expression of a face in one still picture, as a style for all that is said: "
                "a photo of a smile, and the speech is smiled."
            ),
            inputs=[
                DTModel.Input("model", tooltip="The checkpoint that will speak."),
                io.Image.Input(
                    "image", tooltip="A picture of the expression. Of several faces, the largest."
                ),
                option_input("intensity", _INTENSITY),
                io.Image.Input(
                    "resting",
                    optional=True,
                    tooltip="A picture of the same person who shows nothing: then the shape of "
                    "the face isn't taken for expression.",
                ),
            ],
            outputs=[DTStyle.Output(display_name="style", tooltip="For DreamTalk Sampler.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        model: HostedModel,
        image: Tensor,
        intensity: float,
        resting: Tensor | None = None,
    ) -> io.NodeOutput:
        from ..dreamtalk.model.picture_style import picture_style

        def landmarks(picture: Tensor) -> Tensor:
            return find_face(fit(first_image(picture, cls), default("max_size"))).landmarks

        rest = None if resting is None else landmarks(resting)
        shown = landmarks(image)
        model.host.device()
        return io.NodeOutput(picture_style(model.model, shown, rest, intensity))

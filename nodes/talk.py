"""The whole chain in one node."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..dreamtalk.options import AUTO, EMOTIONS, default
from . import runtime
from .convert import choice, first_image, fit, option_input, speech_of
from .portrait import find_face, open_mouth_input, with_open_mouth
from .render import render_video
from .sampler import STARTER, load_checkpoint
from .schema import schema
from .sockets import DTModel, HostedModel
from .speech import features_of


class DreamTalkTalk(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkTalk",
            display_name="DreamTalk Talking Portrait",
            category="DreamTalk",
            description=(
                "The whole chain in one node: a picture of a person and a recording become a "
                "video in which the person says it. For more control use the single nodes, as in "
                "the talking_portrait workflow."
            ),
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The picture of a person. Of a batch, the first one is used; of "
                    "several faces, the largest.",
                ),
                io.Audio.Input("audio", tooltip="What the person says."),
                io.Combo.Input(
                    "emotion",
                    options=[*EMOTIONS, AUTO],
                    default=default("emotion"),
                    tooltip="The emotion to speak with. auto: the one that the recording sounds "
                    "like (needs librosa).",
                ),
                option_input(
                    "intensity",
                    "How strongly the emotion shows: 0 not at all, 1 normal, 2 strong.",
                ),
                option_input("seed", "The same seed gives the same video."),
                option_input(
                    "liveliness",
                    "Blinks, small gaze shifts, breathing and head motion beside the "
                    "speech: 0 none, 1 natural, 2 lively.",
                ),
                DTModel.Input(
                    "model",
                    optional=True,
                    tooltip="A checkpoint from Load Model. Leave unconnected for the built-in "
                    "starter.",
                ),
                open_mouth_input(),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="For Save Video: mp4 with sound.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        audio: dict[str, Any],
        emotion: str,
        intensity: float,
        seed: int,
        liveliness: float,
        model: HostedModel | None = None,
        open_mouth: Tensor | None = None,
    ) -> io.NodeOutput:
        from ..dreamtalk.pipeline import Voice, animate, choose_style

        choice("emotion", emotion, (*EMOTIONS, AUTO))
        bar = runtime.Bar()
        portrait = find_face(fit(first_image(image, cls), default("max_size")))
        portrait = with_open_mouth(portrait, open_mouth, cls)
        speech = speech_of(audio, cls)
        loaded = model or load_checkpoint(STARTER)
        features = features_of(speech, loaded, bar.stage(0.0, 0.1))
        clip = AUTO if emotion == AUTO else None
        voice = Voice(speech, features, portrait, seed)
        style = choose_style(loaded.model, emotion, clip, intensity, voice=voice)
        loaded.host.device()
        motion = animate(
            speech, loaded.model, style, seed=seed, liveliness=liveliness, features=features,
            progress=bar.stage(0.1, 0.25),
        )  # fmt: skip
        bar.stage(0.25, 1.0)
        return io.NodeOutput(render_video(cls, portrait, motion, audio, None, bar))

"""The whole chain in one node."""

from __future__ import annotations

from comfy_api.latest import io

from ..dreamtalk.style import EMOTIONS
from . import runtime
from .convert import choice, first_image, fit, speech_of
from .portrait import find_face
from .render import render_video
from .sampler import STARTER, load_checkpoint
from .sockets import DTModel, LoadedModel
from .speech import features_of

_MAX_SIZE = 1024


class DreamTalkTalk(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
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
                    options=list(EMOTIONS),
                    default="neutral",
                    tooltip="The emotion to speak with.",
                ),
                io.Float.Input(
                    "intensity",
                    default=1.0,
                    min=0.0,
                    max=3.0,
                    step=0.05,
                    tooltip="How strongly the emotion shows: 0 not at all, 1 normal, 2 strong.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="The same seed gives the same video.",
                ),
                io.Float.Input(
                    "liveliness",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="Blinks, small gaze shifts, breathing and head motion beside the "
                    "speech: 0 none, 1 natural, 2 lively.",
                ),
                DTModel.Input(
                    "model",
                    optional=True,
                    tooltip="A checkpoint from Load Model. Leave unconnected for the built-in "
                    "starter.",
                ),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="For Save Video: mp4 with sound.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        image,
        audio,
        emotion: str,
        intensity: float,
        seed: int,
        liveliness: float,
        model: LoadedModel | None = None,
    ) -> io.NodeOutput:
        from ..dreamtalk.motion.natural import add_natural_motion
        from ..dreamtalk.pipeline import fit_length

        choice("emotion", emotion, EMOTIONS)
        bar = runtime.Bar()
        portrait = find_face(fit(first_image(image, cls), _MAX_SIZE))
        speech = speech_of(audio, cls)
        loaded = model or load_checkpoint(STARTER)
        style = loaded.model.preset(emotion, intensity)
        features = features_of(audio, loaded, cls, bar.stage(0.0, 0.1))
        loaded.host.device()
        motion = loaded.model.sample(features, style, seed=seed, progress=bar.stage(0.1, 0.25))
        motion = fit_length(motion, speech.num_frames(motion.fps))
        life = (liveliness,) * 4  # blinks, gaze, head, breathing
        motion = add_natural_motion(motion, speech, seed, *life)
        bar.stage(0.25, 1.0)
        return io.NodeOutput(render_video(cls, portrait, motion, audio, None, bar))

"""The whole chain in one node."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io
from torch import Tensor

from ..dreamtalk.errors import DreamTalkError
from ..dreamtalk.options import AUTO, EMOTIONS, default
from . import runtime
from .convert import fit, pictures_of, recordings_of, speech_of
from .inputs import (
    AS_THE_MOTION,
    choice,
    fps_input,
    fps_of,
    model_input,
    option_input,
    video_output,
)
from .portrait import find_face, open_mouth_input, with_open_mouth
from .render import render_video
from .sampler import STARTER, load_checkpoint
from .schema import schema
from .sockets import HostedModel
from .speech import features_of

if TYPE_CHECKING:
    from ..dreamtalk.progress import Progress


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
                    tooltip="The picture of a person; of several faces, the largest. A batch is "
                    "worked through, a video each.",
                ),
                io.Audio.Input(
                    "audio",
                    tooltip="What the person says. Of a batch each recording becomes a video; "
                    "with as many pictures, each picture says its own.",
                ),
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
                model_input(),
                fps_input(),
                open_mouth_input(),
            ],
            outputs=[video_output(is_output_list=True)],
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
        fps: str = AS_THE_MOTION,
        open_mouth: Tensor | None = None,
    ) -> io.NodeOutput:
        from ..dreamtalk.pipeline import Voice, animate, choose_style

        choice("emotion", emotion, (*EMOTIONS, AUTO))
        rate = fps_of(fps)
        pictures, recordings = pictures_of(image), recordings_of(audio)
        pairs = paired(pictures, recordings)
        if len(pictures) > 1 and open_mouth is not None:
            raise DreamTalkError(
                f"{len(pictures)} pictures came in, and an open mouth is that of one person: send "
                "one picture"
            )
        loaded = model or load_checkpoint(STARTER)
        bar, portraits, videos = runtime.Bar(), {}, []
        for i, (picture, recording) in enumerate(pairs):
            if id(picture) not in portraits:
                found = find_face(fit(picture, default("max_size")))
                portraits[id(picture)] = with_open_mouth(found, open_mouth, cls)
            portrait = portraits[id(picture)]

            def stage(start: float, stop: float, first: int = i) -> Progress:
                return bar.stage((first + start) / len(pairs), (first + stop) / len(pairs))

            speech = speech_of(recording, cls)
            features = features_of(speech, loaded, stage(0.0, 0.3))
            clip = AUTO if emotion == AUTO else None
            voice = Voice(speech, features, portrait, seed)
            style = runtime.cancellable(
                partial(choose_style, loaded.model, emotion, clip, intensity, voice=voice)
            )
            loaded.host.device()
            motion = animate(
                speech, loaded.model, style, seed=seed, liveliness=liveliness, features=features,
                progress=stage(0.3, 1.0),
            )  # fmt: skip
            videos.append(render_video(cls, portrait, motion, recording, fps=rate))
        return io.NodeOutput(videos)


def paired(pictures: list[Tensor], recordings: list[Any]) -> list[tuple[Tensor, Any]]:
    """Who says what: one picture says all recordings, all pictures say one, or each its own."""
    most = max(len(pictures), len(recordings))
    if not {len(pictures), len(recordings)} <= {1, most}:
        raise DreamTalkError(
            f"{len(pictures)} pictures and {len(recordings)} recordings came in: give one of "
            "either, or as many of both"
        )
    return [(pictures[i % len(pictures)], recordings[i % len(recordings)]) for i in range(most)]

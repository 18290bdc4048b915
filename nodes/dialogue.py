"""The node for several people in one picture who talk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io
from torch import Tensor

from ..dreamtalk.options import AUTO, EMOTIONS, default
from . import runtime
from .convert import audio_of, first_image, fit, waveform_of
from .inputs import choice, model_input, option_input
from .portrait import find_face
from .sampler import STARTER, load_checkpoint
from .schema import schema
from .sockets import (
    AnimatedFace,
    DTFaces,
    DTMotion,
    DTPortrait,
    DTStyle,
    HostedModel,
)
from .speech import features_of

if TYPE_CHECKING:
    from ..dreamtalk.face.portrait import Portrait
    from ..dreamtalk.style import Style

_TRACK = "0:left 4:right 8:both"


class DreamTalkDialogue(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkDialogue",
            display_name="DreamTalk Dialogue",
            category="DreamTalk",
            description=(
                "Several people in one picture talk: each face says its part of the recording, "
                "and the others listen, with lips at rest, eyes on the speaker and a nod now and "
                "then. Connect portrait, motion, faces and audio to Render Video."
            ),
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="A picture that shows everybody. Of a batch, the first one is used.",
                ),
                io.Audio.Input(
                    "audio",
                    tooltip="The recording that all speak in. With audio2 connected: the leftmost "
                    "person's own.",
                ),
                io.String.Input(
                    "speakers",
                    default=_TRACK,
                    multiline=True,
                    tooltip="Who speaks when: marks in the form second:name, separated by spaces "
                    "or lines. Names are left, middle, right, both, all, none, or a face's number "
                    "from the left; several as 1+2. Or stereo: one person on each channel. Not "
                    "used with audio2.",
                ),
                io.Combo.Input(
                    "emotion",
                    options=[*EMOTIONS, AUTO],
                    default=default("emotion"),
                    tooltip="The emotion of those about whom 'styles' says nothing. auto: what "
                    "each voice sounds like.",
                ),
                io.String.Input(
                    "styles",
                    default="",
                    tooltip="Emotions of single faces: left=happy right=sad@0.7. Who listens "
                    "shows them mildly.",
                ),
                option_input(
                    "intensity", "How strongly emotions show, where styles don't say it after @."
                ),
                option_input("seed", "The same seed gives the same motions, on every machine."),
                option_input(
                    "liveliness",
                    "Blinks, gaze, nods, breathing and head motion: 0 none, 1 natural, 2 lively.",
                ),
                option_input(
                    "max_size",
                    "Larger pictures are scaled down to this many pixels on their longer "
                    "side, which keeps rendering fast. 0 keeps the full size.",
                ),
                model_input(),
                DTStyle.Input(
                    "style",
                    optional=True,
                    tooltip="A style of this checkpoint instead of the emotion.",
                ),
                io.Audio.Input(
                    "audio2",
                    optional=True,
                    tooltip="The second person's own recording, if there are two.",
                ),
                io.Float.Input(
                    "audio2_at",
                    default=0.0,
                    min=0.0,
                    max=86_400.0,
                    step=0.1,
                    optional=True,
                    tooltip="When the second recording begins, in seconds.",
                ),
            ],
            outputs=[
                DTPortrait.Output(display_name="portrait", tooltip="The leftmost face."),
                DTMotion.Output(display_name="motion", tooltip="What the leftmost face does."),
                DTFaces.Output(
                    display_name="faces",
                    tooltip="All other faces with their motions, for more_faces of Render Video.",
                ),
                io.Audio.Output(
                    display_name="audio", tooltip="The sound of the video, both recordings mixed."
                ),
                io.String.Output(
                    display_name="turns", tooltip="Who speaks from when to when, for Preview Any."
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        audio: dict[str, Any],
        speakers: str,
        emotion: str,
        styles: str,
        intensity: float,
        seed: int,
        liveliness: float,
        max_size: int,
        model: HostedModel | None = None,
        style: Style | None = None,
        audio2: dict[str, Any] | None = None,
        audio2_at: float = 0.0,
    ) -> io.NodeOutput:
        from ..dreamtalk.dialogue.faces import animate_faces, level, styles_of
        from ..dreamtalk.dialogue.split import Recording, mixed, who_says_what
        from ..dreamtalk.dialogue.styles import FaceStyle, parse_face_styles
        from ..dreamtalk.dialogue.voices import describe_turns
        from ..dreamtalk.pipeline import Sampling

        choice("emotion", emotion, (*EMOTIONS, AUTO))
        bar = runtime.Bar()
        recordings = [Recording(*waveform_of(audio, cls))]
        if audio2 is not None:
            recordings.append(Recording(*waveform_of(audio2, cls), audio2_at))
        portraits = find_everybody(fit(first_image(image, cls), max_size))
        chosen = parse_face_styles(styles, len(portraits))
        track = None if audio2 is not None else speakers
        voices = runtime.cancellable(lambda: who_says_what(recordings, track, len(portraits)))
        loaded = model or load_checkpoint(STARTER)
        listen = bar.stage(0.05, 0.2)
        features = [features_of(level(voice.speech), loaded, listen) for voice in voices]
        loaded.host.device()
        each = styles_of(
            loaded.model, chosen, portraits, voices, features, style or FaceStyle(emotion),
            intensity, seed,
        )  # fmt: skip
        faces = animate_faces(
            portraits, voices, loaded.model, each, Sampling(seed=seed), liveliness, features,
            bar.stage(0.2, 1.0),
        )  # fmt: skip
        turns = describe_turns(voices)
        runtime.notice(cls, turns, important=False)
        others = tuple(AnimatedFace(*face) for face in faces[1:])
        return io.NodeOutput(*faces[0], others, audio_of(*mixed(recordings)), turns)


def find_everybody(picture: Tensor) -> list[Portrait]:
    """The faces of an (H, W, C) picture, from the left."""
    from ..dreamtalk.dialogue.job import numbered

    first = find_face(picture, "1")
    return [first, *(find_face(picture, name) for name in numbered(first.faces)[1:])]

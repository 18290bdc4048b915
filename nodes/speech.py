"""Nodes that bring speech in and turn it into features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..dreamtalk.errors import AudioError
from . import runtime
from .convert import audio_of, recordings_of, speech_of
from .inputs import option_input
from .schema import schema
from .sockets import DTFeatures, DTModel, HostedModel

if TYPE_CHECKING:
    from ..dreamtalk.progress import Progress
    from ..dreamtalk.speech.speech import Features, Speech


class DreamTalkLoadSpeech(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkLoadSpeech",
            display_name="DreamTalk Load Speech",
            category="DreamTalk",
            description=(
                "Loads a recording from an audio or video file, cuts a part out of it and brings "
                "it to an even loudness."
            ),
            inputs=[
                io.Combo.Input(
                    "audio",
                    options=runtime.input_files(runtime.is_recording),
                    tooltip="An audio or video file in ComfyUI's input folder. Upload one with the "
                    "button, or drop it on the node.",
                ),
                option_input("start", "Where to begin, in seconds."),
                option_input(
                    "duration", "How much to take, in seconds. 0 takes everything to the end."
                ),
                io.Boolean.Input(
                    "normalize",
                    default=True,
                    tooltip="Bring quiet and loud recordings to the same loudness, so that the "
                    "lips move the same.",
                ),
            ],
            outputs=[
                io.Audio.Output(
                    display_name="audio",
                    tooltip="For Speech Features, and for the sound of the video.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, audio: str | None) -> bool | str:
        if not audio:
            return "choose a recording, or upload one"
        return runtime.input_problem(audio) or True

    @classmethod
    def fingerprint_inputs(cls, audio: str, **settings: Any) -> str:
        return f"{runtime.file_stamp(audio)} {settings}"

    @classmethod
    def execute(cls, audio: str, start: float, duration: float, normalize: bool) -> io.NodeOutput:
        from ..dreamtalk.speech.loading import load_recording

        path = runtime.input_path(audio)
        waveform, rate = runtime.cancellable(
            lambda: load_recording(path, start, duration or None, normalize=normalize)
        )
        return io.NodeOutput(audio_of(waveform, rate))


class DreamTalkSpeechFeatures(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkSpeechFeatures",
            display_name="DreamTalk Speech Features",
            category="DreamTalk",
            description=(
                "Listens to the recording: turns it into the rows of numbers that the checkpoint "
                "understands, 50 a second. The starter brings its own ear. The published "
                "checkpoint needs wav2vec2: connect Audio Encoder Encode with "
                "wav2vec2_large_english instead of a recording."
            ),
            inputs=[
                DTModel.Input("model", tooltip="The checkpoint that will speak."),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="The recording, from Load Speech or any audio node. A batch is worked "
                    "through: connect the audio output, too.",
                ),
                io.AudioEncoderOutput.Input(
                    "audio_encoder_output",
                    optional=True,
                    tooltip="For checkpoints made with wav2vec2: the output of Audio Encoder "
                    "Encode.",
                ),
            ],
            outputs=[
                DTFeatures.Output(
                    display_name="features", tooltip="For DreamTalk Sampler.", is_output_list=True
                ),
                io.Audio.Output(
                    display_name="audio",
                    tooltip="The recording; of a batch one after the other, each with its "
                    "features. For Natural Motion and Render Video.",
                    is_output_list=True,
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, model: HostedModel, audio: Any = None, audio_encoder_output: Any = None
    ) -> io.NodeOutput:
        if audio_encoder_output is not None:
            from ..dreamtalk.speech.wav2vec import features_from_audio_encoder

            made = [features_from_audio_encoder(part) for part in encoded_of(audio_encoder_output)]
            return io.NodeOutput(made, [audio] if audio is None else recordings_of(audio))
        if audio is None:
            raise AudioError("connect a recording to 'audio', or an audio encoder's output")
        recordings = recordings_of(audio)
        if len(recordings) > 1:
            runtime.notice(cls, f"{len(recordings)} recordings came in: what follows runs for each")
        bar, step = runtime.Bar(), 1 / len(recordings)
        made = [
            features_of(speech_of(part, cls), model, bar.stage(i * step, (i + 1) * step))
            for i, part in enumerate(recordings)
        ]
        return io.NodeOutput(made, recordings)


def encoded_of(output: Any) -> list[Any]:
    """The recordings of an AUDIO_ENCODER_OUTPUT, one each."""
    rows = output.get("encoded_audio")
    if getattr(rows, "ndim", 0) != 3 or len(rows) < 2:
        return [output]
    return [{**output, "encoded_audio": rows[i : i + 1]} for i in range(len(rows))]


def features_of(speech: Speech, model: HostedModel, progress: Progress) -> Features:
    """Features of speech for a checkpoint.

    The published checkpoint's wav2vec2 runs in ComfyUI's own audio encoder, if its file is there.
    """
    from ..dreamtalk.model import speech_features
    from ..dreamtalk.speech.wav2vec import FILE_NAMES, KIND, features_from_audio_encoder

    if model.model.feature_kind == KIND:
        files = [name for name in FILE_NAMES if name.endswith(".safetensors")]
        encoded = runtime.encode_audio(speech.waveform, files)
        if encoded is not None:
            return features_from_audio_encoder(encoded)
    model.host.device()
    return speech_features(speech, model.model, progress=progress)

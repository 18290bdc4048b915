"""Nodes for other programs' faces: motion while it plays, and the mouth shapes of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..dreamtalk.errors import OutputError
from . import runtime
from .inputs import option_input
from .schema import schema
from .sockets import DTFeatures, DTMotion

if TYPE_CHECKING:
    from ..dreamtalk.motion.motion import Motion
    from ..dreamtalk.speech.speech import Features


class DreamTalkStreamMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkStreamMotion",
            display_name="DreamTalk Stream Motion",
            category="DreamTalk/motion",
            description=(
                "Plays motion live to Unreal Engine, Blender or another program that listens to "
                "Live Link Face, the iPhone app: 52 ARKit blendshapes, head and eyes over UDP. "
                "Takes as long as the motion lasts; cancel ends it."
            ),
            inputs=[
                DTMotion.Input("motion", tooltip="The motion to play."),
                io.String.Input(
                    "to",
                    default="127.0.0.1:11111",
                    tooltip="Who listens, as host:port: this machine or one of the local network. "
                    "Addresses of the internet are refused, so that a workflow from elsewhere "
                    "can't send anything there.",
                ),
                io.String.Input(
                    "subject",
                    default="DreamTalk",
                    tooltip="What the receiver calls the face: the name in Unreal's Live Link "
                    "window.",
                ),
                option_input(
                    "live.fps", "Frames a second to send. 0 takes the motion's own (25).", "fps"
                ),
                option_input("live.loop", "Begin again at the end, until you cancel.", "loop"),
            ],
            outputs=[
                DTMotion.Output(display_name="motion", tooltip="The same motion, to go on with.")
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_: object) -> float:
        return float("nan")  # never the same: a performance is not remembered but given again

    @classmethod
    def execute(
        cls, motion: Motion, to: str, subject: str, fps: float, loop: bool
    ) -> io.NodeOutput:
        from ..dreamtalk.motion.livelink_udp import find_target, stream_motion

        target = find_target(to)
        if not target.near:
            raise OutputError(
                f"'{to}' is not in the local network: this node sends only there; the command "
                "dreamtalk stream-motion sends anywhere"
            )
        sent = stream_motion(motion, target, subject, fps, loop, runtime.Bar())
        runtime.notice(
            cls,
            f"sent {sent.frames} frames to {to}"
            + f", {sent.skipped} too late" * bool(sent.skipped),
            important=False,
        )
        return io.NodeOutput(motion)


class DreamTalkSaveVisemes(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkSaveVisemes",
            display_name="DreamTalk Save Visemes",
            category="DreamTalk/motion",
            description=(
                "Writes which of 15 mouth shapes the recording shows at a time, for avatars with "
                "the shapes of Oculus Lipsync: VRChat, Ready Player Me, three.js, Unity. A .json "
                "in ComfyUI's output folder."
            ),
            inputs=[
                DTFeatures.Input(
                    "features",
                    tooltip="What was heard, from Speech Features with the starter, which tells "
                    "the sounds.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="dreamtalk/visemes",
                    tooltip="Beginning of the file name; may name a subfolder.",
                ),
                option_input("visemes.fps", "Frames a second of the track.", "fps"),
            ],
            outputs=[
                io.String.Output(display_name="json", tooltip="The contents of the file, as text.")
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, features: Features, filename_prefix: str, fps: float) -> io.NodeOutput:
        from ..dreamtalk.speech.visemes import viseme_track

        track = viseme_track(features, fps)
        path, _ = runtime.output_file(filename_prefix, ".json")
        track.save(path)
        runtime.notice(cls, f"wrote {path.name}", important=False)
        return io.NodeOutput(track.to_json(), ui={"text": (str(path),)})

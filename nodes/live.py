"""Nodes that give motion to other programs while it plays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..dreamtalk.errors import OutputError
from . import runtime
from .convert import option_input
from .schema import schema
from .sockets import DTMotion

if TYPE_CHECKING:
    from ..dreamtalk.motion.motion import Motion


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

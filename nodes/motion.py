"""Nodes for motion as a value of its own: files, life, editing, pictures of it."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from .convert import speech_of
from .sockets import DTMotion

_CATEGORY = "DreamTalk/motion"


class DreamTalkNaturalMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        strength = {"default": 1.0, "min": 0.0, "max": 3.0, "step": 0.05}
        return io.Schema(
            node_id="DreamTalkNaturalMotion",
            display_name="DreamTalk Natural Motion",
            category=_CATEGORY,
            description=(
                "Gives life to a face that only talks: blinks, small gaze shifts, idle head motion "
                "and breathing, as often and as large as in filmed speech. With the recording "
                "connected, blinks fall into pauses and the head stresses words."
            ),
            inputs=[
                DTMotion.Input("motion", tooltip="The motion to add life to, from Sampler."),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="The recording that is spoken. Leave unconnected for a listener.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="The same seed gives the same motion, on every machine.",
                ),
                io.Float.Input(
                    "blinks",
                    tooltip="How often the eyes blink: 1 natural, 0 never.",
                    **strength,
                ),
                io.Float.Input(
                    "gaze", tooltip="How much the eyes wander: 1 natural, 0 fixed.", **strength
                ),
                io.Float.Input(
                    "head", tooltip="How much the head moves: 1 natural, 0 still.", **strength
                ),
                io.Float.Input(
                    "breathing", tooltip="How deep the breath shows: 1 natural, 0 not.", **strength
                ),
            ],
            outputs=[DTMotion.Output(display_name="motion", tooltip="For the render nodes.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        motion: Any,
        seed: int,
        blinks: float,
        gaze: float,
        head: float,
        breathing: float,
        audio: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        from ..dreamtalk.motion.natural import add_natural_motion

        speech = None if audio is None else speech_of(audio, cls)
        return io.NodeOutput(
            add_natural_motion(motion, speech, seed, blinks, gaze, head, breathing)
        )

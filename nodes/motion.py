"""Nodes that change motion, and draw it."""

from __future__ import annotations

import re
from typing import Any

from comfy_api.latest import io, ui

from ..dreamtalk.errors import MotionError
from ..dreamtalk.options import checked, default
from . import runtime
from .convert import curve_values, speech_of
from .inputs import curve_inputs, option_input
from .schema import schema
from .sockets import DTMotion

_CATEGORY = "DreamTalk/motion"


class DreamTalkNaturalMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
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
                DTMotion.Input(
                    "head_motion",
                    optional=True,
                    tooltip="Take the head from this motion instead (a tracked clip), looped "
                    "seamlessly and scaled by 'head'.",
                ),
                option_input("seed", "The same seed gives the same motion, on every machine."),
                option_input("natural.blinks", "How often the eyes blink: 1 natural, 0 never."),
                option_input("natural.gaze", "How much the eyes wander: 1 natural, 0 fixed."),
                option_input("natural.head", "How much the head moves: 1 natural, 0 still."),
                option_input("natural.breathing", "How deep the breath shows: 1 natural, 0 not."),
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
        head_motion: Any = None,
    ) -> io.NodeOutput:
        from ..dreamtalk.motion.edit import with_head_of
        from ..dreamtalk.motion.natural import add_natural_motion

        speech = None if audio is None else speech_of(audio, cls)
        if head_motion is not None:
            motion, head = with_head_of(motion, head_motion, head), 0.0
        alive = runtime.cancellable(
            lambda: add_natural_motion(motion, speech, seed, blinks, gaze, head, breathing)
        )
        return io.NodeOutput(alive)


class DreamTalkEditMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkEditMotion",
            display_name="DreamTalk Edit Motion",
            category=_CATEGORY,
            description=(
                "Makes parts of the face move more or less, for all of the motion or a part of it, "
                "smooths, moves in time, cuts and loops. Steps follow each other in the order of "
                "the widgets."
            ),
            inputs=[
                DTMotion.Input("motion", tooltip="The motion to edit."),
                option_input(
                    "edit.gain", "How much the lips move: 1 as they are, 0 not at all.", "lips"
                ),
                option_input("edit.gain", "How much the jaw moves.", "jaw"),
                option_input("edit.gain", "How much the brows move.", "brows"),
                option_input("edit.gain", "How much lids and gaze move.", "eyes"),
                option_input("edit.gain", "How much the head turns.", "head"),
                io.String.Input(
                    "channels",
                    default="",
                    multiline=True,
                    tooltip="Single channels or regions by name: cheeks*1.5 lipAperture+0.02 (or "
                    "mouthSmileLeft*2 in ARKit motion). * scales, + and - shift.",
                ),
                option_input(
                    "edit.smoothing",
                    "Smooth over so many seconds; closed lips and blinks are kept.",
                ),
                option_input(
                    "edit.shift",
                    "Move in time, in seconds: positive is later. Cures lips that lead or lag.",
                ),
                option_input("start", "Cut off what comes before, in seconds."),
                option_input("duration", "How long the result is, in seconds. 0 keeps everything."),
                io.Boolean.Input(
                    "loop",
                    default=False,
                    tooltip="Repeat seamlessly until the duration is filled.",
                ),
                option_input("edit.speed", "Faster above 1, slower below."),
                option_input(
                    "edit.range_start",
                    "Gains, channels and smoothing hold from here on, in seconds of the incoming "
                    "motion; before it stays as it is.",
                    optional=True,
                ),
                option_input(
                    "edit.range_end",
                    "They hold until here, in seconds. 0 is the end of the motion.",
                    optional=True,
                ),
                option_input(
                    "edit.ease", "Seconds that they take to come and to go.", optional=True
                ),
                *curve_inputs(
                    "curve",
                    "From Curve Editor: how much gains, channels and smoothing count from the "
                    "beginning of the motion to its end. At the top all of them, at the bottom the "
                    "motion stays as it came.",
                ),
            ],
            outputs=[DTMotion.Output(display_name="motion", tooltip="The edited motion.")],
        )

    @classmethod
    def execute(
        cls,
        motion: Any,
        channels: str,
        smoothing: float,
        shift: float,
        start: float,
        duration: float,
        loop: bool,
        speed: float,
        curve: Any = None,
        range_start: float = default("edit.range_start"),
        range_end: float = default("edit.range_end"),
        ease: float = default("edit.ease"),
        **gains: float,
    ) -> io.NodeOutput:
        from ..dreamtalk.motion import edit
        from ..dreamtalk.motion.ranges import within_range

        checked(start=start, duration=duration, **{"edit.smoothing": smoothing})
        named_gains, named_offsets = parse_channel_edits(channels)
        wanted = {name: gain for name, gain in gains.items() if gain != 1.0} | named_gains
        edited = edit.adjust(motion, wanted, named_offsets)
        edited = edit.smooth(edited, smoothing) if smoothing else edited
        if curve is not None:
            edited = edit.mixed(motion, edited, curve_values(curve, len(motion)))
        limited = range_start or range_end
        motion = within_range(motion, edited, range_start, range_end, ease) if limited else edited
        motion = edit.shift(motion, shift) if shift else motion
        if loop and duration:
            motion = edit.loop(edit.trim(motion, start), duration)
        elif start or duration:
            motion = edit.trim(motion, start, start + duration if duration else None)
        return io.NodeOutput(edit.change_speed(motion, speed) if speed != 1.0 else motion)


_EDIT = re.compile(r"^([A-Za-z]\w*)([*+-])(\d*\.?\d+)$")


def parse_channel_edits(text: str) -> tuple[dict[str, float], dict[str, float]]:
    """Gains and offsets from text like ``cheeks*1.5 lipAperture+0.02``."""
    gains: dict[str, float] = {}
    offsets: dict[str, float] = {}
    for word in re.split(r"[\s,;]+", text.strip()):
        match = _EDIT.match(word)
        if match:
            name, sign, number = match[1], match[2], float(match[3])
            if sign == "*":
                gains[name] = number
            else:
                offsets[name] = number if sign == "+" else -number
        elif word:
            raise MotionError(
                f"can't read '{word}': write name*factor, name+amount or name-amount, "
                "for example cheeks*1.5"
            )
    return gains, offsets


class DreamTalkJoinMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkJoinMotion",
            display_name="DreamTalk Join Motion",
            category=_CATEGORY,
            description="Plays one motion after the other, the end of one melting into the next.",
            inputs=[
                DTMotion.Input("first", tooltip="What comes first."),
                DTMotion.Input("second", tooltip="What follows."),
                option_input("crossfade", "Seconds in which both overlap."),
            ],
            outputs=[DTMotion.Output(display_name="motion", tooltip="Both, joined.")],
        )

    @classmethod
    def execute(cls, first: Any, second: Any, crossfade: float) -> io.NodeOutput:
        from ..dreamtalk.motion.bridges import convert
        from ..dreamtalk.motion.edit import concat

        return io.NodeOutput(concat([first, convert(second, first.space)], crossfade))


class DreamTalkPlotMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="DreamTalkPlotMotion",
            display_name="DreamTalk Plot Motion",
            category=_CATEGORY,
            description=(
                "Draws lips, eyelids, brows and head over time under the sound: to see whether "
                "lips close where they should, or to show what is wrong."
            ),
            inputs=[
                DTMotion.Input("motion", tooltip="The motion to draw."),
                io.Audio.Input("audio", optional=True, tooltip="Its sound, drawn on top."),
                option_input("width", "Width of the picture in pixels."),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The drawing.")],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, motion: Any, width: int, audio: dict[str, Any] | None = None) -> io.NodeOutput:
        from ..dreamtalk.motion.plot import plot_motion

        speech = None if audio is None else speech_of(audio, cls)
        image = runtime.cancellable(lambda: plot_motion(motion, speech, width=width))[None]
        return io.NodeOutput(image, ui=ui.PreviewImage(image, cls=cls))

"""Inputs and outputs that several nodes have, and what their choices mean.

ComfyUI 0.3.64 has no sockets that grow (0.8 has them) and no curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from comfy_api.latest import io

from ..dreamtalk.errors import DreamTalkError
from ..dreamtalk.options import DTYPES, FRAME_RATES, OPTIONS
from .sockets import Curve, DTModel

AS_THE_MOTION = "as the motion"


def option_input(option: str, tooltip: str, id: str | None = None, optional: bool = False) -> Any:
    """The widget of an option: its default and range are those of the library and the command.

    Args:
        option: its name in the table of options.
        tooltip: what it means for this node.
        id: of the widget; the option's name by default.
        optional: graphs that were made before the widget was there go on working.
    """
    row = OPTIONS[option]
    id = id or option.rpartition(".")[2]
    settings: dict[str, Any] = {"default": row.default, "tooltip": tooltip}
    if optional:
        settings["optional"] = True
    if row.choices:
        return io.Combo.Input(id, options=list(row.choices), **settings)
    if isinstance(row.default, bool):
        return io.Boolean.Input(id, **settings)
    if row.seed:
        settings["control_after_generate"] = True
    if isinstance(row.default, int):
        settings |= {"min": int(row.low or 0), "max": int(row.high or 0)}
        settings |= {"step": int(row.step)} if row.step and row.step > 1 else {}
        return io.Int.Input(id, **settings)
    settings |= {"min": row.low, "max": row.high, "step": row.step}
    return io.Float.Input(id, **settings)


def fps_input() -> Any:
    """The widget for the frame rate of a video."""
    return io.Combo.Input(
        "fps",
        options=[AS_THE_MOTION, *map(str, FRAME_RATES)],
        default=AS_THE_MOTION,
        optional=True,
        tooltip="Frames per second. The motion is read off at that rate, so that none is repeated, "
        "and lips that close still do. DreamTalk's own motions have 25.",
    )


def fps_of(name: str) -> float:
    """Frames a second of a choice of :func:`fps_input`; 0 for those of the motion."""
    choice("fps", name, (AS_THE_MOTION, *map(str, FRAME_RATES)))
    return 0.0 if name == AS_THE_MOTION else float(name)


def choice(name: str, value: str, options: Sequence[str]) -> str:
    """Check a list widget: older ComfyUI versions let any text through."""
    if value not in options:
        raise DreamTalkError(f"{name} can't be '{value}': choose one of {', '.join(options)}")
    return value


def precision_input() -> Any:
    """The widget for the number format of a network."""
    return option_input(
        "dtype",
        id="precision",
        tooltip="Number format to compute in. fp32 is exact; bf16 and fp16 take half the memory "
        "and may be faster on a graphics card.",
    )


def dtype_of(precision: str) -> torch.dtype:
    """The torch dtype of a choice of :func:`precision_input`."""
    from ..dreamtalk import checkpoints

    return checkpoints.DTYPES[choice("precision", precision, DTYPES)]


def model_input() -> Any:
    """The checkpoint of a node that also works without one."""
    return DTModel.Input(
        "model",
        optional=True,
        tooltip="A checkpoint from Load Model. Leave unconnected for the built-in starter.",
    )


def video_output(is_output_list: bool = False) -> Any:
    """A video that is rendered while it is saved."""
    return io.Video.Output(
        display_name="video",
        tooltip="For Save Video, which renders it: mp4 with h264 and aac, or what is chosen there.",
        is_output_list=is_output_list,
    )


def growing_inputs(id: str, of: Any, names: tuple[str, ...], tooltip: str) -> list[Any]:
    """Sockets that appear one after the other as they are used.

    Args:
        id: of all of them; the node gets a dict of what is connected, or nothing.
        of: the type of socket, such as ``DTStyle``.
        names: of the single sockets.
        tooltip: what they are for.

    Returns:
        One input, or none where ComfyUI has no such thing.
    """
    autogrow = getattr(io, "Autogrow", None)
    if autogrow is None:
        return []
    template = autogrow.TemplateNames(of.Input("socket", tooltip=tooltip), list(names), min=0)
    return [autogrow.Input(id, template=template, optional=True, tooltip=tooltip)]


def curve_inputs(id: str, tooltip: str) -> list[Any]:
    """A socket for a curve that core's Curve Editor draws; none where ComfyUI has no curves.

    As a plain socket: ComfyUI's own input would draw an editor into the node, whose curve would
    then always count.
    """
    if getattr(io, "Curve", None) is None:
        return []
    settings = {"forceInput": True}
    return [Curve.Input(id, optional=True, tooltip=tooltip, extra_dict=settings)]

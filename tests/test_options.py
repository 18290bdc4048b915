"""One table of options: the command, the nodes and the library begin at the same values."""

from __future__ import annotations

import inspect
import math

import pytest

from dreamtalk import pipeline
from dreamtalk.cli import build_parser
from dreamtalk.errors import DreamTalkError
from dreamtalk.model import DreamTalkModel
from dreamtalk.model.sample import sample_motion
from dreamtalk.options import OPTIONS, checked, default
from dreamtalk.render.video import write_video
from tests.comfy_pack import node_classes

TALK = ["talk", "--portrait", "p.png", "--audio", "a.wav", "--out", "v.mp4"]


def test_the_command_begins_at_the_table() -> None:
    args = vars(build_parser().parse_args(TALK))
    shared = OPTIONS.keys() & args.keys()
    assert {"emotion", "intensity", "steps", "sampler", "guidance", "sync", "seed"} <= shared
    assert {"quality", "renderer", "device", "liveliness", "checkpoint", "face"} <= shared
    assert {name: args[name] for name in shared} == {name: default(name) for name in shared}
    assert args["no_label"] is not default("label")


def test_the_nodes_begin_at_the_table() -> None:
    seen = set()
    for node in node_classes().values():
        for item in node.GET_SCHEMA().inputs:
            option = OPTIONS.get(item.id)
            if option is None or item.default is None:
                continue
            if (node.__name__, item.id) == ("DreamTalkSaveVisemes", "fps"):  # not a video's
                continue
            seen.add(item.id)
            # as lists show the starter, and the rate 0
            begins = str(item.default).removesuffix(" (built in)").replace("as the motion", "0.0")
            assert begins == str(option.default), f"{node.__name__}.{item.id}"
    assert {"emotion", "intensity", "steps", "sampler", "guidance", "sync", "seed"} <= seen
    assert {"quality", "label", "liveliness", "neutral", "face", "start", "duration"} <= seen


@pytest.mark.parametrize(
    "function",
    [
        pipeline.animate, pipeline.choose_style, pipeline.render_video, write_video,
        DreamTalkModel.sample, sample_motion,
        *(t.__init__ for t in (pipeline.Sampling, pipeline.StyleChoice, pipeline.Shot)),
        pipeline.Performance.__init__, pipeline.SpeechSource.__init__,
    ],
)  # fmt: skip
def test_the_library_begins_at_the_table(function: object) -> None:
    # None and 0 both mean all; a stream of frames has a rate, a video the motion's or another;
    # what is behind a person is read from its name before
    same = {"duration", "fps", "background"}
    for name, parameter in inspect.signature(function).parameters.items():  # type: ignore[arg-type]
        begins = parameter.default
        if name in OPTIONS and name not in same and begins is not inspect.Parameter.empty:
            assert begins == default(name), name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("intensity", math.nan), ("intensity", -1), ("guidance", math.inf), ("steps", 0),
        ("steps", 2.5), ("steps", "many"), ("seed", -1), ("quality", 99), ("sampler", "euler"),
        ("emotion", "bored"), ("liveliness", 1e9), ("sync", None), ("fps", 0.5),
        ("live.fps", 1e-9), ("file.fps", 0.99),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_with_the_range(name: str, value: object) -> None:
    shown = name.rpartition(".")[2]
    with pytest.raises(DreamTalkError, match=rf"{shown} can't be .*: (give a|choose one of)"):
        checked(**{name: value})


def test_the_ends_of_a_range_belong_to_it() -> None:
    for name, option in OPTIONS.items():
        checked(**{name: option.default})
        if option.low is not None:
            checked(**{name: option.low})
            checked(**{name: option.high})


def test_messages_stay_readable_whatever_they_quote() -> None:
    said = str(DreamTalkError(f"can't read '{'1' * 5000}': write name*factor"))
    assert len(said) < 700
    assert said.startswith("can't read '1111")
    assert said.endswith("11': write name*factor")

"""Widget values that an interface which checks nothing can send to the nodes."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from dreamtalk.motion import FACE, Motion
from dreamtalk.options import EMOTIONS
from dreamtalk.speech import Features
from tests.comfy_pack import node_classes, run_node
from tests.fuzz.cases import ABSURD_NUMBERS, ABSURD_VALUES, works_or_says

MOTION = Motion(0.01 * torch.ones(6, len(FACE)), torch.zeros(6, 6))
ABSURD = st.sampled_from(ABSURD_VALUES) | st.floats() | st.integers()
TEXTS = st.text(max_size=12) | st.sampled_from(ABSURD_NUMBERS)


def widgets(node: str, *left: str) -> dict[str, st.SearchStrategy[Any]]:
    """A strategy for each number and text that a node is set by: mostly its default."""
    found = {}
    for item in node_classes()[node].GET_SCHEMA().inputs:
        kind = type(item).io_type if hasattr(type(item), "io_type") else item.io_type
        if kind in ("INT", "FLOAT", "BOOLEAN", "COMBO", "STRING") and item.id not in left:
            found[item.id] = st.one_of(st.just(item.default), st.just(item.default), ABSURD)
    return found


def model() -> Any:
    (loaded,) = run_node("DreamTalkLoadModel")
    return loaded


MODEL = model()
STYLE = run_node("DreamTalkStylePreset", model=MODEL)[0]
FEATURES = Features(torch.zeros(8, MODEL.model.config.feature_dim), MODEL.model.feature_kind)


@given(values=st.fixed_dictionaries(widgets("DreamTalkNaturalMotion")))
def test_natural_motion(values: dict[str, Any]) -> None:
    works_or_says(lambda: run_node("DreamTalkNaturalMotion", motion=MOTION, **values))


@given(
    values=st.fixed_dictionaries(widgets("DreamTalkEditMotion", "channels", "duration")),
    channels=st.just("")
    | st.builds("{}{}{}".format, st.sampled_from(["cheeks", "lips", "yaw", "x"]), *[TEXTS] * 2),
    duration=st.sampled_from([0.0, 0.1, 2.0, 60.0, float("nan"), -1.0, 1e9, None, "x"]),
)
def test_edit_motion(values: dict[str, Any], channels: str, duration: Any) -> None:
    works_or_says(
        lambda: run_node(
            "DreamTalkEditMotion", motion=MOTION, channels=channels, duration=duration, **values
        )
    )


@given(values=st.fixed_dictionaries(widgets("DreamTalkJoinMotion")))
def test_join_motion(values: dict[str, Any]) -> None:
    works_or_says(lambda: run_node("DreamTalkJoinMotion", first=MOTION, second=MOTION, **values))


@given(emotion=st.sampled_from(EMOTIONS) | ABSURD | TEXTS, intensity=st.floats(0, 3) | ABSURD)
def test_style_preset(emotion: Any, intensity: Any) -> None:
    works_or_says(
        lambda: run_node("DreamTalkStylePreset", model=MODEL, emotion=emotion, intensity=intensity)
    )


@given(intensity=ABSURD)
def test_style_encoder(intensity: Any) -> None:
    works_or_says(
        lambda: run_node("DreamTalkStyleEncoder", model=MODEL, motion=MOTION, intensity=intensity)
    )


@given(values=st.fixed_dictionaries(widgets("DreamTalkStyleBlend")))
def test_style_blend(values: dict[str, Any]) -> None:
    works_or_says(lambda: run_node("DreamTalkStyleBlend", style_a=STYLE, style_b=STYLE, **values))


@given(
    track=st.builds("0:neutral {}:happy@{}".format, *[TEXTS | st.floats() | st.integers()] * 2)
    | TEXTS,
    transition=st.floats(0, 10) | ABSURD,
)
def test_style_track(track: str, transition: Any) -> None:
    works_or_says(
        lambda: run_node("DreamTalkStyleTrack", model=MODEL, track=track, transition=transition)
    )


@given(
    values=st.fixed_dictionaries(widgets("DreamTalkSampler", "steps")),
    steps=st.sampled_from([1, 2, 0, -1, 10**9, 2.5, float("nan"), None, "x"]),
    sampler=st.sampled_from(["ddim", "ddim", "ddim", "euler", None]),
)
def test_sampler(values: dict[str, Any], steps: Any, sampler: Any) -> None:
    values |= {"steps": steps, "sampler": sampler}
    works_or_says(
        lambda: run_node("DreamTalkSampler", model=MODEL, features=FEATURES, style=STYLE, **values)
    )


@given(
    checkpoint=st.sampled_from(["starter (built in)", "no.safetensors", "", "../x.pth", "\x00"]),
    precision=st.sampled_from(["fp32", "bf16", "fp64", "", None, 3]),
)
def test_load_model(checkpoint: str, precision: Any) -> None:
    works_or_says(
        lambda: run_node("DreamTalkLoadModel", checkpoint=checkpoint, precision=precision)
    )


@given(
    values=st.fixed_dictionaries(widgets("DreamTalkTrackMotion")),
    shape=st.lists(st.integers(0, 4), min_size=3, max_size=5),
)
def test_track_motion(values: dict[str, Any], shape: list[int]) -> None:
    works_or_says(lambda: run_node("DreamTalkTrackMotion", images=torch.zeros(shape), **values))

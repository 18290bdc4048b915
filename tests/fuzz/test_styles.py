"""Style tracks: any text, any marks, any times."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import example, given
from hypothesis import strategies as st

from dreamtalk.style import EMOTIONS, Style
from dreamtalk.style.blend import blend_styles
from dreamtalk.style.track import parse_style_track, style_track
from tests.fuzz.cases import ABSURD_NUMBERS, ABSURD_VALUES, works_or_says

WORDS = st.sampled_from([*EMOTIONS, *ABSURD_NUMBERS, ":", "@", " ", ",", "\t", "\n", "1:02.5", "2"])
MARKS = st.builds(
    "{}:{}{}".format,
    st.floats(0, 1e9) | st.sampled_from(ABSURD_NUMBERS) | st.integers(0, 100),
    st.sampled_from(EMOTIONS),
    st.just("") | st.builds("@{}".format, st.floats(0, 3) | st.sampled_from(ABSURD_NUMBERS)),
)
NUMBERS = st.floats() | st.sampled_from(ABSURD_VALUES)


def preset(name: str, intensity: float) -> Style:
    return Style(torch.ones(16), "model", intensity, name)


@given(text=st.text(max_size=40) | st.lists(WORDS, max_size=12).map("".join))
@example(text="1" * 5000 + ":1:happy")
@example(text="9" * 400 + ":happy")
@example(text="0:happy@" + "9" * 400)
def test_any_text(text: str) -> None:
    works_or_says(lambda: parse_style_track(text))


@given(
    marks=st.lists(MARKS, min_size=1, max_size=8).map(" ".join),
    duration=st.none() | st.floats(0, 100) | st.sampled_from([float("nan"), float("inf"), -1.0]),
    transition=st.floats(0, 10) | NUMBERS,
    intensity=st.floats(0, 3) | NUMBERS,
)
@example(marks="0:neutral 20000000:happy", duration=2.0, transition=0.8, intensity=1.0)
@example(marks="0:neutral 20000000:happy", duration=None, transition=0.8, intensity=1.0)
def test_any_marks(marks: str, duration: Any, transition: Any, intensity: Any) -> None:
    style = works_or_says(
        lambda: style_track(marks, preset, duration, transition, intensity=intensity)
    )
    if style is not None and duration is not None:
        assert len(style.code) <= duration * 25 + 1
        torch.testing.assert_close(style.code, torch.ones_like(style.code))


@given(weights=st.lists(st.floats(0, 100) | NUMBERS, min_size=2, max_size=2))
def test_any_weights(weights: list[Any]) -> None:
    works_or_says(lambda: blend_styles([preset("a", 3.0), preset("b", 3.0)], weights))


@given(
    code=st.lists(st.integers(0, 4), max_size=4).map(torch.zeros),
    intensity=NUMBERS | st.lists(st.floats(width=32), max_size=3).map(torch.tensor),
)
def test_any_style(code: torch.Tensor, intensity: Any) -> None:
    works_or_says(lambda: Style(code, "model", intensity))

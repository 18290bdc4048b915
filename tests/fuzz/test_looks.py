"""What is behind the person, and the picture that their teeth are taken from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from dreamtalk.face import Portrait, add_open_mouth
from dreamtalk.render.background.choice import background_of, needs_file
from tests.fuzz.cases import ABSURD_NUMBERS, ABSURD_VALUES, works_or_says

PARTS = st.integers(-300, 300).map(str) | st.sampled_from([*ABSURD_NUMBERS, "50%", "-1%", "1.5"])
COLOURS = (
    st.builds(
        "{}({}, {}, {})".format,
        st.sampled_from(["rgb", "RGB", "rgba", "hsl", "hsv", "cmyk"]), PARTS, PARTS, PARTS,
    )
    | st.text("0123456789abcdefABCDEFx", max_size=9).map("#{}".format)
    | st.sampled_from(["keep", "Transparent", " white ", "", ".", "/", "..", "x" * 5000, "a\x00"])
    | st.text(max_size=12)
)  # fmt: skip
SHAPES = st.lists(st.integers(0, 5), max_size=5)
TYPES = st.sampled_from([torch.float32, torch.float16, torch.uint8, torch.int64, torch.bool])
VALUES = st.floats(width=32) | st.sampled_from([0.0, 0.5, 1.0, 255.0, -1.0])


@given(choice=COLOURS | st.sampled_from(ABSURD_VALUES), files=st.booleans())
@example(choice="rgb(256, 0, 0)", files=True)
@example(choice="hsl(" + "9" * 80 + ", 0%, 0%)", files=True)
@example(choice="hsl(0, " + "9" * 80 + "%, 50%)", files=True)
def test_any_background(choice: Any, files: bool) -> None:
    made = works_or_says(lambda: background_of(choice, files=files))
    if isinstance(choice, str):
        works_or_says(lambda: needs_file(choice))
    if made is not None and not made.pictures:
        shown = made.frame(3, 4, 5)
        assert shown.dtype == np.uint8
        assert np.broadcast_shapes(shown.shape, (4, 5, 3)) == (4, 5, 3)
        assert made.transparent == (str(choice).strip().lower() == "transparent")
        if made.colour is not None:  # written again it is the same
            again = background_of("rgb({}, {}, {})".format(*made.colour), files=False)
            assert again is not None
            assert again.colour == made.colour == tuple(shown.tolist())


@given(shape=SHAPES, kind=TYPES, value=VALUES, height=st.integers(1, 9), width=st.integers(1, 9))
def test_pictures_of_any_shape_behind(
    shape: list[int], kind: torch.dtype, value: float, height: int, width: int
) -> None:
    pictures = torch.full(shape, value).to(kind)

    def work() -> np.ndarray:
        made = background_of(pictures=pictures)
        assert made is not None
        return made.frame(7, height, width)

    shown = works_or_says(work)
    if shown is not None:
        assert (shown.shape, shown.dtype) == ((height, width, 3), np.uint8)


@pytest.mark.parametrize("shape", [(1, 1, 8192, 3), (1, 8192, 1, 3), (1, 2, 4096, 3)])
def test_a_strip_behind_takes_no_gigabytes(shape: tuple[int, ...]) -> None:
    """Scaled until it covers 1080 rows, the whole of it would be 8,847,360 px wide."""
    made = background_of(pictures=torch.full(shape, 0.5))
    assert made is not None
    shown = works_or_says(lambda: made.frame(0, 1080, 1080))
    assert shown is not None
    assert (shown.shape, shown.min(), shown.max()) == ((1080, 1080, 3), 128, 128)


@given(shape=SHAPES, kind=TYPES, value=VALUES)
def test_open_mouths_of_any_shape(
    portrait: Portrait, shape: list[int], kind: torch.dtype, value: float
) -> None:
    pictures = torch.full(shape, value).to(kind)
    works_or_says(lambda: add_open_mouth(portrait, pictures))


@given(
    cut=st.tuples(*[st.integers(0, 250)] * 4),
    step=st.integers(1, 4),
    gain=st.floats(-2, 2),
    offset=st.floats(-1, 1) | st.sampled_from([float("nan"), float("inf")]),
    turned=st.booleans(),
    count=st.integers(0, 3),
)
def test_any_open_mouth(
    portrait: Portrait, portrait_image: torch.Tensor, cut: tuple[int, int, int, int], step: int,
    gain: float, offset: float, turned: bool, count: int,
) -> None:  # fmt: skip
    """The astronaut, cut, small, dark, negative, on her side, several times."""
    top, left, height, width = cut
    picture = portrait_image[top : top + height : step, left : left + width : step]
    picture = gain * (picture.transpose(0, 1) if turned else picture) + offset
    pictures = picture[None].expand(count, *picture.shape) if count else picture
    made = works_or_says(lambda: add_open_mouth(portrait, pictures))
    if made is not None:
        assert made.open_mouth is not None
        assert made.open_mouth.iod <= 1.02 * portrait.iod
        image = made.open_mouth.image
        assert 0 <= float(image.min()) <= float(image.max()) <= 1
        assert torch.equal(made.image, portrait.image)

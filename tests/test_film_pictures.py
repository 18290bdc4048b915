"""What comes out of a film: square pixels, the colours that players show, a word about HDR."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from dreamtalk.dubbing.film import VideoFilm

RED, GREEN = (200, 40, 40), (40, 160, 60)


def two_colours(width: int, height: int) -> np.ndarray:
    """Red on the left, green on the right."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:, : width // 2], picture[:, width // 2 :] = RED, GREEN
    return picture


def film(
    path: Path, picture: np.ndarray, codec: str = "ffv1", pixels: str = "yuv444p",
    matrix: Colorspace = Colorspace.ITU601, **said: Any,
) -> Path:  # fmt: skip
    """Two frames of a picture, its colours by a matrix, and what the file says of them."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = pixels
        for name, value in said.items():
            setattr(stream.codec_context, name, value)
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if pixels != "bgr0":
                frame = frame.reformat(format=pixels, dst_colorspace=matrix)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        (None, (96, 64)),
        (Fraction(4, 3), (128, 64)),
        (Fraction(8, 9), (96, 72)),
        (Fraction(1215, 1216), (96, 64)),  # what is said of a size that was rounded
        (Fraction(1, 40), (96, 64)),  # a slip
    ],
)
def test_pixels_are_square(tmp_path: Path, ratio: Fraction | None, size: tuple[int, int]) -> None:
    said = {} if ratio is None else {"sample_aspect_ratio": ratio}
    made = VideoFilm(film(tmp_path / "film.mkv", two_colours(96, 64), "libx264", **said))
    pictures = list(made.pictures())
    assert [p.shape[1::-1] for p in pictures] == [size] * 2
    assert [p.shape[1::-1] for p in made.part(1, 2)] == [size]
    assert np.abs(pictures[0][5, 5].astype(int) - RED).max() <= 4


@pytest.mark.parametrize(
    ("size", "matrix", "said"),
    [
        ((96, 64), Colorspace.ITU601, {}),
        ((1280, 64), Colorspace.ITU709, {}),  # nothing is said: the size decides
        ((64, 600), Colorspace.ITU709, {}),
        ((1280, 64), Colorspace.ITU601, {"colorspace": 6}),
        ((96, 64), Colorspace.ITU709, {"colorspace": 1}),
    ],
)
def test_colours_are_what_players_show(
    tmp_path: Path, size: tuple[int, int], matrix: Colorspace, said: Mapping[str, int]
) -> None:
    path = film(tmp_path / "film.mkv", two_colours(*size), matrix=matrix, **said)
    picture = next(VideoFilm(path).pictures()).astype(int)
    assert np.abs(picture[5, 5] - RED).max() <= 2
    assert np.abs(picture[5, -5] - GREEN).max() <= 2


def test_large_pictures_that_are_rgb_stay_as_they_are(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 1280, 3), dtype=np.uint8)
    made = VideoFilm(film(tmp_path / "film.mkv", noise, pixels="bgr0"))
    assert np.array_equal(next(made.pictures()), noise)


@pytest.mark.parametrize(("curve", "told"), [(1, False), (16, True), (18, True)])
def test_hdr_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, curve: int, told: bool
) -> None:
    path = film(tmp_path / "film.mkv", two_colours(96, 64), color_trc=curve)
    with caplog.at_level(logging.WARNING, "dreamtalk"):
        VideoFilm(path)
    assert ("is an HDR film" in caplog.text) == told

"""What other programs are sent: datagrams of Live Link Face, visemes, glTF."""

from __future__ import annotations

import json
import math
import socket
import struct
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dreamtalk.motion import Motion, space
from dreamtalk.motion.glb import render_glb
from dreamtalk.motion.livelink_udp import (
    LiveFrame,
    check_subject,
    decode_frame,
    encode_frame,
    find_target,
)
from dreamtalk.speech import Features
from dreamtalk.speech.visemes import VISEMES, viseme_track
from tests.fuzz.cases import ABSURD_NUMBERS, ABSURD_VALUES, damaged, works_or_says
from tests.test_livelink_udp import unpacked

SINGLE = st.floats(width=32)
PACKETS = {
    "face": encode_frame(LiveFrame((0.5,) * 61, 90_000, 0.25, Fraction(30000, 1001), "Änne")),
    "empty": encode_frame(LiveFrame((0.0,) * 61, 0, 0.0, Fraction(25), "", "")),
}


@given(
    values=st.lists(SINGLE, min_size=60, max_size=62) | st.lists(SINGLE, min_size=61, max_size=61),
    number=st.integers(0, 1 << 31) | st.integers(),
    part=SINGLE | st.floats(),
    rate=st.fractions(0, 1000) | st.fractions(),
    subject=st.text(max_size=20),
)
@example(values=[1e39] * 61, number=0, part=0.0, rate=Fraction(25), subject="x")
@example(values=[0.0] * 61, number=1 << 31, part=0.0, rate=Fraction(25), subject="x")
@example(values=[0.0] * 61, number=0, part=0.0, rate=Fraction(1, 1 << 40), subject="x")
@example(values=[0.0] * 61, number=0, part=0.0, rate=Fraction(25), subject="\ud800")
def test_any_datagram(
    values: list[float], number: int, part: float, rate: Fraction, subject: str
) -> None:
    """A receiver without our code reads what was sent."""
    frame = LiveFrame(tuple(values), number, part, rate, subject)
    data = works_or_says(lambda: encode_frame(frame))
    if data is not None:
        read = unpacked(data)
        assert (read.version, read.subject, read.frame) == (6, subject, number)
        assert Fraction(*read.rate) == rate
        np.testing.assert_array_equal(read.values, values)
        again = decode_frame(data)
        assert repr(again.values) == repr(read.values)
        assert (again.number, again.rate, again.subject) == (number, rate, subject)


@given(case=damaged(PACKETS))
@example(case=("rate", PACKETS["face"][:-253] + struct.pack(">ii", 1, -(1 << 31)) + bytes([61])
               + bytes(244)))  # fmt: skip
def test_damaged_datagrams(case: tuple[str, bytes]) -> None:
    frame = works_or_says(lambda: decode_frame(case[1]))
    if frame is not None:
        assert len(frame.values) == 61
        assert frame.rate > 0
        assert repr(decode_frame(encode_frame(frame))) == repr(frame)


HOSTS = st.sampled_from(
    ["127.0.0.1", "::1", "[::1]", "localhost", "1", "", "fe80::1%lo", "[", "]", "[]", "::", "a..b",
     "x" * 64, "\x7f", "％", "[127.0.0.1]"]
) | st.text(max_size=8)  # fmt: skip
PORTS = st.integers(-1, 70_000).map(str) | st.sampled_from(ABSURD_NUMBERS) | st.text(max_size=4)


@given(
    text=st.builds("{}{}{}".format, HOSTS, st.sampled_from([":", "", "::", " :"]), PORTS)
    | HOSTS
    | st.sampled_from(ABSURD_VALUES)
)
def test_any_target(text: Any) -> None:
    """Names are not looked up: that would ask a server for each."""
    with pytest.MonkeyPatch.context() as patch:
        numeric = partial(socket.getaddrinfo, flags=socket.AI_NUMERICHOST)
        patch.setattr("dreamtalk.motion.livelink_udp.socket.getaddrinfo", numeric)
        target = works_or_says(lambda: find_target(text))
    if target is not None:
        assert target.family in (socket.AF_INET, socket.AF_INET6)
        port = target.address[1]
        assert isinstance(port, int)
        assert 1 <= port <= 65535
        assert target.near in (True, False)


@given(
    subject=st.text(max_size=300) | st.text("ä€🙂", max_size=300) | st.sampled_from(ABSURD_VALUES)
)
def test_any_subject(subject: Any) -> None:
    def work() -> str:
        check_subject(subject)
        return unpacked(encode_frame(LiveFrame((0.0,) * 61, 0, 0.0, Fraction(25), subject))).subject

    read = works_or_says(work)
    if read is not None:
        assert read == subject
        assert 0 < len(read.encode()) <= 255


def no_number(word: str) -> float:
    raise AssertionError(f"JSON has no {word}")


@given(
    rows=arrays.arrays(
        np.float32, st.tuples(st.integers(0, 12), st.integers(42, 46)),
        elements=st.floats(-2, 0.5, width=32) | SINGLE,
    ),
    fps=st.floats(1, 240) | st.integers(1, 240) | st.sampled_from(ABSURD_VALUES),
    frames=st.none() | st.integers(1, 40),
    kind=st.sampled_from(["starter", "starter", "starter", "wav2vec2-xlsr-53"]),
)  # fmt: skip
def test_any_visemes(rows: np.ndarray, fps: Any, frames: int | None, kind: str) -> None:
    track = works_or_says(lambda: viseme_track(Features(torch.from_numpy(rows), kind), fps, frames))
    if track is not None:
        assert bool(((track.weights >= 0) & (track.weights <= 1)).all())
        torch.testing.assert_close(track.weights.sum(1), torch.ones(len(track.weights)))
        read = json.loads(track.to_json(), parse_constant=no_number)
        assert (read["fps"], read["visemes"]) == (track.fps, list(VISEMES))
        np.testing.assert_allclose(read["frames"], track.weights, atol=6e-5)


EXTREME = st.sampled_from([0.0, 1.0, -1.0, 1e-30, -1e-30, 30.0, 1e6, -1e6, 3e38, -3e38])


@st.composite
def motions(draw: st.DrawFn) -> Motion:
    """Numbers that no face makes, in every space; a few of them in frames at rest."""
    name = draw(st.sampled_from(["face", "arkit", "bfm"]))
    count = draw(st.integers(0, 4))
    values = torch.zeros(count, len(space(name)) + 15)
    for _ in range(draw(st.integers(0, 8)) if count else 0):
        at = draw(st.integers(0, count - 1)), draw(st.integers(0, values.shape[1] - 1))
        values[at] = draw(EXTREME | st.floats(-2, 2, width=32))
    if draw(st.booleans()):
        values[:, :-15] = draw(EXTREME)
    expression, head, pose = values.split([values.shape[1] - 15, 6, 9], dim=1)
    fps = draw(st.floats(1, 1000) | st.sampled_from([29.97, 1.0, 1000.0]))
    return Motion(expression, head, fps, name, pose if name == "bfm" else None)


def opened(data: bytes) -> tuple[dict[str, Any], bytes]:
    """JSON and numbers of a .glb, read by hand."""
    magic, version, size = struct.unpack_from("<4sII", data)
    assert (magic, version, size) == (b"glTF", 2, len(data))
    length, kind = struct.unpack_from("<I4s", data, 12)
    scene = json.loads(data[20 : 20 + length], parse_constant=no_number)
    rest, other = struct.unpack_from("<I4s", data, 20 + length)
    assert (kind, other, 28 + length + rest) == (b"JSON", b"BIN\0", len(data))
    return scene, data[28 + length :]


@given(motion=motions())
def test_gltf_of_odd_motions(motion: Motion) -> None:
    data = works_or_says(lambda: render_glb(motion))
    if data is None:
        return
    scene, numbers = opened(data)

    def values(number: int) -> np.ndarray:
        accessor = scene["accessors"][number]
        view = scene["bufferViews"][accessor["bufferView"]]
        part = numbers[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        return np.frombuffer(part, "<f4").reshape(accessor["count"], -1)

    (animation,) = scene["animations"]
    times, weights = (values(animation["samplers"][0][end]) for end in ("input", "output"))
    turns, places = (values(sampler["output"]) for sampler in animation["samplers"][1:])
    assert (np.diff(times[:, 0]) > 0).all()
    assert math.isclose(times[-1, 0], (len(motion) - 1) / motion.fps, rel_tol=1e-6)
    assert weights.size == 52 * len(motion)
    assert weights.min() >= 0
    assert weights.max() <= 1
    np.testing.assert_allclose(np.linalg.norm(turns, axis=1), 1, atol=1e-5)
    assert np.isfinite(places).all()

"""Live face data: the datagrams, read by a decoder of the test's own, and their clock."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from dreamtalk.cli import main
from dreamtalk.errors import MotionError, OutputError
from dreamtalk.motion import Motion, space
from dreamtalk.motion.files import save_motion
from dreamtalk.motion.livelink import LIVE_CHANNELS
from dreamtalk.motion.livelink_udp import (
    LiveFrame,
    decode_frame,
    encode_frame,
    find_target,
    stream_motion,
)

# As Unreal's EARFaceBlendShape counts them, written down here once more.
PLACES = {
    "EyeBlinkLeft": 0, "EyeLookInLeft": 2, "EyeBlinkRight": 7, "JawForward": 14, "JawLeft": 15,
    "JawRight": 16, "JawOpen": 17, "MouthClose": 18, "MouthPucker": 20, "MouthLeft": 21,
    "MouthSmileLeft": 23, "MouthUpperUpRight": 40, "BrowInnerUp": 43, "CheekPuff": 46,
    "NoseSneerRight": 50, "TongueOut": 51, "HeadYaw": 52, "HeadPitch": 53, "HeadRoll": 54,
    "LeftEyeYaw": 55, "LeftEyePitch": 56, "LeftEyeRoll": 57, "RightEyeYaw": 58,
    "RightEyePitch": 59, "RightEyeRoll": 60,
}  # fmt: skip


class Packet(NamedTuple):
    version: int
    device: str
    subject: str
    frame: int
    part: float
    rate: tuple[int, int]
    values: tuple[float, ...]


def unpacked(data: bytes) -> Packet:
    """A datagram read byte by byte, as a receiver without our code reads it."""
    place = 0

    def take(form: str) -> Any:
        nonlocal place
        found = struct.unpack_from(form, data, place)
        place += struct.calcsize(form)
        return found[0] if len(found) == 1 else found

    def text() -> str:
        return take(f">{take('>i')}s").decode("utf-8")

    version, device, subject = take("B"), text(), text()
    frame, part, rate = take(">i"), take(">f"), take(">ii")
    values = take(f">{take('B')}f")
    assert place == len(data), "bytes are left over"
    return Packet(version, device, subject, frame, part, rate, values)


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield receiver


def address(receiver: socket.socket) -> str:
    return f"127.0.0.1:{receiver.getsockname()[1]}"


def received(receiver: socket.socket, count: int) -> list[Packet]:
    return [unpacked(receiver.recv(2048)) for _ in range(count)]


def arkit(frames: int = 8, fps: float = 60.0) -> Motion:
    generator = torch.Generator().manual_seed(3)
    expression = torch.rand(frames, 52, generator=generator)
    return Motion(expression, 0.2 * torch.randn(frames, 6, generator=generator), fps, "arkit")


def test_bytes_of_a_packet() -> None:
    frame = LiveFrame(
        tuple(float(i) for i in range(61)), 0x01020304, 0.5, Fraction(30000, 1001), "Ä", "D" * 36
    )
    data = encode_frame(frame)
    head = b"\x06\x00\x00\x00\x24" + b"D" * 36 + b"\x00\x00\x00\x02\xc3\x84"
    assert data[: len(head)] == head
    rest = data[len(head) :]
    assert rest[:16].hex() == "010203043f00000000007530000003e9"
    assert rest[16] == 61
    assert rest[17:25].hex() == "000000003f800000"
    assert len(rest) == 17 + 4 * 61
    assert decode_frame(data) == frame


def test_names_are_those_of_unreal() -> None:
    assert len(LIVE_CHANNELS) == 61
    assert {name: LIVE_CHANNELS.index(name) for name in PLACES} == PLACES


def test_values_arrive(receiver: socket.socket) -> None:
    motion = arkit()
    sent = stream_motion(motion, find_target(address(receiver)), "Anna")
    packets = received(receiver, sent.frames)
    assert sent.frames + sent.skipped == len(motion)
    assert {(p.version, p.subject, p.rate) for p in packets} == {(6, "Anna", (60, 1))}
    assert {len(p.device) for p in packets} == {36}
    frames = [p.frame - packets[0].frame for p in packets]
    for index, packet in zip(frames, packets, strict=True):
        assert 0 <= packet.frame < 24 * 3600 * 60
        assert 0 <= packet.part < 1
        np.testing.assert_allclose(packet.values[:52], motion.expression[index], atol=1e-6)
        pitch, yaw, roll = motion.head[index, :3].tolist()
        assert packet.values[PLACES["HeadYaw"]] == pytest.approx(yaw, abs=1e-6)
        assert packet.values[PLACES["HeadPitch"]] == pytest.approx(pitch, abs=1e-6)
        assert packet.values[PLACES["HeadRoll"]] == pytest.approx(-roll, abs=1e-6)


def test_eyes_turn_where_the_shapes_look(receiver: socket.socket) -> None:
    shapes = torch.zeros(1, 52)
    for name in ("eyeLookOutLeft", "eyeLookInRight"):  # both to the subject's left
        shapes[0, space("arkit").index[name]] = 1.0
    stream_motion(Motion(shapes, torch.zeros(1, 6), 25.0, "arkit"), find_target(address(receiver)))
    (packet,) = received(receiver, 1)
    assert packet.values[PLACES["LeftEyeYaw"]] == packet.values[PLACES["RightEyeYaw"]] > 0.2
    assert packet.values[PLACES["LeftEyePitch"]] == 0


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_rates(receiver: socket.socket, fps: float) -> None:
    """Half a second at any rate: as many frames, and the last one half a second after the first."""
    face = Motion(torch.zeros(13, 31), torch.zeros(13, 6), 25.0)
    face.expression[:, space("face").index["lipAperture"]] = 0.2
    arrived: list[float] = []
    start = time.perf_counter()
    sent = stream_motion(
        face, find_target(address(receiver)), fps=fps,
        progress=lambda done, total: arrived.append(time.perf_counter()),
    )  # fmt: skip
    took = time.perf_counter() - start
    frames = round(13 * fps / 25)
    assert sent.frames + sent.skipped == frames
    assert took >= (frames - 1) / fps  # never ahead of the clock
    packets = received(receiver, sent.frames)
    assert {p.rate for p in packets} == {(int(fps), 1)}
    assert packets[-1].frame - packets[0].frame == frames - 1
    values = np.array([p.values for p in packets])
    assert values[:, :52].min() >= 0
    assert values[:, :52].max() <= 1
    assert values[:, PLACES["JawOpen"]].min() > 0.1


def test_out_of_range_scores_are_limited(receiver: socket.socket) -> None:
    shapes = torch.tensor([[-0.5, 1.5] * 26])
    motion = Motion(shapes, torch.zeros(1, 6), 25.0, "arkit")
    stream_motion(motion, find_target(address(receiver)))
    (packet,) = received(receiver, 1)
    assert packet.values[:2] == (0.0, 1.0)


def test_loop_goes_on_until_it_is_cancelled(receiver: socket.socket) -> None:
    stop = threading.Event()

    def progress(done: int, total: int) -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    def run() -> None:
        with pytest.raises(KeyboardInterrupt):
            stream_motion(arkit(3), find_target(address(receiver)), loop=True, progress=progress)
        ended.set()

    ended = threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    packets = received(receiver, 7)
    stop.set()
    thread.join(timeout=5)
    assert ended.is_set()
    numbers = [p.frame for p in packets]
    assert numbers == sorted(set(numbers))
    expected = arkit(3).expression
    for packet in packets:
        index = (packet.frame - numbers[0]) % 3
        np.testing.assert_allclose(packet.values[:52], expected[index], atol=1e-6)


def test_late_frames_are_left_out_and_the_last_one_is_sent(receiver: socket.socket) -> None:
    slept = []

    def progress(done: int, total: int) -> None:
        if done == 2 and not slept:
            slept.append(time.sleep(0.2))

    motion = arkit(20)
    sent = stream_motion(motion, find_target(address(receiver)), progress=progress)
    assert sent.skipped >= 10
    packets = received(receiver, sent.frames)
    assert packets[-1].frame - packets[0].frame == 19
    np.testing.assert_allclose(packets[-1].values[:52], motion.expression[19], atol=1e-6)


def test_addresses() -> None:
    assert find_target("127.0.0.1").address[:2] == ("127.0.0.1", 11111)
    assert find_target(" 127.0.0.1:54321 ").address[:2] == ("127.0.0.1", 54321)
    assert find_target("[::1]:7").address[:2] == ("::1", 7)
    assert find_target("::1").address[:2] == ("::1", 11111)
    near = ("127.0.0.1", "192.168.1.20", "10.0.0.3", "169.254.1.1", "255.255.255.255", "fe80::1")
    assert all(find_target(text).near for text in near)
    assert not any(find_target(text).near for text in ("8.8.8.8:53", "2001:4860:4860::8888"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write HOST:PORT"),
        (":11111", "write HOST:PORT"),
        ("127.0.0.1:", "write HOST:PORT"),
        ("127.0.0.1:face", "write HOST:PORT"),
        ("127.0.0.1:１", "write HOST:PORT"),
        ("[::1]11111", "write HOST:PORT"),
        ("127.0.0.1:0", "1 to 65535"),
        ("127.0.0.1:65536", "1 to 65535"),
        ("127.0.0.1:-1", "write HOST:PORT"),
        ("no such machine:11111", "Is the name right"),
        ("\ud800:1", "write HOST:PORT"),
        ("127.0.0.1\x00.example:1", "write HOST:PORT"),
        ("[::1", "write HOST:PORT"),
        (None, "write HOST:PORT"),
        ("a" * 300, "Is the name right"),
    ],
)
def test_bad_addresses(text: Any, message: str) -> None:
    with pytest.raises(OutputError, match=message):
        find_target(text)


def test_what_can_not_be_streamed() -> None:
    target = find_target("127.0.0.1:9")
    with pytest.raises(MotionError, match="no frames"):
        stream_motion(arkit(0), target)
    with pytest.raises(MotionError, match="fps can't be 1000"):
        stream_motion(arkit(), target, fps=1000.0)
    for subject in ("", " ", "x" * 256, "\ud800", None):
        with pytest.raises(OutputError, match="subject"):
            stream_motion(arkit(), target, subject)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data", [b"", b"\x06", b"\x05" + bytes(300), b"\x06" + b"\xff" * 300, bytes(1000)]
)
def test_no_packet(data: bytes) -> None:
    with pytest.raises(MotionError, match=r"packet"):
        decode_frame(data)


def test_a_cut_packet_and_one_without_a_face() -> None:
    whole = encode_frame(LiveFrame((0.0,) * 61, 1, 0.0, Fraction(25)))
    for length in (len(whole) - 1, len(whole) - 244, 60):
        with pytest.raises(MotionError, match="packet"):
            decode_frame(whole[:length])
    with pytest.raises(MotionError, match="61 values, not 60"):
        encode_frame(LiveFrame((0.0,) * 60, 1, 0.0, Fraction(25)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": Fraction(0)}, {"rate": Fraction(1, 1 << 40)}, {"number": 1 << 31},
        {"values": (1e39,) * 61}, {"part": 1e39}, {"subject": "\ud800"},
    ],
)  # fmt: skip
def test_what_has_no_room_in_a_packet(wrong: dict[str, Any]) -> None:
    frame = LiveFrame((0.0,) * 61, 1, 0.0, Fraction(25))
    with pytest.raises(MotionError, match="live frame"):
        encode_frame(replace(frame, **wrong))


@pytest.mark.parametrize("rate", [(0, 1), (25, 0), (-25, 1), (1, -(1 << 31))])
def test_a_packet_without_a_rate(rate: tuple[int, int]) -> None:
    whole = encode_frame(LiveFrame((0.0,) * 61, 1, 0.0, Fraction(25)))
    with pytest.raises(MotionError, match=r"packet at .* has no rate"):
        decode_frame(whole[:-253] + struct.pack(">ii", *rate) + whole[-245:])


def test_damaged_packets_raise_nothing_else() -> None:
    whole = encode_frame(LiveFrame((0.5,) * 61, 1, 0.0, Fraction(25), "Anna"))
    dice = np.random.default_rng(0)
    for _ in range(500):
        data = np.frombuffer(whole, np.uint8).copy()
        places = dice.integers(0, 90, 3)
        data[places] = dice.integers(0, 256, 3)
        with suppress(MotionError):
            decode_frame(data[: dice.integers(0, len(data) + 1)].tobytes())


def test_command(
    receiver: socket.socket, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    save_motion(arkit(), tmp_path / "m.npz")
    command = ["stream-motion", str(tmp_path / "m.npz"), "--to"]
    assert main([*command, address(receiver), "--subject", "Bo"]) == 0
    assert received(receiver, 1)[0].subject == "Bo"
    assert "frames sent" in capsys.readouterr().err
    assert main([*command, "127.0.0.1:99999"]) == 1
    assert "a port is a number from 1 to 65535" in capsys.readouterr().err


def test_node(receiver: socket.socket) -> None:
    from tests.comfy_pack import load_pack, node_classes, run_node

    load_pack()
    motion = arkit()
    (same,) = run_node("DreamTalkStreamMotion", motion=motion, to=address(receiver), subject="Cy")
    assert same is motion
    assert received(receiver, 1)[0].subject == "Cy"
    stamp = node_classes()["DreamTalkStreamMotion"].fingerprint_inputs()
    assert stamp != stamp
    with pytest.raises(Exception, match="not in the local network"):
        run_node("DreamTalkStreamMotion", motion=motion, to="8.8.8.8:11111")

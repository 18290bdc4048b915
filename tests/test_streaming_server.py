"""``dreamtalk serve`` over loopback, and ``dreamtalk idle``."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("aiohttp")

import av
import cv2
from aiohttp import ClientWebSocketResponse, WSMsgType
from aiohttp.test_utils import TestClient, TestServer

from dreamtalk.errors import DreamTalkError
from dreamtalk.face import save_image
from dreamtalk.model import DreamTalkModel, load_model
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.streaming.idle import idle_loop
from dreamtalk.streaming.protocol import read_command, read_frame, read_samples
from dreamtalk.streaming.server import PAGE, ServeSettings, make_app
from dreamtalk.streaming.stream import StreamSettings
from dreamtalk.streaming.talker import Talker
from tests.conftest import babble


@pytest.fixture(scope="module")
def model() -> DreamTalkModel:
    return load_model()


@pytest.fixture(scope="module")
def renderer(portrait) -> MeshRenderer:
    return MeshRenderer(portrait)


def pcm(seconds: float) -> bytes:
    return (babble(seconds) * 32767).astype("<i2").tobytes()


@asynccontextmanager
async def client(model, renderer, **settings) -> AsyncIterator[TestClient]:
    settings.setdefault("stream", StreamSettings(steps=1, lookahead=0.1))
    app = make_app(model, renderer, ServeSettings(**settings))
    async with TestClient(TestServer(app)) as made:
        yield made


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 120))  # type: ignore[arg-type]


async def say(socket: ClientWebSocketResponse, sound: bytes, piece: int) -> None:
    """Send all of a recording in pieces of so many bytes, and that it was all."""
    for at in range(0, len(sound), piece):
        await socket.send_bytes(sound[at : at + piece])
    await socket.send_json({"type": "flush"})
    await socket.send_json({"type": "close"})


async def all_of(socket: ClientWebSocketResponse) -> tuple[list[bytes], list[dict]]:
    frames, said = [], []
    async for message in socket:
        if message.type == WSMsgType.BINARY:
            frames.append(message.data)
        elif message.type == WSMsgType.TEXT:
            said.append(json.loads(message.data))
    return frames, said


@pytest.mark.parametrize("together", [1, 2])
def test_samples_in_frames_out(model, renderer, together: int) -> None:
    settings = StreamSettings(steps=1, lookahead=0.1, together=together)

    async def work() -> None:
        async with (
            client(model, renderer, stream=settings) as made,
            made.ws_connect("/ws") as socket,
        ):
            ready = await socket.receive_json()
            assert (ready["type"], ready["rate"], ready["fps"]) == ("ready", 16000, 25)
            assert (ready["width"], ready["height"]) == (264, 264)
            await socket.send_json({"type": "start", "emotion": "happy"})
            await say(socket, pcm(0.6), 3000)
            frames, said = await all_of(socket)
            assert said == [{"type": "end", "frames": 15}]
            read = [read_frame(frame) for frame in frames]
            assert [index for index, _, _ in read] == list(range(15))
            assert read[5][1] == pytest.approx(0.2)
            picture = cv2.imdecode(np.frombuffer(read[7][2], np.uint8), cv2.IMREAD_COLOR)
            assert picture.shape == (264, 264, 3)

    run(work)


@pytest.mark.parametrize("ahead", [0.02, 0.1])
def test_a_film_in_fragments(model, renderer, ahead: float, tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            client(model, renderer, stream=StreamSettings(ahead, 1)) as made,
            made.ws_connect("/ws?video=mp4") as socket,
        ):
            ready = await socket.receive_json()
            assert ready["video"] == "mp4"
            assert re.fullmatch(
                r'video/mp4; codecs="avc1.42[0-9A-F]{4}, mp4a.40.2"', ready["codecs"]
            )
            await say(socket, pcm(1.2), 1280)
            parts, said = await all_of(socket)
            assert said == [{"type": "end", "frames": 30}]
            assert len(parts) > 10  # as they come, not at the end
            assert [boxes(part)[0] for part in parts[:2]] == ["ftyp", "moof"]
            assert all(set(boxes(part)) <= {"moof", "mdat", "mfra"} for part in parts[1:])
            (tmp_path / "film.mp4").write_bytes(b"".join(parts))

    run(work)
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert "AI-generated" in film.metadata["comment"]
        pictures = [f.to_ndarray(format="rgb24") for f in film.decode(video=0)]
    with av.open(str(tmp_path / "film.mp4")) as film:
        heard = np.concatenate([f.to_ndarray()[0] for f in film.decode(audio=0)])
    assert len(pictures) == 30
    said = np.frombuffer(pcm(1.2), "<i2") / 32767
    lags = np.correlate(heard, said[:8000], "valid")
    assert lags.argmax() <= 1024  # no more than what an encoder puts before it
    assert np.corrcoef(heard[lags.argmax() :][: len(said) - 1000], said[:-1000])[0, 1] > 0.9
    expected = Talker(model, renderer, None, StreamSettings(ahead, 1))
    frames = expected.push(torch.from_numpy(said.astype(np.float32)))
    difference = np.abs(pictures[20].astype(int) - frames[20].numpy())
    assert difference.mean() < 4


def boxes(data: bytes) -> list[str]:
    """The names of an mp4's boxes: whole ones."""
    at, names = 0, []
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        names.append(name.decode())
        at += size
    assert at == len(data)
    return names


def test_barge_in_drops_what_waits(model, renderer) -> None:
    async def work() -> None:
        async with client(model, renderer) as made, made.ws_connect("/ws") as socket:
            await socket.receive_json()
            for _ in range(5):
                await socket.send_bytes(pcm(4.0))
            await socket.send_json({"type": "cancel"})
            await socket.send_json({"type": "close"})
            frames, _ = await all_of(socket)
            assert 10 <= len(frames) < 100  # of 500, the way to rest among them

    run(work)


def test_silence_is_filled_in_where_that_is_wanted(model, renderer) -> None:
    async def work() -> None:
        async with client(model, renderer) as made, made.ws_connect("/ws") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "start", "idle": True})
            for index in range(4):
                assert read_frame(await socket.receive_bytes())[0] == index

    run(work)


def test_who_may_connect(model, renderer) -> None:
    async def work() -> None:
        async with client(model, renderer, token="s3cret-token", sessions=1) as made:
            statuses = []
            for path, headers in (
                ("/ws", {}),
                ("/ws?token=wrong", {}),
                ("/ws?token=s3cret-token", {"Origin": "http://evil.example"}),
                ("/ws?token=s3cret-token", {"Host": "evil.example"}),
                ("/ws?token=s3cret-token", {"Host": "["}),
                ("/ws?token=s3cret-token", {"Origin": "http://["}),
                ("/ws", {"Authorization": "Bearer \udcff"}),
                ("/ws?token=s3cret-token&video=avi", {}),
            ):
                upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
                async with made.get(path, headers=upgrade | headers) as answer:
                    statuses.append(answer.status)
            assert statuses == [401, 401, 403, 403, 403, 403, 401, 400]
            own = f"http://{made.host}:{made.port}"
            async with made.ws_connect("/ws?token=s3cret-token", headers={"Origin": own}):
                bearer = {"Authorization": "Bearer s3cret-token"}
                async with made.get("/ws", headers=bearer) as answer:
                    assert answer.status == 503
            async with made.get("/") as page:
                assert page.status == 200
                assert await page.text() == PAGE.read_text(encoding="utf-8")

    run(work)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (b"odd", "even number"),
        ("{", "not JSON"),
        ('{"type": "flush", "rate": 48000}', "it takes nothing"),
        ('{"type": "dance"}', "known type"),
        ('{"type": "emotion", "emotion": "hungry"}', "no emotion 'hungry'"),
        ('{"type": "emotion", "emotion": "\\ud800"}', "no emotion '?'"),
        ('{"type": "emotion", "emotion": "sad", "intensity": 99}', "intensity"),
        ('{"type": "emotion", "emotion": "sad", "intensity": [1]}', "intensity"),
    ],
)
def test_what_is_wrong_is_said(model, renderer, message, told: str) -> None:
    async def work() -> None:
        async with client(model, renderer) as made, made.ws_connect("/ws") as socket:
            await socket.receive_json()
            await (socket.send_bytes if isinstance(message, bytes) else socket.send_str)(message)
            _, said = await all_of(socket)
            assert said[-1]["type"] == "error"
            assert told in said[-1]["message"]
            assert socket.close_code == 1003

    run(work)


def test_a_message_without_samples_is_no_flush(model, renderer) -> None:
    async def work() -> None:
        async with client(model, renderer) as made, made.ws_connect("/ws") as socket:
            await socket.receive_json()
            await socket.send_bytes(pcm(0.2))
            await socket.send_bytes(b"")
            await socket.send_json({"type": "close"})
            frames, _ = await all_of(socket)
            assert len(frames) < 5

    run(work)


def test_limits(model, renderer) -> None:
    async def work() -> None:
        async with client(model, renderer, minutes=0.01) as made:
            async with made.ws_connect("/ws") as socket:
                _, said = await all_of(socket)
                assert "0.01 minutes" in said[-1]["message"]
            async with made.ws_connect("/ws") as socket:
                await socket.receive_json()
                await socket.send_bytes(bytes((1 << 20) + 2))
                await all_of(socket)
                assert socket.close_code == 1009

    run(work)


def test_settings() -> None:
    with pytest.raises(DreamTalkError, match="token"):
        ServeSettings(host="0.0.0.0")
    with pytest.raises(DreamTalkError, match="8 characters"):
        ServeSettings(token="short")
    with pytest.raises(DreamTalkError, match="port"):
        ServeSettings(port=70000)
    assert ServeSettings(host="::1").local
    assert not ServeSettings(host="0.0.0.0", token="long enough").local


def test_messages() -> None:
    samples = read_samples(np.array([0, 16384, -32768], "<i2").tobytes())
    assert torch.equal(samples, torch.tensor([0.0, 0.5, -1.0]))
    assert read_command('{"type": "start", "idle": true}')["idle"] is True
    with pytest.raises(DreamTalkError, match="'flush' has no 'x'"):
        read_command('{"type": "flush", "x": 1}')


def test_the_page_needs_nothing_from_elsewhere() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text
    assert "src=" not in text


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_the_command_ends_cleanly(portrait_image: torch.Tensor, tmp_path: Path) -> None:
    save_image(portrait_image, tmp_path / "p.png")
    command = [sys.executable, "-m", "dreamtalk", "serve", "--portrait", str(tmp_path / "p.png")]
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "open http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_max_size_is_of_the_longer_side(portrait_image: torch.Tensor, tmp_path: Path) -> None:
    from dreamtalk.cli import build_parser
    from dreamtalk.streaming.cli import _renderer

    wide = torch.nn.functional.pad(portrait_image, (0, 0, 60, 60))
    save_image(wide, tmp_path / "p.png")
    words = ["serve", "--portrait", str(tmp_path / "p.png"), "--max-size"]
    args = build_parser().parse_args([*words, "200"])
    assert max(_renderer(args, args.max_size).size) == 200
    with pytest.raises(DreamTalkError, match="max_size can't be -5"):
        _renderer(args, build_parser().parse_args([*words, "-5"]).max_size)


def test_idle_has_no_seam(model: DreamTalkModel) -> None:
    motion = idle_loop(model, model.preset("neutral"), seconds=6.0, seed=5)
    assert len(motion) == 150
    values = torch.cat([motion.expression, motion.head], dim=1)
    steps = (values[1:] - values[:-1]).abs()
    seam = (values[0] - values[-1]).abs()
    assert (seam <= steps.amax(0) + 1e-6).all()
    assert seam.norm() <= torch.quantile(steps.norm(dim=1), 0.9)
    assert motion.head.std(0)[:3].min() > 0
    bends = (values[:-2] - 2 * values[1:-1] + values[2:]).norm(dim=1)
    across = torch.stack(
        [values[-2] - 2 * values[-1] + values[0], values[-1] - 2 * values[0] + values[1]]
    )
    assert across.norm(dim=1).max() <= bends.max()


def test_idle_command(portrait_image: torch.Tensor, tmp_path: Path) -> None:
    from dreamtalk.cli import main

    save_image(portrait_image, tmp_path / "p.png")
    out = tmp_path / "loop.mp4"
    given = ["idle", "--portrait", str(tmp_path / "p.png"), "--out", str(out), "--seconds", "2"]
    assert main(given) == 0
    with av.open(str(out)) as video:
        assert sum(1 for _ in video.decode(video=0)) == 50
    assert main([*given[:-1], "1000"]) == 1

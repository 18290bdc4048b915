"""Messages of any kind at the WebSocket of ``dreamtalk serve``."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("aiohttp")

from aiohttp import WSMsgType
from aiohttp.test_utils import TestClient, TestServer

from dreamtalk.face import Portrait
from dreamtalk.model import DreamTalkModel, load_model
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.streaming.protocol import (
    COMMANDS,
    MOST_MESSAGE,
    read_command,
    read_frame,
    read_samples,
)
from dreamtalk.streaming.server import ServeSettings, make_app
from dreamtalk.streaming.stream import StreamSettings
from tests.fuzz.cases import damaged_text, limits, readable, works_or_says
from tests.fuzz.test_motions import JSON

GOOD = {
    "start": '{"type": "start", "emotion": "happy", "intensity": 1.2, "idle": false}',
    "emotion": '{"type": "emotion", "emotion": "sad", "intensity": 2}',
    "flush": '{"type": "flush"}', "cancel": '{"type": "cancel"}',
}  # fmt: skip
NAMES = st.sampled_from(["emotion", "intensity", "idle", "rate", "x"])
TEXTS = (
    damaged_text(GOOD).map(lambda case: case[1])
    | st.sampled_from([*GOOD.values(), "", "[" * 9999, "1" * 9999, '{"type": "close"} x'])
    | st.builds(
        lambda kind, more: json.dumps({"type": kind, **more}),
        st.sampled_from([*COMMANDS, "x"]), st.dictionaries(NAMES, JSON, max_size=2),
    )
    | JSON.map(json.dumps)
)  # fmt: skip
SOUND = st.binary(max_size=3000) | st.integers(0, 3000).map(bytes)


@given(text=TEXTS | st.text(max_size=30))
@example(text='{"type": "emotion", "emotion": "\\ud800"}')
@example(text="[" * 200_000)
@example(text='{"type": ' + "9" * 9999 + "}")
def test_any_command(text: str) -> None:
    command = works_or_says(lambda: read_command(text))
    if command is not None:
        assert set(command) <= {"type", *COMMANDS[command["type"]]}


@given(data=SOUND)
def test_any_samples(data: bytes) -> None:
    samples = works_or_says(lambda: read_samples(data))
    assert (samples is None) == (len(data) % 2 == 1)
    if samples is not None:
        assert bool((samples.abs() <= 1).all())
        assert (samples * 32768).numpy().astype("<i2").tobytes() == data


@pytest.fixture(scope="module")
def model() -> DreamTalkModel:
    return load_model()


@pytest.fixture(scope="module")
def renderer(portrait: Portrait) -> MeshRenderer:
    return MeshRenderer(portrait)


def sendable(text: str) -> bool:
    """No halves of a pair of UTF-16, which no client can send."""
    return text.isascii() or text.encode("utf-8", "ignore").decode() == text


@given(messages=st.lists(TEXTS.filter(sendable) | SOUND, max_size=3))
@example(messages=[bytes((1 << 20) + 2)])
@example(messages=["x" * (1 << 20)])
@example(messages=[bytes(1000), '{"type": "start", "idle": true}'])
def test_any_session(
    model: DreamTalkModel, renderer: MeshRenderer, messages: list[str | bytes]
) -> None:
    """Frames without gaps, and at the end their number, or a sentence that says what was wrong."""
    with limits():
        frames, said, code = asyncio.run(session(model, renderer, messages))
    assert [read_frame(frame)[0] for frame in frames] == list(range(len(frames)))
    assert said[0]["type"] == "ready"
    if code == 1009:  # larger than a message may be
        assert max(map(len, messages)) >= MOST_MESSAGE
    elif code == 1000:
        assert said[-1] == {"type": "end", "frames": len(frames)}
    else:
        assert (code, said[-1]["type"]) == (1003, "error")
        readable(said[-1]["message"])


async def session(
    model: DreamTalkModel, renderer: MeshRenderer, messages: list[str | bytes]
) -> tuple[list[bytes], list[dict[str, Any]], int | None]:
    settings = ServeSettings(stream=StreamSettings(steps=1, lookahead=0.02))
    frames: list[bytes] = []
    said: list[dict[str, Any]] = []
    server = TestServer(make_app(model, renderer, settings))
    async with TestClient(server) as client, client.ws_connect("/ws") as socket:
        with suppress(ConnectionError):  # refused already
            for message in (*messages, '{"type": "close"}'):
                if isinstance(message, bytes):
                    await socket.send_bytes(message)
                else:
                    await socket.send_str(message)
        async for answer in socket:
            if answer.type == WSMsgType.BINARY:
                frames.append(answer.data)
            elif answer.type == WSMsgType.TEXT:
                said.append(json.loads(answer.data))
        return frames, said, socket.close_code

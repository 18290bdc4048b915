"""One person at the WebSocket: what they say goes in at one end, frames come out at the other."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch
from aiohttp import WSMsgType, web
from torch import Tensor

from ..errors import DreamTalkError
from ..model import DreamTalkModel
from ..motion.motion import Motion
from ..options import default
from ..render.renderer import Renderer
from ..speech.speech import FPS, SAMPLE_RATE
from .listener import FRAME
from .protocol import MOST_WAITING, read_command, read_samples
from .stream import StreamSettings
from .talker import Talker
from .writers import Writer

log = logging.getLogger("dreamtalk")

T = TypeVar("T")
_Moved = tuple[Motion, Tensor, bool]
"""Motion, its sound, and whether nothing more comes for now."""
_MOTIONS = 4
"""Pieces of motion that may wait for their pictures."""
_PATIENCE = 5.0
"""s in which what is under way may come to an end."""


class Session:
    """Motion is made in one thread, pictures in another, while messages are read.

    Args:
        socket: prepared.
        model, renderer: shared with other sessions.
        settings: of the stream.
        writer: makes messages of frames.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        model: DreamTalkModel,
        renderer: Renderer,
        settings: StreamSettings,
        writer: Writer,
    ) -> None:
        self._socket, self._model, self._writer = socket, model, writer
        self._talker = Talker(model, renderer, None, settings)
        self._pool = ThreadPoolExecutor(2, "dreamtalk-session", lambda: torch.set_num_threads(1))
        self._waiting: deque[Tensor] = deque()
        self._work: deque[Callable[[], Motion]] = deque()
        self._news = asyncio.Event()
        self._motions: asyncio.Queue[_Moved | None] = asyncio.Queue(_MOTIONS)
        self._idle = self._closing = False
        self._began = time.monotonic()

    async def run(self) -> None:
        """Until the client, an error or a limit ends it."""
        height, width = self._talker.renderer.size
        await self._socket.send_json(
            {
                "type": "ready",
                "rate": SAMPLE_RATE,
                "fps": FPS,
                "width": width,
                "height": height,
                "lookahead": self._talker.motion.settings.ahead / 50,
                "emotions": sorted(self._model.presets),
                **self._writer.told,
            }
        )
        parts = (self._read, self._tick, self._move, self._show)
        tasks = [asyncio.create_task(part()) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_PATIENCE)
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _read(self) -> None:
        """Messages -> what is to be said and done."""
        async for message in self._socket:
            if message.type == WSMsgType.BINARY:
                self._say(read_samples(message.data))
            elif message.type == WSMsgType.TEXT:
                await self._obey(read_command(message.data))
            if self._closing:
                return
        raise ConnectionResetError("the client has gone")  # nobody is there to see the rest

    def _say(self, samples: Tensor) -> None:
        held = sum(len(piece) for piece in self._waiting) + len(samples)
        if held > MOST_WAITING * SAMPLE_RATE:
            raise DreamTalkError(
                f"more than {MOST_WAITING:g} s of speech wait to be said: send it slower"
            )
        # in pieces of a frame, so that a barge-in finds an end soon
        self._waiting.extend(piece for piece in samples.split(FRAME) if len(piece))
        self._news.set()

    async def _obey(self, command: dict[str, Any]) -> None:
        kind = command["type"]
        if kind == "start":
            self._idle = command.get("idle") is True
        if kind in ("start", "emotion") and "emotion" in command:
            intensity = command.get("intensity", default("intensity"))
            style = self._model.preset(command["emotion"], intensity)

            def change() -> Motion:
                self._talker.change_style(style)
                return self._talker.motion.idle(0)

            self._work.append(change)
        if kind == "cancel":
            self._waiting.clear()
            self._work.append(self._talker.motion.cancel)
        if kind == "flush":
            # all that was sent before is said first
            self._waiting.append(torch.zeros(0))
        if kind == "close":
            self._closing = True
        self._news.set()

    async def _move(self) -> None:
        """What is to be said -> motion."""
        while True:
            work = self._next_work()
            if work is not None:
                motion = await self._in_thread(work)
                stream = self._talker.motion
                last = work in (stream.flush, stream.cancel)
                if len(motion) or last:
                    await self._motions.put((motion, stream.sound, last))
                continue
            if self._closing:
                await self._motions.put(None)
                return
            self._news.clear()
            await self._news.wait()

    def _next_work(self) -> Callable[[], Motion] | None:
        if self._work:
            return self._work.popleft()
        if not self._waiting:
            return None
        piece = self._waiting.popleft()
        if len(piece) == 0:
            return self._talker.motion.flush
        return lambda: self._talker.motion.push(piece)

    async def _tick(self) -> None:
        """Silence, where that is wanted, nobody speaks and the clock goes on."""
        motion = self._talker.motion
        while not self._closing:
            await asyncio.sleep(0.5 / FPS)
            made = motion.frame / FPS + motion.settings.lookahead
            behind = made < time.monotonic() - self._began
            if self._idle and behind and not (self._waiting or self._work):
                self._say(torch.zeros(FRAME))

    async def _show(self) -> None:
        """Motion -> pictures, sent."""
        count = 0
        while (moved := await self._motions.get()) is not None:
            count += await self._send(partial(self._pictures, *moved))
        end = self._talker.motion.idle(0), torch.zeros(0), True
        count += await self._send(partial(self._pictures, *end))
        await self._send(lambda: (0, self._writer.end()))
        await self._socket.send_json({"type": "end", "frames": count})

    async def _send(self, make: Callable[[], tuple[int, list[bytes]]]) -> int:
        """Messages, once they are made; how many frames they show."""
        count, messages = await self._in_thread(make)
        for message in messages:
            await self._socket.send_bytes(message)
        return count

    def _pictures(self, motion: Motion, sound: Tensor, last: bool) -> tuple[int, list[bytes]]:
        frames = self._talker.render(motion, last)
        return len(frames), self._writer.write(frames, sound)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

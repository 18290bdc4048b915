"""``dreamtalk serve``: a local WebSocket server, and the page that shows what it sends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hmac
import ipaddress
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import cv2
import torch
from aiohttp import WSCloseCode, web

from ..errors import DreamTalkError, OutputError
from ..model import DreamTalkModel
from ..options import checked, default
from ..render.renderer import Renderer
from .protocol import MOST_MESSAGE
from .session import Session
from .stream import StreamSettings
from .writers import WRITERS, Writer

log = logging.getLogger("dreamtalk")

PAGE = Path(__file__).parent / "page.html"
_NAMES_OF_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; "
    "img-src blob: data:; media-src blob:; connect-src 'self'; worker-src blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class ServeSettings:
    """Where and for whom.

    Attributes:
        host: to listen on; beyond this machine only with a token.
        port: 0 for any that is free.
        token: that clients have to know; None for none.
        sessions: at a time.
        minutes: that one may last.
        jpeg: quality of the pictures.
        stream: how the frames are made.

    Raises:
        DreamTalkError: on values out of range, and on a host beyond this machine without a token.
    """

    host: str = "127.0.0.1"
    port: int = default("serve.port")
    token: str | None = None
    sessions: int = default("serve.sessions")
    minutes: float = default("serve.minutes")
    jpeg: int = default("serve.jpeg")
    stream: StreamSettings = field(default_factory=StreamSettings)

    def __post_init__(self) -> None:
        names = ("port", "sessions", "minutes", "jpeg")
        checked(**{f"serve.{name}": getattr(self, name) for name in names})
        if not self.local and not self.token:
            raise DreamTalkError(
                f"'{self.host}' can be reached from other machines: give a --token that clients "
                "have to know, or stay with 127.0.0.1"
            )
        if self.token is not None and len(self.token) < 8:
            raise DreamTalkError("a token of fewer than 8 characters is guessed: take a longer one")

    @property
    def local(self) -> bool:
        """Whether only this machine can connect."""
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return self.host == "localhost"


def make_app(model: DreamTalkModel, renderer: Renderer, settings: ServeSettings) -> web.Application:
    """The server: ``/`` is the page, ``/ws`` the WebSocket."""
    sockets: set[web.WebSocketResponse] = set()

    async def page(request: web.Request) -> web.StreamResponse:
        _check_host(request, settings)
        headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
        return web.FileResponse(PAGE, headers=headers)

    async def talk(request: web.Request) -> web.StreamResponse:
        _check_host(request, settings)
        _check_origin(request)
        _check_token(request, settings.token)
        writer = _writer(request)
        if len(sockets) >= settings.sessions:
            raise web.HTTPServiceUnavailable(text="all sessions are taken: try again later\n")
        socket = web.WebSocketResponse(max_msg_size=MOST_MESSAGE, heartbeat=20.0, compress=False)
        sockets.add(socket)
        try:
            await socket.prepare(request)
            await _session(socket, model, renderer, settings, writer)
        finally:
            sockets.discard(socket)
        return socket

    async def close_all(_: web.Application) -> None:
        for socket in list(sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server ends")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/ws", talk)
    app.on_shutdown.append(close_all)
    return app


async def _session(
    socket: web.WebSocketResponse,
    model: DreamTalkModel,
    renderer: Renderer,
    settings: ServeSettings,
    writer: Callable[[int, int, int], Writer],
) -> None:
    code, reason = WSCloseCode.OK, ""
    try:
        made = writer(*renderer.size, settings.jpeg)
        session = Session(socket, model, renderer, settings.stream, made)
        await asyncio.wait_for(session.run(), settings.minutes * 60)
    except asyncio.TimeoutError:
        reason = f"a session lasts {settings.minutes:g} minutes at most: connect again"
    except DreamTalkError as error:
        code, reason = WSCloseCode.UNSUPPORTED_DATA, str(error)
    except ConnectionError:  # the client has gone
        return
    if socket.closed:
        return
    with contextlib.suppress(ConnectionError):
        if reason:
            await socket.send_json({"type": "error", "message": reason})
        told = reason.encode()[:120].decode(errors="ignore")  # 123 bytes at most
        await socket.close(code=code, message=told.encode())


def _check_host(request: web.Request, settings: ServeSettings) -> None:
    """Names that point at this machine but are a stranger's: a page there would count as ours."""
    name = _parts(f"//{request.host}").hostname
    if settings.local and name not in (*_NAMES_OF_THIS_MACHINE, settings.host):
        raise web.HTTPForbidden(text="ask for this server by the name localhost\n")


def _check_origin(request: web.Request) -> None:
    """Pages of other sites must not talk here: browsers say whose page it is."""
    origin = request.headers.get("Origin")
    if origin is not None and _parts(origin).netloc != request.host:
        raise web.HTTPForbidden(text=f"not for pages of {origin[:100]}\n")


def _writer(request: web.Request) -> Callable[[int, int, int], Writer]:
    """What ``?video=`` asks for."""
    name = request.query.get("video", "jpeg")
    if name not in WRITERS:
        raise web.HTTPBadRequest(text=f"no video '{name[:20]}': ask for {' or '.join(WRITERS)}\n")
    return WRITERS[name]


def _check_token(request: web.Request, token: str | None) -> None:
    if token is None:
        return
    given = request.query.get("token", "")
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        given = bearer
    # headers hold any bytes, which come as halves of a pair of UTF-16 if they are no text
    if not hmac.compare_digest(*(t.encode("utf-8", "surrogatepass") for t in (given, token))):
        raise web.HTTPUnauthorized(text="the token is missing or wrong\n")


def _parts(address: str) -> SplitResult:
    """Of an address that a client sent; without a host if it is none."""
    try:
        return urlsplit(address)
    except ValueError:  # a bracket too many
        return SplitResult("", "", "", "", "")


def serve(
    model: DreamTalkModel,
    renderer: Renderer,
    settings: ServeSettings,
    started: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        started: told the address once it can be reached.

    Raises:
        OutputError: if the port can't be had.
    """
    # each session has threads of its own; torch's and OpenCV's would only wait for each other
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    # what is there now stays: looking through it for garbage would hold up frames by 0.15 s
    gc.collect()
    gc.freeze()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(make_app(model, renderer, settings), settings, started))


async def _serve(
    app: web.Application, settings: ServeSettings, started: Callable[[str], None]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # Windows
            loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            raise OutputError(
                f"can't listen on {settings.host}, port {settings.port}: {error.strerror}; "
                "choose another --port (0 is any that is free), or another --host"
            ) from error
        port = runner.addresses[0][1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        started(f"http://{host}:{port}/")
        while not stop.is_set():  # wakes up so that Ctrl-C is heard on Windows too
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.5)
    finally:
        await runner.cleanup()

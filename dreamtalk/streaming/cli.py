"""``dreamtalk serve``, ``dreamtalk idle`` and ``dreamtalk stream-motion``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arguments import add_open_mouth_option, add_option
from ..errors import MissingDependencyError
from ..files.names import user_path
from ..options import OPTIONS, checked
from ..progress import terminal_stages
from ..terminal.console import say

if TYPE_CHECKING:
    from ..render.renderer import Renderer


def add_stream_parsers(commands: Any) -> None:
    """Add the three commands."""
    serve = commands.add_parser(
        "serve", help="samples in, frames out, over a local WebSocket; with a page that shows it"
    )
    serve.add_argument("--portrait", required=True, type=user_path, help="a picture of a person")
    serve.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen on; beyond this machine only with --token (default: 127.0.0.1)",
    )  # fmt: skip
    serve.add_argument("--token", help="a secret of 8 characters or more that clients have to know")
    for name in (
        "serve.port", "serve.sessions", "serve.minutes", "serve.jpeg", "stream.lookahead",
        "stream.steps", "stream.together", "guidance", "seed", "liveliness", "face", "renderer",
        "max_size", "checkpoint", "device",
    ):  # fmt: skip
        add_option(serve, name)
    add_open_mouth_option(serve)
    serve.set_defaults(run=run_serve)

    idle = commands.add_parser("idle", help="portrait -> a seamless loop of somebody who listens")
    idle.add_argument("--portrait", required=True, type=user_path, help="a picture of a person")
    idle.add_argument("--out", required=True, type=user_path, help="the video to write")
    idle.add_argument("--save-motion", type=user_path, metavar="FILE", help="keep the motion")
    for name in (
        "idle.seconds", "emotion", "intensity", "seed", "liveliness", "face", "renderer",
        "checkpoint", "quality", "device",
    ):  # fmt: skip
        add_option(idle, name)
    add_open_mouth_option(idle)
    idle.set_defaults(run=run_idle)

    live = commands.add_parser(
        "stream-motion", help="motion file -> live face data over UDP, as Live Link Face sends it"
    )
    live.add_argument("motion", type=user_path, help="a motion file")
    live.add_argument(
        "--to", required=True, metavar="HOST:PORT",
        help="who listens: Unreal Engine, Blender or another receiver of Live Link Face, for "
        "example 127.0.0.1:11111",
    )  # fmt: skip
    live.add_argument(
        "--subject", default="DreamTalk",
        help="what the receiver calls the face (default: DreamTalk)",
    )  # fmt: skip
    add_option(live, "live.fps")
    live.add_argument("--loop", action="store_true", help=f"{OPTIONS['live.loop'].help} (Ctrl-C)")
    live.set_defaults(run=run_stream_motion)


def run_serve(args: argparse.Namespace) -> None:
    """samples in, frames out, over a local WebSocket"""
    try:
        from .server import ServeSettings, serve
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise MissingDependencyError(
            "dreamtalk serve needs aiohttp: pip install 'dreamtalk[serve]'"
        ) from error
    from ..model import load_model
    from .stream import StreamSettings

    settings = ServeSettings(
        args.host, args.port, args.token, args.sessions, args.minutes, args.jpeg,
        StreamSettings(
            args.lookahead, args.steps, args.guidance, args.seed, args.liveliness,
            together=args.together,
        ),
    )  # fmt: skip
    with terminal_stages("model"):
        model = load_model(args.checkpoint, args.device)
    renderer = _renderer(args, args.max_size)
    serve(model, renderer, settings, lambda url: say(f"open {url} (end with Ctrl-C)"))


def run_idle(args: argparse.Namespace) -> None:
    """portrait -> a seamless loop of somebody who listens"""
    from ..model import load_model
    from ..motion.files import save_motion
    from ..pipeline import Shot, check_shot, render_video
    from .idle import idle_loop

    shot = Shot(
        args.portrait, args.out, renderer=args.renderer, quality=args.quality,
        open_mouth=args.open_mouth,
    )  # fmt: skip
    check_shot(shot, {"the checkpoint": args.checkpoint}, args.save_motion)
    checked(**{"idle.seconds": args.seconds})
    renderer = _renderer(args)
    with terminal_stages("motion"):
        model = load_model(args.checkpoint, args.device)
        style = model.preset(args.emotion, args.intensity)
        motion = idle_loop(model, style, args.seconds, args.seed, args.liveliness)
    if args.save_motion:
        save_motion(motion, args.save_motion)
    with terminal_stages("video") as stage:
        frames = render_video(
            renderer, motion, args.out, quality=args.quality, progress=stage.progress
        )
        stage.note(f"{frames} frames, {frames / motion.fps:.1f} s")
    say(f"{args.out}")


def run_stream_motion(args: argparse.Namespace) -> None:
    """motion file -> live face data over UDP"""
    from ..motion.files import load_motion
    from ..motion.livelink_udp import check_subject, find_target, stream_motion

    check_subject(args.subject)
    target = find_target(args.to)
    motion = load_motion(args.motion)
    with terminal_stages("stream") as stage:
        sent = stream_motion(motion, target, args.subject, args.fps, args.loop, stage.progress)
        stage.note(f"{sent.frames} frames sent, {sent.skipped} too late")


def _renderer(args: argparse.Namespace, max_size: int = 0) -> Renderer:
    from ..face.analysis import analyze_portrait
    from ..face.image import VIDEO_PIXELS, fit, load_image
    from ..face.open_mouth import add_open_mouth
    from ..render.registry import open_renderer

    with terminal_stages("portrait") as stage:
        picture = fit(load_image(Path(args.portrait), VIDEO_PIXELS), max_size)
        portrait = analyze_portrait(picture, args.face)
        if args.open_mouth is not None:
            portrait = add_open_mouth(portrait, load_image(args.open_mouth, VIDEO_PIXELS))
        stage.note("{1}x{0} px".format(*portrait.size))
        return open_renderer(args.renderer, portrait, args.device)

"""What begins with a video of a person: ``dreamtalk track`` and ``dreamtalk dub``."""

from __future__ import annotations

import argparse
from typing import Any

from ..arguments import MOTION_FILES, add_option, add_output, add_settings, add_style, settings_of
from ..files.names import user_path
from ..options import default
from ..progress import terminal_stages
from ..terminal.console import say


def add_track_parser(commands: Any) -> None:
    """Add ``track``."""
    track = commands.add_parser("track", help="video -> motion file")
    track.add_argument("--video", required=True, type=user_path, help="a video of a face")
    track.add_argument(
        "--out", required=True, type=user_path, help=f"the motion file: {MOTION_FILES}"
    )
    add_option(track, "neutral")
    track.set_defaults(run=run_track)


def run_track(args: argparse.Namespace) -> None:
    """video -> motion file"""
    from ..files.clashes import check_outputs
    from ..motion.files import check_motion_name, save_motion
    from ..tracking.track import track_video

    check_motion_name(args.out)
    check_outputs({"the motion": args.out}, {"the video": args.video})
    with terminal_stages("tracking") as stage:
        tracked = track_video(args.video, neutral=args.neutral, progress=stage.progress)
        stage.note(f"{tracked.frames} frames, face found in {tracked.found:.0%} of the time")
    save_motion(tracked.motion, args.out)
    say(f"{args.out}")


def add_dub_parser(commands: Any) -> None:
    """Add ``dub``."""
    dub = commands.add_parser(
        "dub", help="video + recording -> video in which only the mouth changes"
    )
    dub.add_argument("--video", required=True, type=user_path, help="a video of a person")
    dub.add_argument(
        "--audio", required=True, type=user_path, help="what the person is to say (audio or video)"
    )
    for name in ("start", "duration", "face", "fit"):
        add_option(dub, name)
    style = dub.add_mutually_exclusive_group()
    add_style(style, "the way the person speaks in the video")
    for name in (
        "intensity", "checkpoint", "steps", "sampler", "guidance", "sync", "seed", "painter",
    ):  # fmt: skip
        add_option(dub, name)
    add_settings(dub, "painter", "lips=0.5")
    add_output(dub)
    dub.add_argument(
        "--save-motion", type=user_path, metavar="FILE",
        help=f"keep what the face does: {MOTION_FILES}",
    )  # fmt: skip
    dub.set_defaults(run=run_dub)


def run_dub(args: argparse.Namespace) -> None:
    """video + recording -> video in which only the mouth changes"""
    from ..pipeline import Dub, Sampling, SpeechSource, StyleChoice, dub

    style = None
    if args.emotion or args.style or args.style_track:
        emotion = args.emotion or default("emotion")
        style = StyleChoice(emotion, args.style, args.style_track, args.intensity)
    job = Dub(
        args.video, SpeechSource(args.audio, args.start, args.duration), args.out, style,
        args.intensity, Sampling(args.steps, args.sampler, args.guidance, args.sync, args.seed),
        args.face, args.painter, settings_of(args.painter_option, "painter"), args.fit,
        args.checkpoint, args.quality, not args.no_label, args.mark, args.save_motion, args.device,
    )  # fmt: skip
    dub(job, terminal_stages)
    say(f"{args.out}")

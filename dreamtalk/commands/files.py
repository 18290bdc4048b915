"""What makes other files of files: ``dreamtalk plot`` and ``dreamtalk convert``."""

from __future__ import annotations

import argparse
from typing import Any

from ..arguments import add_option
from ..files.names import user_path
from ..progress import terminal_stages
from ..terminal.console import say


def add_plot_parser(commands: Any) -> None:
    """Add ``plot``."""
    plot = commands.add_parser("plot", help="motion file -> picture of its curves")
    plot.add_argument("--motion", required=True, type=user_path, help="a motion file")
    plot.add_argument("--audio", type=user_path, help="its sound, drawn on top")
    plot.add_argument(
        "--out", required=True, type=user_path, help="the .png, .svg or .pdf to write"
    )
    plot.set_defaults(run=run_plot)


def run_plot(args: argparse.Namespace) -> None:
    """motion file -> picture of its curves"""
    from ..files.clashes import check_outputs
    from ..motion.files import load_motion
    from ..motion.plot import check_plot_name, save_plot
    from ..speech.loading import load_speech

    check_plot_name(args.out)
    check_outputs({"the plot": args.out}, {"the motion": args.motion, "the sound": args.audio})
    motion = load_motion(args.motion)
    save_plot(args.out, motion, load_speech(args.audio) if args.audio else None)
    say(f"{args.out}")


def add_convert_parser(commands: Any) -> None:
    """Add ``convert``."""
    convert = commands.add_parser("convert", help="official checkpoint -> safetensors")
    convert.add_argument("source", type=user_path, help="a .pth, .pt or .safetensors checkpoint")
    convert.add_argument("out", type=user_path, help="the .safetensors to write")
    add_option(convert, "dtype")
    convert.set_defaults(run=run_convert)


def run_convert(args: argparse.Namespace) -> None:
    """official checkpoint -> safetensors"""
    from ..checkpoints import convert

    with terminal_stages("convert") as stage:
        stage.note(convert(args.source, args.out, args.dtype))
    say(f"{args.out}")

"""``dreamtalk bench``: its arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ..files.names import user_path
from ..options import OPTIONS
from ..progress import terminal_bar
from ..terminal.console import say


def add_bench_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``bench``; what is parsed has ``run(args)``, as the other commands."""
    bench: argparse.ArgumentParser = subparsers.add_parser(
        "bench", help="how long each stage takes on this machine"
    )
    bench.add_argument("--portrait", required=True, help="a picture of a person")
    bench.add_argument("--audio", required=True, help="a recording, repeated where it is short")
    length = OPTIONS["bench.duration"].default
    for name, kind, value, words in (
        ("--duration", float, length, "seconds of speech"),
        ("--size", int, 0, "px of the picture's longer side, 0 for its own"),
        ("--threads", int, 0, "threads, 0 for torch's own choice"),
    ):
        bench.add_argument(
            name, type=_several(kind), default=(value,), metavar="N[,N...]",
            help=f"{words}; several with commas (default: {value})",
        )  # fmt: skip
    bench.add_argument("--repeats", type=int, default=1, help="runs of each case (default: 1)")
    bench.add_argument("--device", default="cpu", help=OPTIONS["device"].help)
    for name, what in (("--out", "Markdown"), ("--json", "JSON"), ("--plot", "a picture")):
        bench.add_argument(name, type=user_path, metavar="FILE", help=f"also write {what}")
    bench.set_defaults(run=run)
    return bench


def _several(kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    def numbers(text: str) -> tuple[Any, ...]:
        return tuple(kind(part) for part in text.split(","))

    return numbers


def run(args: argparse.Namespace) -> None:
    """how long each stage takes on this machine"""
    from ..files.clashes import check_outputs
    from ..motion.plot import check_plot_name
    from .report import as_json, as_markdown, bench, cases, save_plot, save_text

    if args.plot is not None:
        check_plot_name(args.plot)
    outputs = {"the table": args.out, "the figures": args.json, "the plot": args.plot}
    check_outputs(outputs, {"the portrait": args.portrait, "the recording": args.audio})
    wanted = cases(args.portrait, args.audio, args.size, args.duration, args.threads, args.device)
    with terminal_bar("bench") as progress:
        measured = bench(wanted, args.repeats, progress)
    text = as_markdown(measured, _command(args))
    say(text)
    for path, made in ((args.out, text), (args.json, as_json(measured))):
        if path is not None:
            save_text(made, path)
    if args.plot is not None:
        save_plot(measured, args.plot)


def _command(args: argparse.Namespace) -> str:
    """The command that gives these figures again."""
    lists = {name: ",".join(f"{v:g}" for v in getattr(args, name))
             for name in ("size", "duration", "threads")}  # fmt: skip
    words = [f"--{name} {value}" for name, value in lists.items()]
    return " ".join([
        "dreamtalk bench --portrait", args.portrait, "--audio", args.audio, *words,
        f"--repeats {args.repeats} --device {args.device}",
    ])  # fmt: skip

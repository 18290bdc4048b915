"""``dreamtalk batch``: its arguments, and what is said of the work."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..errors import DreamTalkError
from ..files.names import user_path
from ..progress import terminal_bar
from ..terminal.console import say, tell

if TYPE_CHECKING:
    from .work import Outcome


def add_batch_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``batch``; what is parsed has ``run(args)``, as the other commands."""
    batch: argparse.ArgumentParser = subparsers.add_parser(
        "batch", help="many portraits and recordings -> videos",
        description="Makes a video of every row of a table. Finished ones are kept: run it again "
        "after an interruption. The exit status is 1 if any job failed or any row was refused.",
    )  # fmt: skip
    batch.add_argument(
        "source", type=user_path, metavar="JOBS",
        help="a .csv or .jsonl whose columns are portrait, audio and options of talk; or a folder: "
        "every picture with the recordings of its name, all recordings if there is one picture",
    )  # fmt: skip
    batch.add_argument(
        "--out", required=True, type=user_path, metavar="DIR",
        help="the folder of the videos and of report.csv",
    )  # fmt: skip
    batch.add_argument(
        "--inputs", type=user_path, metavar="DIR",
        help="the folder that all portraits and recordings lie below (default: that of the jobs "
        "file)",
    )  # fmt: skip
    batch.add_argument(
        "--option", action="append", metavar="NAME=VALUE",
        help="an option of talk for all jobs that don't set it themselves; repeat it for more",
    )  # fmt: skip
    batch.add_argument(
        "--workers", type=int, default=0,
        help="processes at a time, each with one thread (default: one a core)",
    )  # fmt: skip
    batch.add_argument(
        "--ray", "--address", dest="ray", metavar="ADDRESS",
        help="work on a Ray cluster: auto, ray://HOST:10001, or local for one that begins and ends "
        "here",
    )  # fmt: skip
    batch.add_argument(
        "--gpus", type=float, default=0.0,
        help="share of a GPU for each job on Ray; 0.25 puts four on one (default: 0)",
    )  # fmt: skip
    batch.add_argument(
        "--retries", type=int, default=2,
        help="times that Ray repeats a job whose worker died (default: 2)",
    )  # fmt: skip
    batch.add_argument("--again", action="store_true", help="do finished jobs anew")
    batch.add_argument("--check", action="store_true", help="only check the rows")
    batch.set_defaults(run=run)
    return batch


def run(args: argparse.Namespace) -> None:
    """many portraits and recordings -> videos"""
    from .run import Batch, read_batch, run_batch

    batch = Batch(
        args.source, args.out, args.inputs, _options(args.option), args.workers, args.ray,
        args.gpus, args.retries, args.again,
    )  # fmt: skip
    jobs, refused = read_batch(batch)
    for refusal in refused:
        tell(f"dreamtalk: line {refusal.line}: {refusal.reason}")
    if args.check:
        if refused:
            raise DreamTalkError(f"{len(refused)} of {len(jobs) + len(refused)} rows are refused")
        say(f"{len(jobs)} jobs")
        return
    with terminal_bar("batch") as progress:
        summary = run_batch(batch, jobs, refused, progress, _tell)
    tell(
        f"{summary.done} done, {summary.before} finished before, {summary.failed} failed, "
        f"{summary.refused} refused"
    )
    say(f"{summary.report}")
    bad = summary.failed + summary.refused
    if bad:
        raise DreamTalkError(
            f"{bad} of {len(jobs) + len(refused)} jobs made no video: {summary.report.name} says "
            "why; mend them and run the batch again"
        )


def _tell(outcome: Outcome) -> None:
    took = f"{outcome.seconds:7.2f} s"
    said = f"FAILED: {outcome.error}" if outcome.error else f"{outcome.frames} frames"
    tell(f"  {took}  {outcome.name}  {said}")


def _options(pairs: list[str] | None) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise DreamTalkError(f"--option '{pair[:80]}': write NAME=VALUE")
        options[name.strip()] = value.strip()
    return options

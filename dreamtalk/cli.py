"""The ``dreamtalk`` command: what is asked for, and how it ends."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from . import __version__
from .batch.cli import add_batch_parser
from .bench.cli import add_bench_parser
from .commands.files import add_convert_parser, add_plot_parser
from .commands.film import add_dub_parser, add_track_parser
from .commands.hear import add_hear_parser, add_visemes_parser
from .commands.talk import add_animate_parser, add_render_parser, add_talk_parser
from .errors import DreamTalkError
from .streaming.cli import add_stream_parsers
from .terminal.console import flush_streams, open_streams, tell
from .terminal.signals import Ended, ended_by_signals
from .training.cli import add_train_parser

# Only what the parser needs is imported above: torch takes seconds, and --help should not.

COMMANDS: tuple[Callable[[Any], object], ...] = (
    add_talk_parser,
    add_animate_parser,
    add_render_parser,
    add_track_parser,
    add_dub_parser,
    add_hear_parser,
    add_visemes_parser,
    add_plot_parser,
    add_convert_parser,
    add_bench_parser,
    add_batch_parser,
    add_stream_parsers,
    add_train_parser,
)
"""In the order of ``--help``; what each parses has ``run(args)``."""

_LONGEST = 500  # characters of an error of the parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status.

    0 done, 1 error, 130 interrupted, 143 and 129 ended by SIGTERM and SIGHUP.
    """
    open_streams()
    try:
        return _run(argv)
    finally:
        flush_streams()


def _run(argv: Sequence[str] | None) -> int:
    # Threads of torch's pool that wait for each other at full speed make small operations twenty
    # times slower as soon as something else runs on the machine. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The same for numpy's: here its products are small, and two threads take twice the time of one.
    # On other processors torch computes with OpenBLAS too, and may want its threads.
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = build_parser()
    args = parser.parse_args(argv)
    if [] in vars(args).values():  # a second "--" in place of a file, before Python 3.13
        parser.error("a file's name is missing: '--' stands once, before the names")
    _set_up_logging(args.verbose)
    try:
        with ended_by_signals():
            args.run(args)
    except DreamTalkError as error:
        if args.verbose:
            logging.getLogger("dreamtalk").exception("where it happened")
        tell(f"dreamtalk: error: {error}")
        return 1
    except KeyboardInterrupt:
        tell("dreamtalk: interrupted")
        return 130
    except Ended as end:
        tell(f"dreamtalk: {end}")
        return end.status
    return 0


class _Stderr(logging.Handler):
    """Writes to whatever ``sys.stderr`` is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(self.format(record))


def _set_up_logging(verbose: bool) -> None:
    """Log warnings, or everything of ours, to stderr; other packages' details help nobody."""
    handler = _Stderr()
    handler.setFormatter(logging.Formatter("dreamtalk: %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("dreamtalk").setLevel(logging.DEBUG if verbose else logging.NOTSET)


# ----------------------------------------------------------------------------------------- parser


class _Parser(argparse.ArgumentParser):
    """Tells the mistakes without repeating words of any length."""

    def error(self, message: str) -> NoReturn:
        super().error(message if len(message) < _LONGEST else f"{message[:_LONGEST]} ...")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all sub-commands."""
    parser = _Parser(
        prog="dreamtalk", description="A portrait and a recording become a talking video."
    )
    parser.add_argument("--version", action="version", version=f"dreamtalk {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more, with tracebacks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add_parsers in COMMANDS:
        add_parsers(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())

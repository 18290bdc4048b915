"""Standard output and error, whatever they are: a terminal, a log, a pipe that closed, nothing.

What is said on the way must never end the work: a job of an hour that can't write a warning has
still an hour's result to keep.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Any

from ..errors import OutputError

_CLOSED = (errno.EPIPE, errno.EBADF, errno.EINVAL)  # Windows says EINVAL of a pipe that closed


def open_streams() -> None:
    """Put something where a standard stream is missing, and let it take every character.

    A process may be started with descriptors 0 to 2 closed. The next file that is opened would get
    the number, and whatever a library writes to "stderr" would land in a video.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            _point_at_nothing(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            with suppress(OSError, ValueError):
                reconfigure(errors="backslashreplace")  # a name that the encoding can't write


def say(text: str) -> None:
    """Print a result on standard output. Nobody listening is no error; a full disk is one.

    Raises:
        OutputError: if it can't be written.
    """
    try:
        # with its end in one piece: a signal may come between two
        print(f"{text}\n", end="", flush=True)
    except ValueError:  # closed by who calls
        return
    except OSError as error:
        _give_up(sys.stdout)
        if error.errno not in _CLOSED:
            raise OutputError(f"can't write to the standard output: {error.strerror}") from error


def tell(text: str) -> None:
    """Print a remark on standard error, if that is possible."""
    try:
        print(f"{text}\n", end="", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _give_up(sys.stderr)


def flush_streams() -> None:
    """Write what is left, so that Python finds nothing to complain of when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _give_up(stream)


def _give_up(stream: Any) -> None:
    """Let what the stream still holds, and all that follows, go nowhere."""
    if stream in (sys.__stdout__, sys.__stderr__):  # another's stream is another's business
        with suppress(OSError, ValueError):
            _point_at_nothing(stream.fileno())


def _point_at_nothing(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)

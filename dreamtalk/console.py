"""What the commands show on the terminal: stages with times, progress bars, messages."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .progress import Progress

_FORMAT = "dreamtalk: %(levelname)s: %(message)s"


class _Stderr(logging.Handler):
    """Writes to whatever ``sys.stderr`` is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def set_up_logging(verbose: bool) -> None:
    """Log warnings, or everything, to stderr."""
    handler = _Stderr()
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, handlers=[handler])


@contextmanager
def native_logs_hidden(verbose: bool) -> Iterator[None]:
    """Keep the start-up messages of MediaPipe's native code off the terminal.

    They can't be switched off, so file descriptor 2 points nowhere meanwhile, and Python's own
    messages take a copy of it.
    """
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError):  # captured or closed: nothing of the terminal's
        descriptor = -1
    if verbose or descriptor < 0:
        yield
        return
    sys.stderr.flush()
    terminal, original = os.dup(descriptor), sys.stderr
    with open(os.devnull, "w") as nowhere, open(terminal, "w", closefd=False) as copy:
        os.dup2(nowhere.fileno(), descriptor)
        sys.stderr = copy
        try:
            yield
        finally:
            sys.stderr = original
            os.dup2(terminal, descriptor)
            os.close(terminal)


@contextmanager
def stage(name: str) -> Iterator[Callable[[str], None]]:
    """Print what was done and how long it took."""
    notes: list[str] = []
    start = time.perf_counter()
    yield notes.append
    took = time.perf_counter() - start
    print(f"  {name:<9} {took:7.2f} s  {' '.join(notes)}", file=sys.stderr)


@contextmanager
def bar(name: str) -> Iterator[Progress]:
    """A progress bar that is there only while the work lasts, and only on a terminal."""
    from tqdm import tqdm

    with tqdm(total=0, desc=f"  {name}", leave=False, disable=None, file=sys.stderr) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield progress

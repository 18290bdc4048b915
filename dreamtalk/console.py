"""Keeps MediaPipe's start-up messages off the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
    original = sys.stderr
    # The copy owns its descriptor: what is left in its buffer is written before it is closed.
    with os.fdopen(os.dup(descriptor), "w") as copy, open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)
        sys.stderr = copy
        try:
            yield
        finally:
            sys.stderr = original
            copy.flush()
            os.dup2(copy.fileno(), descriptor)

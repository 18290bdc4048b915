"""Work for the pool's tests, in a module that its processes can import without the library."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def answer(job: tuple[str, str], stopped: Callable[[], bool]) -> str:
    """Do what a job (word, folder) says: ``die``, ``wait``, or answer."""
    word, folder = job
    seen = Path(folder) / word
    seen.touch()
    if word == "die":
        os.kill(os.getpid(), signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    if word == "wait":
        while not stopped():
            time.sleep(0.02)
        (Path(folder) / "stopped").touch()
        raise RuntimeError("stopped")
    return f"{word} done"


def died(job: tuple[str, str], reason: str) -> str:
    return f"{job[0]}: {reason}"

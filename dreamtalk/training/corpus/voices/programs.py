"""Engines that are programs: run them, read what they wrote."""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path

import numpy as np

from ....errors import MissingDependencyError
from ..utterance import Samples, to_16k


def run_program(command: list[str]) -> str:
    """Run a command and return what it printed.

    Raises:
        MissingDependencyError: if it can't be run, fails, or takes more than a minute.
    """
    try:
        done = subprocess.run(command, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingDependencyError(f"'{command[0]}' can't be run: {error}") from error
    if done.returncode != 0:
        raise MissingDependencyError(f"'{command[0]}' failed: {done.stderr[:200]!r}")
    return done.stdout.decode("utf-8", "replace")


def read_wav(path: Path) -> Samples:
    """(N,) float32 at 16 kHz from a mono 16-bit wav file at any rate."""
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return to_16k(data.astype(np.float32) / np.float32(32768), rate)

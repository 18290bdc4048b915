"""Runs of the command in processes of their own, forked from one that has imported everything.

A fresh process takes seconds to import torch; a forked one begins at once, and can be killed,
starved of disk space or cut off from its output as a fresh one can.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SERVER = """
import json, os, resource, sys, traceback
import torch
torch.set_num_threads(1)
import dreamtalk.cli, dreamtalk.pipeline, dreamtalk.motion.plot, dreamtalk.render.mesh
import dreamtalk.face.landmarker, scipy.signal, scipy.io, matplotlib.backends.backend_agg
import matplotlib.font_manager, torch.serialization
print("ready", flush=True)
for line in sys.stdin:
    task = json.loads(line)
    if "wait" in task:
        print(os.waitpid(task["wait"], 0)[1], flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            log = os.open(task["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1), os.dup2(log, 2), os.close(log)
            sys.stdin = open(os.devnull)
            if task["limit"] is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (task["limit"],) * 2)
            if isinstance(task["run"], str):
                exec(task["run"], {})
                status = 0
            else:
                status = dreamtalk.cli.main(task["run"])
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(status)
    print(pid, flush=True)
"""


@dataclass
class Run:
    """One forked process.

    Attributes:
        pid: of the process.
        log: file of what it prints, on both streams.
    """

    pid: int
    log: Path
    server: Server

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait until something holds; fails when a minute is not enough."""
        for _ in range(30_000):
            if reached():
                return
            time.sleep(0.002)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError(f"never got there: {self.said()}")

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def kill(self, number: int) -> None:
        os.kill(self.pid, number)

    def status(self) -> int:
        """Wait for the end: the exit status, or minus the number of a signal."""
        return os.waitstatus_to_exitcode(self.server.ask({"wait": self.pid}))


class Server:
    """The process that forks."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def ask(self, task: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, run: list[str] | str, limit: int | None = None) -> Run:
        """Start the command, or Python code.

        Args:
            run: arguments of ``dreamtalk``, or code.
            limit: bytes that a file may grow to; then writing fails, as on a full disk.
        """
        self._count += 1
        log = self._folder / f"{self._count}.log"
        return Run(self.ask({"run": run, "limit": limit, "log": str(log)}), log, self)

    def close(self) -> None:
        self._process.communicate()

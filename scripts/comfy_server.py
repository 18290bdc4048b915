"""A ComfyUI server that runs with this pack, asked for what the checks want to know of it.

Linux only: memory and files are read from /proc and from the server's folders.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import av

from samples.api_client import ENDS, call, messages, upload

ROOT = Path(__file__).resolve().parents[1]
Graph = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Cancel:
    """Where to cancel a run.

    Attributes:
        node: while this class of node runs.
        share: of its bar that is done by then; None right when it begins.
    """

    node: str
    share: float | None = None


@dataclass(frozen=True)
class Run:
    """What became of a graph.

    Attributes:
        status: success, error, interrupted.
        seconds: from the order to the end.
        cached: share of the nodes whose result was there already.
        files: what was saved, as /view takes it.
        stopped: seconds from the cancel to the end; None without one.
        busy: CPU seconds of the server meanwhile: on a machine that does other things, the cancel
            took about that long.
        said: by the error.
    """

    status: str
    seconds: float
    cached: float
    files: list[dict[str, str]]
    stopped: float | None
    said: str
    busy: float = 0.0


def graph(name: str) -> Graph:
    """One of ``workflows/api``."""
    text = (ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text)


def with_widgets(made: Graph, **widgets: Any) -> Graph:
    """The graph with those widgets wherever a node has them; links stay."""
    new: Graph = json.loads(json.dumps(made))
    for node in new.values():
        for name, value in widgets.items():
            if name in node["inputs"] and not isinstance(node["inputs"][name], list):
                node["inputs"][name] = value
    return new


def other_seed(made: Graph) -> Graph:
    """The graph with other seeds."""
    new: Graph = json.loads(json.dumps(made))
    for node in new.values():
        if isinstance(node["inputs"].get("seed"), int):
            node["inputs"]["seed"] += 1
    return new


@dataclass(frozen=True)
class Server:
    """A running ComfyUI.

    Attributes:
        url: such as http://127.0.0.1:8188.
        pid: of its process.
    """

    url: str
    pid: int = 0

    def run(self, made: Graph, cancel: Cancel | None = None) -> Run:
        """Order a graph and wait for its end."""
        client, job, began = uuid.uuid4().hex, "", 0.0
        cached, asked, spent, error = 0, 0.0, 0.0, ""
        for message in messages(self.url, client):
            kind, data = message["type"], message.get("data") or {}
            if kind == "connected":  # only now, so that no message is missed
                began = time.monotonic()
                job = self._ask("/prompt", {"prompt": made, "client_id": client})["prompt_id"]
            elif data.get("prompt_id") != job:
                continue
            elif kind == "execution_cached":
                cached = len(data["nodes"])
            elif kind in ENDS:
                error = str(data.get("exception_message", "")).strip()
                break
            elif cancel and not asked and reached(cancel, kind, data, made):
                asked, spent = time.monotonic(), self.cpu()
                threading.Thread(target=self._ask, args=("/interrupt", {})).start()
        end = time.monotonic()
        files = [
            file
            for node in self._history(job)["outputs"].values()
            for key in ("images", "video", "gifs")
            for file in node.get(key, ())
            if file["type"] == "output"
        ]
        return Run(
            kind.removeprefix("execution_"), end - began, cached / len(made), files,
            end - asked if asked else None, error, self.cpu() - spent if asked else 0.0,
        )  # fmt: skip

    def free(self) -> None:
        """Unload all models and forget all results."""
        # A worker that tidies up while it is told doesn't wake for it, and does it after the next
        # run. The second word wakes it; it is one flag alone, so that none comes as it wakes.
        for flag in ("free_memory", "unload_models"):
            self._ask("/free", {flag: True})
            time.sleep(1.0)

    def send(self, file: Path) -> str:
        """Put a file into the input folder; its name there."""
        return upload(self.url, file)

    def saved(self, run: Run) -> bytes:
        """The last file that a run saved."""
        return call(f"{self.url}/view?{urlencode(run.files[-1])}")

    def memory(self) -> tuple[float, float]:
        """MiB that are resident now, and at most since :meth:`forget_peak`."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        now, peak = (re.search(rf"{key}:\s+(\d+)", status) for key in ("VmRSS", "VmHWM"))
        return int(now[1]) / 1024, int(peak[1]) / 1024  # type: ignore[index]

    def forget_peak(self) -> None:
        """Let the peak be counted from now on."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def written(self) -> float:
        """MiB that the process wrote to files, pipes and sockets since its start."""
        text = Path(f"/proc/{self.pid}/io").read_text()
        return int(re.search(r"wchar: (\d+)", text)[1]) / 2**20  # type: ignore[index]

    def cpu(self) -> float:
        """Seconds of CPU time of the process since its start."""
        spent = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
        return sum(map(int, spent)) / 100

    def handles(self) -> tuple[int, int]:
        """Open files and threads of the process."""
        of = Path(f"/proc/{self.pid}")
        return len(list((of / "fd").iterdir())), len(list((of / "task").iterdir()))

    def left(self) -> set[Path]:
        """Files in the folder for temporary ones and in the output folder.

        Where the folders are is told by the process's own command line.
        """
        return {file for folder in self._folders() for file in folder.rglob("*") if file.is_file()}

    def _folders(self) -> Iterator[Path]:
        words = Path(f"/proc/{self.pid}/cmdline").read_text().split("\0")
        home = Path(f"/proc/{self.pid}/cwd").resolve()
        base = (
            Path(words[words.index("--base-directory") + 1])
            if "--base-directory" in words
            else home
        )
        for kind in ("temp", "output"):
            option = f"--{kind}-directory"
            yield Path(words[words.index(option) + 1]) if option in words else base / kind

    def _ask(self, path: str, body: Any) -> Any:
        answer = call(self.url + path, json.dumps(body).encode())
        return json.loads(answer) if answer.strip() else None

    def _history(self, job: str) -> Any:
        while job not in (found := json.loads(call(f"{self.url}/history/{job}"))):
            time.sleep(0.1)
        return found[job]


def reached(cancel: Cancel, kind: str, data: dict[str, Any], made: Graph) -> bool:
    node = made.get(str(data.get("node")), {})
    if node.get("class_type") != cancel.node:
        return False
    if cancel.share is None:
        return kind == "executing"
    return kind == "progress" and data["value"] >= cancel.share * data["max"]


def streams(content: bytes) -> str:
    """A hash of the packets of a media file: of what it shows, not of what it says of itself."""
    found = hashlib.sha256()
    with av.open(io.BytesIO(content)) as file:
        for packet in file.demux():
            found.update(bytes(packet))
    return found.hexdigest()[:12]


def digest(content: bytes) -> str:
    """A hash of a file."""
    return hashlib.sha256(content).hexdigest()[:12]

"""Cases measured one after the other, each in a process of its own, and what is shown of them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ..errors import DreamTalkError
from ..files.atomic import atomic_write
from ..files.names import is_there
from ..progress import Progress, silent
from .stages import Case, Result, Timing


@dataclass(frozen=True)
class Measured:
    """Several runs of one case, of which the middle one by its total time stands for all.

    Attributes:
        result: the middle run.
        totals: seconds of all runs.
        load: of the machine before the first, as ``uptime`` says it; 0 where that is unknown.
    """

    result: Result
    totals: tuple[float, ...]
    load: float


def cases(
    portrait: str, audio: str, sizes: Sequence[int] = (0,), durations: Sequence[float] = (10.0,),
    threads: Sequence[int] = (0,), device: str = "cpu",
) -> list[Case]:  # fmt: skip
    """Every size with every length and every number of threads.

    Raises:
        DreamTalkError: on a value that can't be, or missing inputs.
    """
    for path in (portrait, audio):
        if not is_there(path):
            raise DreamTalkError(f"there is no file '{path}'")
    ways = product(threads, sizes, durations)
    return [Case(portrait, audio, length, size, n, device) for n, size, length in ways]


def bench(wanted: Sequence[Case], repeats: int = 1, progress: Progress = silent) -> list[Measured]:
    """Measure cases, each in fresh processes, so that memory and threads are the case's own.

    Raises:
        DreamTalkError: with the sentence of a case that failed.
    """
    if not 1 <= repeats <= 100:
        raise DreamTalkError(f"repeats can't be {repeats}: give a number from 1 to 100")
    measured = []
    for index, case in enumerate(wanted):
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        runs = sorted((_in_a_process(case) for _ in range(repeats)), key=lambda r: r.total.wall)
        middle = runs[(len(runs) - 1) // 2]
        measured.append(Measured(middle, tuple(r.total.wall for r in runs), load))
        progress(index + 1, len(wanted))
    return measured


def _in_a_process(case: Case) -> Result:
    command = [sys.executable, "-m", "dreamtalk.bench", json.dumps(asdict(case))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"its process ended with {done.returncode}"]
        raise DreamTalkError(f"the case {case.size} px, {case.duration:g} s failed: {lines[-1]}")
    values = json.loads(done.stdout.splitlines()[-1])
    values["case"] = Case(**values["case"])
    values["timings"] = tuple(Timing(**t) for t in values["timings"])
    return Result(**values)


def machine() -> dict[str, Any]:
    """What the figures hold for."""
    facts: dict[str, Any] = {
        "processor": _processor(), "cores": os.cpu_count(), "system": platform.system(),
        "python": platform.python_version(), "torch": torch.__version__,
    }  # fmt: skip
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        return next(li.split(":", 1)[1].strip() for li in lines if li.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def as_markdown(measured: Sequence[Measured], command: str) -> str:
    """Tables: all cases, and the stages of each."""
    facts = machine()
    about = ", ".join(f"{name} {value}" for name, value in facts.items())
    lines = [
        f"`{command}`", "", f"{about}.", "",
        "| size | speech | threads | total s | CPU s | x real time | ms a frame | renderer alone "
        "| first frame s | first encoded s | peak MiB | VRAM MiB | runs | load before |",
        "| --- " * 14 + "|",
    ]  # fmt: skip
    for m in measured:
        r = m.result
        lines.append(
            f"| {r.width}x{r.height} | {r.speech:g} s | {r.threads} | {r.total.wall:.2f} "
            f"| {r.total.cpu:.2f} | {r.real_time:.2f} | {r.per_frame:.1f} | {r.render:.1f} "
            f"| {r.first_frame:.2f} | {r.first_encoded:.2f} "
            f"| {r.peak_memory / 2**20:.0f} | {r.peak_vram / 2**20:.0f} "
            f"| {_spread(m.totals)} | {m.load:.1f} |"
        )
    for m in measured:
        r = m.result
        lines += ["", f"{r.width}x{r.height}, {r.speech:g} s of speech, {r.threads} thread(s):", ""]
        lines += ["| stage | wall s | CPU s | x real time | |", "| --- | --- | --- | --- | --- |"]
        for t in (*r.timings, r.total):
            speed = f"{r.speech / t.wall:.1f}" if t.wall > 1e-3 else ""
            lines.append(f"| {t.stage} | {t.wall:.2f} | {t.cpu:.2f} | {speed} | {t.note} |")
    return "\n".join(lines) + "\n"


def _spread(totals: Sequence[float]) -> str:
    if len(totals) == 1:
        return "1"
    return f"{len(totals)}: {totals[0]:.2f} to {totals[-1]:.2f}, median {median(totals):.2f}"


def as_json(measured: Sequence[Measured]) -> str:
    """All that was measured."""
    values = {"machine": machine(), "cases": [asdict(m) for m in measured]}
    return json.dumps(values, indent=1) + "\n"


def save_text(text: str, path: Path) -> None:
    """Write a report, whole or not at all.

    Raises:
        OutputError: if it can't be written.
    """
    with atomic_write(path, "the figures") as part:
        part.write_text(text, encoding="utf-8")


def save_plot(measured: Sequence[Measured], path: Path) -> None:
    """Time and memory against the length of the speech, a line for each size and thread count.

    Raises:
        OutputError: if it can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    lines: dict[str, list[Result]] = {}
    for m in measured:
        r = m.result
        lines.setdefault(f"{r.width}x{r.height}, {r.threads} thread(s)", []).append(r)
    for label, results in lines.items():
        results = sorted(results, key=lambda r: r.speech)
        lengths = [r.speech for r in results]
        left.plot(lengths, [r.total.wall for r in results], "o-", label=label)
        right.plot(lengths, [r.peak_memory / 2**20 for r in results], "o-", label=label)
    longest = max(m.result.speech for m in measured)
    left.plot([0, longest], [0, longest], "k:", label="real time")
    left.set_ylabel("s of work")
    right.set_ylabel("peak memory, MiB")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xlabel("s of speech")
        axes.grid(alpha=0.3)
    left.legend()
    with atomic_write(path, "the plot") as part:
        FigureCanvasAgg(figure).print_figure(part, dpi=100)

"""A batch from its jobs file to its report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DreamTalkError
from ..progress import Progress, silent
from .cluster import run_ray
from .jobs import BatchJob, Refusal, make_jobs
from .pool import run_pool
from .report import Report, load_finished
from .rows import read_rows
from .work import DONE, Outcome, do_job, failure

_MOST = 1024


@dataclass(frozen=True)
class Batch:
    """Everything that decides what a batch does.

    Attributes:
        source: a .csv, a .jsonl, or a folder of portraits and recordings.
        out: the folder of outputs.
        inputs: the folder that inputs lie below; None for the folder of the source.
        options: of all jobs that don't say otherwise, by name.
        workers: processes on this machine, or cores of a local Ray; 0 for one a core.
        ray: the address of a Ray cluster, ``"local"``, or None for processes.
        gpus: share of a GPU that a job takes on Ray.
        retries: of a job whose worker dies on Ray.
        again: do jobs anew that are finished.
    """

    source: Path
    out: Path
    inputs: Path | None = None
    options: Mapping[str, str] | None = None
    workers: int = 0
    ray: str | None = None
    gpus: float = 0.0
    retries: int = 2
    again: bool = False

    def __post_init__(self) -> None:
        for name in ("workers", "gpus", "retries"):
            value = getattr(self, name)
            if not 0 <= value <= _MOST:
                raise DreamTalkError(f"{name} can't be {value}: give a number from 0 to {_MOST}")


@dataclass(frozen=True)
class Summary:
    """What a batch came to.

    Attributes:
        done: videos made in this run.
        before: finished already.
        failed: jobs that failed.
        refused: rows that are no jobs.
        report: the table.
    """

    done: int
    before: int
    failed: int
    refused: int
    report: Path


def read_batch(batch: Batch) -> tuple[list[BatchJob], list[Refusal]]:
    """The jobs of a batch and the rows that are none; nothing is written.

    Raises:
        DreamTalkError: if the jobs file can't be read, or an option of all jobs can't be.
    """
    source = batch.source.absolute()
    folder = source if os.path.isdir(source) else source.parent
    inputs = folder if batch.inputs is None else batch.inputs.absolute()
    out = batch.out.absolute()
    if not os.path.isdir(inputs):
        raise DreamTalkError(f"there is no folder '{inputs}' of inputs")
    if os.path.exists(out) and not os.path.isdir(out):
        raise DreamTalkError(f"'{out}' is a file: give --out a folder")
    if os.path.isdir(source) and os.path.isdir(out) and out.samefile(source):
        raise DreamTalkError(
            "--out is the folder of the inputs, whose videos would be recordings of the next run: "
            "choose a folder in it"
        )
    return make_jobs(read_rows(source), inputs, out, batch.options)


def run_batch(
    batch: Batch,
    jobs: Sequence[BatchJob],
    refused: Sequence[Refusal] = (),
    progress: Progress = silent,
    told: Callable[[Outcome], None] = lambda _: None,
) -> Summary:
    """Do the jobs that are not finished yet.

    Args:
        jobs, refused: of :func:`read_batch`.
        progress: told the jobs that are done, whatever became of them.
        told: of every outcome.

    Raises:
        DreamTalkError: if the report can't be written, or there is no such cluster. Failures of
            jobs are no errors here: they are told, and the rest goes on.
    """
    out = batch.out.absolute()
    finished = {} if batch.again else load_finished(out, jobs)
    left = [job for job in jobs if job.name not in finished]
    with Report(out, jobs, refused, finished) as report:
        if left:
            progress(len(finished), len(jobs))
            with closing(_results(batch, left)) as results:
                for outcome in results:
                    report.add(outcome)
                    told(outcome)
                    progress(len(report.outcomes), len(jobs))
    status = [report.outcomes[job.name].status for job in left]
    done = status.count(DONE)
    return Summary(done, len(finished), len(status) - done, len(refused), report.path)


def _results(batch: Batch, jobs: list[BatchJob]) -> Any:
    workers = min(batch.workers or _cores(), len(jobs))
    if batch.ray is None:
        return run_pool(jobs, workers, do_job, failure)
    return run_ray(jobs, batch.ray, workers, batch.gpus, batch.retries, do_job, failure)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

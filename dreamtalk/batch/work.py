"""One job of many, in a worker's process: its networks stay for the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import cv2
import torch

from ..dialogue.job import Dialogue, talk_together
from ..errors import DreamTalkError
from ..files.atomic import sweep_parts
from ..pipeline import Loaders, talk
from ..progress import Stage
from .jobs import BatchJob

DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        name, fingerprint: the job's.
        status: ``"done"`` or ``"failed"``.
        seconds: that it took.
        frames: of the video.
        error: the sentence of a failure.
        sizes: bytes of each output, in the job's order.
    """

    name: str
    fingerprint: str
    status: str
    seconds: float = 0.0
    frames: int = 0
    error: str = ""
    sizes: tuple[int, ...] = ()


class Stopped(BaseException):
    """The batch ends, and with it the job. No ``Exception``, so that nothing holds it up."""


def failure(job: BatchJob, error: str, seconds: float = 0.0) -> Outcome:
    """A job that failed."""
    return Outcome(job.name, job.fingerprint, FAILED, round(seconds, 2), error=error)


def do_job(job: BatchJob, stopped: Callable[[], bool] = lambda: False) -> Outcome:
    """Do a job on one thread. What goes wrong with it is told in the outcome, not raised.

    Args:
        stopped: asked at every step; true ends the job.

    Raises:
        Stopped: then; no half of an output is left.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    start = time.perf_counter()

    def look(done: int, total: int) -> None:
        if stopped():
            raise Stopped

    @contextmanager
    def stages(name: str) -> Iterator[Stage]:
        look(0, 0)
        yield Stage(lambda _: None, look)

    try:
        for path in job.outputs:
            sweep_parts(path)
        if isinstance(job.talk, Dialogue):
            motion = talk_together(job.talk, stages, _loaders())[0]
        else:
            motion = talk(job.talk, stages, _loaders())
        sizes = tuple(path.stat().st_size for path in job.outputs)
    except DreamTalkError as error:
        return failure(job, str(error), time.perf_counter() - start)
    except Exception as error:  # a fault of ours or of a library must not end the other jobs
        said = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0][:400]
        return failure(job, f"not foreseen: {said}", time.perf_counter() - start)
    took = round(time.perf_counter() - start, 2)
    return Outcome(job.name, job.fingerprint, DONE, took, len(motion), "", sizes)


@cache
def _loaders() -> Loaders:
    """This process's networks."""
    return Loaders.keeping()

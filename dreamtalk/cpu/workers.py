"""Parts of some work side by side on the cores of a CPU.

The operations of this package are too small to share among threads: torch's own threads spend most
of their time waiting for each other. So each core gets parts of its own, and computes them with one
thread.
"""

from __future__ import annotations

import contextvars
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

import torch

from ..progress import Progress, silent

Part = TypeVar("Part")

_PATIENCE = 0.2
"""Seconds after which who waits looks up, so that Ctrl-C is heard on Windows too."""


class _Stopped(Exception):
    """Ends a worker's part early."""


class Steps:
    """Counts the steps of some work, whichever worker does them.

    The progress is told in the thread that called :func:`side_by_side`: it may draw on a screen
    there, or raise to cancel.

    Args:
        progress: whom to tell.
        total: steps of the whole work.
    """

    def __init__(self, progress: Progress = silent, total: int = 0) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._pass_on: Callable[[Callable[[], None]], None] | None = None
        progress(0, total)

    def tell(self) -> None:
        """One more step is done. Raises when the work was cancelled; let it pass."""
        if self._pass_on is None:
            self._count()
        else:
            self._pass_on(self._count)

    @contextmanager
    def _told_by(self, pass_on: Callable[[Callable[[], None]], None]) -> Iterator[None]:
        """Meanwhile ``pass_on`` brings the count to the thread that may tell it."""
        self._pass_on = pass_on
        try:
            yield
        finally:
            self._pass_on = None

    def _count(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)


def split(total: int, most: int, workers: int) -> list[slice]:
    """Cut ``total`` frames into runs of at most ``most``, as many as keep all workers busy.

    Args:
        total: frames.
        most: frames in a run, at the most; at least 1.
        workers: among whom the runs will be shared.
    """
    rounds = max(1, math.ceil(total / (max(1, most) * workers)))
    step = max(1, math.ceil(total / (rounds * workers)))
    return [slice(start, min(start + step, total)) for start in range(0, total, step)]


def cores(device: torch.device, most: int) -> int:
    """How many parts to do at a time.

    As many as torch may use threads here, so that ``OMP_NUM_THREADS`` and
    ``torch.set_num_threads`` hold for this too: one within a part.

    Args:
        device: where the parts are computed; one at a time unless it is a CPU.
        most: more would gain nothing, or take too much memory.
    """
    return min(torch.get_num_threads(), most) if device.type == "cpu" else 1


def side_by_side(
    work: Callable[[Part], None], parts: Sequence[Part], workers: int, steps: Steps | None = None
) -> None:
    """Do the work on all parts, several at a time, each on one thread of torch.

    Args:
        work: called with each part, under the caller's context variables and gradient mode; it must
            only write what no other part reads or writes. After an error other parts stop at their
            next step, no more are begun, and the error is raised here.
        parts: what to do.
        workers: how many at a time.
        steps: what the work calls ``tell`` of.
    """
    threads = torch.get_num_threads()
    workers = min(workers, threads, len(parts))
    if workers > 1:
        crew = _Crew(work, parts)
        with steps._told_by(crew.pass_on) if steps else nullcontext():
            crew.run(workers, threads)
        return
    torch.set_num_threads(1)
    try:
        for part in parts:
            work(part)
    finally:
        torch.set_num_threads(threads)


class _Crew(Generic[Part]):
    """Workers, and the thread that waits for them."""

    def __init__(self, work: Callable[[Part], None], parts: Sequence[Part]) -> None:
        self._work = work
        self._modes = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        self._todo: SimpleQueue[Part] = SimpleQueue()
        for part in parts:
            self._todo.put(part)
        # what workers have for who waits: a call to make, how they failed, or None at their end
        self._news: SimpleQueue[Callable[[], None] | BaseException | None] = SimpleQueue()
        self._ready = threading.Semaphore(0)
        self._start, self._stop = threading.Event(), threading.Event()

    def run(self, workers: int, threads: int) -> None:
        """Do all parts; ``threads`` is what torch uses outside the workers."""
        crew: list[threading.Thread] = []
        try:
            for index in range(workers):
                context = contextvars.copy_context()
                worker = threading.Thread(
                    target=context.run, args=(self._labour,), name=f"dreamtalk-{index}"
                )
                worker.start()
                crew.append(worker)
            for _ in crew:
                self._ready.acquire()
            # What a worker sets holds for itself, but also for threads that use torch for the
            # first time afterwards: those shall have what they would have had.
            torch.set_num_threads(threads)
            self._start.set()
            self._listen(workers)
        finally:
            self._stop.set()
            self._start.set()
            for worker in crew:
                worker.join()

    def pass_on(self, call: Callable[[], None]) -> None:
        """From a worker: have the waiting thread make a call."""
        if self._stop.is_set():
            raise _Stopped
        self._news.put(call)

    def _labour(self) -> None:
        torch.get_num_threads()  # a thread's first use of torch takes the others' count
        torch.set_num_threads(1)
        self._ready.release()
        self._start.wait()
        inference, gradients = self._modes
        try:
            with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
                while not self._stop.is_set():
                    try:
                        part = self._todo.get_nowait()
                    except Empty:
                        break
                    with suppress(_Stopped):
                        self._work(part)
        except BaseException as error:  # raised where somebody waits
            self._stop.set()
            self._news.put(error)
        finally:
            self._news.put(None)

    def _listen(self, busy: int) -> None:
        """Until the last worker has ended, or one has failed."""
        while busy:
            try:
                news = self._news.get(timeout=_PATIENCE)
            except Empty:
                continue
            if news is None:
                busy -= 1
            elif isinstance(news, BaseException):
                raise news
            else:
                news()

"""Parts of some work done in parallel on the cores of a CPU.

The operations of this package are too small to share among threads: torch's own threads spend most
of their time waiting for each other. So each core gets parts of its own, and computes them with one
thread.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import contextmanager, nullcontext
from queue import Empty, SimpleQueue
from typing import TypeVar

import cv2
import torch

from ..progress import Steps

Part = TypeVar("Part")
Made = TypeVar("Made")
_Call = Callable[[], None]

_PATIENCE = 0.2
"""Seconds after which who waits looks up, so that Ctrl-C is heard on Windows too."""


class _OpenCVAlone:
    """OpenCV on one thread while there are workers.

    It lets one caller at a time have its own threads: workers would wait for each other. The
    setting is the process's, so it comes back when the last of several pools has ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools = 0
        self._before = 1

    def __enter__(self) -> None:
        with self._lock:
            if self._pools == 0:
                self._before = cv2.getNumThreads()
                cv2.setNumThreads(1)
            self._pools += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._pools -= 1
            if self._pools == 0:
                cv2.setNumThreads(self._before)


_OPENCV = _OpenCVAlone()


class _Stopped(Exception):
    """Ends a worker's part early."""


def worker_count(device: torch.device, most: int) -> int:
    """How many parts to do at a time.

    As many as torch may use threads here, so that ``OMP_NUM_THREADS`` and
    ``torch.set_num_threads`` hold for this too: one within a part.

    Args:
        device: where the parts are computed; one at a time unless it is a CPU.
        most: more would gain nothing, or take too much memory.
    """
    return min(torch.get_num_threads(), most) if device.type == "cpu" else 1


def run_parallel(
    work: Callable[[Part], None], parts: Sequence[Part], workers: int, steps: Steps | None = None
) -> None:
    """Do the work on all parts, several at a time, each on one thread of torch.

    Args:
        work: called with each part, under the caller's context variables and gradient mode; it must
            only write what no other part reads or writes. After an error other parts stop at their
            next step, no more are begun, and the error is raised here.
        parts: what to do.
        workers: how many at a time.
        steps: what the work calls ``tell`` of. The progress is told in the calling thread: it may
            draw on a screen there, or raise to cancel.
    """
    workers = min(workers, torch.get_num_threads(), len(parts))
    if workers > 1:
        _run_in_pool(work, parts, workers, steps)
        return
    with _one_thread():
        for part in parts:
            work(part)


def map_ahead(
    work: Callable[[Part], Made], parts: Sequence[Part], workers: int
) -> Generator[Made, None, None]:
    """What the work makes of each part, in their order, while the caller uses what came before.

    Nothing is begun before the first is asked for. At most ``workers + 1`` results are being made
    or wait; a caller who goes away, or raises, stops all that is not begun.

    Args:
        work: called with each part, as by :func:`run_parallel`: its error is raised here when its
            turn has come.
        parts: what to do.
        workers: how many at a time; with one, the caller does the work when he asks for it.
    """
    workers = min(workers, torch.get_num_threads(), len(parts))
    if workers <= 1:
        for part in parts:
            with _one_thread():
                made = work(part)
            yield made
        return
    waiting: deque[Future[Made]] = deque()
    with _pool(workers) as (pool, begin):
        do = _in_this_mode(work)
        for index, part in enumerate(parts):
            waiting.append(pool.submit(contextvars.copy_context().run, do, part))
            if index + 1 == workers:
                begin()
            if len(waiting) > workers:
                yield _wait(waiting.popleft())
        while waiting:
            yield _wait(waiting.popleft())


def _run_in_pool(
    work: Callable[[Part], None], parts: Sequence[Part], workers: int, steps: Steps | None
) -> None:
    stop = threading.Event()
    # what workers have for who waits: a call to make, or a part that has ended
    news: SimpleQueue[_Call | Future[None]] = SimpleQueue()
    in_mode = _in_this_mode(work)

    def do(part: Part) -> None:
        if not stop.is_set():
            in_mode(part)

    def pass_on(call: _Call) -> None:
        if stop.is_set():
            raise _Stopped
        news.put(call)

    with _pool(workers) as (pool, begin):
        try:
            with steps.told_through(pass_on) if steps else nullcontext():
                for part in parts:
                    future = pool.submit(contextvars.copy_context().run, do, part)
                    future.add_done_callback(news.put)
                begin()
                _listen(news, len(parts))
        finally:
            stop.set()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread, in this thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _pool(workers: int) -> Iterator[tuple[ThreadPoolExecutor, Callable[[], None]]]:
    """Threads with one thread of torch each; they begin once all have something to do.

    Yields:
        the pool, and what to call when as many parts as workers have been submitted.
    """
    threads = torch.get_num_threads()
    ready, start = threading.Semaphore(0), threading.Event()

    def start_worker() -> None:
        torch.get_num_threads()  # a thread's first use of torch takes the others' count
        torch.set_num_threads(1)
        ready.release()
        start.wait()

    def begin() -> None:
        for _ in range(workers):
            ready.acquire()
        # What a worker sets holds for itself, but also for threads that use torch for the first
        # time afterwards: those shall have what they would have had.
        torch.set_num_threads(threads)
        start.set()

    pool = ThreadPoolExecutor(workers, "dreamtalk", start_worker)
    with _OPENCV:
        try:
            yield pool, begin
        finally:
            start.set()
            pool.shutdown(cancel_futures=True)


def _in_this_mode(work: Callable[[Part], Made]) -> Callable[[Part], Made]:
    """The work under the gradient mode of this thread, wherever it is done."""
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def do(part: Part) -> Made:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return work(part)

    return do


def _wait(future: Future[Made]) -> Made:
    """The result, or the error."""
    while True:
        try:
            return future.result(timeout=_PATIENCE)
        except Late:
            if future.done():  # an error of the work's own that is called the same
                raise


def _listen(news: SimpleQueue[_Call | Future[None]], parts: int) -> None:
    """Make the calls until the last part has ended, or one has failed: then raise its error."""
    while parts:
        try:
            item = news.get(timeout=_PATIENCE)
        except Empty:
            continue
        if isinstance(item, Future):
            item.result()
            parts -= 1
        else:
            item()

"""Parts of some work done in parallel on the cores of a CPU.

The operations of this package are too small to share among threads: torch's own threads spend most
of their time waiting for each other. So each core gets parts of its own, and computes them with one
thread.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from queue import Empty, SimpleQueue
from typing import TypeVar

import torch

from ..progress import Steps

Part = TypeVar("Part")
_Call = Callable[[], None]

_PATIENCE = 0.2
"""Seconds after which who waits looks up, so that Ctrl-C is heard on Windows too."""


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
    threads = torch.get_num_threads()
    workers = min(workers, threads, len(parts))
    if workers > 1:
        _run_in_pool(work, parts, workers, steps)
        return
    torch.set_num_threads(1)
    try:
        for part in parts:
            work(part)
    finally:
        torch.set_num_threads(threads)


def _run_in_pool(
    work: Callable[[Part], None], parts: Sequence[Part], workers: int, steps: Steps | None
) -> None:
    threads = torch.get_num_threads()
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
    stop = threading.Event()
    ready, start = threading.Semaphore(0), threading.Event()
    # what workers have for who waits: a call to make, or a part that has ended
    news: SimpleQueue[_Call | Future[None]] = SimpleQueue()

    def start_worker() -> None:
        torch.get_num_threads()  # a thread's first use of torch takes the others' count
        torch.set_num_threads(1)
        ready.release()
        start.wait()

    def do(part: Part) -> None:
        if not stop.is_set():
            with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
                work(part)

    def pass_on(call: _Call) -> None:
        if stop.is_set():
            raise _Stopped
        news.put(call)

    pool = ThreadPoolExecutor(workers, "dreamtalk", start_worker)
    try:
        with steps.told_through(pass_on) if steps else nullcontext():
            for part in parts:
                pool.submit(contextvars.copy_context().run, do, part).add_done_callback(news.put)
            for _ in range(workers):
                ready.acquire()
            # What a worker sets holds for itself, but also for threads that use torch for the first
            # time afterwards: those shall have what they would have had.
            torch.set_num_threads(threads)
            start.set()
            _listen(news, len(parts))
    finally:
        stop.set()
        start.set()
        pool.shutdown(cancel_futures=True)


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

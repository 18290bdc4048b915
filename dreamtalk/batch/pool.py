"""Jobs done by a pool of processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
Work = Callable[[Any, Callable[[], bool]], Any]
_PATIENCE = 0.5  # s after which who waits looks up, so that Ctrl-C is heard on Windows too


def run_pool(
    jobs: Sequence[Job],
    workers: int,
    work: Callable[[Job, Callable[[], bool]], Result],
    died: Callable[[Job, str], Result],
) -> Iterator[Result]:
    """Do jobs in processes of their own, several at a time; results come as they are ready.

    A worker may be killed (memory runs out): the pool is then made anew, and the jobs that were
    under way are repeated one at a time, so that the one that kills its worker is known and no
    other pays for it. When the iterator is closed or an exception passes, the jobs under way are
    told to stop and the workers end; they also end when this process is killed.

    Args:
        workers: processes at a time.
        work: ``work(job, stopped)``, a function of a module; it asks ``stopped()`` often, and
            raises if that is true. What goes wrong with the job is a result.
        died: ``died(job, reason)``: the result of a job whose worker dies.
    """
    waiting = deque(jobs)
    suspects: deque[Job] = deque()
    while waiting or suspects:
        alone = bool(suspects)
        queue = deque([suspects.popleft()]) if alone else waiting
        under_way: dict[Future[Result], Job] = {}
        yield from _run(queue, 1 if alone else workers, work, under_way)
        broken = list(under_way.values())
        if alone and broken:
            yield died(broken[0], "its process died: killed, or out of memory")
        else:
            suspects.extend(broken)


def _run(
    queue: deque[Job],
    workers: int,
    work: Callable[[Job, Callable[[], bool]], Result],
    under_way: dict[Future[Result], Job],
) -> Iterator[Result]:
    """Work the queue off, or until the pool breaks: then its jobs are left in ``under_way``."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, context, _begin, (stop, work))
    try:
        while queue or under_way:
            while queue and len(under_way) < workers:
                job = queue.popleft()
                try:
                    under_way[pool.submit(_do, job)] = job
                except BrokenProcessPool:
                    queue.appendleft(job)
                    return
            ready, _ = wait(under_way, _PATIENCE, FIRST_COMPLETED)
            for future in ready:
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    return
                job = under_way.pop(future)
                if error is not None:
                    raise error
                yield future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """What a worker's process knows: set once, when it begins."""

    work: Work
    stop: Any
    busy = threading.Lock()


def _begin(stop: Any, work: Work) -> None:
    # Ctrl-C reaches every process of a terminal: the parent tells the workers what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Worker.work, _Worker.stop = staticmethod(work), stop
    threading.Thread(target=_follow_the_parent, daemon=True).start()


def _do(job: Any) -> Any:
    with _Worker.busy:
        return _Worker.work(job, _Worker.stop.is_set)


def _follow_the_parent() -> None:
    """End with a parent that was killed: the job under way stops, and no half of it is left."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    connection.wait([parent.sentinel])
    _Worker.stop.set()
    with _Worker.busy:
        os._exit(1)

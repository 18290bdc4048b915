"""Frames side by side on the cores of a CPU.

The operations on one frame are too small to share among threads: torch's own threads make a frame
slower, not faster. So each core gets frames of its own.
"""

from __future__ import annotations

import contextvars
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

MOST_WORKERS = 4
"""Frames need memory while they are made; more cores than this would gain little."""
WORTH_A_THREAD = 400_000
"""Pixels of a frame below which Python's share of the work keeps other threads waiting."""


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


def side_by_side(work: Callable[[slice], None], parts: list[slice], workers: int) -> None:
    """Do the work on all parts, several at a time, each on one thread of torch.

    Args:
        work: called with each part; it must only write what no other part reads or writes. The
            first error is raised when all have ended.
        parts: what to do.
        workers: how many at a time.
    """
    threads = torch.get_num_threads()
    # Holds for the thread that calls it and for those that compute for the first time after it.
    torch.set_num_threads(1)
    try:
        if workers <= 1:
            for part in parts:
                work(part)
            return
        with ThreadPoolExecutor(workers, "dreamtalk-render", torch.set_num_threads, (1,)) as pool:
            futures = [pool.submit(contextvars.copy_context().run, work, part) for part in parts]
        for future in futures:
            future.result()
    finally:
        torch.set_num_threads(threads)


def worker_count(device: torch.device, pixels: int) -> int:
    """How many frames to make at a time.

    As many as torch may use threads, so that ``OMP_NUM_THREADS`` and ``torch.set_num_threads``
    hold here too.

    Args:
        device: where they are made.
        pixels: of the moving part of a frame.
    """
    if device.type != "cpu" or pixels < WORTH_A_THREAD:
        return 1
    return min(torch.get_num_threads(), MOST_WORKERS)

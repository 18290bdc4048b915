"""How a chunk of frames is shared among workers."""

from __future__ import annotations

import math

import torch

from ...speed import worker_count

MOST_WORKERS = 4
"""Frames need memory while they are made; more cores than this would gain little."""
WORTH_A_THREAD = 400_000
"""Pixels of a frame below which Python's share of the work keeps other threads waiting."""


def frame_workers(device: torch.device, pixels: int) -> int:
    """How many frames to make at a time.

    Args:
        device: where they are made.
        pixels: of the moving part of a frame.
    """
    return 1 if pixels < WORTH_A_THREAD else worker_count(device, MOST_WORKERS)


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

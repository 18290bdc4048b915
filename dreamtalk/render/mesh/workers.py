"""How a chunk of frames is shared among workers."""

from __future__ import annotations

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

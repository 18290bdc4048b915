"""How frames are shared among workers, and how many one of them makes together."""

from __future__ import annotations

import torch

from ...speed import worker_count

MOST_WORKERS = 4
"""Frames need memory while they are made; more cores than this would gain little."""
BATCH_PIXELS = 3_000_000
"""Pixels of the moving part that are rendered at once."""
CHUNK_PIXELS = 8_400_000
"""Pixels of whole frames that are handed on at once: some chunks are always being made, or wait."""


def frame_workers(device: torch.device) -> int:
    """How many chunks of frames to make at a time.

    Args:
        device: where they are made.
    """
    return worker_count(device, MOST_WORKERS)


def chunk_size(wanted: int, height: int, width: int) -> int:
    """How many frames to hand on at once, whoever makes them: frames don't depend on the workers.

    Args:
        wanted: at the most.
        height, width: of a frame, px.

    Returns:
        As many as memory allows, at least one.
    """
    return max(1, min(wanted, CHUNK_PIXELS // (height * width)))


def batch_size(pixels: int) -> int:
    """How many frames to render at once.

    Args:
        pixels: of the part of a frame that moves.
    """
    return max(1, BATCH_PIXELS // pixels)

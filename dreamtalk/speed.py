"""What makes computations on a CPU faster: all from ``cpu/``, which is optional.

Without that folder the same names do the plain thing: networks run as they are, and parts of some
work are done in turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import torch
from torch import nn

from .progress import Steps

Module = TypeVar("Module", bound=nn.Module)
Part = TypeVar("Part")
Made = TypeVar("Made")

try:
    from .cpu import map_ahead, run_parallel, speed_up, worker_count
except ModuleNotFoundError as error:
    if error.name != f"{__package__}.cpu":
        raise

    def speed_up(module: Module) -> Module:
        """The module as it is."""
        return module

    def worker_count(device: torch.device, most: int) -> int:
        """One."""
        return 1

    def run_parallel(
        work: Callable[[Part], None],
        parts: Sequence[Part],
        workers: int,
        steps: Steps | None = None,
    ) -> None:
        """Do the work on all parts, in turn."""
        for part in parts:
            work(part)

    def map_ahead(
        work: Callable[[Part], Made], parts: Sequence[Part], workers: int
    ) -> Generator[Made, None, None]:
        """What the work makes of each part, when it is asked for."""
        yield from map(work, parts)


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


__all__ = ["map_ahead", "run_parallel", "speed_up", "split", "worker_count"]

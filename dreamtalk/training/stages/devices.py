"""A training on several devices, through Lightning Fabric: a process each, a share of each batch.

Every process draws the whole batch of a step, which is a function of its number, and trains on its
share of it; gradients are averaged. So several devices do what one does, and one resumes what
several began. ``lightning-fabric`` is imported when there are several.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import nn

from ...errors import DreamTalkError, MissingDependencyError

WHOLE = slice(None)
"""The share of a process that is alone."""


@dataclass(frozen=True)
class Worker:
    """One process of a training.

    Attributes:
        device: where it computes.
        rank, of: its number among how many.
        fabric: what connects it with the others; None if it is alone.
    """

    device: str = "cpu"
    rank: int = 0
    of: int = 1
    fabric: Any = None

    @property
    def first(self) -> bool:
        """Whether it is the one that writes files and reports."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """Its items of a batch."""
        return WHOLE if self.of == 1 else slice(self.rank, None, self.of)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The others wait until the first one has left the block."""
        if self.fabric is None:
            yield
            return
        with self.fabric.rank_zero_first():
            yield

    def average_gradients(self, model: nn.Module) -> None:
        """Make every process's gradients the mean of all."""
        if self.fabric is None:
            return
        given = [p.grad for p in model.parameters() if p.grad is not None]
        mean = self.fabric.all_reduce(torch.cat([g.flatten() for g in given]), reduce_op="mean")
        for gradient, part in zip(given, mean.split([g.numel() for g in given]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def wait(self) -> None:
        """Until all are here."""
        if self.fabric is not None:
            self.fabric.barrier()


ALONE = Worker()


def first_process() -> bool:
    """Whether this process is the only or the first one: what others would say, it says."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def join(device: str, devices: int, batch: int) -> Worker:
    """This process as one of ``devices`` processes.

    The first call starts the others: each runs the command again that was given to this one. Where
    ``torchrun`` or a cluster's scheduler has started them, they find each other.

    Args:
        device: of which kind: cpu, cuda, ...
        batch: items of a step, which all devices share.

    Raises:
        MissingDependencyError: if ``lightning-fabric`` is missing.
        DreamTalkError: if there are not so many devices, or the batch can't be shared among them.
    """
    if devices == 1:
        return Worker(device)
    if devices < 1 or batch % devices:
        raise DreamTalkError(
            f"a batch of {batch} can't be shared among {devices} devices: take a divisor of {batch}"
        )
    try:
        fabrics = import_module("lightning_fabric")
    except ImportError as error:
        raise MissingDependencyError(
            "training on several devices needs lightning-fabric: pip install lightning-fabric"
        ) from error
    try:
        fabric = fabrics.Fabric(accelerator=device, devices=devices, strategy="ddp")
        fabric.launch()
    except (ValueError, RuntimeError, fabrics.utilities.exceptions.MisconfigurationException) as e:
        raise DreamTalkError(f"can't train on {devices} devices of kind '{device}': {e}") from e
    return Worker(str(fabric.device), fabric.global_rank, fabric.world_size, fabric)

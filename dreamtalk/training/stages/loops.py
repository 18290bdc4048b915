"""One training loop for all stages: steps that are a function of their number, EMA, resume, curves.

Everything random in a step is drawn from generators seeded with the step's number, so a run that
was stopped and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import OutputError
from ...files.atomic import atomic_write
from ...files.tensors import save_torch
from ...progress import Progress, silent
from .devices import ALONE, Worker
from .plots import plot_curves

log = logging.getLogger("dreamtalk")

LossFunction = Callable[[int], tuple[Tensor, dict[str, float]]]
"""``loss(step)`` -> the loss to descend, and figures to write down."""


@dataclass(frozen=True)
class LoopSettings:
    """How a stage trains.

    Attributes:
        steps: optimizer steps in all.
        learning_rate: at the end of the warm-up; then a cosine to a twentieth.
        warmup: steps.
        weight_decay: of AdamW, on matrices only.
        clip: largest gradient norm.
        ema: decay of the averaged weights, reached gradually.
        restart: a step at which the schedule begins anew, with a warm-up (Loshchilov and Hutter
            2017); for a finished run that goes on.
        save_every: steps between checkpoints.
        seed: of dropout and of what the stage draws from its data.
    """

    steps: int = 2000
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.998
    restart: int = 0
    save_every: int = 200
    seed: int = 0

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of a step, from ``restart`` on."""
        step, steps = step - self.restart, self.steps - self.restart
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, steps - self.warmup)
        return self.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def train(
    model: nn.Module,
    loss: LossFunction,
    settings: LoopSettings,
    folder: Path,
    progress: Progress = silent,
    stop_after: int | None = None,
    worker: Worker = ALONE,
) -> dict[str, Tensor]:
    """Train ``model`` in place and return its averaged weights.

    Args:
        model: the network; it is left holding the averaged weights.
        loss: one step's loss; it must use ``model``.
        settings: how.
        folder: for ``last.pt`` (resumed from if there), ``curves.csv`` and ``curves.png``.
        stop_after: leave after so many steps of this call, as if interrupted.
        worker: which of several processes this is. ``loss`` is that of its share; all end with the
            same weights, and the first one writes them.

    Returns:
        The averaged state dict.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress = progress if worker.first else silent
    optimizer = torch.optim.AdamW(_groups(model, settings.weight_decay), lr=settings.learning_rate)
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    checkpoint, first = folder / "last.pt", 0
    if checkpoint.exists():
        first, average = _resumed(checkpoint, model, optimizer)
        if worker.first:
            _drop_rows(folder / "curves.csv", first)
        log.info("resumed from step %d", first)
    last = settings.steps if stop_after is None else min(settings.steps, first + stop_after)
    model.train()
    began = time.monotonic()
    for step in range(first, last):
        progress(step, settings.steps)
        torch.manual_seed(settings.seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate_at(step)
        value, figures = loss(step)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        worker.average_gradients(model)
        norm = nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        if torch.isfinite(norm):
            optimizer.step()
        else:
            log.warning("step %d has no finite gradient and is left out", step)
        _update_average(average, model, min(settings.ema, (step + 1) / (step + 10)))
        if not worker.first:
            continue
        if step % 20 == 0 or step + 1 == settings.steps:
            row = {
                "step": step,
                "loss": value.item(),
                "seconds": time.monotonic() - began,
                **figures,
            }
            _write_row(folder / "curves.csv", row)
        if (step + 1) % settings.save_every == 0 or step + 1 == last:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            save_torch(checkpoint, {**state, "average": average, "step": step + 1})
    progress(last, settings.steps)
    if worker.first:
        plot_curves(folder)
    worker.wait()
    if last == settings.steps:
        model.load_state_dict(average)
    model.eval()
    return average


def _resumed(
    checkpoint: Path, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, dict[str, Tensor]]:
    """The step to go on with and the averaged weights; model and optimizer are as they were."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    devices = {k: v.device for k, v in model.state_dict().items()}
    average = {k: v.to(devices[k]) for k, v in state["average"].items()}
    return int(state["step"]), average


def _groups(model: nn.Module, decay: float) -> list[dict[str, object]]:
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]


@torch.no_grad()
def _update_average(average: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            average[key].lerp_(value, 1 - decay)
        else:
            average[key].copy_(value)


def _drop_rows(path: Path, first: int) -> None:
    """Leave out what was written after the checkpoint: those steps are made again."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or []
        rows = [r for r in reader if (r.get("step") or "").isdigit() and int(r["step"]) < first]
    with atomic_write(path, "the curves") as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=names)
        writer.writeheader()
        writer.writerows(rows)


def _write_row(path: Path, row: dict[str, float]) -> None:
    """Add a line; rows after the last checkpoint, half ones too, are dropped when it goes on."""
    new = not path.exists()
    try:
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow({k: f"{v:.6g}" for k, v in row.items()})
    except OSError as error:
        raise OutputError(f"can't write the curves to '{path}': {error.strerror}") from error

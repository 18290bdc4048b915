"""Weights files of the mouth painter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...checkpoints import MOUTH, Checkpoint, load_weights, read_checkpoint, save_checkpoint
from ...errors import CheckpointError, ModelNotFoundError
from ...files.values import reason
from .config import MouthConfig
from .model import MouthPainterNet

STARTER = "starter"
"""Name of the painter that comes with the package."""
STARTER_FILE = Path(__file__).resolve().parents[2] / "weights" / "difftalk.safetensors"
_EXACT = ("patches.mean", "patches.basis", "patches.scale")


def load_mouth_painter(
    path: str | Path | Checkpoint = STARTER,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> MouthPainterNet:
    """Load a mouth painter.

    Args:
        path: ``"starter"`` for the built-in one, or a file.
        dtype: to compute in.

    Raises:
        ModelNotFoundError: if there is no such file.
        CheckpointError: if it is something else.
    """
    if str(path) == STARTER:
        path = STARTER_FILE
        if not path.is_file():
            raise ModelNotFoundError(
                f"the mouth painter '{path}' should have come with the package, but is missing: "
                "install it again"
            )
    checkpoint = read_checkpoint(path).require(MOUTH)
    try:
        model = MouthPainterNet(MouthConfig.from_json(checkpoint.config["network"]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        raise CheckpointError(
            f"the config of '{checkpoint.path.name}' is damaged: {reason(error)}"
        ) from error
    load_weights(model, checkpoint.state, checkpoint.path, "the mouth painter")
    model.hears = bool(checkpoint.config.get("speech", False))
    return model.eval().to(device, dtype)


def save_mouth_painter(
    path: str | Path, model: MouthPainterNet, dtype: torch.dtype | None = None, **extra: Any
) -> None:
    """Write one of our files; whole or not at all.

    Args:
        dtype: of the weights in the file; theirs by default. The first stage stays in float32.
        **extra: more for the config: ``speech`` says whether it was trained to listen.

    Raises:
        OutputError: if it can't be written.
    """
    config = {**extra, "network": model.config.to_json()}
    save_checkpoint(path, MOUTH, model.state_dict(), config, dtype, keep=_EXACT)


def converted(checkpoint: Checkpoint) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What one of our files holds for this checkpoint: tensors and config."""
    return load_mouth_painter(checkpoint).state_dict(), checkpoint.config

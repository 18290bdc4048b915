"""Weights files of the mouth painter: of DiffTalk's kind, with ``mouth`` in their config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ...checkpoints import DIFFTALK, Checkpoint, load_weights, read_checkpoint, save_checkpoint
from ...errors import CheckpointError, ModelNotFoundError
from ...files.values import reason
from .config import STARTER_FILE, MouthConfig
from .model import MouthPainterNet

STARTER = "starter"
"""Name of the painter that comes with the package."""
_MARK = "mouth"
"""What the config of such a file has, and that of a published form has not."""
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
    checkpoint = read_checkpoint(path).require(DIFFTALK)
    if not is_mouth_painter(checkpoint):
        raise CheckpointError(
            f"'{checkpoint.path.name}' is a DiffTalk of the published form, which paints whole "
            "squares: a mouth painter is needed here"
        )
    try:
        model = MouthPainterNet(MouthConfig.from_json(checkpoint.config[_MARK]))
    except (TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        raise CheckpointError(
            f"the config of '{checkpoint.path.name}' is damaged: {reason(error)}"
        ) from error
    load_weights(model, checkpoint.state, checkpoint.path, "the mouth painter")
    model.hears = bool(checkpoint.config.get("speech", False))
    return model.eval().to(device, dtype)


def is_mouth_painter(checkpoint: Checkpoint) -> bool:
    """Whether a DiffTalk file is of the small form."""
    return _MARK in checkpoint.config


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
    config = {**extra, _MARK: model.config.to_json()}
    save_checkpoint(path, DIFFTALK, model.state_dict(), config, dtype, keep=_EXACT)

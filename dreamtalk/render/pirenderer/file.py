"""Renderer checkpoints: ours, and those that were published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...checkpoints import PIRENDERER, Checkpoint, load_weights, read_checkpoint
from ...networks.pirenderer import FaceGenerator, is_dead


def load_pirenderer(
    path: str | Path | Checkpoint,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    compile: bool = False,
) -> FaceGenerator:
    """Load a renderer checkpoint: ours, or DreamTalk's, StyleTalk's or PIRender's own.

    Args:
        dtype: to compute in.
        compile: run the networks through ``torch.compile``; the first frame then takes as long as
            compiling does.

    Raises:
        ModelNotFoundError: if there is no such file.
        CheckpointError: if it is something else.
    """
    checkpoint = read_checkpoint(path).require(PIRENDERER)
    generator = FaceGenerator().eval()
    alive = {k: v for k, v in checkpoint.state.items() if not is_dead(k)}
    load_weights(generator, alive, checkpoint.path, "PIRenderer's face generator")
    if compile:
        generator.compile()  # in place: the weights keep their names
        generator.compiled = True
    return generator.to(device, dtype)


def converted(checkpoint: Checkpoint) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What one of our files holds for this checkpoint: tensors and config."""
    return load_pirenderer(checkpoint).state_dict(), checkpoint.config

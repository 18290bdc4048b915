"""DiffTalk's weights files: the official checkpoints, latent-diffusion's first stages, ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checkpoints import (
    DIFFTALK,
    FIRST_STAGE,
    Checkpoint,
    describe,
    load_weights,
    read_checkpoint,
    save_checkpoint,
)
from ..errors import CheckpointError
from .config import DiffTalkConfig
from .ema import use_averaged, with_averages
from .first_stage import FirstStage
from .model import DiffTalk
from .mouth.file import is_mouth_painter, load_mouth_painter
from .mouth.model import MouthPainterNet
from .schedule import Schedule
from .sizes import first_stage_sizes, unet_sizes

_FIRST_STAGE = "first_stage_model."
_UNET = "model.diffusion_model."
_LATENT_SIDE = 64
"""Of the published latents, whatever the factor; the weights don't tell."""
_TRAINING = ("loss.", "model_ema.", "first_stage_model.loss.", "lvlb_weights", "logvar")
"""Starts of keys that training needs alone."""


def load_difftalk(
    path: str | Path | Checkpoint,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    averaged: bool = True,
) -> DiffTalk:
    """Load a DiffTalk checkpoint: ours or an official one.

    Args:
        dtype: to compute in. The samplers stay in float32.
        averaged: take the moving average of the UNet's weights where the file has one, as the
            published code does; otherwise the weights as they were trained last.

    Raises:
        ModelNotFoundError: if there is no such file.
        CheckpointError: if it is something else, or doesn't fit.
    """
    checkpoint = read_checkpoint(path).require(DIFFTALK)
    if is_mouth_painter(checkpoint):
        raise CheckpointError(
            f"'{checkpoint.path.name}' paints mouths alone: load it with load_mouth_painter"
        )
    whole = use_averaged(checkpoint.state) if averaged else checkpoint.state
    state = {k: v for k, v in whole.items() if not k.startswith(_TRAINING)}
    names = Schedule.of().tables()
    tables = {k: state.pop(k) for k in names if k in state}
    if "betas" not in tables:
        raise CheckpointError(f"'{checkpoint.path.name}' lacks the betas of its schedule")
    schedule = Schedule.from_tables(tables)
    config = _config(checkpoint.config, state, schedule, checkpoint.path)
    with torch.device("meta"):  # filled right below: initial values would only take time
        model = DiffTalk(config, schedule)
    model = model.to_empty(device="cpu").eval()
    load_weights(model, state, checkpoint.path, "DiffTalk")
    return model.to(device, dtype)


def load_any(
    path: str | Path | Checkpoint,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> DiffTalk | MouthPainterNet:
    """Load a DiffTalk of either form: the published one, or ours that paints mouths."""
    checkpoint = read_checkpoint(path).require(DIFFTALK)
    if is_mouth_painter(checkpoint):
        return load_mouth_painter(checkpoint, device, dtype)
    return load_difftalk(checkpoint, device, dtype)


def load_first_stage(
    path: str | Path | Checkpoint,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> FirstStage:
    """Load a VQ autoencoder: latent-diffusion's ``vq-f4`` and the like, or that of a DiffTalk file.

    Its sizes are read from the weights.

    Raises:
        ModelNotFoundError: if there is no such file.
        CheckpointError: if it is something else.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint.kind == DIFFTALK:
        state = _section(checkpoint.state, _FIRST_STAGE)
    else:
        state = checkpoint.require(FIRST_STAGE).state
    state = {k: v for k, v in state.items() if not k.startswith(_TRAINING)}
    config = first_stage_sizes(state)
    if config is None:
        raise CheckpointError(
            f"'{checkpoint.path.name}' is {describe(state)}, but a VQ autoencoder is needed here"
        )
    with torch.device("meta"):
        stage = FirstStage(config)
    stage = stage.to_empty(device="cpu").eval()
    load_weights(stage, state, checkpoint.path, "a VQ autoencoder")
    return stage.to(device, dtype)


def save_difftalk(path: str | Path, model: DiffTalk, dtype: torch.dtype | None = None) -> None:
    """Write one of our files, with the weights that sampling uses and the sizes.

    Args:
        dtype: of the weights in the file; theirs by default. The schedule stays in float32.

    Raises:
        OutputError: if it can't be written.
    """
    save_checkpoint(path, DIFFTALK, _state(model), model.config.to_json(), dtype, keep=("betas",))


def official_state(model: DiffTalk) -> dict[str, Tensor]:
    """The weights under all keys of an official file, in its order, averages included."""
    return with_averages(model.schedule.tables() | model.state_dict())


def _config(
    known: Mapping[str, object], state: Mapping[str, Tensor], schedule: Schedule, path: Path
) -> DiffTalkConfig:
    """The sizes: from the metadata of our files, from the weights of official ones."""
    if known:
        try:
            return DiffTalkConfig.from_json(known)
        except TypeError as error:
            raise CheckpointError(f"'{path.name}' has settings of another version: {error}") from (
                error
            )
    first_stage = first_stage_sizes(_section(state, _FIRST_STAGE))
    unet = unet_sizes(_section(state, _UNET))
    code = state.get("cond_stage_model_for_ldm.encoder_fc1.4.bias")
    if first_stage is None or unet is None or code is None:
        raise CheckpointError(
            f"'{path.name}' is {describe(state)}: networks of DiffTalk are missing"
        )
    size = _LATENT_SIDE * first_stage.factor
    return DiffTalkConfig(first_stage, unet, schedule.config, size, len(code))


def _section(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def converted(checkpoint: Checkpoint) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What one of our files holds for this checkpoint: tensors and config."""
    if is_mouth_painter(checkpoint):
        return load_mouth_painter(checkpoint).state_dict(), checkpoint.config
    model = load_difftalk(checkpoint)
    return _state(model), dict(model.config.to_json())


def _state(model: DiffTalk) -> dict[str, Tensor]:
    return {"betas": model.schedule.tables()["betas"], **model.state_dict()}

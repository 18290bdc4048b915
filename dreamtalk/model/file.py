"""Denoising checkpoints: the starter, our own files, and the official pickle."""

from __future__ import annotations

from pathlib import Path

import torch

from ..checkpoints import DENOISER, Checkpoint, load_weights, read_checkpoint
from ..errors import CheckpointError, ModelNotFoundError
from ..networks.denoiser import Denoiser, DenoiserConfig
from ..networks.lip_expert import LipExpert, LipExpertConfig
from ..networks.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from .model import DreamTalkModel

STARTER = "starter"
"""Name of the checkpoint that comes with the package."""
STARTER_FILE = Path(__file__).resolve().parents[1] / "weights" / "starter.safetensors"


def load_model(
    path: str | Path = STARTER,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    compile: bool = False,
) -> DreamTalkModel:
    """Load a denoising checkpoint.

    Args:
        path: ``"starter"`` for the built-in one, or a file: ours, or the official pickle.
        dtype: to compute in; the schedule and the motion statistics stay float32.
        compile: run the decoder, which is most of the work, through ``torch.compile``; the first
            chunk then takes as long as compiling does.

    Raises:
        ModelNotFoundError: if there is no such file.
        CheckpointError: if it is something else.
    """
    if str(path) == STARTER:
        if not STARTER_FILE.is_file():
            raise ModelNotFoundError(
                f"the starter weights '{STARTER_FILE}' should have come with the package, "
                "but are missing: install it again"
            )
        path = STARTER_FILE
    checkpoint = read_checkpoint(path).require(DENOISER)
    model = _official(checkpoint) if checkpoint.official else _ours(checkpoint)
    model.denoiser.to(dtype)
    if compile:
        model.denoiser.net.decoder.compile()  # in place: the weights keep their names
        model.compiled = True
    return model.to(device)


def _official(checkpoint: Checkpoint) -> DreamTalkModel:
    what = "DreamTalk's denoising network"
    tables = checkpoint.section("var_sched")
    weights = {k: v for k, v in checkpoint.state.items() if not k.startswith("var_sched.")}
    denoiser = Denoiser()
    load_weights(denoiser, weights, checkpoint.path, what)
    model = DreamTalkModel(denoiser, name=checkpoint.path.stem)
    if tables:
        load_weights(model.schedule, tables, checkpoint.path, what)
    return model


def _ours(checkpoint: Checkpoint) -> DreamTalkModel:
    config, path = checkpoint.config, checkpoint.path
    try:
        denoiser = Denoiser(DenoiserConfig.from_dict(config["denoiser"]))
        space, features = str(config["space"]), str(config["features"])
        smoothing = float(config.get("noise_smoothing", 0.0))
        settling = float(config.get("settling", 0.0))
        noise_scale = float(config.get("noise_scale", 1.0))
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"the config of '{path.name}' is damaged: {error!r}") from error
    load_weights(denoiser, checkpoint.section("denoiser"), path, "its own config's denoiser")
    encoder = None
    if config.get("speech_encoder") is not None:
        encoder = SpeechEncoder(SpeechEncoderConfig.from_dict(config["speech_encoder"]))
        load_weights(encoder, checkpoint.section("speech_encoder"), path, "its speech encoder")
    expert = None
    if config.get("lip_expert") is not None:
        expert = LipExpert(LipExpertConfig.from_dict(config["lip_expert"]))
        load_weights(expert, checkpoint.section("lip_expert"), path, "its lip expert")
    return DreamTalkModel(
        denoiser,
        space,
        features,
        motion_mean=checkpoint.state.get("motion_mean"),
        motion_std=checkpoint.state.get("motion_std"),
        presets=checkpoint.section("presets"),
        speech_encoder=encoder,
        lip_expert=expert,
        noise_smoothing=smoothing,
        noise_scale=noise_scale,
        settling=settling,
        style_center=checkpoint.state.get("style_center"),
        style_gain=checkpoint.state.get("style_gain"),
        fingerprint=config.get("fingerprint"),
        name=str(config.get("name") or path.stem),
    )

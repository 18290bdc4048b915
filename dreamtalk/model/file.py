"""Denoising checkpoints: the starter, our own files (read and written), the official pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..checkpoints import DENOISER, Checkpoint, load_weights, read_checkpoint, save_checkpoint
from ..devices import usable_device
from ..errors import CheckpointError, ModelNotFoundError
from ..files.values import reason
from ..networks.denoiser import Denoiser, DenoiserConfig
from ..networks.lip_expert import LipExpert, LipExpertConfig
from ..networks.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from .calibration import Calibration
from .model import DreamTalkModel

STARTER = "starter"
"""Name of the checkpoint that comes with the package."""
STARTER_FILE = Path(__file__).resolve().parents[1] / "weights" / "starter.safetensors"

_NUMBERS = ("noise_smoothing", "settling", "noise_scale", "closing")
"""Fields of the calibration that the config holds; the others are tensors."""
_PARTS: dict[str, tuple[Any, Any]] = {
    "speech_encoder": (SpeechEncoder, SpeechEncoderConfig),
    "lip_expert": (LipExpert, LipExpertConfig),
}
"""Networks that a checkpoint may bring beside its denoiser."""


def load_model(
    path: str | Path | Checkpoint = STARTER,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    compile: bool = False,
) -> DreamTalkModel:
    """Load a denoising checkpoint.

    Args:
        path: ``"starter"`` for the built-in one, a file (ours, or the official pickle), or what
            :func:`read_checkpoint` made of one.
        device: where to compute.
        dtype: to compute in; the schedule and the motion statistics stay float32.
        compile: run the decoder, which is most of the work, through ``torch.compile``; the first
            chunk then takes as long as compiling does.

    Raises:
        DreamTalkError: if there is no such device.
        ModelNotFoundError: if there is no such file.
        CheckpointError: if it is something else.
    """
    device = usable_device(device)
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


def save_model(
    model: DreamTalkModel, path: str | Path, dtype: torch.dtype | None = None, **extra: Any
) -> None:
    """Write one of our files; whole or not at all.

    Args:
        dtype: of the weights in the file; theirs by default.
        **extra: more for the config, such as metrics.

    Raises:
        OutputError: if it can't be written.
    """
    save_checkpoint(path, DENOISER, *model_state(model, **extra), dtype)


def model_state(
    model: DreamTalkModel, **extra: Any
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and the config of one of our files, see :func:`save_model`."""
    model.fingerprint = model.compute_fingerprint()
    state = {f"denoiser.{k}": v for k, v in model.denoiser.state_dict().items()}
    config: dict[str, Any] = {
        **extra,
        "denoiser": model.config.to_dict(),
        "space": model.space,
        "features": model.feature_kind,
        **{name: getattr(model.calibration, name) for name in _NUMBERS},
        "fingerprint": model.fingerprint,
        "name": model.name,
    }
    for part in _PARTS:
        network = getattr(model, part)
        if network is not None:
            state |= {f"{part}.{k}": v for k, v in network.state_dict().items()}
            config[part] = network.config.to_dict()
    state |= {"motion_mean": model.motion_mean, "motion_std": model.motion_std}
    if (model.style_gain != 1).any():
        state |= {"style_center": model.style_center, "style_gain": model.style_gain}
    state |= {f"presets.{k}": v for k, v in model.presets.items()}
    return state, config


def converted(checkpoint: Checkpoint) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What one of our files holds for this checkpoint: tensors and config."""
    return model_state(load_model(checkpoint), **checkpoint.config)


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
    config, state, path = checkpoint.config, checkpoint.state, checkpoint.path
    try:
        denoiser = _built(Denoiser, DenoiserConfig, checkpoint, "denoiser")
        space, features = str(config["space"]), str(config["features"])
        numbers = {name: _number(config, name) for name in _NUMBERS if name in config}
        parts = {
            name: _built(network, settings, checkpoint, name)
            for name, (network, settings) in _PARTS.items()
            if config.get(name) is not None
        }
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else reason(error)
        raise CheckpointError(f"the config of '{path.name}' is damaged: {why}") from error
    load_weights(denoiser, checkpoint.section("denoiser"), path, "its own config's denoiser")
    for name, network in parts.items():
        load_weights(network, checkpoint.section(name), path, f"its {name.replace('_', ' ')}")
    calibration = Calibration(
        **numbers, style_center=state.get("style_center"), style_gain=state.get("style_gain")
    )
    return DreamTalkModel(
        denoiser,
        space,
        features,
        state.get("motion_mean"),
        state.get("motion_std"),
        checkpoint.section("presets"),
        **parts,
        calibration=calibration,
        fingerprint=config.get("fingerprint"),
        name=str(config.get("name") or path.stem),
    )


def _built(network: Any, settings: Any, checkpoint: Checkpoint, name: str) -> Any:
    """A network by its settings in the config, if the file has the weights for one so large."""
    sizes = settings.from_dict(checkpoint.config[name])
    if sizes.least_weights() > sum(value.numel() for value in checkpoint.section(name).values()):
        raise ValueError(f"it describes a {name.replace('_', ' ')} larger than the file's")
    return network(sizes)


def _number(config: Mapping[str, Any], name: str) -> float:
    """A number of the calibration."""
    value = config[name]
    if type(value) not in (int, float) or not 0 <= value <= 1000:
        raise ValueError(f"{name} can't be {str(value)[:40]!r}")
    return float(value)

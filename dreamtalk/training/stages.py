"""The stages of the starter's training, from a corpus folder to a weights file."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import torch

from ..diffusion.schedule import VarianceSchedule
from ..errors import DreamTalkError
from ..model import DreamTalkModel
from ..motion.spaces import FACE, FACE_CHANNELS, LIP_CHANNELS
from ..networks.denoiser import Denoiser, DenoiserConfig
from ..networks.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from ..progress import Progress, silent
from .corpus.recordings import read_corpus
from .denoiser import denoiser_loss
from .loops import LoopSettings, train
from .motions import MotionData
from .presets import emotion_presets
from .recipe import Recipe
from .speech import SpeechData, speech_loss

log = logging.getLogger("dreamtalk")


def train_speech(
    recipe: Recipe,
    corpus: Path,
    work: Path,
    steps: int | None = None,
    progress: Progress = silent,
) -> Path:
    """Stage 1. Resumes from ``work/speech`` if it holds a checkpoint.

    Returns:
        ``work/speech/encoder.pt``
    """
    data = SpeechData(list(read_corpus(corpus)))
    torch.manual_seed(recipe.speech.seed)
    encoder = SpeechEncoder(SpeechEncoderConfig.from_dict(recipe.encoder))
    size, rows = recipe.speech_batch
    train(
        encoder,
        lambda step: speech_loss(encoder, data.batch(step, size, rows)),
        _settings(recipe.speech, steps),
        work / "speech",
        progress,
    )
    target = work / "speech" / "encoder.pt"
    torch.save({"config": encoder.config.to_dict(), "state": encoder.state_dict()}, target)
    return target


def load_encoder(path: Path) -> SpeechEncoder:
    """What :func:`train_speech` left.

    Raises:
        DreamTalkError: if stage 1 has not been run.
    """
    if not path.exists():
        raise DreamTalkError(f"no speech encoder at '{path}': run 'dreamtalk train speech' first")
    saved = torch.load(path, weights_only=True)
    encoder = SpeechEncoder(SpeechEncoderConfig.from_dict(saved["config"]))
    encoder.load_state_dict(saved["state"])
    return encoder.eval()


def train_denoiser(
    recipe: Recipe,
    corpus: Path,
    work: Path,
    steps: int | None = None,
    progress: Progress = silent,
) -> Path:
    """Stage 2 and export. Resumes from ``work/denoiser`` if it holds a checkpoint.

    Returns:
        ``work/denoiser/starter.safetensors``
    """
    recordings = list(read_corpus(corpus))
    encoder = load_encoder(work / "speech" / "encoder.pt")
    config = DenoiserConfig.from_dict({
        "feature_dim": encoder.row_dim,
        "expression_dim": len(FACE),
        "lower": tuple(FACE_CHANNELS.index(c) for c in LIP_CHANNELS),
        **recipe.network,
    })  # fmt: skip
    data = MotionData(
        recordings,
        encoder,
        copies=recipe.copies,
        window=config.window,
        clip=config.max_style_length,
        progress=progress,
    )
    torch.manual_seed(recipe.denoiser.seed)
    network = Denoiser(config)
    schedule = VarianceSchedule(config.diffusion_steps, config.beta_first, config.beta_last)
    size, frames = recipe.denoiser_batch
    train(
        network,
        lambda step: denoiser_loss(network, schedule, data.batch(step, size, frames), data),
        _settings(recipe.denoiser, steps),
        work / "denoiser",
        progress,
    )
    target = work / "denoiser" / "starter.safetensors"
    export(network, encoder, data, recordings[:16], target, recipe.noise_smoothing)
    return target


def export(
    network: Denoiser,
    encoder: SpeechEncoder,
    data: MotionData,
    recordings: list,
    target: Path,
    noise_smoothing: float,
) -> DreamTalkModel:
    """Write the weights file with the emotion presets, in half precision."""
    network = network.eval().half().float()
    encoder = encoder.eval().half().float()
    model = DreamTalkModel(
        network,
        "face",
        "starter",
        data.mean,
        data.std,
        emotion_presets(network, recordings, data.mean, data.std),
        encoder,
        noise_smoothing,
        name="starter",
    )
    model.save(target, dtype=torch.float16)
    return model


def _settings(settings: LoopSettings, steps: int | None) -> LoopSettings:
    return settings if steps is None else replace(settings, steps=steps)

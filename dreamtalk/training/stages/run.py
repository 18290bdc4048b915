"""The stages of the starter's training, from a corpus folder to a weights file."""

from __future__ import annotations

import logging
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from ...diffusion.schedule import VarianceSchedule
from ...errors import DreamTalkError
from ...files.atomic import atomic_write
from ...files.clashes import check_outputs
from ...files.tensors import save_torch
from ...model import Calibration, DreamTalkModel, load_model, save_model
from ...motion.spaces import FACE, FACE_CHANNELS, LIP_CHANNELS
from ...networks.denoiser import Denoiser, DenoiserConfig
from ...networks.lip_expert import LipExpert
from ...networks.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from ...progress import Progress, silent
from ..corpus.recordings import Recording, read_corpus
from ..data.motions import MotionData
from ..recipe import Recipe
from .denoiser import denoiser_loss
from .lip_expert import (
    expert_batch,
    expert_loss,
    negative_accuracy,
    new_expert,
    shift_accuracy,
)
from .loops import LoopSettings, train
from .presets import emotion_presets, style_center, style_gains
from .speech import SpeechData, speech_loss
from .teacher import load_posteriors

log = logging.getLogger("dreamtalk")

EXPERTS = {"style-aware": "starter.safetensors", "style-blind": "style-blind.safetensors"}
"""The lip experts of stage 3, and the weights file of ``WORK/lip-expert`` that holds each."""
NO_EXPERT = "none"


def train_speech(
    recipe: Recipe,
    corpus: Path,
    work: Path,
    steps: int | None = None,
    init: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Stage 1. Resumes from ``work/speech`` if it holds a checkpoint.

    Args:
        init: weights file whose speech encoder is trained further; else from nothing.

    Returns:
        ``work/speech/encoder.pt``. With ``keep_rows`` there is a ``starter.safetensors`` beside it:
        the file that it began with, which hears with the new encoder.

    Raises:
        DreamTalkError: if the recipe wants a teacher that is not there, or rows of no file kept.
    """
    if recipe.keep_rows and init is None:
        raise DreamTalkError("'keep_rows' keeps those of a finished file: name it with --init")
    recordings = list(read_corpus(corpus))
    posteriors = load_posteriors(work, recordings) if recipe.teaching else None
    data = SpeechData(recordings, recipe.speech.seed, posteriors)
    torch.manual_seed(recipe.speech.seed)
    old = None if init is None else _load_with_encoder(init)
    if old is None:
        encoder = SpeechEncoder(SpeechEncoderConfig.from_dict(recipe.encoder))
    else:
        encoder = deepcopy(old.speech_encoder).requires_grad_(True)
    kept = old.speech_encoder.eval() if old is not None and recipe.keep_rows else None
    size, rows = recipe.speech_batch
    train(
        encoder,
        lambda step: speech_loss(encoder, data.batch(step, size, rows), recipe.teaching, kept),
        _settings(recipe.speech, steps),
        work / "speech",
        progress,
    )
    target = work / "speech" / "encoder.pt"
    save_torch(target, {"config": encoder.config.to_dict(), "state": encoder.state_dict()})
    if old is not None and recipe.keep_rows:
        old.speech_encoder = encoder
        save_model(old, work / "speech" / "starter.safetensors", dtype=torch.float16)
    return target


def _load_with_encoder(init: str) -> DreamTalkModel:
    model = load_model(init)
    if model.speech_encoder is None:
        raise DreamTalkError(f"'{init}' brings no speech encoder: it can't be trained further here")
    return model


def _load_stage(path: Path, stage: str) -> DreamTalkModel:
    if not path.exists():
        raise DreamTalkError(f"there is no '{path}': run 'dreamtalk train {stage}' first")
    return load_model(path)


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
    init: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Stage 2 and export. Resumes from ``work/denoiser`` if it holds a checkpoint.

    Args:
        init: weights file whose denoiser is trained further, on the rows of this training's
            speech encoder; else from nothing.

    Returns:
        ``work/denoiser/starter.safetensors``
    """
    target = work / "denoiser" / "starter.safetensors"
    check_outputs({"the new weights": target}, {"the weights to begin with": init})
    recordings = list(read_corpus(corpus))
    encoder = load_encoder(work / "speech" / "encoder.pt")
    torch.manual_seed(recipe.denoiser.seed)
    old = None if init is None else _load_with_encoder(init)
    if old is None:
        config = DenoiserConfig.from_dict({
            "feature_dim": encoder.row_dim,
            "expression_dim": len(FACE),
            "lower": tuple(FACE_CHANNELS.index(c) for c in LIP_CHANNELS),
            **recipe.network,
        })  # fmt: skip
        network = Denoiser(config)
    else:
        network, config = old.denoiser.requires_grad_(True), old.config
    data = _motions(recordings, encoder, recipe, config, progress)
    if old is not None:
        data.mean, data.std = old.motion_mean.clone(), old.motion_std.clone()
    schedule = VarianceSchedule(config.diffusion_steps, config.beta_first, config.beta_last)
    size, frames = recipe.denoiser_batch
    train(
        network,
        lambda step: denoiser_loss(network, schedule, data.batch(step, size, frames), data),
        _settings(recipe.denoiser, steps),
        work / "denoiser",
        progress,
    )
    export(network, encoder, data, recordings[:16], target, recipe)
    return target


def train_lip_expert(
    recipe: Recipe,
    corpus: Path,
    work: Path,
    steps: int | None = None,
    progress: Progress = silent,
) -> str:
    """Stage 3: the lip expert on the finished denoiser's style codes; the weights file gets it.

    An expert that doesn't see the style is trained beside it, as what it is compared with: see
    ``EXPERTS``.

    Returns:
        Its accuracy on held-out speech against the shift in frames, with and without style.
    """
    model = _load_stage(work / "denoiser" / "starter.safetensors", "denoiser")
    held_out = _motions(
        list(read_corpus(corpus, "test")), model.speech_encoder, recipe, model.config, progress
    )
    data = _motions(list(read_corpus(corpus)), model.speech_encoder, recipe, model.config, progress)
    report = []
    for styled in (False, True):
        torch.manual_seed(recipe.lip_expert.seed)
        sizes = {"feature_dim": model.config.feature_dim, "style_dim": model.config.d_model}
        expert = new_expert(data.std, styled=styled, **sizes)
        train(
            expert,
            partial(_expert_step, expert, data, model.denoiser, recipe.expert_batch),
            _settings(recipe.lip_expert, steps),
            work / ("lip-expert" if styled else "lip-expert-unstyled"),
            progress,
        )
        held_out.mean, held_out.std = data.mean, data.std
        found = shift_accuracy(
            expert, lambda shift: expert_batch(held_out, model.denoiser, 10**6, 512, shift)
        )
        figures = " ".join(f"{k}:{v:.3f}" for k, v in found.items())
        wrong = negative_accuracy(
            expert,
            lambda kind, shift: expert_batch(held_out, model.denoiser, 10**6, 512, shift, kind),
        )
        kinds = ", ".join(f"{name} {value:.3f}" for name, value in wrong.items())
        report.append(f"{'with' if styled else 'without'} style  {figures}\n  {kinds}")
        model.lip_expert = expert.half().float()
        name = EXPERTS["style-aware" if styled else "style-blind"]
        (work / "lip-expert").mkdir(parents=True, exist_ok=True)
        save_model(model, work / "lip-expert" / name, dtype=torch.float16)
    text = "\n".join(report)
    with atomic_write(work / "lip-expert" / "accuracy.txt") as part:
        part.write_text(text + "\n")
    return text


def train_sync(
    recipe: Recipe,
    corpus: Path,
    work: Path,
    steps: int | None = None,
    progress: Progress = silent,
    expert_name: str = "style-aware",
    weight: float | None = None,
) -> Path:
    """Stage 4: the denoiser goes on with L_sync of the frozen expert (DreamTalk, section 3.2).

    Args:
        expert_name: one of ``EXPERTS``, or ``"none"``: the same steps without L_sync, to compare.
        weight: of L_sync; the recipe's by default.

    Returns:
        ``work/sync/starter.safetensors``; with another expert or weight the folder says so.

    Raises:
        DreamTalkError: if there is no such expert, or stage 3 has not been run.
    """
    if expert_name not in (*EXPERTS, NO_EXPERT):
        known = ", ".join((*EXPERTS, NO_EXPERT))
        raise DreamTalkError(f"there is no lip expert '{expert_name}': choose one of {known}")
    folder = work / _sync_folder(expert_name, weight)
    weight = recipe.sync_weight if weight is None else weight
    weight = 0.0 if expert_name == NO_EXPERT else weight
    file = EXPERTS.get(expert_name, EXPERTS["style-aware"])
    model = _load_stage(work / "lip-expert" / file, "lip-expert")
    recordings = list(read_corpus(corpus))
    data = _motions(recordings, model.speech_encoder, recipe, model.config, progress)
    data.mean, data.std = model.motion_mean.clone(), model.motion_std.clone()
    network, expert = model.denoiser.requires_grad_(True), model.lip_expert
    if expert is None:
        raise DreamTalkError("run 'dreamtalk train lip-expert' first")
    expert.requires_grad_(False)
    size, frames = recipe.denoiser_batch
    schedule = model.schedule

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        batch = data.batch(step + 10**5, size, frames)
        return denoiser_loss(network, schedule, batch, data, expert, weight)

    train(network, loss, _settings(recipe.sync, steps), folder, progress)
    target = folder / "starter.safetensors"
    export(network, model.speech_encoder, data, recordings[:16], target, recipe, expert)
    return target


def _sync_folder(expert_name: str, weight: float | None) -> str:
    if expert_name == NO_EXPERT:
        return f"sync-{NO_EXPERT}"
    given = [] if weight is None else [f"{weight:g}"]
    return "-".join(["sync", *([] if expert_name == "style-aware" else [expert_name]), *given])


def _expert_step(
    expert: LipExpert, data: MotionData, denoiser: Denoiser, size: int, step: int
) -> tuple[torch.Tensor, dict[str, float]]:
    return expert_loss(expert, expert_batch(data, denoiser, step, size))


def _motions(
    recordings: list[Recording],
    encoder: SpeechEncoder,
    recipe: Recipe,
    config: DenoiserConfig,
    progress: Progress,
) -> MotionData:
    return MotionData(
        recordings,
        encoder,
        seed=recipe.denoiser.seed,
        copies=recipe.copies,
        window=config.window,
        clip=config.max_style_length,
        progress=progress,
    )


def export(
    network: Denoiser,
    encoder: SpeechEncoder,
    data: MotionData,
    recordings: list[Recording],
    target: Path,
    recipe: Recipe,
    expert: LipExpert | None = None,
) -> DreamTalkModel:
    """Write the weights file with the emotion presets, in half precision."""
    network = network.eval().half().float()
    encoder = encoder.eval().half().float()
    encoder.config = replace(encoder.config, warps=recipe.warps)
    model = DreamTalkModel(
        network,
        "face",
        "starter",
        data.mean,
        data.std,
        emotion_presets(network, recordings, data.mean, data.std, articulation=recipe.articulation),
        encoder,
        expert,
        Calibration(
            recipe.noise_scale,
            recipe.noise_smoothing,
            recipe.settling,
            recipe.closing,
            style_center(recordings),
            style_gains(recipe.style_gain),
        ),
        name="starter",
    )
    save_model(model, target, dtype=torch.float16)
    return model


def _settings(settings: LoopSettings, steps: int | None) -> LoopSettings:
    return settings if steps is None else replace(settings, steps=steps)

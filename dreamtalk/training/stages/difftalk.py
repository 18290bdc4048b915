"""The small DiffTalk learns to paint mouths from frames of many people."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...difftalk.mouth.config import MouthConfig
from ...difftalk.mouth.file import save_mouth_painter
from ...difftalk.mouth.model import MouthPainterNet
from ...errors import DreamTalkError
from ...progress import Progress, silent
from ..data.mouth_frames import MouthData, SpeechBank
from .critic import sharpen
from .devices import Worker, join
from .feature_loss import LiteFeatures, load_features
from .loops import train
from .mouth_loss import DiffTalkRecipe, mouth_loss

log = logging.getLogger("dreamtalk")

FITTED = 2000
"""Pictures that the first stage is fitted on."""


def train_difftalk(
    recipe: DiffTalkRecipe,
    frames: Path,
    work: Path,
    steps: int | None = None,
    speech: Path | None = None,
    device: str = "cpu",
    progress: Progress = silent,
    stop_after: int | None = None,
    devices: int = 1,
) -> Path:
    """Train the painter and write its weights. Resumes from ``work`` if it holds a checkpoint.

    Args:
        frames: folder of shards, see :mod:`..data.mouth_frames`.
        steps: instead of the recipe's.
        speech: folder of recordings; our own motion model gives them lips, by which they are paired
            with the frames. None trains without speech.
        device: where to train.
        stop_after: leave after so many steps of this call, as if interrupted.
        devices: of that kind, see :func:`.devices.join`; what they do is what one does.

    Returns:
        ``work/difftalk.safetensors``
    """
    settings = recipe.loop if steps is None else replace(recipe.loop, steps=steps)
    worker = join(device, devices, recipe.batch)
    bank: SpeechBank | None = None
    if speech is not None:
        from ..data.speech_bank import speech_bank

        with worker.first_alone():
            bank = speech_bank(speech, work / "speech.npz", progress)
    data = MouthData(frames, bank)
    log.info("%d frames of %d people", len(data), len(np.unique(data.person)))
    model = _new_model(recipe, data, settings.seed).to(worker.device)
    features = load_features().to(worker.device) if recipe.feature_weight else None
    step = partial(_step, model, data, recipe, worker, features)
    train(model, step, settings, work, progress, stop_after, worker)
    if recipe.sharpen.steps and stop_after is None:
        sharpen(model, data, recipe, worker, work / "sharpen", progress)
    target = work / "difftalk.safetensors"
    if not worker.first:
        return target
    people = len(np.unique(data.person))
    about = {"steps": settings.steps, "frames": len(data), "people": people}
    save_mouth_painter(target, model.cpu(), torch.float16, speech=bank is not None, trained=about)
    return target


def _new_model(recipe: DiffTalkRecipe, data: MouthData, seed: int) -> MouthPainterNet:
    torch.manual_seed(seed)
    model = MouthPainterNet(MouthConfig.from_json(recipe.network))
    targets = [data.batch(i, 50, seed, augment=False).target for i in range(FITTED // 50)]
    kept = model.patches.fit(torch.cat(targets))
    log.info("the first stage keeps %.2f %% of the variance", 100 * kept)
    return model


def _step(
    model: MouthPainterNet,
    data: MouthData,
    recipe: DiffTalkRecipe,
    worker: Worker,
    features: LiteFeatures | None,
    step: int,
) -> tuple[Tensor, dict[str, float]]:
    batch = data.batch(step, recipe.batch, recipe.loop.seed, worker.device)
    noise = torch.Generator().manual_seed(recipe.loop.seed * 1_000_003 + step)
    return mouth_loss(model, batch, recipe, noise, features, worker.share)


def export_checkpoint(recipe: DiffTalkRecipe, work: Path, target: Path) -> None:
    """Write the averaged weights of a training that is under way or was stopped.

    Raises:
        DreamTalkError: if ``work`` holds no checkpoint.
    """
    checkpoint = work / "last.pt"
    if not checkpoint.exists():
        raise DreamTalkError(f"there is no '{checkpoint}': nothing was trained there yet")
    saved = torch.load(checkpoint, weights_only=True)
    model = MouthPainterNet(MouthConfig.from_json(recipe.network))
    model.load_state_dict(saved["average"])
    about = {"steps": int(saved["step"])}
    heard = (work / "speech.npz").exists()
    save_mouth_painter(target, model, torch.float16, speech=heard, trained=about)

"""The small DiffTalk learns to paint mouths from frames of many people."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...difftalk.mouth.config import MouthConfig
from ...difftalk.mouth.file import save_mouth_painter
from ...difftalk.mouth.model import MouthPainterNet
from ...errors import DreamTalkError
from ...progress import Progress, silent
from ..data.mouth_frames import MouthBatch, MouthFrames, SpeechBank
from ..recipe import read_toml
from .loops import LoopSettings, train

log = logging.getLogger("dreamtalk")

DEFAULT = Path(__file__).resolve().parents[1] / "difftalk.toml"
_FITTED = 2000
"""Pictures that the first stage is fitted on."""


@dataclass(frozen=True)
class DiffTalkRecipe:
    """What the training takes.

    Attributes:
        loop: settings of the loop.
        network: sizes, as ``MouthConfig`` takes them.
        batch: pairs of a step.
        from_noise: share of the items that are painted from noise alone.
        latent_weight, pixel_weight: of the squared error of latents, and of the absolute errors of
            pixels and of their gradients at three scales.
        inside_weight: of pixels between the lips, beside those around them.
        bfloat16: compute in mixed precision, on CUDA and on CPUs that are quick at it.
    """

    loop: LoopSettings = field(default_factory=LoopSettings)
    network: dict[str, Any] = field(default_factory=dict)
    batch: int = 16
    from_noise: float = 0.35
    latent_weight: float = 4.0
    pixel_weight: float = 0.5
    inside_weight: float = 4.0
    bfloat16: bool = True


def load_difftalk_recipe(path: Path | None = None) -> DiffTalkRecipe:
    """Read a recipe; the starter's by default.

    Raises:
        DreamTalkError: if it can't be read or names something unknown.
    """
    path = path or DEFAULT
    try:
        data = read_toml(path)
        return DiffTalkRecipe(loop=LoopSettings(**data.pop("loop", {})), **data)
    except (OSError, TypeError, ValueError) as error:
        raise DreamTalkError(f"'{path}' is no recipe: {error}") from error


def mouth_loss(
    model: MouthPainterNet, batch: MouthBatch, recipe: DiffTalkRecipe, noise: torch.Generator
) -> tuple[Tensor, dict[str, float]]:
    """Errors of the predicted clean mouth, in the latent and in pixels.

    Args:
        noise: on the CPU; draws times and noise.
    """
    clean = model.patches.encode(batch.target)
    size, device = len(clean), clean.device
    last = model.config.schedule.steps - 1
    t = torch.randint(0, last + 1, (size,), generator=noise)
    t = torch.where(torch.rand(size, generator=noise) < recipe.from_noise, last, t).to(device)
    drawn = torch.randn(clean.shape, generator=noise).to(device)
    x = model.schedule.add_noise(clean, t, drawn)
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bfloat16 and _quick(device)):
        predicted = model(x, t, model.know(batch.given)).float()
    latent = (predicted - clean).square().mean()
    weight = 1 + (recipe.inside_weight - 1) * batch.inside
    weight = weight / weight.mean()
    difference = model.patches.decode(predicted) - batch.target
    pixel = (difference.abs() * weight).mean()
    edges = difference.new_zeros(())
    for scale in range(3):
        small = F.avg_pool2d(difference, 2**scale) if scale else difference
        heavy = F.avg_pool2d(weight, 2**scale) if scale else weight
        edges = edges + (small.diff(dim=-1).abs() * heavy[..., 1:]).mean()
        edges = edges + (small.diff(dim=-2).abs() * heavy[..., 1:, :]).mean()
    figures = {"latent": latent.item(), "pixel": pixel.item(), "edges": edges.item()}
    total = recipe.latent_weight * latent + recipe.pixel_weight * (pixel + edges)
    return total, figures


def _quick(device: torch.device) -> bool:
    """Whether halves make it faster there."""
    if device.type != "cpu":
        return device.type == "cuda"
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def train_difftalk(
    recipe: DiffTalkRecipe,
    frames: Path,
    work: Path,
    steps: int | None = None,
    speech: Path | None = None,
    device: str = "cpu",
    progress: Progress = silent,
    stop_after: int | None = None,
) -> Path:
    """Train the painter and write its weights. Resumes from ``work`` if it holds a checkpoint.

    Args:
        frames: folder of shards, see :mod:`..data.mouth_frames`.
        steps: instead of the recipe's.
        speech: folder of recordings; our own motion model gives them lips, by which they are paired
            with the frames. None trains without speech.
        device: where to train.
        stop_after: leave after so many steps of this call, as if interrupted.

    Returns:
        ``work/difftalk.safetensors``
    """
    settings = recipe.loop if steps is None else replace(recipe.loop, steps=steps)
    bank: SpeechBank | None = None
    if speech is not None:
        from ..data.speech_bank import speech_bank

        bank = speech_bank(speech, work / "speech.npz", progress)
    data = MouthFrames(frames, bank)
    log.info("%d frames of %d people", len(data), len(data.people))
    model = _new_model(recipe, data, settings.seed).to(device)
    train(model, partial(_step, model, data, recipe, device), settings, work, progress, stop_after)
    target = work / "difftalk.safetensors"
    about = {"steps": settings.steps, "frames": len(data), "people": len(data.people)}
    save_mouth_painter(target, model.cpu(), torch.float16, speech=bank is not None, trained=about)
    return target


def _new_model(recipe: DiffTalkRecipe, data: MouthFrames, seed: int) -> MouthPainterNet:
    torch.manual_seed(seed)
    model = MouthPainterNet(MouthConfig.from_json(recipe.network))
    targets = [data.batch(i, 50, seed, augment=False).target for i in range(_FITTED // 50)]
    kept = model.patches.fit(torch.cat(targets))
    log.info("the first stage keeps %.2f %% of the variance", 100 * kept)
    return model


def _step(
    model: MouthPainterNet, data: MouthFrames, recipe: DiffTalkRecipe, device: str, step: int
) -> tuple[Tensor, dict[str, float]]:
    batch = data.batch(step, recipe.batch, recipe.loop.seed, device)
    noise = torch.Generator().manual_seed(recipe.loop.seed * 1_000_003 + step)
    return mouth_loss(model, batch, recipe, noise)


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

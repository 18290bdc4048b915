"""What the small DiffTalk is trained by: the recipe, and the errors of what it paints."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...difftalk.mouth.model import MouthPainterNet
from ...errors import DreamTalkError
from ..data.mouth_frames import MouthBatch
from ..recipe import read_recipe
from .devices import WHOLE
from .feature_loss import LiteFeatures, feature_loss
from .loops import LoopSettings
from .structure_loss import structure_loss

DEFAULT = Path(__file__).resolve().parents[1] / "difftalk.toml"
LOOPS = ("loop", "sharpen")
PRECISIONS = ("auto", "32", "bf16")


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
        feature_weight: of the features of EfficientNet-Lite0; 0 leaves them out, see
            :mod:`.feature_loss`.
        structure_weight: of what SSIM misses, see :mod:`.structure_loss`; 0 leaves it out.
        sharpen: settings of the loop that follows, with a critic; no steps leave it out.
        critic_share: of the critic's gradient, beside that of the errors.
        precision: ``bf16`` computes in mixed precision, ``32`` does not; ``auto`` takes bf16 on
            CUDA and on CPUs that are quick at it.
    """

    loop: LoopSettings = field(default_factory=LoopSettings)
    network: dict[str, Any] = field(default_factory=dict)
    batch: int = 16
    from_noise: float = 0.35
    latent_weight: float = 4.0
    pixel_weight: float = 0.5
    inside_weight: float = 4.0
    feature_weight: float = 0.0
    structure_weight: float = 0.0
    sharpen: LoopSettings = field(default_factory=lambda: LoopSettings(steps=0))
    critic_share: float = 0.4
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise DreamTalkError(f"the precision '{self.precision}' is none of {known}")

    def halves(self, device: torch.device) -> bool:
        """Whether to compute in bfloat16 there."""
        return self.precision == "bf16" or (self.precision == "auto" and _quick(device))


def load_difftalk_recipe(path: Path | None = None) -> DiffTalkRecipe:
    """Read a recipe; the starter's by default.

    Raises:
        DreamTalkError: if it can't be read or names something unknown.
    """
    return read_recipe(path or DEFAULT, DiffTalkRecipe, LOOPS)


def mouth_loss(
    model: MouthPainterNet,
    batch: MouthBatch,
    recipe: DiffTalkRecipe,
    noise: torch.Generator,
    features: LiteFeatures | None = None,
    share: slice = WHOLE,
) -> tuple[Tensor, dict[str, float]]:
    """Errors of the predicted clean mouth, in the latent and in pixels.

    Args:
        noise: on the CPU; draws times and noise.
        share: the items of the batch to look at; the mean over equal shares is that of the whole.
        features: what else to compare, with the recipe's ``feature_weight``.
    """
    clean, predicted = paint_noisy(model, batch, recipe, noise, share)
    total, figures = errors(model, batch, clean, predicted, recipe, share)
    if features is None:
        return total, figures
    made, weight = model.patches.decode(predicted), places_weight(batch, recipe)[share]
    away = feature_loss(features, made, batch.target[share], weight)
    return total + recipe.feature_weight * away, {**figures, "features": away.item()}


def paint_noisy(
    model: MouthPainterNet,
    batch: MouthBatch,
    recipe: DiffTalkRecipe,
    noise: torch.Generator,
    share: slice = WHOLE,
) -> tuple[Tensor, Tensor]:
    """The clean latents of the targets and what the network takes for them, (B, C, 16, 20) each.

    Of the share's items; times and noise are drawn for all.
    """
    clean = model.patches.encode(batch.target)
    size, device = len(clean), clean.device
    last = model.config.schedule.steps - 1
    t = torch.randint(0, last + 1, (size,), generator=noise)
    t = torch.where(torch.rand(size, generator=noise) < recipe.from_noise, last, t).to(device)
    drawn = torch.randn(clean.shape, generator=noise).to(device)
    clean, t = clean[share], t[share]
    x = model.schedule.add_noise(clean, t, drawn[share])
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.halves(device)):
        return clean, model(x, t, model.know(batch.given[share])).float()


def errors(
    model: MouthPainterNet,
    batch: MouthBatch,
    clean: Tensor,
    predicted: Tensor,
    recipe: DiffTalkRecipe,
    share: slice = WHOLE,
) -> tuple[Tensor, dict[str, float]]:
    """Squared error of the latents; absolute errors of pixels and of their gradients; structure."""
    latent = (predicted - clean).square().mean()
    weight, target = places_weight(batch, recipe)[share], batch.target[share]
    made = model.patches.decode(predicted)
    difference = made - target
    pixel = (difference.abs() * weight).mean()
    edges = difference.new_zeros(())
    for scale in range(3):
        small = F.avg_pool2d(difference, 2**scale) if scale else difference
        heavy = F.avg_pool2d(weight, 2**scale) if scale else weight
        edges = edges + (small.diff(dim=-1).abs() * heavy[..., 1:]).mean()
        edges = edges + (small.diff(dim=-2).abs() * heavy[..., 1:, :]).mean()
    figures = {"latent": latent.item(), "pixel": pixel.item(), "edges": edges.item()}
    total = recipe.latent_weight * latent + recipe.pixel_weight * (pixel + edges)
    if recipe.structure_weight:
        structure = structure_loss(made, target, weight)
        total = total + recipe.structure_weight * structure
        figures["structure"] = structure.item()
    return total, figures


def places_weight(batch: MouthBatch, recipe: DiffTalkRecipe) -> Tensor:
    """(B, 1, 64, 80) how much places count, more between the lips; 1 on average over the batch."""
    weight = 1 + (recipe.inside_weight - 1) * batch.inside
    return weight / weight.mean()


def _quick(device: torch.device) -> bool:
    """Whether halves make it faster there."""
    if device.type != "cpu":
        return device.type == "cuda"
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

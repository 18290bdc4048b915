"""A critic of what lies between the lips, for the last steps of DiffTalk's training.

Absolute and squared errors are smallest for the mean of all teeth that might be there, which is a
grey smear. A small network that tells painted openings from true ones (Goodfellow et al. 2014; by
patches, Isola et al. 2017) asks for one of them. It sees nothing but the opening and its rim, and
its say is bounded: its gradient is brought to a share of that of the errors (Esser et al. 2021).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from ...difftalk.mouth.model import MouthPainterNet
from ...progress import Progress, silent
from ..data.mouth_frames import MouthBatch, MouthData
from .devices import WHOLE, Worker
from .loops import train
from .mouth_loss import DiffTalkRecipe, errors, paint_noisy

_FIRST_BATCH = 1 << 20
"""Steps that the batches of this loop are numbered from, so that they are new ones."""


class Critic(nn.Module):
    """Pictures of mouths -> how true each patch looks, higher is truer."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = ((4, width, 1), (width, 2 * width, 2), (2 * width, 3 * width, 2))
        layers: list[nn.Module] = []
        for before, after, stride in sizes:
            layers += [nn.Conv2d(before, after, 3, stride, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(3 * width, 1, 3, 1, 1))

    def forward(self, pictures: Tensor, inside: Tensor) -> Tensor:
        """(B, 3, 64, 80) in -1..1, (B, 1, 64, 80) the opening -> (B, 1, 16, 20)."""
        around = F.max_pool2d(inside, 5, 1, 2)
        return self.layers(torch.cat([pictures * around, inside], 1))


class Sharpening(nn.Module):
    """Painter and critic, trained by one optimizer, so that a stopped run resumes with both."""

    def __init__(self, painter: MouthPainterNet) -> None:
        super().__init__()
        self.painter, self.critic = painter, Critic()


def sharpen(
    painter: MouthPainterNet,
    data: MouthData,
    recipe: DiffTalkRecipe,
    worker: Worker,
    folder: Path,
    progress: Progress = silent,
) -> None:
    """Train a painter further with a critic, in place; resumes from ``folder``.

    Several workers bound the critic's say each by its own share of the batch.
    """
    torch.manual_seed(recipe.sharpen.seed)
    both = Sharpening(painter).to(worker.device)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        number = _FIRST_BATCH + step
        batch = data.batch(number, recipe.batch, recipe.sharpen.seed, worker.device)
        noise = torch.Generator().manual_seed(recipe.sharpen.seed * 1_000_003 + number)
        return sharpening_loss(both, batch, recipe, noise, worker.share)

    train(both, loss, recipe.sharpen, folder, progress, worker=worker)


def sharpening_loss(
    both: Sharpening,
    batch: MouthBatch,
    recipe: DiffTalkRecipe,
    noise: torch.Generator,
    share: slice = WHOLE,
) -> tuple[Tensor, dict[str, float]]:
    """The painter's errors with the critic's say, and the critic's own hinge loss."""
    painter, critic = both.painter, both.critic
    clean, predicted = paint_noisy(painter, batch, recipe, noise, share)
    total, figures = errors(painter, batch, clean, predicted, recipe, share)
    made = painter.patches.decode(predicted)
    target, inside = batch.target[share], batch.inside[share]
    weight = F.adaptive_avg_pool2d(inside, (16, 20))
    weight = weight / weight.sum().clamp(min=1e-6)

    # the critic judges here and does not learn
    frozen = {k: v.detach() for k, v in critic.named_parameters()}
    disliked = -(functional_call(critic, frozen, (made, inside)) * weight).sum()
    wanted = torch.autograd.grad(total, predicted, retain_graph=True)[0].norm()
    asked = torch.autograd.grad(disliked, predicted, retain_graph=True)[0].norm()
    say = (recipe.critic_share * wanted / asked.clamp(min=1e-8)).clamp(max=10.0)

    true = (F.relu(1 - critic(target, inside)) * weight).sum()
    false = (F.relu(1 + critic(made.detach(), inside)) * weight).sum()
    figures |= {"critic": (true + false).item(), "share": say.item()}
    return total + say.detach() * disliked + true + false, figures

"""Fit the head to all portraits in one batch: identity, expression, pose.

Weak perspective: a landmark lies at s (R X)_xy + t, X = neutral + identity + expression. Lengths
are in "cm", the distance of the irises / 6.3, so that one weighting suits every picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...face.pose import euler_matrix
from ...progress import Progress, silent
from .head import EYES_OUTER, INNER_PAIRS, Head

Array = npt.NDArray[np.float32]

IRISES_CM = 6.3
STEPS = (400, 400, 400, 800)
"""Of Adam in each round."""
UNFIT = ("Pupil", "cheekPuff", "jawForward", "eyeLook")
"""Expressions that begin so are not fitted: the landmarks can't tell them."""
_RATES = {"pose": 0.02, "identity": 0.06, "expression": 0.08}
_LAST_RATE = 0.1  # of the first


@dataclass(frozen=True)
class Fit:
    """P portraits explained by the head. Picture axes: x right, y down.

    Attributes:
        identity: (P, 100) standard deviations.
        expression: (P, 57) weights, 0..1.
        angles: (P, 3) pitch, yaw, roll, rad.
        scale: (P,) px per cm.
        shift: (P, 2) px.
        bias: (68, 2) cm: where the landmarker's points lie against the head's, on average.
        rest: (P, 68, 2) px: what is still unexplained of the landmarks.
        iod: (P,) px between the outer eye corners.
    """

    identity: Array
    expression: Array
    angles: Array
    scale: Array
    shift: Array
    bias: Array
    rest: Array
    iod: Array

    def errors(self, points: slice | list[int]) -> Array:
        """(P,) mean distance of landmarks, share of the inter-ocular distance."""
        return np.linalg.norm(self.rest[:, points], axis=-1).mean(axis=1) / self.iod


def fit_heads(
    head: Head,
    landmarks: Array,
    irises: Array,
    steps: Sequence[int] = STEPS,
    progress: Progress = silent,
) -> Fit:
    """Fit several times: what is left over on average after a round is a property of the
    landmarker, whose points are not the model's, and is added to the prediction of the next.

    Args:
        landmarks: (P, 68, 2) px.
        irises: (P, 2, 2) px.
        steps: of Adam in each round.
    """
    size = np.linalg.norm(irises[:, 1] - irises[:, 0], axis=-1) / IRISES_CM
    centre = irises.mean(axis=1)
    wanted = torch.from_numpy((landmarks - centre[:, None]) / size[:, None, None]).float()
    bias = torch.zeros(68, 2)
    total, before = sum(steps), 0
    for turn, count in enumerate(steps):
        done = partial(_report, progress, before, total)
        found, predicted = _fit(head, wanted, bias, count, done)
        before += count
        if turn + 1 < len(steps):
            bias = bias + ((wanted - predicted) / found["pose"][:, 3].exp()[:, None, None]).mean(0)
    pose = found["pose"].numpy()
    rest = (wanted - predicted).numpy() * size[:, None, None]
    expression = np.zeros((len(wanted), len(head.names)), np.float32)
    expression[:, _fitted(head)] = torch.sigmoid(found["expression"]).numpy()
    outer = landmarks[:, list(EYES_OUTER)]
    return Fit(
        found["identity"].numpy(), expression, pose[:, :3], np.exp(pose[:, 3]) * size,
        pose[:, 4:] * size[:, None] + centre, bias.numpy(), rest.astype(np.float32),
        np.linalg.norm(outer[:, 1] - outer[:, 0], axis=-1),
    )  # fmt: skip


def _report(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _fitted(head: Head) -> list[int]:
    return [i for i, name in enumerate(head.names) if not name.startswith(UNFIT)]


def _fit(
    head: Head, wanted: Tensor, bias: Tensor, steps: int, done: Callable[[int], None]
) -> tuple[dict[str, Tensor], Tensor]:
    """The parameters of one fit, and the landmarks (P, 68, 2) that they predict."""
    marks, fitted = head.landmarks, _fitted(head)
    neutral = torch.from_numpy(head.neutral[marks])
    identity = torch.from_numpy(head.identity[:, marks])
    shapes = torch.from_numpy(head.expression[fitted][:, marks])
    weights = torch.ones(68)
    weights[:17], weights[17:27], weights[48:] = 0.25, 0.6, 1.6
    count = len(wanted)
    pose = torch.zeros(count, 6)
    middle = neutral[[36, 39, 42, 45]].mean(dim=0)
    pose[:, 4], pose[:, 5] = -middle[0], middle[1]
    values = {
        "pose": pose,
        "identity": torch.zeros(count, len(identity)),
        "expression": torch.full((count, len(fitted)), -3.0),
    }
    groups = [{"params": [v.requires_grad_()], "lr": _RATES[k]} for k, v in values.items()]
    adam = torch.optim.Adam(groups)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps, eta_min=0.002)
    pairs = torch.tensor(INNER_PAIRS)

    def predict() -> Tensor:
        points = (
            neutral
            + torch.einsum("pi,ikc->pkc", values["identity"], identity)
            + torch.einsum("pi,ikc->pkc", values["expression"].sigmoid(), shapes)
        )
        flat = (points @ euler_matrix(values["pose"][:, :3]).transpose(1, 2))[..., :2]
        flat = flat * torch.tensor([1.0, -1.0]) + bias
        return flat * values["pose"][:, 3].exp()[:, None, None] + values["pose"][:, None, 4:]

    for step in range(steps):
        predicted = predict()
        scale = values["pose"][:, 3].exp()[:, None, None]
        off = (predicted - wanted) / scale
        gaps = off[:, pairs[:, 0]] - off[:, pairs[:, 1]]
        loss = (
            8 * (weights[:, None] * off.square()).sum()
            + 40 * gaps.square().sum()
            + 0.25 * values["identity"].square().sum()
            + 0.35 * values["expression"].sigmoid().sum()
        )
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        cosine.step()
        done(step + 1)
    with torch.no_grad():
        predicted = predict()
    return {k: v.detach() for k, v in values.items()}, predicted

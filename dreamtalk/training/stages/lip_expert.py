"""The lip expert's training: speech with its own lips against lips moved in time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...face.basis import FaceBasis
from ...face.topology import LIPS
from ...motion.spaces import LIP_CHANNELS
from ...networks.denoiser import Denoiser
from ...networks.lip_expert import LipExpert, LipExpertConfig
from ..data.motions import MotionData

MAX_SHIFT = 15
"""Frames that negatives are moved by, at most."""

Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def mouth_vertices(std: Tensor) -> Tensor:
    """Offsets of the mouth's vertices for one deviation of each lip channel: (13, 40 * 3).

    Args:
        std: (31,) deviations that the motion is standardized by.
    """
    units = torch.eye(len(std))[: len(LIP_CHANNELS)] * std
    offsets = FaceBasis.load().decode(units)[:, list(LIPS)]
    return offsets.flatten(1) / offsets.std()


def new_expert(std: Tensor, **sizes: object) -> LipExpert:
    """An untrained expert for motion that is standardized by ``std``."""
    config = LipExpertConfig.from_dict({"vertices": len(LIPS), **sizes})
    return LipExpert(config, mouth_vertices(std))


def expert_batch(
    data: MotionData, denoiser: Denoiser, step: int, size: int, shift: int | None = None
) -> Batch:
    """Speech, lips and style codes; half of the lips are moved in time.

    Args:
        data: takes and their feature rows.
        denoiser: whose style encoder makes the codes.
        shift: move all lips by exactly this many frames, in a random direction, instead.

    Returns:
        rows (B, 2T, D), lips (B, T, 13), codes (B, d), in sync (B,) 0 or 1. T = 12.
    """
    frames = 12
    rng = np.random.Generator(np.random.PCG64([data.seed, 11, step]))
    batch = data.batch(step, size, 1)  # for the style clips of the takes drawn below
    rows, lips, synced = [], [], []
    for index in batch.take.tolist():
        take = data.takes[index]
        copies = data.rows[take.recording]
        source = copies[int(rng.integers(len(copies)))]
        motion = take.motion[:, : len(LIP_CHANNELS)]
        reach = MAX_SHIFT if shift is None else abs(shift)
        start = int(rng.integers(reach, len(motion) - frames - reach))
        move = 0
        if shift is not None:
            move = int(shift * rng.choice((-1, 1)))
        elif rng.random() < 0.5:
            move = int(rng.integers(1, MAX_SHIFT + 1) * rng.choice((-1, 1)))
        rows.append(source[2 * start : 2 * (start + frames)].astype(np.float32))
        lips.append(motion[start + move : start + move + frames])
        synced.append(float(move == 0))
    channels = len(LIP_CHANNELS)
    values = (torch.from_numpy(np.stack(lips)) - data.mean[:channels]) / data.std[:channels]
    with torch.no_grad():
        codes = denoiser.encode_style(batch.clip, batch.padding)
    return torch.from_numpy(np.stack(rows)), values, codes, torch.tensor(synced)


def expert_loss(expert: LipExpert, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """Binary cross-entropy of being in sync, on the windows' mean."""
    rows, lips, codes, synced = batch
    logits = expert.logits(rows, lips, codes).mean(1)
    loss = F.binary_cross_entropy_with_logits(logits, synced)
    right = ((logits > 0) == (synced > 0.5)).float().mean()
    return loss, {"accuracy": right.item()}


@torch.no_grad()
def shift_accuracy(
    expert: LipExpert, batch: Callable[[int | None], Batch], shifts: range = range(1, 11)
) -> dict[int, float]:
    """Share of pairs told right, for lips in sync and lips moved by each number of frames.

    Args:
        batch: ``batch(shift)`` of held-out data.

    Returns:
        shift -> mean of the two hit rates (0.5 is chance).
    """

    def positive(shift: int) -> float:
        rows, lips, codes, _ = batch(shift)
        return float((expert.logits(rows, lips, codes).mean(1) > 0).float().mean())

    hit = positive(0)
    return {k: 0.5 * (hit + 1 - positive(k)) for k in shifts}

"""The lip expert's training: speech with its own lips against lips that are wrong.

Lips moved in time alone teach it time: it then hardly minds lips that don't close for p, b and m,
that move half as far or that are smoothed. So the negatives are wrong in shape, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn import functional as F

from ...face.basis import FaceBasis
from ...face.topology import LIPS
from ...motion.spaces import FACE, LIP_CHANNELS, OPENING_SHAPE
from ...networks.denoiser import Denoiser
from ...networks.lip_expert import LipExpert, LipExpertConfig
from ..data.motions import MotionData

MAX_SHIFT = 15
"""Frames that negatives are moved by, at most."""

FRAMES = 12
"""Of a pair."""
Batch = tuple[Tensor, Tensor, Tensor, Tensor]
Values = npt.NDArray[np.float32]
OPENING = np.array([OPENING_SHAPE.get(c, 0.0) for c in FACE.channels], np.float32)
_APERTURE = FACE.index["lipAperture"]
_SHUT = 0.025


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
    data: MotionData,
    denoiser: Denoiser,
    step: int,
    size: int,
    shift: int | None = None,
    kind: str | None = None,
) -> Batch:
    """Speech, lips and style codes; half of the lips are wrong in one of the ways of
    :data:`NEGATIVES`.

    Args:
        data: takes and their feature rows.
        denoiser: whose style encoder makes the codes.
        shift: move all lips by exactly this many frames, in a random direction, instead.
        kind: make all lips wrong in this way instead.

    Returns:
        rows (B, 2T, D), lips (B, T, 13), codes (B, d), in sync (B,) 0 or 1. T = 12.
    """
    rng = np.random.Generator(np.random.PCG64([data.seed, 11, step]))
    batch = data.batch(step, size, 1)  # for the style clips of the takes drawn below
    names, shares = list(NEGATIVES), [share for share, _ in NEGATIVES.values()]
    rows, lips, synced = [], [], []
    for index in batch.take.tolist():
        take = data.takes[index]
        copies = data.rows[take.recording]
        source = copies[int(rng.integers(len(copies)))]
        motion = take.motion[:, : len(LIP_CHANNELS)]
        reach = MAX_SHIFT if shift is None else abs(shift)
        start = int(rng.integers(reach, len(motion) - FRAMES - reach))
        rows.append(source[2 * start : 2 * (start + FRAMES)].astype(np.float32))
        own = motion[start : start + FRAMES]
        wrong: Values | None = None
        if shift is not None:
            moved = start + int(shift * rng.choice((-1, 1)))
            wrong = motion[moved : moved + FRAMES] if shift else None
        elif kind is not None or rng.random() < 0.5:
            name = kind or str(rng.choice(names, p=shares))
            wrong = NEGATIVES[name][1](data, index, start, rng)
            if wrong is None and kind is None:
                wrong = _moved(data, index, start, rng)
        lips.append(own if wrong is None else wrong)
        synced.append(float(wrong is None))
    channels = len(LIP_CHANNELS)
    values = (torch.from_numpy(np.stack(lips)) - data.mean[:channels]) / data.std[:channels]
    with torch.no_grad():
        codes = denoiser.encode_style(batch.clip, batch.padding)
    return torch.from_numpy(np.stack(rows)), values, codes, torch.tensor(synced)


def _lips(data: MotionData, index: int) -> Values:
    return data.takes[index].motion[:, : len(LIP_CHANNELS)]


def _moved(data: MotionData, index: int, start: int, rng: np.random.Generator) -> Values | None:
    move = int(rng.integers(1, MAX_SHIFT + 1) * rng.choice((-1, 1)))
    return _lips(data, index)[start + move : start + move + FRAMES]


def _elsewhere(data: MotionData, index: int, start: int, rng: np.random.Generator) -> Values | None:
    motion = _lips(data, index)
    there = int(rng.integers(0, len(motion) - FRAMES))
    return motion[there : there + FRAMES] if abs(there - start) > FRAMES else None


def _left_open(data: MotionData, index: int, start: int, rng: np.random.Generator) -> Values | None:
    """Where the lips are shut between open ones they stay apart."""
    lips = _lips(data, index)[start : start + FRAMES].copy()
    aperture = lips[:, _APERTURE]
    if not (aperture < _SHUT).any() or aperture.max() < 2 * _SHUT:
        return None
    lift = np.maximum(rng.uniform(0.05, 0.09) - aperture, 0).astype(np.float32)
    return lips + lift[:, None] * OPENING[: len(LIP_CHANNELS)]


def _resized(data: MotionData, index: int, start: int, rng: np.random.Generator) -> Values | None:
    motion = _lips(data, index)
    usual = motion.mean(0)
    size = np.float32(rng.choice((rng.uniform(0.3, 0.6), rng.uniform(1.6, 2.0))))
    return usual + size * (motion[start : start + FRAMES] - usual)


def _smoothed(data: MotionData, index: int, start: int, rng: np.random.Generator) -> Values | None:
    near = _lips(data, index)[max(start - 8, 0) : start + FRAMES + 8]
    smooth = gaussian_filter1d(near, rng.uniform(1.5, 3.0), axis=0, mode="nearest")
    first = start - max(start - 8, 0)
    return smooth[first : first + FRAMES].astype(np.float32)


def _other_style(
    data: MotionData, index: int, start: int, rng: np.random.Generator
) -> Values | None:
    recording = data.takes[index].recording
    near = range(max(index - 7, 0), min(index + 8, len(data.takes)))
    others = [i for i in near if i != index and data.takes[i].recording == recording]
    if not others:
        return None
    return _lips(data, int(rng.choice(others)))[start : start + FRAMES]


Negative = Callable[[MotionData, int, int, np.random.Generator], "Values | None"]
NEGATIVES: dict[str, tuple[float, Negative]] = {
    "moved in time": (0.40, _moved),
    "from elsewhere": (0.12, _elsewhere),
    "closures left open": (0.20, _left_open),
    "too small or too large": (0.08, _resized),
    "smoothed": (0.12, _smoothed),
    "another style's": (0.08, _other_style),
}
"""How lips are wrong: share in the training, and what makes them (None where it can't be done)."""


def expert_loss(expert: LipExpert, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """Binary cross-entropy of being in sync, on the windows' mean; and the share that is right."""
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

    hit = _taken_for_synced(expert, batch(0))
    return {k: 0.5 * (hit + 1 - _taken_for_synced(expert, batch(k))) for k in shifts}


@torch.no_grad()
def negative_accuracy(
    expert: LipExpert, batch: Callable[[str | None, int | None], Batch]
) -> dict[str, float]:
    """The same for lips that are wrong in each way of :data:`NEGATIVES`.

    Args:
        batch: ``batch(kind, shift)`` of held-out data.
    """
    hit = _taken_for_synced(expert, batch(None, 0))
    found = {}
    for kind in NEGATIVES:
        rows, lips, codes, synced = batch(kind, None)
        wrong = synced < 0.5  # where it could be done
        part = (rows[wrong], lips[wrong], codes[wrong], synced[wrong])
        found[kind] = 0.5 * (hit + 1 - _taken_for_synced(expert, part))
    return found


def _taken_for_synced(expert: LipExpert, batch: Batch) -> float:
    rows, lips, codes, _ = batch
    return float((expert.logits(rows, lips, codes).mean(1) > 0).float().mean())

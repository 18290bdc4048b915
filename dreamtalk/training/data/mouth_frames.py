"""Frames of many people's mouths as pairs of a reference and a target: what DiffTalk trains on.

A folder, or folders in it, of ``shard_*.npz``, each with n frames: ``images`` (n, 128, 128, 3)
uint8, cut by the irises; ``landmarks`` (n, 68, 2) px of them; ``lips`` (n, 13), the lip channels of
a ``Motion``; ``person`` (n,); ``real`` (n,) bool, true for photographs, false for frames that were
made of one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from ...difftalk.conditioning import SHOWN
from ...difftalk.mouth.config import CROP, CUT_HEIGHT, CUT_LEFT, CUT_TOP, CUT_WIDTH
from ...difftalk.mouth.geometry import (
    MAP_CHANNELS,
    bending,
    carried_landmarks,
    inner_mask,
    lip_maps,
    place,
)
from ...difftalk.mouth.lips import LIP_MIRROR, LIP_SIGNS, lip_numbers, lip_offsets
from ...difftalk.mouth.model import MouthConditions
from ...errors import DreamTalkError

KEEP_TOP, KEEP_BOTTOM = 36, 128
"""Rows of the crop that are kept in memory: the cut and what lips are bent from."""
_HELD_OUT = 25
"""Of so many people one is held out."""
_MIRRORED = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
)  # fmt: skip
"""iBUG's point on the other side of the face."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MouthBatch:
    """Pairs on the training device.

    Attributes:
        target: (B, 3, 64, 80) in -1..1, what shall be painted.
        given: what it is painted from.
        inside: (B, 1, 64, 80) in 0..1, what lies between the lips.
    """

    target: Tensor
    given: MouthConditions
    inside: Tensor


@dataclass(frozen=True)
class SpeechBank:
    """Sound with the lips that our own motion model gives it.

    Attributes:
        lips: (M, 13) channels of M frames.
        windows: (M, 8, 16, 29) float16.
    """

    lips: Array
    windows: npt.NDArray[np.float16]

    def nearest(self, lips: Array, among: int = 4) -> npt.NDArray[np.int32]:
        """The frames whose lips are most alike, (N, among) for lips (N, 13)."""
        scale = 1 / self.lips.std(0).clip(0.01)
        scale[0] *= 2  # the aperture is what one hears first
        bank = torch.from_numpy(self.lips * scale)
        parts = torch.from_numpy(lips * scale).split(2048)
        found = [torch.cdist(p, bank).topk(among, largest=False).indices for p in parts]
        return torch.cat(found).int().numpy()


class MouthData:
    """All frames of a folder, in memory.

    Args:
        folder: with the shards, or with folders of them. The people of two folders are never
            paired, whatever their numbers: one face is drawn with other teeth by another seed.
        speech: sound to pair frames with; None leaves speech out.
        held_out: take the people that training does not see.

    Raises:
        DreamTalkError: if there are no shards, or one is of another form.
    """

    def __init__(
        self, folder: Path, speech: SpeechBank | None = None, held_out: bool = False
    ) -> None:
        paths = sorted([*folder.glob("shard_*.npz"), *folder.glob("*/shard_*.npz")])
        if not paths:
            raise DreamTalkError(f"there are no frames (shard_*.npz) in '{folder}'")
        parts = [_read_shard(path, held_out) for path in paths]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        self.images, self.landmarks = joined["images"], joined["landmarks"]
        self.lips, self.real, self.person = joined["lips"], joined["real"], joined["person"]
        folders = [path.parent for path in paths]
        sets = [sorted(set(folders)).index(folder) for folder in folders]
        self._set = np.repeat(sets, [len(part["person"]) for part in parts])
        whose = np.unique(np.stack([self._set, self.person], 1), axis=0)
        self.people = [p for p in map(self._of, whose) if len(p) > 1]
        if not self.people:
            raise DreamTalkError(f"nobody in '{folder}' has two frames to make a pair of")
        self.speech = speech
        self.heard = None if speech is None else speech.nearest(self.lips)

    def __len__(self) -> int:
        return len(self.images)

    def _of(self, whose: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.flatnonzero((self._set == whose[0]) & (self.person == whose[1]))

    def pairs(self, rng: np.random.Generator, size: int) -> tuple[npt.NDArray[np.int64], ...]:
        """Targets and references (size,) each, of different people as far as there are enough."""
        chosen = rng.choice(len(self.people), size, replace=size > len(self.people))
        targets, references = [], []
        for index in chosen:
            frames = self.people[index]
            photographs = frames[self.real[frames]]
            target = rng.choice(frames)
            if len(photographs) and rng.random() < 0.15:
                target = photographs[0]
            others = frames[frames != target]
            reference = rng.choice(others)
            # in use the reference is a photograph
            if len(photographs) and photographs[0] != target and rng.random() < 0.5:
                reference = photographs[0]
            targets.append(target)
            references.append(reference)
        return np.array(targets), np.array(references)

    def batch(
        self, step: int, size: int, seed: int = 0, device: str | torch.device = "cpu",
        augment: bool = True,
    ) -> MouthBatch:  # fmt: skip
        """The pairs of a step: a function of its number and the seed.

        Args:
            augment: change colours, sharpness and sides, and hide some conditions.
        """
        rng = np.random.default_rng((seed, step))
        targets, references = self.pairs(rng, size)
        flipped = rng.random(size) < (0.5 if augment else 0.0)
        images, points, lips = [], [], []
        for frames in (targets, references):
            pictures = self.images[frames].copy()
            pictures[flipped] = np.roll(pictures[flipped][:, :, ::-1], 1, axis=2)
            marks = self.landmarks[frames].copy()
            other = marks[flipped][:, _MIRRORED]
            other[..., 0] = CROP - other[..., 0]
            marks[flipped] = other
            channels = self.lips[frames].copy()
            channels[flipped] = channels[flipped][:, LIP_MIRROR] * LIP_SIGNS
            images.append(rearrange(torch.from_numpy(pictures), "n h w c -> n c h w"))
            points.append(torch.from_numpy(marks))
            lips.append(torch.from_numpy(channels))
        seen = torch.stack(images).to(device).float() / 255
        noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
        if augment:
            seen = _changed(seen, noise)
        pair = _pair(seen * 2 - 1, points, lips, noise if augment else None, device)
        if not augment:
            return pair
        return self._with_speech(pair, targets, rng, device)

    def _with_speech(
        self, pair: MouthBatch, targets: npt.NDArray[np.int64], rng: np.random.Generator,
        device: str | torch.device,
    ) -> MouthBatch:  # fmt: skip
        """Half of the items hear speech; some hear it alone and are not told the lips."""
        if self.speech is None or self.heard is None:
            return pair
        size, given = len(targets), pair.given
        has_lips = torch.from_numpy(rng.random(size) > 0.12).to(device)
        has_speech = torch.from_numpy(rng.random(size) < 0.5).to(device) | ~has_lips
        frames = self.heard[targets, rng.integers(self.heard.shape[1], size=size)]
        windows = torch.from_numpy(self.speech.windows[frames].astype(np.float32)).to(device)
        unknown = ~has_lips[:, None, None, None]
        maps = given.maps.clone()
        maps[:, : MAP_CHANNELS // 2].masked_fill_(unknown, 0.0)
        given = replace(
            given,
            placed=torch.where(unknown, given.reference, given.placed),
            maps=maps,
            lips=torch.cat([given.lips[:, :-1], given.lips[:, -1:] * has_lips[:, None]], -1),
            windows=windows,
            has_lips=has_lips,
            has_speech=has_speech,
        )
        return replace(pair, given=given)


def _pair(
    pictures: Tensor,
    points: list[Tensor],
    lips: list[Tensor],
    noise: torch.Generator | None,
    device: str | torch.device,
) -> MouthBatch:
    """Pictures (2, B, 3, H, W) of targets and references with what is known of them -> a batch.

    Where the target's lips lie is told as in use: carried over from the reference by the lip
    channels, or as they were seen; both a little off.
    """
    (target, reference), (marks, reference_marks) = pictures, points
    offsets = lip_offsets(lips[0] - lips[1], reference_marks)
    carried = carried_landmarks(reference_marks, offsets, marks)
    told = marks
    if noise is not None:
        some = torch.rand(len(marks), 1, 1, generator=noise) < 0.4
        told = torch.where(some, carried, marks)
        told = told + 0.5 * torch.randn(len(marks), 1, 2, generator=noise)
        told = told + 0.3 * torch.randn(told.shape, generator=noise)
    else:
        told = carried
    told, reference_marks = told.to(device), reference_marks.to(device)
    inside = inner_mask(marks.to(device))
    rows = slice(CUT_TOP - KEEP_TOP, CUT_TOP - KEEP_TOP + CUT_HEIGHT)
    columns = slice(CUT_LEFT, CUT_LEFT + CUT_WIDTH)
    shown, placed = (
        target[..., rows, columns],
        place(reference, (0, KEEP_TOP), bending(told, reference_marks)),
    )
    own = torch.zeros(len(marks))
    if noise is not None:
        own = (torch.rand(len(marks), generator=noise) < 0.4).float()
        known = own[:, None, None, None].to(device)
        placed = placed + known * (_emptied(shown, placed, inside, noise) - placed)
    given = MouthConditions(
        shown=shown,
        reference=reference[..., rows, columns],
        placed=placed,
        maps=lip_maps(told, reference_marks),
        landmarks=marks[:, list(SHOWN)].to(device),
        lips=lip_numbers(lips[0], lips[1], own).to(device),
    )
    return MouthBatch(shown, given, inside)


def _emptied(shown: Tensor, placed: Tensor, inside: Tensor, noise: torch.Generator) -> Tensor:
    """Frames (B, 3, 64, 80) as another renderer would hand them on: wrong between the lips.

    There they have what the bent reference shows, what another person has, or one dark colour.
    """
    size, device = len(shown), shown.device
    dark = torch.rand(size, 3, 1, 1, generator=noise).to(device) * 0.6 - 1
    kind = torch.rand(size, 1, 1, 1, generator=noise).to(device)
    wrong = torch.where(kind < 0.4, placed, torch.where(kind < 0.7, shown.roll(1, 0), dark))
    grown = F.max_pool2d(inside, 3, 1, 1)  # such a renderer may also be a little off at the rim
    return shown + grown * (wrong - shown)


def _changed(pictures: Tensor, noise: torch.Generator) -> Tensor:
    """Other light, colours and sharpness: pictures (2, B, 3, H, W) in 0..1."""
    _, size = pictures.shape[:2]

    def draw(*shape: int, spread: float) -> Tensor:
        return (spread * torch.randn(*shape, generator=noise)).exp().to(pictures.device)

    gain = draw(1, size, 1, 1, 1, spread=0.2) * draw(1, size, 3, 1, 1, spread=0.08)
    gain = gain * draw(2, size, 1, 1, 1, spread=0.02)
    changed = pictures.pow(draw(1, size, 1, 1, 1, spread=0.12)) * gain
    grey = torch.rand(1, size, 1, 1, 1, generator=noise).to(pictures.device) < 0.1
    changed = torch.where(grey, changed.mean(2, keepdim=True), changed)
    # footage is softer than photographs: a part of a small binomial blur, applied to both
    side = torch.tensor([1.0, 2.0, 1.0], device=pictures.device) / 4
    kernel = (side[:, None] * side).expand(3, 1, 3, 3)
    flat = F.pad(changed.flatten(0, 1), (1, 1, 1, 1), mode="replicate")
    soft = F.conv2d(flat, kernel, groups=3).unflatten(0, (2, size))
    share = torch.rand(1, size, 1, 1, 1, generator=noise).to(pictures.device)
    share = (1.6 * share - 0.6).clamp(0, 1)
    return (changed + share * (soft - changed)).clamp(0, 1)


def _read_shard(path: Path, held_out: bool) -> dict[str, npt.NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as shard:
            chosen = (shard["person"] % _HELD_OUT == 0) == held_out
            images, landmarks, lips = shard["images"], shard["landmarks"], shard["lips"]
            if images.shape[1:] != (CROP, CROP, 3) or landmarks.shape[1:] != (68, 2):
                raise ValueError(f"images are {images.shape}, landmarks {landmarks.shape}")
            if lips.shape[1:] != (len(LIP_SIGNS),):
                raise ValueError(f"lips are {lips.shape}")
            return {
                "images": images[chosen, KEEP_TOP:KEEP_BOTTOM],
                "landmarks": landmarks[chosen].astype(np.float32),
                "lips": lips[chosen].astype(np.float32),
                "real": shard["real"][chosen].astype(bool),
                "person": shard["person"][chosen],
            }
    except (OSError, KeyError, ValueError) as error:
        raise DreamTalkError(f"'{path}' holds no frames to train on: {error}") from error

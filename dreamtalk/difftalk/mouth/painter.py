"""Paints new mouths into frames of any size, with one picture of the person as the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ...diffusion.samplers import FrameNoise
from ...errors import DreamTalkError
from ...options import checked, default
from ..conditioning import SHOWN, ibug_landmarks
from .config import CUT_HEIGHT, CUT_LEFT, CUT_TOP, CUT_WIDTH
from .crop import Array, Bytes, crop_matrices, cut_crop, to_crop
from .geometry import bending, inner_mask, lip_maps, place
from .lips import lip_numbers
from .model import Known, MouthConditions, MouthPainterNet
from .overlay import lay_over
from .sampling import sample_clean

_BATCH = 16
_RIM, _SOFT = 1.0, 2.0
"""px of the crop by which the painted opening reaches onto the lips, and over which it ends."""
_CUT = (..., slice(CUT_TOP, CUT_TOP + CUT_HEIGHT), slice(CUT_LEFT, CUT_LEFT + CUT_WIDTH))


@dataclass(frozen=True)
class MouthOptions:
    """How mouths are painted.

    Attributes:
        steps: network calls a frame.
        placed: ``frame`` corrects what the frame shows at the lips; ``reference`` the reference's
            lips, bent there.
        detail: px of the crop: outside of the opening of the lips, what is finer than this comes
            from the frame and not from the network. 0 takes all from the network.
        strength: 0 leaves the frame as it is outside of the opening, 1 takes the network's.
        crispness: of an unsharp mask over what the network painted.
        one_noise: start all frames from the same noise, without which they flicker.
        seed: of the noise.
    """

    steps: int = 1
    placed: str = default("painted.placed")
    detail: float = default("painted.detail")
    strength: float = default("painted.strength")
    crispness: float = default("painted.crispness")
    one_noise: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        names = ("steps", "placed", "detail", "strength", "crispness")
        checked(**{f"painted.{name}": getattr(self, name) for name in names})
        if self.steps < 1:
            raise DreamTalkError("a mouth is painted in one step or more, not 0")


@dataclass(frozen=True)
class MouthFrames:
    """Frames that follow each other, and what their mouths shall do.

    Attributes:
        pictures: (N, H, W, 3) uint8.
        landmarks: (N, 478, 2 or 3) px of the pictures, as they are in them.
        wanted: (N, 478, 2 or 3) px, where lips and jaw shall be; other points are not looked at.
        lips: (N, 13) lip channels that are wanted, with the reference's zero.
        windows: (N, 8, 16, 29) of speech to paint from instead of the lips; None paints the lips.
        first: the number of the first frame, for noise of its own.
    """

    pictures: Bytes
    landmarks: Array
    wanted: Array
    lips: Tensor
    windows: Tensor | None = None
    first: int = 0

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, part: slice) -> MouthFrames:
        """Some of the frames."""
        return MouthFrames(
            self.pictures[part],
            self.landmarks[part],
            self.wanted[part],
            self.lips[part],
            None if self.windows is None else self.windows[part],
            self.first + (part.start or 0),
        )


@dataclass(frozen=True)
class MouthCuts:
    """Painted mouths before they are laid over their frames.

    Attributes:
        painted, base: (N, 3, 64, 80) in -1..1, what the network made of what.
        lips: (N, 68, 2) px of the crop, where the points are in what is painted.
        matrices: (N, 2, 3), px of the frames -> px of the crop.
        shifts: (N, 32, 40, 2) how far off the base comes from; None if it is where it was.
    """

    painted: Tensor
    base: Tensor
    lips: Tensor
    matrices: Array
    shifts: Tensor | None


class PersonMouthPainter:
    """Paints the mouth of one person.

    Args:
        network: on the device to use.
        picture: (H, W, 3) uint8 of the person: what lips, teeth and skin look like.
        landmarks: (478, 2 or 3) px of it.
        lips: (13,) its lip channels.
        options: how.
    """

    def __init__(
        self,
        network: MouthPainterNet,
        picture: Bytes,
        landmarks: Array,
        lips: Tensor,
        options: MouthOptions | None = None,
    ) -> None:
        self.network, self.options = network, options or MouthOptions()
        parameter = network.unet.out[2].weight
        assert isinstance(parameter, Tensor)
        self._device, self._dtype = parameter.device, parameter.dtype
        (matrix,) = crop_matrices(landmarks[None])
        self._reference = _pictures(cut_crop(picture, matrix)[None])
        self._points = _points(landmarks[None], matrix[None])
        self._lips = lips[None].float().cpu()
        channels, height, width = network.latent_shape
        self._noise = FrameNoise(channels * height * width, self.options.seed)
        self._one_noise = self._noise.draw(0, 1)

    def paint(self, frames: MouthFrames) -> tuple[Bytes, Array]:
        """New mouths.

        Returns:
            (N, H, W, 3) uint8, and (N, H, W) float32 in 0..1: how much of them shows. It is 0
            outside of the box that is painted, and does not follow the mouth.
        """
        parts = [frames[i : i + _BATCH] for i in range(0, len(frames), _BATCH)]
        made = [self._paint(part) for part in parts]
        return np.concatenate([a for a, _ in made]), np.concatenate([b for _, b in made])

    @torch.no_grad()
    def cuts(self, frames: MouthFrames) -> MouthCuts:
        """What the network makes of frames, all at once, and laid over nothing."""
        matrices = crop_matrices(frames.landmarks)
        crops = [cut_crop(p, m) for p, m in zip(frames.pictures, matrices, strict=True)]
        pictures = _pictures(np.stack(crops))
        seen, wanted = (_points(x, matrices) for x in (frames.landmarks, frames.wanted))
        own = pictures[_CUT]
        # lips that stay where they are need no bending: the frame is as sharp as it was
        shifts = bending(wanted, seen) if (wanted - seen).abs().max() > 0.05 else None
        base = own if shifts is None else place(pictures, (0, 0), shifts)
        painted = self._sample(self._conditions(base, seen, wanted, frames), frames)
        return MouthCuts(painted, base, wanted, matrices, shifts)

    def _paint(self, frames: MouthFrames) -> tuple[Bytes, Array]:
        cuts = self.cuts(frames)
        inside = inner_mask(cuts.lips, _RIM, _SOFT)
        if frames.windows is not None:  # where the lips come to lie, nobody knows: all is painted
            inside = torch.ones_like(inside)
        return lay_over(
            frames.pictures, cuts.matrices, cuts.painted, cuts.base, inside, cuts.shifts,
            self.options,
        )  # fmt: skip

    def _conditions(
        self, base: Tensor, seen: Tensor, wanted: Tensor, frames: MouthFrames
    ) -> MouthConditions:
        count = len(base)
        points = self._points.expand(count, -1, -1)
        reference = self._reference.expand(count, -1, -1, -1)
        plain = reference[_CUT]
        own = torch.full((count,), float(self.options.placed == "frame" and frames.windows is None))
        lips = lip_numbers(frames.lips.float().cpu(), self._lips.expand(count, -1), own)
        maps = lip_maps(wanted, self._points)
        if self.options.placed == "frame":
            placed = base
        else:
            placed = place(reference, (0, 0), bending(wanted, points))
        heard, known = frames.windows, None
        if heard is not None:  # painted from the sound: what the lips shall do is not told
            known = torch.zeros(count, dtype=torch.bool)
            maps[:, : maps.shape[1] // 2] = 0
            placed = plain

        def sent(x: Tensor) -> Tensor:
            return x.to(self._device, self._dtype)

        return MouthConditions(
            shown=sent(base),
            reference=sent(plain),
            placed=sent(placed),
            maps=sent(maps),
            landmarks=sent(seen[:, list(SHOWN)]),
            lips=sent(lips),
            windows=None if heard is None else sent(heard),
            has_lips=None if known is None else known.to(self._device),
        )

    def _sample(self, given: MouthConditions, frames: MouthFrames) -> Tensor:
        """(N, 3, 64, 80) float32 in -1..1 on the CPU."""
        network = self.network
        known: Known = network.know(given)
        count = len(frames)
        if self.options.one_noise:
            noise = self._one_noise.expand(count, -1)
        else:
            noise = self._noise.draw(frames.first, frames.first + count)
        times = network.schedule.even_times(self.options.steps)
        start = noise.reshape(count, *network.latent_shape).to(self._device)
        latent = sample_clean(lambda x, t: network(x, t, known), start, network.schedule, times)
        return network.patches.decode(latent.to(self._dtype)).float().clamp(-1, 1).cpu()


def _pictures(crops: Bytes) -> Tensor:
    """(N, 128, 128, 3) uint8 -> (N, 3, 128, 128) float32 in -1..1"""
    return rearrange(torch.from_numpy(crops).float() / 127.5 - 1, "n h w c -> n c h w")


def _points(landmarks: Array, matrices: Array) -> Tensor:
    """(N, 478, 2 or 3) px of pictures -> iBUG's (N, 68, 2) px of their crops."""
    return ibug_landmarks(torch.from_numpy(to_crop(landmarks, matrices)))

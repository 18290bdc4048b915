"""Painting the mouth of frame after frame, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from ..diffusion.samplers import FrameNoise
from ..errors import DreamTalkError
from ..progress import Progress, Steps, silent
from ..speed import run_parallel, worker_count
from .conditioning import hide
from .model import Conditions, DiffTalk
from .sampling import Kept, PredictNoise, sample_ddim, sample_dpm
from .schedule import Schedule

_MOST_WORKERS = 4
"""Frames painted at a time on a CPU, for the memory that each takes meanwhile."""

SAMPLERS = {
    "ddim": (sample_ddim, Schedule.times),
    "dpm": (sample_dpm, Schedule.even_times),
}
"""Name -> sampler, and the times it works at for a number of steps."""
REFERENCES = ("fixed", "progressive")
"""Ways of choosing the reference of a frame."""


@dataclass(frozen=True)
class MaskedFrames:
    """Frames of a clip, cut to the network's square, and what is known of each.

    Attributes:
        images: (T, S, S, 3) uint8, or float in 0..1.
        hidden: (T, S, S) bool, true where the network must not look: the mouth.
        windows: (T, 8, 16, 29) float32 of DeepSpeech's logits.
        landmarks: (T, 39, 2) float32 in px of the square.
        kept: (T, 1, h, w), 1 where the latent is held to that of the real frame while sampling;
            None leaves all of it to the network. Official inference keeps all but jaw and mouth.
    """

    images: Tensor
    hidden: Tensor
    windows: Tensor
    landmarks: Tensor
    kept: Tensor | None = None

    def __post_init__(self) -> None:
        lengths = {len(x) for x in self._tensors()}
        if len(lengths) != 1:
            raise DreamTalkError(
                "pictures, hidden parts, audio windows, landmarks and kept parts must be of "
                f"equally many frames, not {[len(x) for x in self._tensors()]}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, frames: slice) -> MaskedFrames:
        """Some of the frames."""
        return MaskedFrames(
            self.images[frames],
            self.hidden[frames],
            self.windows[frames],
            self.landmarks[frames],
            None if self.kept is None else self.kept[frames],
        )

    def _tensors(self) -> list[Tensor]:
        known = (self.images, self.hidden, self.windows, self.landmarks, self.kept)
        return [x for x in known if x is not None]


@dataclass(frozen=True)
class PaintOptions:
    """How frames are painted.

    Attributes:
        sampler: ``ddim``, the published one, or ``dpm``, which needs fewer steps.
        steps: network calls a frame. Published: ddim with 200.
        reference: ``fixed``, the picture given, for every frame; or ``progressive``, for each frame
            the one painted before it, as in the paper.
        restart: frames after which a progressive reference starts again from the picture given, so
            that what it picks up on the way can't pile up; 0 never.
        one_noise: start all frames from the same noise, without which they flicker.
        seed: of the noise, which is drawn on the CPU.
    """

    sampler: str = "dpm"
    steps: int = 15
    reference: str = "fixed"
    restart: int = 0
    one_noise: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("sampler", SAMPLERS), ("reference", REFERENCES)):
            if getattr(self, name) not in known:
                raise DreamTalkError(
                    f"there is no {name} '{getattr(self, name)}': choose from {', '.join(known)}"
                )
        if self.restart < 0:
            raise DreamTalkError(f"restart is {self.restart}: give a number of frames, or 0")


@torch.no_grad()
def paint(
    model: DiffTalk,
    frames: MaskedFrames | Iterable[MaskedFrames],
    reference: Tensor,
    options: PaintOptions | None = None,
    chunk: int | None = None,
    progress: Progress = silent,
    total: int | None = None,
) -> Iterator[Tensor]:
    """Paint frame after frame.

    The whole square comes out of the network, also where the frame was shown to it.

    Args:
        model: on the device to use.
        frames: a clip, or pieces of one that follow each other.
        reference: (S, S, 3) a picture of the person, like the frames.
        chunk: frames painted together where the reference is fixed; by default one on each core of
            a CPU, and 8 elsewhere.
        progress: told the network calls done. It may raise to cancel.
        total: frames in all, where they come in pieces; for the progress, which hears 0 if unknown.

    Yields:
        (n, S, S, 3) uint8 on the CPU

    Raises:
        DreamTalkError: where pictures are not of the model's size.
    """
    options = options or PaintOptions()
    parts = [frames] if isinstance(frames, MaskedFrames) else frames
    if isinstance(frames, MaskedFrames):
        total = len(frames)
    painter = _Painter(model, options, reference)
    steps = Steps(progress, (total or 0) * len(painter.times))
    if options.reference == "progressive":
        chunk = 1
    chunk = chunk or (worker_count(painter.device, _MOST_WORKERS) if painter.on_cpu else 8)
    done = 0
    for part in parts:
        for start in range(0, len(part), chunk):
            piece = part[start : start + chunk]
            yield painter.paint(piece, done, steps)
            done += len(piece)


class _Painter:
    """What stays from one piece of a clip to the next."""

    def __init__(self, model: DiffTalk, options: PaintOptions, reference: Tensor) -> None:
        self.model, self.options = model, options
        parameter = next(model.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype
        self.on_cpu = self.device.type == "cpu"
        self.sample, choose_times = SAMPLERS[options.sampler]
        self.times = choose_times(model.schedule, options.steps)
        self.shape = model.latent_shape
        self.noise = FrameNoise(self.shape[0] * self.shape[1] * self.shape[2], options.seed)
        self.given = model.encode(self.pictures(reference[None]))
        self.carried = self.given  # the latent of the next frame's reference

    def pictures(self, images: Tensor) -> Tensor:
        """(n, S, S, 3) uint8 or 0..1 -> (n, 3, S, S) in -1..1, as the networks take them."""
        side = self.model.config.image_size
        if images.shape[1:] != (side, side, 3):
            raise DreamTalkError(
                f"pictures are {tuple(images.shape[1:])}, but this model paints squares of "
                f"{side} px: ({side}, {side}, 3)"
            )
        if images.dtype == torch.uint8:
            images = images.float() / 255
        return rearrange(images * 2 - 1, "n h w c -> n c h w").to(self.device, self.dtype)

    def paint(self, frames: MaskedFrames, first: int, steps: Steps) -> Tensor:
        """Frames (n, S, S, 3) uint8; ``first`` is the number of the first in the clip."""
        if not self.on_cpu or self.options.reference == "progressive":
            return self._paint(frames, first, steps)
        # a CPU's cores take frames of their own instead of sharing every operation
        made: list[Tensor] = len(frames) * [torch.empty(0)]

        def one(index: int) -> None:
            made[index] = self._paint(frames[index : index + 1], first + index, steps)

        run_parallel(one, range(len(frames)), worker_count(self.device, _MOST_WORKERS), steps)
        return torch.cat(made)

    def _paint(self, frames: MaskedFrames, first: int, steps: Steps) -> Tensor:
        progressive = self.options.reference == "progressive"
        if progressive and self.options.restart and first % self.options.restart == 0:
            self.carried = self.given
        shown = self.pictures(frames.images)
        conditions = Conditions(
            self.model.encode_context(
                frames.windows.to(self.device, self.dtype),
                frames.landmarks.to(self.device, self.dtype),
            ),
            self.model.encode(hide(shown, frames.hidden.to(self.device))),
            self.carried if progressive else self.given,
        )
        kept = None
        if frames.kept is not None:
            latent = self.model.encode(shown).float()
            mask = frames.kept.to(self.device)
            kept = Kept(mask, latent, lambda t: self._noise(first, len(frames), t))
        predict: PredictNoise = self.model.predictor(conditions)
        latent = self.sample(
            predict,
            self._noise(first, len(frames), 0),
            self.model.schedule,
            self.times,
            kept,
            steps.tell,
        )
        images = self.model.decode(latent.to(self.dtype))
        if progressive:
            self.carried = self.model.encode(images[-1:])
        levels = (images.float() + 1) / 2 * 255  # officially truncated, not rounded
        return rearrange(levels.to(torch.uint8), "n c h w -> n h w c").cpu()

    def _noise(self, first: int, count: int, step: int) -> Tensor:
        """(count, C, h, w) for frames from ``first`` on; step 0 is the start."""
        if self.options.one_noise:
            drawn = self.noise.draw(0, 1, step).expand(count, -1)
        else:
            drawn = self.noise.draw(first, first + count, step)
        return drawn.reshape(count, *self.shape).to(self.device)

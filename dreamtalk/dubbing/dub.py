"""The second pass: chunk by chunk new mouths in the film, everything else as it was decoded."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..motion.motion import Motion
from ..progress import Progress, Steps, silent
from ..speech.speech import Features
from .film import Film, Picture
from .lips import blended, lips_at, person_neutral, strengths
from .order import Run, pieces, runs
from .painter import MouthPainter, Painted, ShotPainter, Take
from .reference import MARGIN, choose_references, load_reference
from .trace import Trace

Array = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

CHUNK = 16
"""Pictures that are painted together at the most,"""
CHUNK_BYTES = 1 << 26
"""and as many as these bytes hold."""
BACKWARDS_BYTES = 1 << 27
"""Of pictures that are read at once where the film runs backwards."""


@dataclass(frozen=True)
class Dubbing:
    """Everything that is known before the second pass.

    Attributes:
        film: has been read once.
        trace: what was seen then.
        painter: who paints.
        lips: what the speech makes the lips do, from :func:`spoken_lips`.
        length: pictures of the result.
        fit: how they are ordered, see :func:`result_length`.
        features: of the speech, for painters that listen.
    """

    film: Film
    trace: Trace
    painter: MouthPainter
    lips: Motion
    length: int
    fit: str
    features: Features | None = None


class _Sheet:
    """What each picture of the film is to do, worked out once."""

    def __init__(self, job: Dubbing) -> None:
        trace = job.trace
        self.rate = float(job.film.rate)
        self.lips = job.lips
        self.neutral = person_neutral(trace)
        offsets = (trace.channels - self.neutral) * trace.found[:, None]
        self.filmed = offsets.astype(np.float32)
        self.strength = np.concatenate(
            [strengths(trace.found[first:end], self.rate) for first, end in trace.shots]
        )

    def wanted(self, numbers: Numbers, times: npt.NDArray[np.float64]) -> Motion:
        """The new motion of pictures of the film at times of the speech."""
        spoken = lips_at(self.lips, times)
        return self._motion(blended(self.filmed[numbers], spoken, self.strength[numbers]))

    def seen(self, numbers: Numbers) -> Motion:
        """What was filmed."""
        return self._motion(torch.from_numpy(self.filmed[numbers]))

    def _motion(self, expression: Tensor) -> Motion:
        return Motion(expression, torch.zeros(len(expression), 6), self.rate)


def wanted_motion(job: Dubbing) -> Motion:
    """What the face is to do in the result, at the film's rate; offsets from its neutral.

    Where pictures pass untouched it is what was filmed, 0 without a face.
    """
    order = runs(len(job.trace), job.length, job.fit)
    numbers = np.concatenate([run.start + run.step * np.arange(run.count) for run in order])
    return _Sheet(job).wanted(numbers, np.arange(job.length) / float(job.film.rate))


def dub(job: Dubbing, progress: Progress = silent) -> Generator[Tensor, None, None]:
    """The dubbed film, in constant memory.

    Args:
        progress: told the pictures done; may raise to cancel.

    Yields:
        (n, H, W, 3) uint8 on the CPU, ``job.length`` pictures in all. What no mask covers are the
        bytes that the film's decoder gave.
    """
    trace, sheet = job.trace, _Sheet(job)
    most = _most(trace.size, CHUNK_BYTES, CHUNK)
    steps = Steps(progress, job.length)
    painter: ShotPainter | None = None
    prepared = -1
    for run in runs(len(trace), job.length, job.fit):
        with closing(_pictures(job.film, run, trace.size)) as pictures:
            for shot, piece in pieces(run, trace.shots, most):
                frames = torch.from_numpy(np.stack([next(pictures) for _ in range(piece.count)]))
                numbers = np.array([piece.film(index) for index in range(piece.count)])
                for part in _stretches(sheet.strength[numbers] > 0):
                    if painter is None or shot != prepared:
                        chosen = choose_references(trace, trace.shots[shot], sheet.neutral)
                        known = load_reference(job.film, trace, chosen, sheet.neutral)
                        painter, prepared = job.painter.prepare(known), shot
                    _paint(
                        job, sheet, painter, frames[part], numbers[part], piece.first + part.start
                    )
                steps.tell(piece.count)
                yield frames


def _paint(
    job: Dubbing, sheet: _Sheet, painter: ShotPainter, frames: Tensor, numbers: Numbers, first: int
) -> None:
    """New mouths into frames (n, H, W, 3), in place.

    Args:
        numbers: of the frames in the film.
        first: number of the first in the result.
    """
    landmarks = _landmarks(job.trace, numbers)
    rows, columns = around_face(landmarks)
    part = frames[:, rows, columns]
    times = (first + np.arange(len(numbers))) / sheet.rate
    take = Take(
        pictures=part.contiguous(),
        landmarks=torch.from_numpy(
            landmarks - np.array([columns.start, rows.start, 0], np.float32)
        ),
        wanted=sheet.wanted(numbers, times),
        filmed=sheet.seen(numbers),
        first=first,
        times=torch.from_numpy(times),
        features=job.features,
    )
    strength = torch.from_numpy(sheet.strength[numbers])
    part.copy_(laid_over(part, painter.paint(take), strength))


def around_face(landmarks: Array) -> tuple[slice, slice]:
    """Rows and columns of the part of the frames that a painter is shown.

    Args:
        landmarks: (n, 478, 3) px, of the frames that are painted together.
    """
    low, high = landmarks[..., :2].min((0, 1)), landmarks[..., :2].max((0, 1))
    size = float(np.ptp(landmarks[..., :2], axis=1).max())
    left, top = np.maximum(np.floor(low - MARGIN * size), 0).astype(int)
    right, bottom = np.ceil(high + MARGIN * size).astype(int)
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def laid_over(frames: Tensor, painted: Painted, strength: Tensor) -> Tensor:
    """Painted pictures over frames by their mask: (n, H, W, 3) uint8.

    Args:
        frames: (n, H, W, 3) uint8.
        painted: of the same size.
        strength: (n,) 0..1, of the whole mask.
    """
    share = (painted.mask * strength[:, None, None])[..., None]
    mixed = frames + share * (painted.pictures.float() - frames)
    return torch.where(share > 0, mixed.round().clamp(0, 255).to(torch.uint8), frames)


def _stretches(dubbed: npt.NDArray[np.bool_]) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.r_[0, dubbed.astype(np.int8), 0])).reshape(-1, 2)
    return [slice(int(a), int(b)) for a, b in edges]


def _landmarks(trace: Trace, numbers: Numbers) -> Array:
    first, last = int(numbers.min()), int(numbers.max())
    return trace.landmarks.part(first, last + 1)[numbers - first]


def _most(size: tuple[int, int], budget: int, most: int) -> int:
    return max(1, min(most, budget // (3 * size[0] * size[1])))


def _pictures(film: Film, run: Run, size: tuple[int, int]) -> Generator[Picture, None, None]:
    """The pictures of a run."""
    if run.step > 0:
        yield from film.part(run.start, run.start + run.count)
    elif run.step == 0:
        (picture,) = film.part(run.start, run.start + 1)
        for _ in range(run.count):
            yield picture
    else:
        most = _most(size, BACKWARDS_BYTES, run.count)
        end = run.start + 1
        while end > run.start + 1 - run.count:
            begin = max(run.start + 1 - run.count, end - most)
            yield from reversed(list(film.part(begin, end)))
            end = begin

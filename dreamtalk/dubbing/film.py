"""The film that is dubbed: its pictures at a steady rate, never all of them at once.

A picture has a number. Files whose frame rate varies are laid on a grid of their nominal rate: a
number shows the picture that was to be seen then. Where the rate is steady every frame of the file
has exactly one number.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ..errors import MotionError
from ..face.image import to_uint8
from ..files.timeline import exact_rate
from ..options import checked
from ..tracking.video import decoded, video_info

log = logging.getLogger("dreamtalk")

Picture = npt.NDArray[np.uint8]

SLACK = 0.75
"""Frames that a picture's time may be off its place on the grid and still follow the last one."""


class Film(Protocol):
    """Pictures (H, W, 3) uint8 at a steady rate."""

    @property
    def rate(self) -> Fraction:
        """Pictures a second."""
        ...

    @property
    def expected(self) -> int:
        """About how many there are."""
        ...

    def pictures(self) -> Iterator[Picture]:
        """All of them in turn."""
        ...

    def part(self, start: int, stop: int) -> Iterator[Picture]:
        """Those from one number up to another, once all have been read in turn."""
        ...


class VideoFilm:
    """A video file.

    Args:
        path: anything that FFmpeg reads.

    Raises:
        MotionError: if it is no video.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        info = video_info(self._path)
        self.rate = info.rate if 1 <= info.rate <= 1000 else exact_rate(25)
        self.expected = info.count
        if info.hdr:
            log.warning(
                "'%s' is an HDR film, and colours are worked with in 8 bits: it comes out pale; "
                "convert it to SDR (BT.709) first",
                self._path.name,
            )
        self._stamps: list[int | None] = []  # of the frames of the file
        self._frames: list[int] = []  # which of them each number shows

    def pictures(self) -> Iterator[Picture]:
        """All of them in turn; a picture that stays longer comes again.

        Raises:
            MotionError: if the film can't be read, or changes its size.
        """
        self._stamps, self._frames = [], []
        first: Fraction | None = None
        held: Picture | None = None
        for found in decoded(self._path, self.rate):
            first = found.time if first is None else first
            place = (found.time - first) * self.rate
            number = len(self._frames)
            self._stamps.append(found.stamp)
            if abs(place - number) > SLACK:
                number = round(place)
            if held is not None and number < len(self._frames):
                continue  # two within the time of one: the first is shown
            while held is not None and len(self._frames) < number:
                self._frames.append(self._frames[-1])
                yield held
            if held is not None and found.picture.shape != held.shape:
                raise MotionError(
                    f"'{self._path.name}' changes its size from {_size(held)} to "
                    f"{_size(found.picture)} px: convert it to one size first"
                )
            held = found.picture
            self._frames.append(len(self._stamps) - 1)
            yield held

    def part(self, start: int, stop: int) -> Iterator[Picture]:
        """Those from one number up to another.

        Raises:
            MotionError: if the film is no longer there.
        """
        wanted = self._frames[start:stop]
        if not wanted:
            return
        if not self._path.is_file():
            raise MotionError(
                f"'{self._path.name}' is gone, and is read a second time for the painting: run its "
                "dubbing again with a film that stays"
            )
        begun = 0
        for frame, picture in self._from(wanted[0]):
            while begun < len(wanted) and wanted[begun] == frame:
                yield picture
                begun += 1
            if begun == len(wanted):
                return
        raise MotionError(f"'{self._path.name}' could not be read a second time: is it whole?")

    def _from(self, first: int) -> Iterator[tuple[int, Picture]]:
        """Frames of the file with their numbers in it, from one of them on."""
        stamps = self._stamps
        target = stamps[first]
        if first and target is not None and _rising(stamps):
            known = {stamp: number for number, stamp in enumerate(stamps)}
            entered = False
            for found in decoded(self._path, self.rate, target):
                number = known.get(found.stamp, -1)
                if (not entered and number > first) or (number < 0 and entered):
                    break  # the file can't be entered there: read it from the beginning
                if number >= first:
                    entered = True
                    yield number, found.picture
            if entered:
                return
        for number, found in enumerate(decoded(self._path, self.rate)):
            if number >= first:
                yield number, found.picture


def _rising(stamps: list[int | None]) -> bool:
    known = [stamp for stamp in stamps if stamp is not None]
    return len(known) == len(stamps) and bool((np.diff(known) > 0).all())


def _size(picture: Picture) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"


class PictureFilm:
    """A batch of pictures.

    Args:
        frames: (T, H, W, 3 or 4) float 0..1 or uint8.
        rate: pictures a second.

    Raises:
        MotionError: if the batch has another shape, or the rate is none.
    """

    def __init__(self, frames: Tensor, rate: float | Fraction) -> None:
        if frames.ndim != 4 or frames.shape[-1] not in (3, 4) or 0 in frames.shape:
            raise MotionError(f"frames are (T, H, W, 3), not {tuple(frames.shape)}")
        checked(MotionError, frame_rate=rate)
        self._images = frames[..., :3]
        self.rate = rate if isinstance(rate, Fraction) else exact_rate(rate)
        self.expected = len(frames)

    def pictures(self) -> Iterator[Picture]:
        """All of them in turn."""
        return self.part(0, len(self._images))

    def part(self, start: int, stop: int) -> Iterator[Picture]:
        """Those from one number up to another."""
        for image in self._images[start:stop]:
            yield to_uint8(image)

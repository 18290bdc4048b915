"""Pictures of a video file with their times."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.reformatter import Colorspace

from ..errors import MotionError
from ..files.media import decodable, open_media
from ..files.names import is_there
from ..files.timeline import Clock, start_of

log = logging.getLogger("dreamtalk")

_BACKWARDS = Fraction(1, 2)
"""s that a frame's time may lie before that of the last one without being the clock's fault."""

_SQUARE = 0.01
"""By so much sides may be off for pixels to pass as square: encoders that round a size say so."""
_MOST_STRETCH = 4
_UNSAID, _HDR = 2, (16, 18)  # FFmpeg's numbers: no matrix is named; the curves PQ and HLG

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of its pictures.

    Attributes:
        rate: nominal frames a second.
        count: about how many there are.
        hdr: whether they are brighter than 8-bit colours can be.
    """

    rate: Fraction
    count: int
    hdr: bool = False


@dataclass(frozen=True)
class TimedPicture:
    """One picture of a video file.

    Attributes:
        time: s on the container's time line, which begins at the first of its pictures and sound.
        stamp: what the file says its time is, in units of the stream; None if it says nothing.
        picture: (H, W, 3) uint8 RGB, upright, its pixels square.
    """

    time: Fraction
    stamp: int | None
    picture: Picture


def video_info(path: Path) -> VideoInfo:
    """What a video says of itself.

    Raises:
        MotionError: if it is no video.
    """
    from av.error import FFmpegError

    if not is_there(path):
        raise MotionError(f"there is no video '{path}'")
    try:
        with open_media(path) as container:
            if not container.streams.video:
                raise MotionError(f"'{path.name}' has no pictures in it")
            stream = decodable(container.streams.video)
            if stream is None:
                raise MotionError(
                    f"'{path.name}' has pictures of a kind that can't be decoded here: convert it "
                    "to H.264"
                )
            hdr = stream.codec_context.color_trc in _HDR
            rate = stream.average_rate or stream.base_rate or Fraction(25)
            length = float((stream.duration or 0) * (stream.time_base or 0))
            count = (
                stream.frames
                or round(length * float(rate))
                or round((container.duration or 0) / 1e6 * float(rate))
            )
    except (FFmpegError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it can't be read"
        raise MotionError(f"'{path.name}' is not a video: {why}") from error
    return VideoInfo(rate, count, hdr)


def read_pictures(path: Path) -> tuple[Iterator[tuple[float, Picture]], float, int]:
    """Read a video.

    Args:
        path: anything that FFmpeg reads.

    Returns:
        Frames (H, W, 3) uint8 RGB, upright, with their times in s on the container's time line,
        which begins at the first of its pictures and sound; the nominal rate; and about how
        many there are.

    Raises:
        MotionError: if it is no video.
    """
    info = video_info(path)
    pictures = ((float(found.time), found.picture) for found in decoded(path, info.rate))
    return pictures, float(info.rate), info.count


def decoded(path: Path, rate: Fraction, stamp: int | None = None) -> Iterator[TimedPicture]:
    """The pictures of a video one after the other.

    Args:
        path: a video.
        rate: nominal frames a second.
        stamp: begin at or before the picture of that stamp, where the file can be entered; times
            are then no more than what the stamps say. None begins at the beginning.

    Raises:
        MotionError: if nothing of it can be decoded.
    """
    from av.error import FFmpegError
    from av.video.reformatter import VideoReformatter

    clock: Clock | None = None
    last, step, repeated = Fraction(-1), 1 / rate, False
    converter = VideoReformatter()  # one for all: a new one a frame takes as long as converting
    with open_media(path) as container:
        stream = decodable(container.streams.video)
        stream.thread_type = "AUTO"
        if stamp is not None:
            container.seek(stamp, stream=stream)
        try:
            for frame in container.decode(stream):
                if clock is None:
                    clock = Clock(start_of(container))
                at = None
                if frame.pts is not None and frame.time_base is not None:
                    at = frame.pts * frame.time_base
                time = clock.place(at, max(last + step, Fraction(0)), _BACKWARDS)
                again = time <= last
                if again:  # one that comes twice may be a slip, and the next one is right
                    time = last + (step if repeated else step / 2)
                last, repeated = time, again
                width, height = _square_size(frame, stream.sample_aspect_ratio)
                picture = converter.reformat(
                    frame, width, height, "rgb24", src_colorspace=_matrix(frame)
                ).to_ndarray()
                turns = round(getattr(frame, "rotation", 0) / 90) % 4  # as phones film
                yield TimedPicture(time, frame.pts, np.ascontiguousarray(np.rot90(picture, turns)))
        except (FFmpegError, ValueError) as error:
            if last < 0:
                raise MotionError(f"'{path.name}' can't be decoded: {error}") from error
            log.warning("'%s' is damaged after %.1f s: tracked up to there", path.name, float(last))
    if clock is not None and clock.restarts and stamp is None:
        log.warning(
            "'%s': its time stamps run backwards or jump: read one after the other", path.name
        )


def _square_size(frame: Any, ratio: Fraction | None) -> tuple[int, int]:
    """Width and height with square pixels; ``ratio`` is a pixel's width to its height.

    Tapes, discs and broadcasts have others; the side that is squeezed is made longer.
    """
    width, height = frame.width, frame.height
    off = abs(ratio - 1) if ratio else 0
    if not ratio or off <= _SQUARE or not 1 / _MOST_STRETCH <= ratio <= _MOST_STRETCH:
        return width, height
    return (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))


def _matrix(frame: Any) -> int | None:
    """Of the colours: what the file says; where it is silent by the size, as players take it."""
    if frame.colorspace == _UNSAID and (frame.width >= 1280 or frame.height > 576):
        return int(Colorspace.ITU709)
    return None

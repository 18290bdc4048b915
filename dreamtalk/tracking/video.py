"""Pictures of a video file with their times."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import MotionError

log = logging.getLogger("dreamtalk")

Picture = npt.NDArray[np.uint8]


def read_pictures(path: Path) -> tuple[Iterator[tuple[float, Picture]], float, int]:
    """Read a video.

    Args:
        path: anything that FFmpeg reads.

    Returns:
        Frames (H, W, 3) uint8 RGB, upright, with their times in s; the nominal rate; and about how
        many there are.

    Raises:
        MotionError: if it is no video.
    """
    import av
    from av.error import FFmpegError
    from av.video.reformatter import VideoReformatter

    if not path.is_file():
        raise MotionError(f"there is no video '{path}'")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MotionError(f"'{path.name}' has no pictures in it")
            stream = container.streams.video[0]
            rate = float(stream.average_rate or stream.base_rate or 25)
            length = float((stream.duration or 0) * (stream.time_base or 0))
            count = (
                stream.frames
                or round(length * rate)
                or round((container.duration or 0) / 1e6 * rate)
            )
    except FFmpegError as error:
        raise MotionError(f"'{path.name}' is not a video: {error.strerror}") from error

    def pictures() -> Iterator[tuple[float, Picture]]:
        last = -1.0
        converter = VideoReformatter()  # one for all: a new one a frame takes as long as converting
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            try:
                for index, frame in enumerate(container.decode(video=0)):
                    time = frame.time if frame.time is not None else index / rate
                    if time <= last:
                        time = last + 1.0 / rate
                    last = time
                    picture = converter.reformat(frame, format="rgb24").to_ndarray()
                    turns = round(getattr(frame, "rotation", 0) / 90) % 4  # as phones film
                    yield time, np.ascontiguousarray(np.rot90(picture, turns))
            except FFmpegError as error:
                if last < 0:
                    raise MotionError(f"'{path.name}' can't be decoded: {error}") from error
                log.warning("'%s' is damaged after %.1f s: tracked up to there", path.name, last)

    return pictures(), rate, count

"""What a session sends: a JPEG a frame, or a film in fragments with the sound that was sent."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Protocol

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter
from torch import Tensor

from ..errors import OutputError
from ..render.video import AI_COMMENT, even_sides
from ..speech.speech import FPS, SAMPLE_RATE
from .protocol import write_frame

_RATE = Fraction(FPS)
_KEYFRAMES = int(2 * FPS)
"""Frames from one that needs no other to the next: a player that has lost some begins there."""
_PRESET = {"preset": "superfast", "tune": "zerolatency", "profile": "baseline", "crf": "21"}
_OPTIONS = {
    # a fragment for each picture, with what sound there is; the tables in front of them are empty
    "movflags": "empty_moov+default_base_moof",
    "frag_duration": str(round(1e6 / FPS)),
    "flush_packets": "1",
}


class Writer(Protocol):
    """Makes messages of frames.

    Attributes:
        told: what the client hears about it before the first message.
    """

    told: Mapping[str, Any]

    def write(self, frames: Tensor, sound: Tensor) -> list[bytes]:
        """Frames (n, H, W, 3) uint8 and the samples (N,) float32 that are heard with them."""
        ...

    def end(self) -> list[bytes]:
        """What is still held back."""
        ...


class JpegWriter:
    """A JPEG a frame, behind its number and time; the sound is left to the client."""

    def __init__(self, height: int, width: int, quality: int) -> None:
        self.told: Mapping[str, Any] = {"video": "jpeg"}
        self._quality, self._count = quality, 0

    def write(self, frames: Tensor, sound: Tensor) -> list[bytes]:
        first = self._count
        self._count += len(frames)
        return [
            write_frame(first + i, (first + i) / FPS, frame, self._quality)
            for i, frame in enumerate(frames.numpy())
        ]

    def end(self) -> list[bytes]:
        return []


class Mp4Writer:
    """H.264 and AAC in a fragmented mp4, as ``MediaSource`` takes it.

    AAC comes in pieces of 64 ms, of which the first is silence: pictures wait for their sound.

    Raises:
        OutputError: if this PyAV has no encoder for H.264.
    """

    def __init__(self, height: int, width: int, quality: int) -> None:
        if "libx264" not in av.codecs_available:
            raise OutputError("this PyAV is built without libx264: ask for ?video=jpeg")
        self._out = _Pipe()
        self._container: Any = av.open(self._out, "w", format="mp4", options=_OPTIONS)
        self._container.metadata["comment"] = AI_COMMENT
        self._video: Any = self._container.add_stream("libx264", rate=_RATE, options=_PRESET)
        self._video.width, self._video.height = width + width % 2, height + height % 2
        self._video.pix_fmt, self._video.gop_size = "yuv420p", _KEYFRAMES
        context = self._video.codec_context
        context.thread_count = 1
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        self._sound: Any = self._container.add_stream("aac", rate=SAMPLE_RATE)
        self._sound.layout, self._sound.bit_rate = "mono", 64_000
        context.open()
        self.told: Mapping[str, Any] = {
            "video": "mp4", "codecs": f'video/mp4; codecs="{_codec(context)}, mp4a.40.2"',
        }  # fmt: skip
        self._reformatter = VideoReformatter()
        self._count = self._samples = 0

    def write(self, frames: Tensor, sound: Tensor) -> list[bytes]:
        if len(sound):
            samples = np.ascontiguousarray(sound[None].numpy())
            heard = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            heard.sample_rate, heard.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
            heard.pts, self._samples = self._samples, self._samples + len(sound)
            self._container.mux(self._sound.encode(heard))
        for image in frames.numpy():
            picture = self._reformatter.reformat(
                av.VideoFrame.from_ndarray(even_sides(image), format="rgb24"),
                format="yuv420p", dst_colorspace=Colorspace.ITU709,
            )  # fmt: skip
            picture.pts, picture.time_base = self._count, 1 / _RATE
            self._container.mux(self._video.encode(picture))
            self._count += 1
        return self._out.taken()

    def end(self) -> list[bytes]:
        if self._count:
            self._container.mux(self._sound.encode())
            self._container.mux(self._video.encode())
            self._container.close()
        return self._out.taken()


class _Pipe(io.RawIOBase):
    """A file that can only be written to."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> list[bytes]:
        """What was written since, in one piece if there is anything."""
        whole, self._parts = b"".join(self._parts), []
        return [whole] if whole else []


def _codec(context: Any) -> str:
    """The name of an H.264 stream's profile and level, from its sequence parameters."""
    data = bytes(context.extradata)
    at = data.index(b"\x00\x00\x01\x67") + 4
    return f"avc1.{data[at : at + 3].hex().upper()}"


WRITERS: dict[str, Callable[[int, int, int], Writer]] = {"jpeg": JpegWriter, "mp4": Mp4Writer}
"""Ways to send a face, by what ``?video=`` says: made from height, width, JPEG's quality."""

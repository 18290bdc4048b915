"""How a video is written where container and codec are chosen each for itself, and how streams that
are encoded already get into another file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from ..errors import OutputError
from .video import CONTAINERS, Container, container_options

_DEEP_PIXELS = "yuv420p10le"


def _av1(quality: int) -> Mapping[str, str]:
    # its scale goes to 63; 0 means "not set" to FFmpeg, and best is another option
    crf = round(quality * 63 / 51)
    return {"crf": str(crf)} if crf else {"svtav1-params": "lossless=1"}


def _in_av1(suffix: str) -> Container:
    return replace(CONTAINERS[suffix], video="libsvtav1", encoding=_av1)


ENCODINGS: dict[tuple[str, str], Container] = {
    ("mp4", "h264"): CONTAINERS[".mp4"],
    ("mkv", "h264"): CONTAINERS[".mkv"],
    ("mp4", "av1"): _in_av1(".mp4"),
    ("mkv", "av1"): _in_av1(".mkv"),
    ("webm", "av1"): _in_av1(".webm"),
}
"""(container, codec) -> how it is written."""


def encoding(
    container: str, codec: str, crf: float | None = None, bit_depth: int | None = None
) -> Container:
    """How a video of a container and a codec is written.

    Args:
        container: ``"mp4"``, ``"mkv"``, ``"webm"``, or ``"auto"`` for mp4.
        codec: ``"h264"``, ``"av1"``, or ``"auto"`` for what is usual in the container.
        crf: constant rate factor on the codec's own scale, for any quality; None to leave it to the
            quality.
        bit_depth: of the pictures; above 8 they have 10.

    Raises:
        OutputError: if there is no such pair, or this FFmpeg lacks an encoder for it.
    """
    container = "mp4" if container == "auto" else container
    codec = ("av1" if container == "webm" else "h264") if codec == "auto" else codec
    found = ENCODINGS.get((container, codec))
    if found is None:
        pairs = ", ".join(f"{codec} in {container}" for container, codec in ENCODINGS)
        raise OutputError(f"{codec} in {container} can't be written: choose one of {pairs}")
    if found.video not in av.codecs_available:
        raise OutputError(
            f"{codec} needs the encoder {found.video}, which this PyAV is built without: choose "
            "h264, or install PyAV from its own wheels"
        )
    if crf is not None:
        found = replace(found, encoding=_fixed(found, crf))
    return replace(found, pixels=_DEEP_PIXELS) if (bit_depth or 8) > 8 else found


def _fixed(container: Container, crf: float) -> Any:
    """An encoding at one rate factor, whatever the quality."""
    if crf == 0:
        return lambda quality: container.encoding(0)
    return lambda quality: {**container.encoding(1), "crf": f"{crf:g}"}


def remux(
    source: str | Path, target: str | Path | IO[bytes], kind: Container, metadata: Mapping[str, str]
) -> None:
    """Copy the streams of a video into a new container, bit for bit.

    Args:
        source: a video.
        target: the file to write, or an open one in memory.
        kind: of the new container, which must be able to hold those streams.
        metadata: of the new container; nothing of the old one's is kept.
    """
    options = container_options(kind, metadata)
    if not isinstance(target, (str, Path)):
        # the index can only be brought to the front of a file that has a name
        options = {k: v.replace("+faststart", "") for k, v in options.items()}
        options = {k: v for k, v in options.items() if v}
    place = str(target) if isinstance(target, Path) else target
    with ExitStack() as stack:
        read = stack.enter_context(av.open(str(source)))
        written = stack.enter_context(av.open(place, "w", format=kind.format, options=options))
        written.metadata.update(metadata)
        streams = {
            stream.index: written.add_stream_from_template(stream, opaque=True)
            for stream in read.streams
            if isinstance(stream, (VideoStream, AudioStream))
        }
        for packet in read.demux():
            if packet.size and packet.stream.index in streams:
                packet.stream = streams[packet.stream.index]
                written.mux(packet)

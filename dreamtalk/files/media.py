"""Recordings and videos of others, opened for reading."""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import InputContainer


def open_media(path: str | Path) -> InputContainer:
    """A file as FFmpeg reads it, to be closed or used in ``with``.

    Tags that are no UTF-8 (titles in Latin-1 or GBK, as recorders and editors write them) are read
    with marks in place of what can't be: PyAV refuses the whole file otherwise.

    Raises:
        av.FFmpegError, ValueError: if it is nothing that FFmpeg reads.
    """
    import av

    _check_tags(path)
    return av.open(str(path), metadata_errors="replace")


def _check_tags(path: str | Path) -> None:
    """Refuse WAV and AVI files whose tags claim to be longer than the file.

    FFmpeg fills as much memory with zeros as such a tag claims, up to 2 GiB. Only tags are looked
    at: sound and pictures that end early are what recorders leave that were switched off.

    Raises:
        ValueError: if there is such a list of tags.
    """
    with contextlib.suppress(OSError), open(path, "rb") as file:  # FFmpeg says it in its words
        size = os.fstat(file.fileno()).st_size
        if file.read(4) not in (b"RIFF", b"RF64"):
            return
        at = 12
        while at + 12 <= size:
            file.seek(at)
            name, length, kind = struct.unpack("<4sI4s", file.read(12))
            if name == b"LIST" and kind == b"INFO" and length > size - at:
                raise ValueError(f"it is damaged: tags of {length} bytes in a file of {size}")
            at += 8 + length + length % 2


def decodable(streams: Any) -> Any:
    """The first of a container's sounds or pictures for which this FFmpeg has a decoder, or None.

    Args:
        streams: ``container.streams.audio`` or ``.video``.
    """
    return next((stream for stream in streams if stream.codec_context is not None), None)

"""Recordings and videos of others, opened for reading."""

from __future__ import annotations

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

    return av.open(str(path), metadata_errors="replace")


def decodable(streams: Any) -> Any:
    """The first of a container's sounds or pictures for which this FFmpeg has a decoder, or None.

    Args:
        streams: ``container.streams.audio`` or ``.video``.
    """
    return next((stream for stream in streams if stream.codec_context is not None), None)

"""Frames into a GIF: one palette for all of them, in constant memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext

GIF_PIXELS = "pal8"
_DITHER = "bayer:bayer_scale=3"  # a pattern that stands still where the picture does


@dataclass(frozen=True)
class _Kept:
    """How frames are kept until the palette is known.

    Attributes:
        array, pixels: FFmpeg's names of what comes in, and of what its encoder takes.
        encoder, options: lossless and fast.
        palette: options of the filter that makes the palette.
    """

    array: str
    pixels: str
    encoder: str
    options: Mapping[str, str]
    palette: str


_KEPT = {
    3: _Kept(
        "rgb24", "rgb24", "libx264rgb", {"qp": "0", "preset": "ultrafast"}, "reserve_transparent=0"
    ),
    4: _Kept("rgba", "bgra", "ffv1", {}, "reserve_transparent=1"),
}
"""By the number of channels."""


def write_gif(path: Path, chunks: Iterable[np.ndarray], rate: Fraction, comment: str | None) -> int:
    """Write a GIF that repeats for ever.

    The palette is known only when the last frame is; until then the frames lie losslessly in a
    nameless temporary file, which the system removes whatever happens.

    Args:
        path: the file to write.
        chunks: (n, H, W, 3) uint8, one after the other; (n, H, W, 4) becomes transparent where
            alpha is under a half.
        rate: frames a second. Time in a GIF goes in steps of 1/100 s.
        comment: goes into a comment block; None for none.

    Returns:
        The number of frames written; with none no file.
    """
    with tempfile.TemporaryFile() as kept:
        count, palette = _keep(kept, chunks, rate)
        if palette is not None:
            kept.seek(0)
            _encode(path, kept, palette, rate)
            if comment:
                _add_comment(path, comment)
    return count


def _keep(
    file: IO[bytes], chunks: Iterable[np.ndarray], rate: Fraction
) -> tuple[int, av.VideoFrame | None]:
    """Write all frames losslessly into a file; their number and the palette for them."""
    count, graph = 0, None
    with av.open(file, "w", format="matroska") as container:
        stream: Any = None
        for image in (image for chunk in chunks for image in chunk):
            kind = _KEPT[image.shape[-1]]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=kind.array)
            if kind.array != kind.pixels:
                frame = frame.reformat(format=kind.pixels)
            frame.pts, frame.time_base = count, 1 / rate
            if graph is None:
                stream = container.add_stream(kind.encoder, rate=rate, options=dict(kind.options))
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = kind.pixels
                graph = _palette_graph(frame, kind.palette)
            graph.push(frame)
            container.mux(stream.encode(frame))
            count += 1
        if graph is None:
            return 0, None
        container.mux(stream.encode())
    graph.push(None)
    return count, graph.pull()  # type: ignore[return-value]


def _palette_graph(frame: av.VideoFrame, options: str) -> Graph:
    graph = Graph()
    graph.link_nodes(
        _source(graph, frame),
        graph.add("palettegen", options),
        graph.add("buffersink"),
    ).configure()
    return graph


def _source(graph: Graph, frame: av.VideoFrame) -> FilterContext:
    return graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )


def _encode(path: Path, kept: IO[bytes], palette: av.VideoFrame, rate: Fraction) -> None:
    with av.open(kept, "r") as source, av.open(str(path), "w", format="gif") as container:
        stream = container.add_stream("gif", rate=rate)
        stream.pix_fmt = GIF_PIXELS
        pictures = source.streams.video[0]
        stream.width, stream.height = pictures.width, pictures.height
        for frame in _with_palette(source.decode(pictures), palette):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _with_palette(
    frames: Iterable[av.VideoFrame], palette: av.VideoFrame
) -> Iterator[av.VideoFrame]:
    graph = Graph()
    chosen, sink = graph.add("paletteuse", f"dither={_DITHER}"), graph.add("buffersink")
    pictures = None
    for frame in frames:
        if pictures is None:
            pictures, colours = _source(graph, frame), _source(graph, palette)
            pictures.link_to(chosen, 0, 0)
            colours.link_to(chosen, 0, 1)
            chosen.link_to(sink)
            graph.configure()
            colours.push(palette)
            colours.push(None)
        pictures.push(frame)
        yield from _ready(sink)
    if pictures is not None:
        pictures.push(None)
        yield from _ready(sink)


def _ready(sink: FilterContext) -> Iterator[av.VideoFrame]:
    """What a graph has to give by now."""
    while True:
        try:
            yield sink.pull()  # type: ignore[misc]
        except (av.BlockingIOError, av.EOFError):
            return


def _add_comment(path: Path, text: str) -> None:
    """Put a comment block before a GIF's last byte; FFmpeg's writer knows none."""
    data = text.encode("ascii", "replace")
    blocks = b"".join(
        bytes([len(part)]) + part for part in (data[i : i + 255] for i in range(0, len(data), 255))
    )
    with path.open("r+b") as file:
        file.seek(-1, 2)
        if file.read(1) != b";":
            raise OSError("the GIF has no end")
        file.seek(-1, 2)
        file.write(b"\x21\xfe" + blocks + b"\x00;")

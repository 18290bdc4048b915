"""Frames and sound into a video, as they come: memory does not grow with length."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import Colorspace, VideoReformatter
from torch import Tensor

from ..errors import AudioError, OutputError
from ..face.image import to_uint8
from ..files.atomic import atomic_write
from ..files.clashes import check_outputs
from ..files.timeline import exact_rate
from ..options import checked, default
from ..speech.decoding import (
    check_sample_rate,
    cut_sound,
    decode_sound,
    layout_name,
    sound_format,
)
from ..speech.loading import at_most_stereo, to_unit_range
from .gif import GIF_PIXELS, write_gif

log = logging.getLogger("dreamtalk")

AI_COMMENT = "AI-generated: this video was synthesized from a still picture and a recording."
"""What the container's ``comment`` says, unless it is switched off."""

_ENCODER_THREADS = 2
"""Always so many: what an encoder makes of the same frames depends on the number of its threads,
and by itself it takes a number that depends on the machine's cores."""
_BT709 = 1  # FFmpeg's number for BT.709 primaries, transfer and matrix
_AAC_RATES = (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_OPUS_RATES = (48000, 24000, 16000, 12000, 8000)


@dataclass(frozen=True)
class Container:
    """How a video is written into files of one suffix.

    Attributes:
        format: FFmpeg's name of the container.
        video: encoder of the pictures.
        pixels: their pixel format.
        encoding: the encoder's options at a constant rate factor on h264's scale, 0..51.
        sound: encoder of the sound; None where the container has none.
        rates: Hz that the encoder of the sound takes.
        options: of the container.
    """

    format: str
    video: str
    pixels: str
    encoding: Callable[[int], Mapping[str, str]]
    sound: str | None = "aac"
    rates: tuple[int, ...] = _AAC_RATES
    options: Mapping[str, str] = field(default_factory=dict)


def repeatable_x264() -> dict[str, str]:
    """Options with which libx264 makes the same bytes of the same frames.

    Its AVX-512 code for macroblock trees reads past the rows of pictures whose width is no multiple
    of 256: what happened to be there decides how bits are spent. AVX2 makes what AVX-512 makes of
    the others. Only said where there is AVX-512: elsewhere the encoder would take it for an order.
    """
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        return {"x264-params": "asm=avx2"}
    return {}


def _x264(quality: int) -> Mapping[str, str]:
    # A third of the time of what FFmpeg would take; what that costs is in docs/performance.md.
    return {"preset": "veryfast", "rc-lookahead": "20", "crf": str(quality), **repeatable_x264()}


def _vp9(quality: int) -> Mapping[str, str]:
    # its scale goes to 63; a rate of 0 makes the quality constant
    return {
        "crf": str(round(quality * 63 / 51)), "b": "0", "deadline": "good", "cpu-used": "4",
        "row-mt": "1",
    }  # fmt: skip


_FAST_START = {"movflags": "+faststart"}
_NO_CHANCE = {"fflags": "+bitexact"}  # Matroska would number its tracks by lot
CONTAINERS: dict[str, Container] = {
    ".mp4": Container("mp4", "libx264", "yuv420p", _x264, options=_FAST_START),
    ".mov": Container("mov", "libx264", "yuv420p", _x264, options=_FAST_START),
    ".mkv": Container("matroska", "libx264", "yuv420p", _x264, options=_NO_CHANCE),
    ".webm": Container(
        "webm", "libvpx-vp9", "yuv420p", _vp9, "libopus", _OPUS_RATES, options=_NO_CHANCE
    ),
    ".gif": Container("gif", "gif", GIF_PIXELS, lambda quality: {}, None),
}
"""What :func:`write_video` writes, by the suffix of the file."""
TRANSPARENT: dict[str, Container] = {
    ".webm": replace(CONTAINERS[".webm"], pixels="yuva420p"),
    # what editors open; its quality is fixed
    ".mov": Container(
        "mov", "prores_ks", "yuva444p10le", lambda quality: {"profile": "4444", "alpha_bits": "8"},
        options=_FAST_START,
    ),
    ".gif": CONTAINERS[".gif"],
}  # fmt: skip
"""The same for frames with an alpha channel."""


def container_of(path: str | Path, transparent: bool = False) -> Container:
    """How a file of that name is written.

    Args:
        transparent: whether the frames have an alpha channel.

    Raises:
        OutputError: if its suffix is none that is known, it holds no transparency, or this FFmpeg
            lacks an encoder for it.
    """
    suffix = Path(path).suffix.lower()
    if transparent and suffix in CONTAINERS and suffix not in TRANSPARENT:
        raise OutputError(
            f"'{Path(path).name}' can hold no transparency: choose .webm (for the web), .mov (for "
            "editing) or .gif, or a background"
        )
    container = (TRANSPARENT if transparent else CONTAINERS).get(suffix)
    if container is None:
        if Path(path).is_dir():
            raise OutputError(f"'{path}' is a folder: give the output a file name")
        raise OutputError(
            f"'{Path(path).name}' has no suffix of a video that can be written: choose one of "
            f"{', '.join(CONTAINERS)}"
        )
    for encoder in (container.video, container.sound):
        if encoder is not None and encoder not in av.codecs_available:
            raise OutputError(
                f"'{Path(path).name}' needs the encoder {encoder}, which this PyAV is built "
                "without: choose .mp4, or install PyAV from its own wheels"
            )
    return container


@dataclass(frozen=True)
class Sound:
    """Sound for a video: samples, or a file to decode as the video grows.

    Attributes:
        source: a file, or samples (C, N) float in -1..1.
        sample_rate: Hz, of samples; files know their own.
        start: seconds to leave out at the beginning.
        duration: seconds to use at most; None for all.

    Raises:
        AudioError: on samples of another shape, and on a rate or time that can't be.
    """

    source: str | Path | Tensor
    sample_rate: int = 16_000
    start: float = 0.0
    duration: float | None = None

    def __post_init__(self) -> None:
        duration = 0.0 if self.duration is None else self.duration
        checked(AudioError, start=self.start, duration=duration)
        check_sample_rate(self.sample_rate, "the sound of a video")
        if isinstance(self.source, Tensor) and self.source.ndim not in (1, 2):
            raise AudioError(f"the sound of a video is (C, N), not {tuple(self.source.shape)}")


def write_video(
    path: str | Path,
    chunks: Iterable[Tensor],
    fps: float | Fraction = 25.0,
    sound: Sound | None = None,
    comment: str | None = AI_COMMENT,
    quality: int = default("quality"),
    kind: Container | None = None,
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Encode a video: into what, the suffix says (see ``CONTAINERS``).

    The file appears under its name only when it is complete. The sound is cut, or padded with
    silence, to the length of the video. Odd sizes get one row or column more, a copy of the last;
    but for GIF, which has no sound either, and whose pixels are opaque or not there.

    Args:
        path: the file to write; its folder is made.
        chunks: (n, H, W, 3), or (n, H, W, 4) with straight alpha, uint8 or float 0..1, one after
            the other.
        fps: frames per second; a rational number is kept exactly.
        sound: what is heard.
        comment: goes into the container's metadata; None for no comment.
        quality: constant rate factor on libx264's scale, smaller is better.
        kind: how it is written, whatever the suffix says.
        metadata: what else goes into the container, by name.

    Returns:
        The number of frames written.

    Raises:
        OutputError: if the file can't be written, its suffix is unknown or holds no transparency,
            it is the file of the sound, or there are no frames.
    """
    checked(quality=quality, frame_rate=fps)
    path = Path(path)
    kind = container_of(path) if kind is None else kind
    source = sound.source if sound is not None else None
    check_outputs(
        {"the video": path}, {"the sound": source if isinstance(source, (str, Path)) else None}
    )
    if sound is not None and kind.sound is None:
        log.warning("'%s' can hold no sound: the video is silent", path.name)
    rate = fps if isinstance(fps, Fraction) else exact_rate(fps)
    with atomic_write(path, "the video") as part:
        left = iter(chunks)
        first = list(itertools.islice(left, 1))
        chunks = itertools.chain(first, left)
        if first and first[0].shape[-1] == 4:
            kind = container_of(path, transparent=True)
        if kind.format == "gif":
            frames = write_gif(part, map(to_uint8, chunks), rate, comment)
        else:
            said = {"comment": comment} if comment else {}
            frames = _encode(part, kind, chunks, rate, sound, {**said, **(metadata or {})}, quality)
        if frames == 0:
            raise OutputError(f"there are no frames to write to '{path}'")
    return frames


def _encode(
    path: Path,
    kind: Container,
    chunks: Iterable[Tensor],
    rate: Fraction,
    sound: Sound | None,
    metadata: Mapping[str, str],
    quality: int,
) -> int:
    audio = _AudioFeed(sound, kind) if sound is not None else None
    count = 0
    with contextlib.ExitStack() as stack:
        container = stack.enter_context(
            av.open(str(path), "w", format=kind.format, options=container_options(kind, metadata))
        )
        container.metadata.update(metadata)
        stream: Any = container.add_stream(
            kind.video, rate=rate, options=dict(kind.encoding(quality))
        )
        stream.pix_fmt = kind.pixels
        context = stream.codec_context
        context.thread_count = _ENCODER_THREADS
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        if audio is not None:
            stack.callback(audio.close)
            audio.add_to(container)
        reformatter = VideoReformatter()  # one for all frames: it keeps the filters of the chroma
        for chunk in chunks:
            images = to_uint8(chunk)
            for image in images:
                if count == 0:
                    stream.height, stream.width = (side + side % 2 for side in image.shape[:2])
                layout = "rgba" if image.shape[-1] == 4 else "rgb24"
                frame = reformatter.reformat(
                    av.VideoFrame.from_ndarray(even_sides(image), format=layout),
                    format=kind.pixels,
                    dst_colorspace=Colorspace.ITU709,
                )
                frame.pts, frame.time_base = count, 1 / rate
                container.mux(stream.encode(frame))
                count += 1
            if audio is not None:
                audio.feed(container, Fraction(count) / rate)
        if count:
            container.mux(stream.encode())
            if audio is not None:
                audio.finish(container)
    return count


def container_options(kind: Container, metadata: Mapping[str, str]) -> dict[str, str]:
    """FFmpeg's options for a file: mp4 and mov keep names of their own only if told to."""
    options = dict(kind.options)
    if "movflags" in options and set(metadata) - {"comment"}:
        options["movflags"] += "+use_metadata_tags"
    return options


def even_sides(image: np.ndarray) -> np.ndarray:
    """(H, W, C) with one row or column more, a copy of the last, where there is an odd number."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(image)


class _AudioFeed:
    """Hands an encoder as much sound as the video needs so far."""

    def __init__(self, sound: Sound, kind: Container) -> None:
        self._encoder = kind.sound or ""
        self._stream: Any = None
        self._blocks, self.rate, self.channels = _open_sound(sound, kind.rates)
        self._pending: np.ndarray = np.zeros((self.channels, 0), dtype=np.float32)
        self._written = 0

    def add_to(self, container: av.container.OutputContainer) -> None:
        self._stream = container.add_stream(self._encoder, rate=self.rate)
        self._stream.layout = layout_name(self.channels)
        self._stream.bit_rate = 96_000 * self.channels

    def feed(self, container: av.container.OutputContainer, until: Fraction) -> None:
        """Encode sound up to a time in seconds; silence where the source has ended."""
        wanted = round(until * self.rate) - self._written
        while self._pending.shape[1] < wanted:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((self.channels, wanted - self._pending.shape[1]), np.float32)
            # FFmpeg's encoder stops at samples that are no numbers, or far too large
            block = np.nan_to_num(block, nan=0.0).clip(-1.0, 1.0)
            self._pending = np.concatenate([self._pending, block], axis=1)
        if wanted <= 0:
            return
        samples = np.ascontiguousarray(self._pending[:, :wanted])
        self._pending = self._pending[:, wanted:]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self._stream.layout.name)
        frame.sample_rate = self.rate
        frame.pts, frame.time_base = self._written, Fraction(1, self.rate)
        self._written += wanted
        container.mux(self._stream.encode(frame))

    def finish(self, container: av.container.OutputContainer) -> None:
        container.mux(self._stream.encode())

    def close(self) -> None:
        close = getattr(self._blocks, "close", None)
        if close is not None:
            close()


def _open_sound(sound: Sound, rates: tuple[int, ...]) -> tuple[Iterator[np.ndarray], int, int]:
    """Blocks (C, n) float32, their rate and the number of channels, one or two."""
    if isinstance(sound.source, (str, Path)):
        found = sound_format(sound.source)
        rate = min(rates, key=lambda r: abs(r - found.rate))
        decoded = _readable(
            decode_sound(sound.source, rate, found.channels, found.full_scale, warn=False)
        )
        return cut_sound(decoded, *_samples(sound, rate)), rate, found.channels
    waveform = torch.atleast_2d(to_unit_range(sound.source.detach().cpu()))
    samples = at_most_stereo(waveform).numpy()
    first, count = _samples(sound, sound.sample_rate)
    skipped = samples[:, first : None if count is None else first + count]
    rate = min(rates, key=lambda r: abs(r - sound.sample_rate))
    # a second at a time: every step that follows makes a copy
    starts = range(0, skipped.shape[1], sound.sample_rate)
    blocks: Iterator[np.ndarray] = (
        np.ascontiguousarray(skipped[:, i : i + sound.sample_rate].clip(-1, 1)) for i in starts
    )
    if rate != sound.sample_rate:
        blocks = _resample(blocks, sound.sample_rate, rate, samples.shape[0])
    return blocks, rate, samples.shape[0]


def _samples(sound: Sound, rate: int) -> tuple[int, int | None]:
    """How many samples to leave out, and how many to use then."""
    count = None if sound.duration is None else round(sound.duration * rate)
    return round(sound.start * rate), count


def _readable(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Blocks up to where a file is damaged: the loader has said so already."""
    with contextlib.suppress(av.FFmpegError, ValueError):
        yield from blocks


def _resample(
    blocks: Iterator[np.ndarray], source_rate: int, rate: int, channels: int
) -> Iterator[np.ndarray]:
    layout = layout_name(channels)
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    for block in blocks:
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate = source_rate
        yield from (part.to_ndarray() for part in resampler.resample(frame))
    yield from (part.to_ndarray() for part in resampler.resample(None))

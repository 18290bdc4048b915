"""The sound of a file, from its beginning to its end, where the container's time line has it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ..errors import AudioError
from ..files.media import decodable, open_media
from ..files.names import is_there
from ..files.timeline import Clock, start_of

log = logging.getLogger("dreamtalk")

TOLERANCE = Fraction(1, 20)
"""s that time stamps may disagree with the samples: many containers round them."""
_OVERLAP = Fraction(1)
_TIMED = {"matroska", "mov", "mpegts", "mpeg", "flv", "asf", "avi", "ogg", "nut", "rm"}
"""Formats (FFmpeg's names) that store time stamps; those of others are made up from byte counts."""


RATES = (100, 1_000_000)
"""Hz that sound is believed to have."""
_FULL_SCALES = (2.0**15, 2.0**23, 2.0**31)
_LOUDEST = 8.0  # float samples up to here are loud (+18 dB); above they are counted otherwise


@dataclass(frozen=True)
class SoundFormat:
    """What a file's sound begins as.

    Attributes:
        rate: Hz.
        channels: 1 or 2.
        full_scale: the sample value that is meant by 1: 32768 in files of floats that somebody
            wrote without dividing.
    """

    rate: int
    channels: int
    full_scale: float = 1.0


def full_scale(peak: float) -> float:
    """What float samples with that peak are counted in: 1, or the range of some integers."""
    if not peak > _LOUDEST:
        return 1.0
    return next((scale for scale in _FULL_SCALES if peak <= 1.01 * scale), _FULL_SCALES[-1])


def check_sample_rate(rate: float, whose: str) -> None:
    """Refuse a sample rate that no sound has: resampling from it would fill the memory.

    Raises:
        AudioError: if it is none, or below 100 Hz or above 1 MHz.
    """
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioError(
            f"{whose} has a sample rate of {rate:g} Hz; sound has {RATES[0]} to {RATES[1]} Hz: "
            "export the audio again"
        )


def sound_format(path: str | Path) -> SoundFormat:
    """Look at the header of a file's sound.

    Raises:
        AudioError: if there is no such file, it can't be read, or has no sound.
    """
    path = Path(path)
    if not is_there(path):
        raise AudioError(f"there is no audio file '{path}'")
    try:
        with open_media(path) as container:
            if not container.streams.audio:
                raise AudioError(f"'{path}' has no sound in it")
            stream = decodable(container.streams.audio)
            if stream is None:
                raise AudioError(
                    f"'{path}' has sound of a kind that can't be decoded here: convert it to WAV, "
                    "FLAC or MP3"
                )
            context = stream.codec_context
            rate, channels = context.sample_rate, context.layout.nb_channels
            floats = context.codec.name.startswith("pcm_f")
    except (av.FFmpegError, ValueError) as error:
        raise unreadable(path, error) from error
    check_sample_rate(rate, f"'{path}'")
    return SoundFormat(rate, min(max(channels, 1), 2), _peak_scale(path) if floats else 1.0)


def _peak_scale(path: Path) -> float:
    """The full scale of a file of floats, for which all of it has to be looked at."""
    peak = 0.0
    try:
        with open_media(path) as container:
            for frame in _frames(container):
                samples = np.abs(frame.to_ndarray())
                peak = max(peak, float(samples[np.isfinite(samples)].max(initial=0.0)))
    except (av.FFmpegError, ValueError):
        pass  # said when it is read
    return full_scale(peak)


def unreadable(path: Path, error: Exception) -> AudioError:
    """The error for a file that FFmpeg can't make anything of."""
    reason = getattr(error, "strerror", None) or str(error)
    return AudioError(f"'{path}' is not an audio or video file that can be decoded ({reason})")


def decode_sound(
    path: str | Path, rate: int, channels: int, scale: float = 1.0, warn: bool = True
) -> Iterator[np.ndarray]:
    """Blocks (C, n) float32 of a file's sound at one rate, whatever changes within the file.

    Sound that begins after the pictures begins with silence, and a gap in the time stamps is
    silence as long. Packets that can't be decoded are left out, with a warning.

    Args:
        path: anything that FFmpeg reads.
        rate: Hz of the blocks.
        channels: of the blocks, 1 or 2: one channel comes twice, two are averaged.
        scale: what the samples are divided by, see :class:`SoundFormat`.
        warn: say in the log what is wrong with the file.

    Raises:
        av.FFmpegError, ValueError: where the file itself can't be read on.
    """
    done = 0  # samples of blocks, at the rate asked for
    due = Fraction(0)  # s, when the next sample follows without a gap
    clock: Clock | None = None
    skipped = False
    converter = _Converter(rate, channels, scale)
    with open_media(path) as container:
        timed = bool(_TIMED & set(container.format.name.split(",")))
        for frame in _frames(container, path if warn else None):
            begins = clock is None
            if clock is None:  # FFmpeg may know where streams begin only when it has read of them
                clock = Clock(start_of(container))
            stamp = None
            if timed and frame.pts is not None and frame.time_base is not None:
                stamp = frame.pts * frame.time_base
            # samples that drift from the stamps: one frame less, and both agree again
            time = clock.place(stamp, due, TOLERANCE if skipped else _OVERLAP)
            skipped = time < due - TOLERANCE
            if skipped:
                continue
            if time > due and (begins or time - due > TOLERANCE):
                due = time
                for block in (*converter.finish(), *_silence(due, done, rate, channels)):
                    done += block.shape[1]
                    yield block
            for block in converter.convert(frame):
                done += block.shape[1]
                yield block
            due += Fraction(frame.samples, frame.sample_rate)
        for block in converter.finish():
            yield block
    if warn and clock is not None and clock.restarts:
        log.warning("'%s': its time stamps run backwards or jump: read one after the other", path)


def cut_sound(
    blocks: Iterator[np.ndarray], first: int, count: int | None = None
) -> Iterator[np.ndarray]:
    """Leave samples out at the beginning of blocks (C, n), and after ``count`` of them the rest."""
    for block in blocks:
        dropped = min(first, block.shape[1])
        first -= dropped
        left = block[:, dropped : count if count is None else dropped + count]
        if count is not None:
            count -= left.shape[1]
        if left.shape[1]:
            yield left
        if count == 0:
            return


def layout_name(channels: int) -> str:
    """FFmpeg's name for one or two channels."""
    return "mono" if channels == 1 else "stereo"


def _silence(until: Fraction, done: int, rate: int, channels: int) -> Iterator[np.ndarray]:
    """Zeros from a number of samples until a time in s, a second at a time."""
    missing = round(until * rate) - done
    for _ in range(0, missing, rate):
        yield np.zeros((channels, min(missing, rate)), np.float32)
        missing -= rate


def _frames(
    container: av.container.InputContainer, path: str | Path | None = None
) -> Iterator[av.AudioFrame]:
    """What can be decoded, packet by packet; with a path it says how much can't."""
    bad, found, fault = 0, False, None
    for packet in container.demux(decodable(container.streams.audio)):
        try:
            frames = packet.decode()
        except av.InvalidDataError as error:
            bad, fault = bad + 1, error
            continue
        for frame in frames:
            found = True
            yield frame  # type: ignore[misc]
    if fault is not None and not found:
        raise fault
    if bad and path is not None:
        log.warning("'%s' is damaged: %d of its packets are left out", path, bad)


class _Converter:
    """Frames of changing formats -> blocks of one rate and number of channels."""

    def __init__(self, rate: int, channels: int, scale: float) -> None:
        self._rate, self._channels, self._scale = rate, channels, scale
        self._source: tuple[str, str, int] | None = None
        self._resampler: av.AudioResampler | None = None

    def convert(self, frame: av.AudioFrame) -> Iterator[np.ndarray]:
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if source != self._source:
            yield from self.finish()
            check_sample_rate(frame.sample_rate, "a part of the sound")
            self._source = source
        if self._resampler is None:
            layout = layout_name(frame.layout.nb_channels)
            self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=self._rate)
        frame.pts = None  # damaged files have jumps in time that the resampler would refuse
        for part in self._resampler.resample(frame):
            yield self._fitted(part.to_ndarray())

    def finish(self) -> Iterator[np.ndarray]:
        """What the resampler still holds."""
        resampler, self._resampler = self._resampler, None
        for part in resampler.resample(None) if resampler is not None else ():
            yield self._fitted(part.to_ndarray())

    def _fitted(self, block: np.ndarray) -> np.ndarray:
        if self._scale != 1.0:
            block = block / np.float32(self._scale)
        if len(block) == self._channels:
            return block
        if self._channels == 1:
            return block.mean(axis=0, keepdims=True)
        return np.repeat(block, self._channels, axis=0)

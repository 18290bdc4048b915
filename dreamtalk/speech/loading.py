"""Recordings into :class:`Speech`: decode, downmix, resample, normalize the loudness."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from ..errors import AudioError
from ..options import checked
from .decoding import (
    check_sample_rate,
    decode_sound,
    full_scale,
    layout_name,
    sound_format,
    unreadable,
)
from .speech import SAMPLE_RATE, Speech

log = logging.getLogger("dreamtalk")

TARGET_RMS = 0.08
"""Of the frames in which somebody speaks: about -22 dBFS."""
MAX_GAIN = 30.0
"""Linear: quieter recordings stay quiet, so that the hiss of a room is not taken for speech."""
SILENCE_RMS = 1e-4
"""Below this (-80 dBFS) a recording counts as silent."""
_GATE = 0.02  # of the loudest frame's power: 17 dB below it speech is assumed to pause
_PIECE = 50_000  # frames
_FRAME = SAMPLE_RATE // 50
_BLOCK = 1 << 16  # samples of a waveform that are resampled at a time


def load_speech(
    path: str | Path, start: float = 0.0, duration: float | None = None, normalize: bool = True
) -> Speech:
    """Read the sound of an audio or video file.

    A file that is damaged part-way gives what could be decoded, with a warning.

    Args:
        path: any file that FFmpeg's decoders read.
        start: seconds to leave out at the beginning.
        duration: seconds to read at most; all if None or 0.
        normalize: bring the loudness of the speech to a common level.

    Raises:
        AudioError: if the file is missing, holds no sound, or none in the stretch asked for.
    """
    blocks, rate = _read(Path(path), start, duration)
    speech = Speech(torch.from_numpy(_joined(_to_speech(blocks, rate))[0]))
    return normalize_loudness(speech) if normalize else speech


def load_recording(
    path: str | Path, start: float = 0.0, duration: float | None = None, normalize: bool = True
) -> tuple[Tensor, int]:
    """Like :func:`load_speech`, but as it sounds: for the sound track of a video.

    Returns:
        (C, N) float32 waveform in -1..1 with one or two channels, and its own rate in Hz.

    Raises:
        AudioError: as :func:`load_speech`.
    """
    blocks, rate = _read(Path(path), start, duration)
    samples = torch.from_numpy(_joined(blocks))
    if normalize:
        gain = loudness_gain(speech_from_waveform(samples, rate, normalize=False))
        samples = (samples * gain).clamp(-1.0, 1.0)
    return samples, rate


def _read(path: Path, start: float, duration: float | None) -> tuple[Iterator[np.ndarray], int]:
    """Blocks (C, n) float32 of a stretch of a file, C is 1 or 2, and their rate: the file's own.

    At least one block comes, of at least one sample.
    """
    checked(AudioError, start=start, duration=0.0 if duration is None else duration)
    source = sound_format(path)
    if source.full_scale != 1.0:
        log.warning(
            "'%s' counts its samples up to %.0f instead of 1: divided by that",
            path, source.full_scale,
        )  # fmt: skip
    blocks = decode_sound(path, source.rate, source.channels, source.full_scale)
    return _stretch(blocks, path, source.rate, start, duration), source.rate


def _stretch(
    blocks: Iterator[np.ndarray], path: Path, rate: int, start: float, duration: float | None
) -> Iterator[np.ndarray]:
    first, wanted = round(start * rate), round(duration * rate) if duration else None
    seen = kept = 0
    try:
        for block in blocks:
            usable = block[:, max(0, first - seen) :]
            seen += block.shape[1]
            if wanted is not None:
                usable = usable[:, : wanted - kept]
            kept += usable.shape[1]
            if usable.shape[1]:
                yield usable
            if wanted is not None and kept >= wanted:
                break
    except (av.FFmpegError, ValueError) as error:
        if kept < rate // 10:
            raise unreadable(path, error) from error
        log.warning("'%s' is damaged after %.1f s: what comes before is used", path, seen / rate)
    if kept == 0:
        length = f"only {seen / rate:.2f} s long" if seen else "empty"
        raise AudioError(f"'{path}' holds no sound from {start:g} s on: it is {length}")


def _joined(blocks: Iterator[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(blocks), axis=1)


def speech_from_waveform(waveform: Tensor, sample_rate: int, normalize: bool = True) -> Speech:
    """Samples at any rate, with any number of channels, into :class:`Speech`.

    Args:
        waveform: (N,), (C, N) or (1, C, N) in -1..1; integers, and floats that are counted like
            them, are brought into that range.
        sample_rate: Hz.
        normalize: bring the loudness of the speech to a common level.

    Raises:
        AudioError: if it is empty, of another shape, or holds NaN or infinite samples.
    """
    samples = to_unit_range(waveform.detach().cpu())
    if samples.ndim == 3 and samples.shape[0] == 1:
        samples = samples[0]
    if samples.ndim not in (1, 2) or samples.numel() == 0:
        raise AudioError(f"a waveform is (N,), (C, N) or (1, C, N), not {tuple(waveform.shape)}")
    check_sample_rate(sample_rate, "the waveform")
    Speech(samples.flatten())  # finite
    channels = samples[None] if samples.ndim == 1 else samples
    channels = at_most_stereo(channels)
    pieces = channels.numpy()
    blocks = (pieces[:, at : at + _BLOCK] for at in range(0, pieces.shape[1], _BLOCK))
    mono = torch.from_numpy(_joined(_to_speech(blocks, int(sample_rate)))[0])
    speech = Speech(mono)
    return normalize_loudness(speech) if normalize else speech


def to_unit_range(waveform: Tensor) -> Tensor:
    """Samples of any kind as float32 in -1..1; says in the log if they were counted otherwise.

    Integers are divided by their type's range, floats with peaks far above 1 by the range of the
    integers that they must have been.
    """
    if waveform.dtype == torch.uint8:
        return (waveform.float() - 128) / 128
    if not waveform.dtype.is_floating_point:
        return (waveform.double() / (torch.iinfo(waveform.dtype).max + 1)).float()
    samples = waveform.float()
    if samples.numel() == 0:
        return samples
    # a piece at a time: of an hour in stereo every step would take a gigabyte more
    pieces = samples.split(1 << 20, dim=-1)
    scale = full_scale(max(float(p.nan_to_num(0.0, 0.0, 0.0).abs().max()) for p in pieces))
    if scale == 1.0:
        return samples
    log.warning("the sound counts its samples up to %.0f instead of 1: divided by that", scale)
    return samples / scale


def at_most_stereo(samples: Tensor) -> Tensor:
    """(C, N) samples as one or two channels.

    Six are 5.1 and eight 7.1 in the usual order (left, right, centre, low, surround ...), mixed by
    ITU-R BS.775, scaled so that nothing clips; other numbers are averaged.
    """
    count = len(samples)
    if count <= 2:
        return samples
    if count not in (6, 8):
        return samples.mean(dim=0, keepdim=True)
    around = samples[4:].reshape(-1, 2, samples.shape[1]).sum(dim=0)
    half = math.sqrt(0.5)
    mixed = samples[:2] + half * samples[2:3] + half * around
    return mixed / (1.0 + half * (count - 4) / 2 + half)


def normalize_loudness(speech: Speech) -> Speech:
    """Bring the speech in a recording to a common level; pauses don't count.

    Silence stays silence. Peaks are limited to 1.
    """
    gain = loudness_gain(speech)
    return speech if gain == 1.0 else Speech((speech.waveform * gain).clamp(-1.0, 1.0))


def loudness_gain(speech: Speech) -> float:
    """The linear gain that brings the speech in a recording to the common level; 1 for silence."""
    return speech_gain(speech.waveform, TARGET_RMS, MAX_GAIN, SILENCE_RMS)


def is_silent(speech: Speech) -> bool:
    """Whether a recording nowhere reaches :data:`SILENCE_RMS`."""
    return float(frame_power(speech.waveform).max()) < SILENCE_RMS**2


def speech_gain(waveform: Tensor, level: float, most: float, silence: float) -> float:
    """The linear gain that brings the frames in which somebody speaks to a level.

    Args:
        waveform: (N,) float32 at 16 kHz, a whole recording.
        level: their root mean square afterwards.
        most: the gain is not larger.
        silence: root mean square; a recording that nowhere reaches it gets a gain of 1.
    """
    power = frame_power(waveform)
    loudest = float(power.max())
    if loudest < silence**2:
        return 1.0
    active = power[power >= _GATE * loudest]
    return min(level / math.sqrt(float(active.mean())), most)


def frame_power(waveform: Tensor) -> Tensor:
    """Mean square of each 20 ms: (N,) -> (ceil(N / 320),)."""
    whole = waveform.numel() // _FRAME * _FRAME
    rest = waveform[whole:]
    rest = torch.nn.functional.pad(rest, (0, -len(rest) % _FRAME))
    # piece by piece: of an hour a copy would take 230 MB
    pieces = (*waveform[:whole].view(-1, _FRAME).split(_PIECE), rest.view(-1, _FRAME))
    return torch.cat([piece.square().mean(dim=1) for piece in pieces])


def _to_speech(blocks: Iterator[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """Blocks (C, n) at a rate -> blocks (1, n) at 16 kHz: the one way into :class:`Speech`.

    Files and waveforms take the same way, so that a graph and a command hear the same.
    """
    resampler, made = None, 0
    for block in blocks:
        if resampler is None:
            layout = layout_name(len(block))
            resampler = av.AudioResampler(format="fltp", layout=layout, rate=SAMPLE_RATE)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", layout)
        frame.sample_rate = rate
        for part in resampler.resample(frame):
            made += part.samples
            yield _mono(part)
    for part in resampler.resample(None) if resampler is not None else ():
        made += part.samples
        yield _mono(part)
    if made == 0:  # shorter than one sample at 16 kHz
        yield np.zeros((1, 1), np.float32)


def _mono(frame: av.AudioFrame) -> np.ndarray:
    # FFmpeg's own downmix adds the channels at equal power: 3 dB too loud for speech that is the
    # same on both
    return frame.to_ndarray().mean(axis=0, keepdims=True)

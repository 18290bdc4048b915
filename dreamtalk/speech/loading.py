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
from .speech import SAMPLE_RATE, Speech

log = logging.getLogger("dreamtalk")

TARGET_RMS = 0.08
"""Of the frames in which somebody speaks: about -22 dBFS."""
MAX_GAIN = 30.0
"""Linear: quieter recordings stay quiet, so that the hiss of a room is not taken for speech."""
SILENCE_RMS = 1e-4
"""Below this (-80 dBFS) a recording counts as silent."""
_GATE = 0.02  # of the loudest frame's power: 17 dB below it speech is assumed to pause
_FRAME = SAMPLE_RATE // 50


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
    samples, _ = _read(Path(path), start, duration, rate=SAMPLE_RATE, channels=1)
    speech = Speech(samples[0])
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
    samples, rate = _read(Path(path), start, duration)
    if normalize:
        gain = loudness_gain(speech_from_waveform(samples, rate, normalize=False))
        samples = (samples * gain).clamp(-1.0, 1.0)
    return samples, rate


def _read(
    path: Path,
    start: float,
    duration: float | None,
    rate: int | None = None,
    channels: int | None = None,
) -> tuple[Tensor, int]:
    """(C, N) float32 samples of a stretch of a file, and their rate; the file's own by default."""
    if not path.is_file():
        raise AudioError(f"there is no audio file '{path}'")
    if start < 0 or (duration is not None and duration < 0):
        raise AudioError(f"start ({start} s) and duration ({duration} s) must not be negative")

    blocks: list[np.ndarray] = []
    seen = kept = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError(f"'{path}' has no sound in it")
            stream = container.streams.audio[0]
            rate = rate or stream.codec_context.sample_rate
            channels = channels or min(2, stream.codec_context.layout.nb_channels)
            first = round(start * rate)
            wanted = round(duration * rate) if duration else None
            for block in _decode(container, stream, rate, channels):
                usable = block[:, max(0, first - seen) :]
                seen += block.shape[1]
                if wanted is not None:
                    usable = usable[:, : wanted - kept]
                blocks.append(usable)
                kept += usable.shape[1]
                if wanted is not None and kept >= wanted:
                    break
    except (av.FFmpegError, ValueError) as error:
        if not rate or kept < rate // 10:
            raise AudioError(
                f"'{path}' is not an audio or video file that can be decoded ({_reason(error)})"
            ) from error
        log.warning("'%s' is damaged after %.1f s: what comes before is used", path, seen / rate)
    if kept == 0:
        length = f"only {seen / (rate or 1):.2f} s long" if seen else "empty"
        raise AudioError(f"'{path}' holds no sound from {start:g} s on: it is {length}")
    assert rate is not None
    return torch.from_numpy(np.concatenate(blocks, axis=1)), rate


def speech_from_waveform(waveform: Tensor, sample_rate: int, normalize: bool = True) -> Speech:
    """Samples at any rate, with any number of channels, into :class:`Speech`.

    Args:
        waveform: (N,), (C, N) or (1, C, N) float in -1..1.
        sample_rate: Hz.
        normalize: bring the loudness of the speech to a common level.

    Raises:
        AudioError: if it is empty, of another shape, or holds NaN or infinite samples.
    """
    samples = waveform.detach().float().cpu()
    if samples.ndim == 3 and samples.shape[0] == 1:
        samples = samples[0]
    if samples.ndim not in (1, 2) or samples.numel() == 0:
        raise AudioError(f"a waveform is (N,), (C, N) or (1, C, N), not {tuple(waveform.shape)}")
    if sample_rate <= 0:
        raise AudioError(f"{sample_rate} Hz is not a sample rate")
    mono = Speech(samples.mean(dim=0) if samples.ndim == 2 else samples).waveform
    if sample_rate != SAMPLE_RATE:
        from scipy.signal import resample_poly

        common = math.gcd(SAMPLE_RATE, int(sample_rate))
        resampled = resample_poly(
            mono.numpy(), SAMPLE_RATE // common, int(sample_rate) // common
        ).astype(np.float32)
        mono = torch.from_numpy(resampled)
    speech = Speech(mono)
    return normalize_loudness(speech) if normalize else speech


def normalize_loudness(speech: Speech) -> Speech:
    """Bring the speech in a recording to a common level; pauses don't count.

    Silence stays silence. Peaks are limited to 1.
    """
    gain = loudness_gain(speech)
    return speech if gain == 1.0 else Speech((speech.waveform * gain).clamp(-1.0, 1.0))


def loudness_gain(speech: Speech) -> float:
    """The linear gain that brings the speech in a recording to the common level; 1 for silence."""
    return speech_gain(speech.waveform, TARGET_RMS, MAX_GAIN, SILENCE_RMS)


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
    padding = -waveform.numel() % _FRAME
    return torch.nn.functional.pad(waveform, (0, padding)).view(-1, _FRAME).square().mean(dim=1)


def _decode(
    container: av.container.InputContainer, stream: av.AudioStream, rate: int, channels: int
) -> Iterator[np.ndarray]:
    """Blocks of (C, n) float32 samples."""
    layout = "mono" if stream.codec_context.layout.nb_channels == 1 else "stereo"
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)

    def mixed(frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
        for part in resampler.resample(frame):
            block = part.to_ndarray()
            # FFmpeg's own downmix adds the channels at equal power: 3 dB too loud for speech that
            # is the same on both
            yield block.mean(axis=0, keepdims=True) if channels == 1 else block

    for frame in container.decode(stream):
        frame.pts = None  # damaged files have jumps in time that the resampler would refuse
        yield from mixed(frame)
    yield from mixed(None)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

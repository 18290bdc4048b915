"""How a voice sounds, apart from what it says and how loud the recording is.

Pitch, energy, pauses, rate, breathiness and the shape of the spectrum, 50 rows a second. All of it
is measured against the recording's own level, so that gain and normalization leave no trace.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from ..errors import MissingDependencyError
from .loading import speech_gain
from .logmel import FLOOR, log_mel
from .speech import SAMPLE_RATE, Speech

Rows = npt.NDArray[np.float32]

LOWEST_PITCH, HIGHEST_PITCH = 65.0, 600.0
"""Hz between which a pitch is looked for: a low man's voice and a frightened child's."""
MIDDLE_PITCH = 160.0
"""Hz that pitch is counted from, in octaves: between men and women."""
SPECTRUM_BANDS = 16
"""Bands of the spectrum's shape, four of the log-mel's each."""
_HOP = 320
_FRAME = 1024
_LEVEL = 0.08
_MAX_GAIN, _SILENCE = 1000.0, 1e-5
_PAUSE = np.log(0.02)
"""Of the speech's mean power: 17 dB below it somebody pauses."""
_FAINTEST = np.log(0.005)
"""Of the loudest row's power: what is fainter is no speech in this recording."""
_AROUND = 100
"""Rows, deviation: speech is loud or soft against that of some seconds around."""
_PERIODIC = 0.45
"""Of the autocorrelation at the period: above it a frame counts as voiced."""

VOICE_CHANNELS: tuple[str, ...] = (
    "speaking",  # 1 where somebody speaks, 0 in pauses
    "voiced",  # 1 where there is a pitch
    "pitch",  # octaves above MIDDLE_PITCH where voiced, else 0
    "periodicity",  # 0 hiss or breath, 1 clear voice
    "energy",  # natural log of power over the speech's mean
    "change",  # how fast the spectrum changes: the pace of articulation
    "tilt",  # how much the spectrum falls, per band
    *(f"band{i}" for i in range(SPECTRUM_BANDS)),  # its shape, less the frame's energy
)
"""Columns of :func:`voice_rows`."""


def voice_rows(speech: Speech) -> Rows:
    """Measure a voice.

    Pitch by YIN (de Cheveigne and Kawahara 2002), whether there is one by the autocorrelation at
    its period.

    Args:
        speech: 16 kHz mono, any length, any level.

    Returns:
        (R, 23) float32, R = round(samples / 320), at least 1: row r is centred on 20 r + 10 ms, as
        are the rows of the speech encoder. Columns: ``VOICE_CHANNELS``.

    Raises:
        MissingDependencyError: if librosa is not installed.
    """
    waveform = speech.waveform.float() * speech_gain(
        speech.waveform.float(), _LEVEL, _MAX_GAIN, _SILENCE
    )
    count = max(1, round(waveform.numel() / _HOP))
    samples = np.zeros(count * _HOP, np.float32)
    given = waveform.cpu().numpy()[: count * _HOP]
    samples[: len(given)] = given
    mel = log_mel(speech.waveform.new_tensor(samples)).cpu().double().numpy()
    power = np.exp(mel).reshape(count, 2, -1).mean(1)
    pitch, periodicity = _pitch(samples, count)

    energy = np.log(power.mean(1))
    level = _speech_level(energy)
    energy = np.clip(energy - level, -8.0, 3.0)
    speaking = energy > _PAUSE
    voiced = speaking & (periodicity > _PERIODIC)
    bands = np.log(power.reshape(count, SPECTRUM_BANDS, -1).mean(2) + FLOOR)
    shape = bands - bands.mean(1, keepdims=True)
    places = np.arange(SPECTRUM_BANDS) - (SPECTRUM_BANDS - 1) / 2
    tilt = shape @ places / (places @ places)
    change = np.abs(np.diff(shape, axis=0, prepend=shape[:1])).mean(1)
    columns = [
        speaking, voiced, np.where(voiced, np.log2(pitch / MIDDLE_PITCH), 0.0), periodicity,
        energy, change, tilt,
    ]  # fmt: skip
    return np.concatenate([np.stack(columns, 1), shape], 1).astype(np.float32)


def _speech_level(energy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Log of the mean power of the speech around each row: (R,).

    Around it, not of the whole recording: whoever speaks up after a quiet half is heard in both.
    """
    loudest = float(energy.max())
    active = (energy >= loudest + _FAINTEST).astype(np.float64)
    power = np.exp(energy - loudest) * active
    near, weight = (gaussian_filter1d(x, _AROUND, mode="constant") for x in (power, active))
    everywhere = float(power.sum() / active.sum())
    local = np.where(weight > 1e-4, near / np.maximum(weight, 1e-4), everywhere)
    result: npt.NDArray[np.float64] = np.log(np.maximum(local, np.exp(_FAINTEST))) + loudest
    return result


def _pitch(samples: Rows, count: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Pitch in Hz and how periodic each row is (0..1): (R,) each."""
    padded = np.pad(samples, ((_FRAME - _HOP) // 2, _FRAME))
    pitch = _librosa().yin(
        padded, fmin=LOWEST_PITCH, fmax=HIGHEST_PITCH, sr=SAMPLE_RATE, frame_length=_FRAME,
        hop_length=_HOP, center=False,
    )[:count]  # fmt: skip
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP][:count]
    lags = np.clip(np.round(SAMPLE_RATE / pitch).astype(int), 1, _FRAME // 2)
    half = _FRAME // 2
    at = np.arange(half)
    start = frames[:, :half].astype(np.float64)
    later = np.take_along_axis(frames, at[None] + lags[:, None], 1).astype(np.float64)
    size = np.sqrt((start**2).sum(1) * (later**2).sum(1)) + 1e-9
    return pitch.astype(np.float64), np.clip((start * later).sum(1) / size, 0.0, 1.0)


def _librosa() -> Any:
    # Imported where it is used: numba and its other needs take seconds.
    try:
        import librosa

        librosa.yin  # noqa: B018 - librosa loads its parts when they are first asked for
    except ImportError as error:
        raise MissingDependencyError(
            "hearing the emotion of a voice needs librosa, which is missing or incomplete "
            f"({error}): pip install librosa"
        ) from error
    return librosa

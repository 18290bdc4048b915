"""Log-mel spectra in torch, aligned so that two frames share one feature row."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..errors import AudioError
from .speech import SAMPLE_RATE

HOP = 160
"""Samples a frame: 100 frames a second."""
WINDOW = 400
N_FFT = 512
BANDS = 64
LOWEST, HIGHEST = 50.0, 7800.0
"""Hz that the bands cover."""
FLOOR = 1e-6
_LEFT = WINDOW // 2 - HOP // 2  # the window of frame i is centred on the middle of its own hop


def log_mel(waveform: Tensor, context: int = 0) -> Tensor:
    """Log power in mel bands.

    Frame i is centred on sample 160 i + 80; samples outside the waveform count as zero.

    Args:
        waveform: (..., N) float32 at 16 kHz, N >= 1.
        context: leave out this many frames at both ends. Given a stretch of a longer waveform with
            three or more frames of context, the result is exactly what the whole would give.

    Returns:
        (..., M, 64) float32 natural logarithms, M = ceil(N / 160) - 2 * context.

    Raises:
        AudioError: if there are no samples.
    """
    samples = waveform.shape[-1]
    if samples == 0:
        raise AudioError("can't compute a spectrum of no samples")
    frames = -(-samples // HOP)
    padded = torch.nn.functional.pad(waveform, (_LEFT, frames * HOP + WINDOW - samples))
    windows = padded.unfold(-1, WINDOW, HOP)[..., :frames, :]
    taper = torch.hann_window(WINDOW, periodic=False, device=waveform.device)
    power = torch.fft.rfft(windows * taper, n=N_FFT).abs().square()
    bands = power @ _filters().to(power.device, power.dtype)
    result = torch.log(bands + FLOOR)
    return result[..., context : frames - context, :]


@lru_cache(maxsize=1)
def _filters() -> Tensor:
    """(257, 64) triangular mel filters of height 1, on Slaney's mel scale."""
    frequencies = np.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    edges = _hertz(np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2))
    rising = (frequencies[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies[:, None]) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling))
    # the cache may be filled under inference mode and used for training later
    with torch.inference_mode(False):
        return torch.from_numpy(weights).float()


@lru_cache(maxsize=64)
def warp_matrix(factor: float) -> Tensor:
    """What changes a log-mel spectrum into that of another vocal tract: ``mel @ warp_matrix(f)``.

    Band b then holds what the voice has at ``factor`` times the frequency of b (vocal tract length
    normalization); the highest and lowest bands hold on.

    Args:
        factor: above 1 makes the vocal tract longer.

    Returns:
        (64, 64) float32.
    """
    middles = _hertz(np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2))[1:-1]
    at = np.interp(middles * factor, middles, np.arange(BANDS, dtype=float))
    low = np.minimum(at.astype(int), BANDS - 2)
    matrix = np.zeros((BANDS, BANDS), np.float32)
    columns = np.arange(BANDS)
    matrix[low, columns] = 1 - (at - low)
    matrix[low + 1, columns] += at - low
    with torch.inference_mode(False):
        return torch.from_numpy(matrix)


# Slaney's mel scale: linear to 1000 Hz (15 mel), logarithmic above
_LINEAR, _KNEE_HZ, _KNEE_MEL = 200.0 / 3.0, 1000.0, 15.0
_LOG_STEP = math.log(6.4) / 27.0


def _mel(hertz: float) -> float:
    if hertz < _KNEE_HZ:
        return hertz / _LINEAR
    return _KNEE_MEL + math.log(hertz / _KNEE_HZ) / _LOG_STEP


def _hertz(mel: np.ndarray) -> np.ndarray:
    above = _KNEE_HZ * np.exp(_LOG_STEP * (mel - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * _LINEAR, above)

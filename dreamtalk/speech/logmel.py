"""Log-mel spectra in torch, aligned so that two frames share one feature row."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ..errors import AudioError
from .speech import SAMPLE_RATE

HOP = 160
"""Samples a frame: 100 frames a second."""
WINDOW = 400
N_FFT = 512
BANDS = 64
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
    """(257, 64) triangular mel filters."""
    # librosa takes a second to import: only when a spectrum is wanted
    import librosa

    weights = librosa.filters.mel(
        sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=BANDS, fmin=50.0, fmax=7800.0, norm=None
    )
    # the cache may be filled under inference mode and used for training later
    with torch.inference_mode(False):
        return torch.from_numpy(weights.T.copy()).float()

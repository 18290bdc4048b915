"""Speech tokens: what is said and how it sounds, a second at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .speech import Features, Speech
from .voice import VOICE_CHANNELS, voice_rows

TOKEN_WINDOW, TOKEN_STRIDE = 50, 25
"""Rows at 50 a second: a token hears a second, and there are two a second."""
_PLAIN = 7  # voice channels before the bands
_SUMMARY = 15

Array = npt.NDArray[np.float64]


def token_dim(row_dim: int) -> int:
    """Width of a token made of feature rows of that width."""
    return 2 * row_dim + _SUMMARY + 2 * (len(VOICE_CHANNELS) - _PLAIN)


def speech_tokens(features: Features, speech: Speech) -> Tensor:
    """Tokens of a recording.

    Args:
        features: rows of the checkpoint's speech encoder.
        speech: the same recording.

    Returns:
        (K, token_dim) float32, two a second, K >= 1: means and deviations of the feature rows while
        somebody speaks, and of pitch, pauses, breathiness, energy, pace and spectrum.

    Raises:
        MissingDependencyError: if librosa is not installed.
    """
    return tokens_of_rows(features.rows.cpu().numpy(), voice_rows(speech))


def tokens_of_rows(rows: npt.NDArray[np.floating], voice: npt.NDArray[np.floating]) -> Tensor:
    """The tokens of feature rows (R, D) and voice rows (R, 23): (K, token_dim) float32."""
    count = max(len(rows), len(voice))
    rows, voice = _held(rows, count), _held(voice, count)
    starts = range(0, max(1, count - TOKEN_WINDOW // 2), TOKEN_STRIDE)
    found = [_token(rows[a : a + TOKEN_WINDOW], voice[a : a + TOKEN_WINDOW]) for a in starts]
    return torch.from_numpy(np.stack(found).astype(np.float32))


def _held(values: npt.NDArray[np.floating], count: int) -> Array:
    """Cut, or the last row held: (count, ...)."""
    return values[np.minimum(np.arange(count), len(values) - 1)].astype(np.float64)


def _token(rows: Array, voice: Array) -> Array:
    speaking, voiced = voice[:, 0] > 0.5, voice[:, 1] > 0.5
    bands = slice(_PLAIN, None)
    empty = np.zeros(voice.shape[1] - _PLAIN)
    summary = np.zeros(_SUMMARY)
    summary[:2] = speaking.mean(), voiced.mean()
    said = [np.zeros(rows.shape[1])] * 2
    shapes = [empty, empty]
    if speaking.any():
        said = [rows[speaking].mean(0), rows[speaking].std(0)]
        heard = voice[speaking]
        # periodicity, energy, change, tilt: how they are and how they vary
        summary[2:6], summary[6:10] = heard[:, 3:_PLAIN].mean(0), heard[:, 3:_PLAIN].std(0)
        shapes = [heard[:, bands].mean(0), heard[:, bands].std(0)]
    if voiced.any():
        pitch = voice[voiced, 2]
        summary[10:13] = (
            pitch.mean(),
            pitch.std(),
            np.abs(np.diff(pitch)).mean() if len(pitch) > 1 else 0,
        )
        summary[13:15] = np.quantile(pitch, (0.1, 0.9))
    return np.concatenate([*said, summary, *shapes])

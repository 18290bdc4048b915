"""DeepSpeech's logits as the audio network takes them.

DeepSpeech 0.1 gives 29 logits (a to z, space, apostrophe, blank) 50 times a second; they are not
put through a softmax. A window is 16 rows, one window a video frame at 25 frames a second, and the
network sees 8 neighbouring windows. DiffTalk's published code takes these arrays as files that were
made elsewhere; the windows here are those of AD-NeRF (Guo et al. 2021), whose networks and features
DiffTalk takes over.

Files are ``.npy`` with one of

- (R, 29): rows at 50 a second;
- (T, 16, 29): one window a frame, as AD-NeRF's ``aud.npy``;
- (T, 8, 16, 29): what the network takes, as DiffTalk's ``audio_smooth`` files are one by one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import AudioError
from .config import SMOOTHED, SYMBOLS, WINDOW

RATE = 50
"""Rows of logits a second."""
ROWS_PER_FRAME = 2


def windows_of_rows(rows: Tensor) -> Tensor:
    """Cut a window for every frame: rows 2i - 8 .. 2i + 7 for frame i, zeros outside.

    Args:
        rows: (R, 29)

    Returns:
        (R // 2, 16, 29)
    """
    frames = len(rows) // ROWS_PER_FRAME
    padded = F.pad(rows, (0, 0, WINDOW // 2, WINDOW // 2))
    windows = padded.unfold(0, WINDOW, ROWS_PER_FRAME)[:frames]
    return windows.transpose(1, 2).contiguous()


def neighbouring_windows(windows: Tensor) -> Tensor:
    """The windows that a frame's code is blended from: i - 4 .. i + 3, zeros outside.

    Args:
        windows: (T, 16, 29)

    Returns:
        (T, 8, 16, 29)
    """
    half = SMOOTHED // 2
    padded = F.pad(windows, (0, 0, 0, 0, half, half))
    neighbours = padded.unfold(0, SMOOTHED, 1)[: len(windows)]
    return neighbours.permute(0, 3, 1, 2).contiguous()


def read_deepspeech(path: str | Path) -> Tensor:
    """Read logits or windows of them.

    Args:
        path: ``.npy`` in one of the forms at the top of this module.

    Returns:
        (T, 8, 16, 29) float32

    Raises:
        AudioError: if the file can't be read or has another form.
    """
    path = Path(path)
    try:
        content = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise AudioError(f"can't read '{path}' as an array (.npy): {error}") from error
    if not isinstance(content, np.ndarray) or content.dtype.kind not in "fiu":
        raise AudioError(f"'{path.name}' holds no array of numbers")
    return audio_windows(torch.from_numpy(content.astype(np.float32)), f"'{path.name}'")


def audio_windows(logits: Tensor, name: str = "the audio") -> Tensor:
    """Bring logits in any of the three forms into the network's.

    Args:
        logits: (R, 29), (T, 16, 29) or (T, 8, 16, 29)
        name: for the message.

    Returns:
        (T, 8, 16, 29) float32

    Raises:
        AudioError: on another shape, too few rows, or values that are not finite.
    """
    if not logits.isfinite().all():
        raise AudioError(f"{name} holds NaN or infinite values")
    shape = tuple(logits.shape)
    if logits.ndim == 2 and shape[1:] == (SYMBOLS,):
        logits = neighbouring_windows(windows_of_rows(logits))
    elif logits.ndim == 3 and shape[1:] == (WINDOW, SYMBOLS):
        logits = neighbouring_windows(logits)
    elif shape[1:] != (SMOOTHED, WINDOW, SYMBOLS):
        raise AudioError(
            f"{name} has the shape {shape}; DeepSpeech's logits are (rows, {SYMBOLS}), "
            f"(frames, {WINDOW}, {SYMBOLS}) or (frames, {SMOOTHED}, {WINDOW}, {SYMBOLS})"
        )
    if len(logits) == 0:
        raise AudioError(f"{name} is too short for a frame: its shape is {shape}")
    return logits.float()

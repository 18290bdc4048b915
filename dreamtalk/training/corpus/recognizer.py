"""A large recognizer's encoder, whose features tell phones better than ours do.

Moonshine tiny (Useful Sensors; MIT for English) as the package ``moonshine-voice`` brings it up to
0.1.0: ``moonshine_voice/assets/tiny-en/encoder_model.ort``. It teaches and does not ship.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import DreamTalkError, MissingDependencyError
from ...networks.speech_encoder import ROW
from .utterance import Samples

Features = npt.NDArray[np.float32]
Listen = Callable[[Samples], Features]
"""(N,) float32 at 16 kHz -> (T, 288) of it; N at least a few frames."""

WIDTH = 288
FRAME = 384
"""Samples a frame: 24 ms."""
CENTRE = 447
"""Sample that the first frame is centred on: half of what its three convolutions see."""
_LEVEL = 0.06
_PIECE, _LAP = 600, 50
"""Frames at a time, and frames on each side that are heard with them."""


def load_recognizer(path: Path) -> Listen:
    """The encoder of a file.

    Raises:
        MissingDependencyError: if onnxruntime is not installed.
        DreamTalkError: if the file can't be read as one.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError("a recognizer needs: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options)
    except Exception as error:
        raise DreamTalkError(f"'{path}' is no encoder that can be read: {error}") from error
    names = {i.name for i in session.get_inputs()}
    if names != {"input_values", "attention_mask"}:
        raise DreamTalkError(
            f"'{path}' takes {', '.join(sorted(names))}: give it Moonshine's encoder_model.ort"
        )

    def listen(waveform: Samples) -> Features:
        found: list[Features] = []
        for piece in pieces(waveform):
            fed = {
                "input_values": piece[None],
                "attention_mask": np.ones((1, len(piece)), np.int64),
            }
            found.append(session.run(None, fed)[0][0])
        return joined(found, len(waveform))

    return listen


def pieces(waveform: Samples) -> list[Samples]:
    """Stretches of a recording at one level that the encoder hears one by one."""
    level = float(np.sqrt(np.mean(waveform.astype(np.float64) ** 2))) + 1e-6
    sound = np.clip(waveform * np.float32(_LEVEL / level), -1, 1).astype(np.float32)
    count = max(1, len(sound) // FRAME)
    sound = np.pad(sound, (0, FRAME * (_LAP + 4)))
    return [
        sound[
            max(0, start - _LAP) * FRAME : (min(count, start + _PIECE) + _LAP) * FRAME + 2 * CENTRE
        ]
        for start in range(0, count, _PIECE)
    ]


def joined(found: list[Features], samples: int) -> Features:
    """The frames of a recording out of those of its :func:`pieces`."""
    count = max(1, samples // FRAME)
    out = []
    for i, frames in enumerate(found):
        first = 0 if i == 0 else _LAP
        out.append(frames[first : first + min(_PIECE, count - i * _PIECE)])
    return np.concatenate(out)


def at_rows(frames: Features, rows: int) -> Features:
    """Frames interpolated at the middles of so many of our rows: (R, 288)."""
    at = ((np.arange(rows) + 0.5) * ROW - CENTRE) / FRAME
    at = np.clip(at, 0, max(0, len(frames) - 1))
    low = np.minimum(at.astype(int), max(0, len(frames) - 2))
    share = (at - low)[:, None].astype(np.float32)
    after = frames[np.minimum(low + 1, len(frames) - 1)]
    out: Features = frames[low] * (1 - share) + after * share
    return out

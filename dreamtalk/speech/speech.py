"""``Speech`` and ``Features``: what is said, as samples and as rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import AudioError
from ..files.values import load_values, making, save_values

SAMPLE_RATE = 16_000
"""Hz. Every waveform in the library has this rate."""
FEATURE_RATE = 50.0
"""Feature rows a second, of wav2vec2 and of the starter's speech encoder alike."""
FPS = 25.0
"""Motion frames a second: two feature rows each."""


@dataclass(frozen=True)
class Speech:
    """A mono recording.

    Attributes:
        waveform: (N,) float32 in -1..1 at 16 kHz.

    Raises:
        AudioError: if the waveform is empty, of another shape, or not finite.
    """

    waveform: Tensor

    def __post_init__(self) -> None:
        if self.waveform.ndim != 1 or self.waveform.numel() == 0:
            raise AudioError(f"a waveform is (N,) samples, not {tuple(self.waveform.shape)}")
        if not torch.isfinite(self.waveform).all():
            raise AudioError("the waveform holds NaN or infinite samples: export the audio again")

    def save(self, path: str | Path) -> None:
        """Write as ``.npz``: the samples, exactly.

        Raises:
            OutputError: if the file can't be written.
        """
        waveform = self.waveform.detach().float().cpu().numpy()
        save_values(path, "speech", {"waveform": waveform, "rate": np.array(SAMPLE_RATE)})

    @classmethod
    def load(cls, path: str | Path) -> Speech:
        """Read what :meth:`save` wrote.

        Raises:
            AudioError: if there is no such file, or it holds something else.
        """
        values = load_values(path, "speech", AudioError, ("waveform", "rate"))
        with making(path, "speech", AudioError):
            if int(values["rate"]) != SAMPLE_RATE:
                raise AudioError(f"'{path}' holds speech at {values['rate']} Hz, not {SAMPLE_RATE}")
            made = cls(torch.from_numpy(values["waveform"].astype(np.float32)))
        return made

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.waveform.numel() / SAMPLE_RATE

    def num_frames(self, fps: float = FPS) -> int:
        """Motion frames that cover the recording, at least 1."""
        return max(1, round(self.duration * fps))


@dataclass(frozen=True)
class Features:
    """Speech features in time order.

    Attributes:
        rows: (R, D) float32, 50 rows a second.
        kind: which extractor made them: ``"starter"`` or ``"wav2vec2-xlsr-53"``.

    Raises:
        AudioError: if the rows are of another shape, none, or not finite.
    """

    rows: Tensor
    kind: str

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or self.rows.shape[0] == 0:
            raise AudioError(f"feature rows are (R, D), not {tuple(self.rows.shape)}")
        if not torch.isfinite(self.rows).all():
            raise AudioError("the feature rows hold NaN or infinite values")

    def save(self, path: str | Path) -> None:
        """Write as ``.npz``: the rows, exactly, and their kind.

        Raises:
            OutputError: if the file can't be written.
        """
        rows = self.rows.detach().float().cpu().numpy()
        save_values(path, "features", {"rows": rows, "kind": np.array(self.kind)})

    @classmethod
    def load(cls, path: str | Path) -> Features:
        """Read what :meth:`save` wrote.

        Raises:
            AudioError: if there is no such file, or it holds something else.
        """
        values = load_values(path, "features", AudioError, ("rows", "kind"))
        with making(path, "features", AudioError):
            made = cls(torch.from_numpy(values["rows"].astype(np.float32)), str(values["kind"]))
        return made

    @property
    def num_frames(self) -> int:
        """Motion frames at 25 fps: two rows each, at least 1 (DreamTalk's convention)."""
        return max(1, self.rows.shape[0] // 2)

    def windows(self, half: int = 5, start: int = 0, stop: int | None = None) -> Tensor:
        """Sliding windows around each motion frame.

        The window of frame i is rows ``2i - half .. 2i + half``; rows outside are zero vectors.

        Args:
            half: rows on each side of the centre.
            start, stop: frames to make windows for; all by default.

        Returns:
            (N, 2 * half + 1, D)
        """
        frames = torch.arange(start, self.num_frames if stop is None else stop)
        index = 2 * frames[:, None] + torch.arange(-half, half + 1)[None]
        inside = (index >= 0) & (index < self.rows.shape[0])
        return self.rows[index.clamp(0, self.rows.shape[0] - 1)] * inside[..., None]

"""Samples as they come -> the feature rows of one motion frame after the other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..networks.speech_encoder import ROW, SpeechEncoder
from ..speech.logmel import HOP, log_mel
from .level import RunningLevel

FRAME = 2 * ROW
"""Samples a motion frame."""
_CONTEXT = 4  # log-mel frames that a cut spoils


class Listener:
    """Hears speech with a bounded look-ahead, in constant memory.

    Frame i, which is shown from 40 i ms on, hears what was said up to 20 * ``ahead`` ms after
    that; what comes later counts as if the sound held on. Before the first sample is silence. A
    frame's rows are a function of the samples up to there, so that it doesn't matter in which
    pieces they came.

    Attributes:
        level: of what is said.
        said: what is heard with the last frame, one piece after the other: (640,), where a
            look-ahead of one row knows half of it the second half with the next.

    Args:
        encoder: the checkpoint's own speech encoder.
        window: rows on each side of a frame's middle row that the denoiser sees.
        ahead: rows, at least 1.
        gain: linear, for speech whose level is known; by default it is judged on the way.
    """

    def __init__(
        self, encoder: SpeechEncoder, window: int, ahead: int, gain: float | None = None
    ) -> None:
        self._encoder, self._window, self._ahead, self._gain = encoder, window, ahead, gain
        self.level = RunningLevel()
        self._reach = window + encoder.context
        # samples that stay behind the beginning of the next frame
        self._behind = self._reach * ROW + _CONTEXT * HOP
        self._samples = torch.zeros(self._behind)
        self._measured = 0  # samples after the beginning of the next frame that the level has heard
        self._frame = 0
        self.said = torch.zeros(0)
        self._told = 0  # samples after the beginning of the next frame that were said with the last

    @property
    def frame(self) -> int:
        """The next frame's number."""
        return self._frame

    @property
    def waiting(self) -> int:
        """Samples that are here from the beginning of the next frame on."""
        return self._samples.numel() - self._behind

    @property
    def ready(self) -> bool:
        """Whether the next frame's look-ahead is here."""
        return self.waiting >= self._ahead * ROW

    def hear(self, samples: Tensor) -> None:
        """More samples: (N,) float32 at 16 kHz."""
        self._samples = torch.cat([self._samples, samples])

    def pad(self, waiting: int) -> None:
        """Cut what waits to so many samples, or fill it up with silence."""
        missing = waiting - self.waiting
        self._samples = F.pad(self._samples, (0, missing))  # a negative pad cuts
        self._measured = min(self._measured, max(waiting, 0))

    def forget(self) -> None:
        """From now on it was always silent."""
        self._samples = torch.zeros(self._behind)
        self._measured = self._told = 0

    @torch.no_grad()
    def next(self) -> tuple[Tensor, Tensor]:
        """The next frame's rows; its look-ahead has to be ready.

        Returns:
            (W, row_dim) of the window around its middle row, rows before the first one 0; and the
            samples (M,) that were heard for the first time, at the common level, M a multiple of
            320.
        """
        known = self._ahead * ROW
        fresh = self._samples[self._behind + self._measured : self._behind + known]
        self.level.hear(fresh)
        gain = self.level.gain if self._gain is None else self._gain
        heard = gain * self._samples[: self._behind + known]
        mel = log_mel(heard)[_CONTEXT:]
        wanted = 2 * (2 * self._reach + 1)
        mel = torch.cat([mel, mel[-1:].expand(max(0, wanted - len(mel)), -1)])[:wanted]
        device = self._encoder.stem.weight.device
        rows = self._encoder.hear_inside(mel.to(device))
        before = self._window - 2 * self._frame
        if before > 0:  # as where a recording begins
            rows = torch.cat([torch.zeros_like(rows[:before]), rows[before:]])
        until = min(FRAME, known)
        self.said = self._samples[self._behind + self._told : self._behind + until]
        self._told = until - FRAME
        self._samples = self._samples[FRAME:]
        self._measured = known - FRAME
        self._frame += 1
        return rows, gain * fresh

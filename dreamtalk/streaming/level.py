"""How loud somebody speaks, judged while they speak."""

from __future__ import annotations

import math

from torch import Tensor

from ..networks.speech_encoder import LEVEL
from ..speech.loading import MAX_GAIN, frame_power

_GATE_DB = 17.0  # below the loudest moment speech is assumed to pause, as in whole recordings
_ABOVE_ROOM_DB = 9.0  # what is not that much louder than the room is no speech
_LEAST_DB = -55.0
_FADE_DB = 0.04  # each 20 ms: the loudest moment is forgotten at 2 dB a second
_RISE_DB = 0.03  # each 20 ms: the room is allowed to get louder by 1.5 dB a second
_DOUBT = 25.0  # 20 ms: after half a second of speech half of the gain is what was heard
_MEMORY = 250.0  # 20 ms: five seconds of speech


class RunningLevel:
    """A gain that brings speech to the common level, from what was said so far.

    The offline way measures the whole recording first. Here the gain begins at the common level's
    own, moves towards what is heard within a second of speech, and follows slowly. It depends on
    the samples alone, not on how they were cut.

    Attributes:
        room: dB, the level of the room between the words.
    """

    def __init__(self) -> None:
        self._expected = 20 * math.log10(LEVEL)
        self._loudest = self._expected
        self._power, self._weight = 0.0, 0.0
        self.room = -60.0

    def hear(self, samples: Tensor) -> None:
        """(N,) at 16 kHz, N a multiple of 320."""
        for power in frame_power(samples).tolist():
            self._take(power)

    def _take(self, power: float) -> None:
        level = 10 * math.log10(power + 1e-12)
        self.room = max(-90.0, min(level, self.room + _RISE_DB))
        self._loudest = max(level, self._loudest - _FADE_DB)
        least = max(self._loudest - _GATE_DB, self.room + _ABOVE_ROOM_DB, _LEAST_DB)
        if level >= least:
            keep = 1.0 - 1.0 / _MEMORY
            self._power, self._weight = keep * self._power + power, keep * self._weight + 1.0

    @property
    def gain(self) -> float:
        """Linear."""
        if self._weight == 0:
            return 1.0
        heard = 10 * math.log10(self._power / self._weight + 1e-12)
        share = self._weight / (self._weight + _DOUBT)
        return min(10 ** (share * (self._expected - heard) / 20), MAX_GAIN)

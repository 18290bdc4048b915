"""What the loudness of speech tells about its delivery, while it comes in.

The offline way (``motion/prosody.py``) sees the whole recording: its thresholds, where a phrase is
going to end, which syllables stand out from the seconds around them. Here only the past is known.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from torch import Tensor

_HOP = 160
_RATE = 100.0
_LOUD_DB = -16.0  # of loud syllables, when speech is at the common level
_BELOW_LOUD_DB = 25.0
_ABOVE_ROOM_DB = 8.0
_PAUSE = 20  # hops
_PHRASE = 15
_SLOW = 120  # hops that activity is averaged over: heads don't stop between two words
_AROUND = 200
_PROMINENT_DB, _STRONGEST_DB = 2.5, 9.0
_SMOOTH = 0.3  # share of a hop's power that the level takes on: a time constant of 30 ms
_PEAK = 6  # hops without a higher level, after which a syllable's peak is over
_BETWEEN = 50  # hops: one accent in any half second


class Cues:
    """Speaking, pausing and stressing, in s of what was heard so far.

    Attributes:
        phrase_start, phrase_end: of the last phrase that began or ended; minus infinity before.
        accents: (time, weight 0..1) of the stressed syllables that were found by the last
            :meth:`hear`.
    """

    def __init__(self) -> None:
        self.phrase_start = self.phrase_end = -np.inf
        self.accents: list[tuple[float, float]] = []
        self._hops = 0
        self._power = 0.0
        self._speaking = False
        self._run = 0  # hops that the opposite has lasted for
        self._mask: deque[float] = deque([0.0] * _SLOW, _SLOW)
        self._levels: deque[float] = deque(maxlen=_AROUND)
        self._peak, self._peak_at, self._last_accent = -np.inf, 0, -_BETWEEN

    def hear(self, samples: Tensor, room: float) -> None:
        """More of it: (N,) at the common level, N a multiple of 160; the room's level in dB."""
        self.accents = []
        hops = samples.view(-1, _HOP).double().square().mean(1).tolist()
        for power in hops:
            self._take(power, room)

    @property
    def speaking(self) -> bool:
        """Whether a phrase is being said."""
        return self._speaking

    @property
    def activity(self) -> float:
        """0..1, how much of the last second was speech."""
        return sum(self._mask) / _SLOW

    def _take(self, power: float, room: float) -> None:
        self._power += _SMOOTH * (power - self._power)
        level = max(10 * np.log10(self._power + 1e-12), -60.0)
        least = max(_LOUD_DB - _BELOW_LOUD_DB, min(room + _ABOVE_ROOM_DB, _LOUD_DB - 8.0))
        loud = level > least
        self._hops += 1
        self._run = self._run + 1 if loud != self._speaking else 0
        if self._run >= (_PAUSE if self._speaking else _PHRASE):
            at = (self._hops - self._run) / _RATE
            self._speaking = loud
            self._run = 0
            if loud:
                self.phrase_start = at
            else:
                self.phrase_end = at
        self._mask.append(float(self._speaking))
        if loud:
            self._levels.append(level)
        self._follow_peak(level, loud)

    def _follow_peak(self, level: float, loud: bool) -> None:
        if loud and level > self._peak:
            self._peak, self._peak_at = level, self._hops
        elif self._hops - self._peak_at == _PEAK and len(self._levels) >= _PHRASE:
            prominence = self._peak - float(np.mean(self._levels))
            free = self._peak_at - self._last_accent >= _BETWEEN
            if prominence > _PROMINENT_DB and free:
                weight = min(1.0, prominence / _STRONGEST_DB)
                self.accents.append((self._peak_at / _RATE, weight))
                self._last_accent = self._peak_at
        if not loud or self._hops - self._peak_at >= 2 * _PEAK:
            self._peak = -np.inf

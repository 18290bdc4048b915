"""Blinks: when they come, how the lids move.

Figures: 15-43 blinks a minute and 230-350 ms below 56 % of the open eye in filmed speech; lids
close about twice as fast as they open; blinks gather at the ends of phrases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..curves.easing import smoothstep
from .prosody import Prosody

RATE = 21.0
"""Blinks a minute."""
SPREAD = 0.62  # of the log of the interval between blinks
LONGEST = 2.6  # times the mean interval: staring would be noticed
REFRACTORY = 0.45
PULL_REACH = 1.0  # s: a blink this close to the end of a phrase waits for it
PULL_CHANCE = 0.7
DOUBLE_CHANCE = 0.07
_PARTIAL_CHANCE = 0.12


@dataclass(frozen=True)
class Blink:
    """One blink of both eyes.

    Attributes:
        start: s, when the lids begin to close.
        depth: 1 = shut.
        closing, shut, opening: s, lengths of the three parts.
        lag: s by which the right eye follows the left (negative: leads).
    """

    start: float
    depth: float
    closing: float
    shut: float
    opening: float
    lag: float

    @property
    def end(self) -> float:
        """When the lids are open again, in s."""
        return self.start + self.closing + self.shut + self.opening

    def closure(self, times: np.ndarray) -> np.ndarray:
        """How far the lid is shut at times (n,), s: (n,), 0 open, ``depth`` at most."""
        since = times - self.start
        down = smoothstep(0, self.closing, since)
        # lids open quickly at first and settle slowly
        way = np.clip((since - self.closing - self.shut) / self.opening, 0.0, 1.0)
        up = smoothstep(0, 1, way**0.65)
        return self.depth * down * (1.0 - up)


def draw_blinks(
    prosody: Prosody, duration: float, rng: np.random.Generator, rate: float = RATE
) -> list[Blink]:
    """Draw a train of blinks.

    Intervals are log-normal. A blink that falls within a second of the end of a phrase is mostly
    pulled to it, because that is where people blink; a few come in twos, a few stay half open.

    Args:
        prosody: cues of the recording.
        duration: s to fill.
        rng: where the dice come from.
        rate: blinks a minute.
    """
    blinks: list[Blink] = []
    mean = 60.0 / rate
    scale = np.log(mean) - SPREAD**2 / 2.0
    # somebody who enters the picture blinked a while ago
    time = float(rng.uniform(0.3, 1.0)) * mean * 0.8
    while time < duration:
        blinks.append(draw_blink(_pulled(time, blinks, prosody, rng), rng))
        if rng.uniform() < DOUBLE_CHANCE:
            blinks.append(draw_blink(blinks[-1].end + float(rng.uniform(0.02, 0.15)), rng))
        interval = min(LONGEST * mean, float(np.exp(rng.normal(scale, SPREAD))))
        # the pull must not slow the train down: count from the time that was drawn
        time = max(time + interval, blinks[-1].end + REFRACTORY)
    # a film that ends with half-closed eyes looks cut off
    return [blink for blink in blinks if blink.end < duration]


def _pulled(time: float, blinks: list[Blink], prosody: Prosody, rng: np.random.Generator) -> float:
    chance, jitter = rng.uniform(), float(rng.normal(0.06, 0.08))
    if len(prosody.phrases) == 0 or chance > PULL_CHANCE:
        return time
    target = float(prosody.phrase_ends[np.abs(prosody.phrase_ends - time).argmin()]) + jitter
    free = not blinks or target > blinks[-1].end + 0.2
    return target if free and abs(target - time) < PULL_REACH and target > 0 else time


def draw_blink(start: float, rng: np.random.Generator) -> Blink:
    """One blink that begins at a time (s)."""
    partial = rng.uniform() < _PARTIAL_CHANCE
    depth = rng.uniform(0.45, 0.75) if partial else rng.uniform(0.95, 1.0)
    pace = float(np.exp(rng.normal(0.0, 0.15)))
    return Blink(
        start=start,
        depth=float(depth),
        closing=0.105 * pace,
        # at least one frame at 25 fps sees the eye shut
        shut=max(0.04, float(rng.normal(0.045, 0.015))),
        opening=0.25 * pace * float(np.exp(rng.normal(0.0, 0.12))),
        lag=float(rng.normal(0.0, 0.006)),
    )


def closure_curves(blinks: list[Blink], times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Closure of the left and right eye over time, (n,) each, 0 open .. 1 shut."""
    left, right = np.zeros(len(times)), np.zeros(len(times))
    for blink in blinks:
        first, last = np.searchsorted(times, [blink.start - 0.05, blink.end + 0.05])
        window = times[first:last]
        left[first:last] = np.maximum(left[first:last], blink.closure(window))
        right[first:last] = np.maximum(right[first:last], blink.closure(window - blink.lag))
    return left, right

"""Blinks, gaze, head motion and breath for a face that doesn't know how long it will talk.

Draws from the same dice as ``add_natural_motion``: while nothing is said, the same seed gives the
same motion. What goes with speech there (blinks at the ends of phrases, nods on stressed syllables)
answers here to what was heard, a little later.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..curves.easing import minimum_jerk, smoothstep
from ..motion.blinks import (
    DOUBLE_CHANCE,
    LONGEST,
    PULL_CHANCE,
    PULL_REACH,
    RATE,
    REFRACTORY,
    SPREAD,
    Blink,
    draw_blink,
)  # fmt: skip
from ..motion.gaze import DRIFT, hold_on_viewer, iris_offsets, jump_length, next_fixation
from ..motion.idle import (
    BREATH_PERIOD,
    FADE_IN,
    LISTENING,
    NOD,
    PITCH_BANDS,
    SHIFT_BANDS,
    SWAY,
    TRANSLATION,
    TURN_BANDS,
    breath_curve,
    breath_head,
    draw_breath_cycle,
    draw_posture,
)  # fmt: skip
from ..motion.motion import Motion
from ..motion.natural import eye_closure, life_offsets, with_life
from ..motion.noise import NoiseStream, spawn
from .cues import Cues

_LONGEST_PHRASE = 6.0  # s without a breath
_QUICK_BREATH = 0.55  # s that a speaker's breath in takes at most


class Life:
    """Natural motion, frame by frame.

    Args:
        seed: of the dice.
        strength: of all of it; 0 for none.
        fps: frames a second.
    """

    def __init__(self, seed: int, strength: float, fps: float) -> None:
        self._strength, self._fps, self._frame = strength, fps, 0
        streams = spawn(np.random.default_rng(int(seed) % 2**63), 4)
        self._blinks = _Blinks(streams[0], RATE * max(strength, 1e-3))
        self._gaze = _Gaze(streams[1], fps)
        self._head = _Head(streams[2], fps)
        self._breath = _Breath(streams[3])

    def add(self, motion: Motion, cues: Cues) -> Motion:
        """The next frame (a motion of one) with what it does by itself."""
        if self._strength == 0:
            return motion
        time, strength = self._frame / self._fps, self._strength
        self._frame += 1
        volume, pose = self._breath.step(time, cues)
        head, emphasis = self._head.step(time, cues)
        pose = strength * (pose + head)
        angles = self._gaze.step(time, cues) + hold_on_viewer(pose)
        offsets = life_offsets(
            strength * volume, strength * emphasis, strength * iris_offsets(angles)
        )
        shut = float(eye_closure(motion)) > 0.5
        return with_life(motion, offsets, pose, self._blinks.step(time, cues, shut))


class _Blinks:
    def __init__(self, rng: np.random.Generator, rate: float) -> None:
        self._rng, self._mean = rng, 60.0 / rate
        self._scale = np.log(self._mean) - SPREAD**2 / 2.0
        self._due = float(rng.uniform(0.3, 1.0)) * self._mean * 0.8
        self._chance, self._jitter = rng.uniform(), float(rng.normal(0.06, 0.08))
        self._under_way: list[Blink] = []
        self._heard_end = -np.inf

    def step(self, time: float, cues: Cues, shut: bool) -> np.ndarray:
        """Closure (2, 1) of the left and the right eye."""
        ended = cues.phrase_end != self._heard_end
        self._heard_end = cues.phrase_end
        near = abs(cues.phrase_end - self._due) < PULL_REACH
        if ended and near and self._chance <= PULL_CHANCE:
            last = self._under_way[-1].end if self._under_way else -np.inf
            start = max(time, cues.phrase_end + self._jitter)
            if start > last + 0.2:
                self._blink(start, shut)
        # begun before the frame that would show its start
        while self._due <= time + 0.05:
            self._blink(self._due, shut)
        left = _most_shut(self._under_way, [time] * len(self._under_way))
        right = _most_shut(self._under_way, [time - blink.lag for blink in self._under_way])
        self._under_way = [b for b in self._under_way if b.end > time - 0.1][-4:]
        return np.array([[left], [right]])

    def _blink(self, start: float, shut: bool) -> None:
        rng = self._rng
        drawn = [draw_blink(start, rng)]
        if rng.uniform() < DOUBLE_CHANCE:
            drawn.append(draw_blink(drawn[-1].end + float(rng.uniform(0.02, 0.15)), rng))
        interval = min(LONGEST * self._mean, float(np.exp(rng.normal(self._scale, SPREAD))))
        self._due = max(self._due + interval, drawn[-1].end + REFRACTORY)
        self._chance, self._jitter = rng.uniform(), float(rng.normal(0.06, 0.08))
        if not shut:
            self._under_way += drawn


def _most_shut(blinks: Sequence[Blink], times: Sequence[float]) -> float:
    """The closure of the blink that shuts the eye most, each at a time of its own; 0 for none."""
    closures = (
        float(blink.closure(np.array([time]))[0]) for blink, time in zip(blinks, times, strict=True)
    )
    return max(closures, default=0.0)


class _Gaze:
    def __init__(self, rng: np.random.Generator, fps: float) -> None:
        self._rng, drift = spawn(rng, 2)
        self._drift = [NoiseStream(child, fps, [(0.2, 2.0, 1.0)]) for child in spawn(drift, 2)]
        self._from, self._to, self._began = np.zeros(2), np.zeros(2), -np.inf
        self._next = next_fixation(np.zeros(0), 0.0, False, self._rng)

    def step(self, time: float, cues: Cues) -> np.ndarray:
        """Angles (1, 2) in radians."""
        while self._next[0] <= time:
            onset, target, away = self._next
            self._from, self._to, self._began = self._to, target, onset
            begins = np.array([cues.phrase_start] if np.isfinite(cues.phrase_start) else [])
            self._next = next_fixation(begins, onset, away, self._rng)
        way = self._to - self._from
        share = smoothstep(0, jump_length(way), np.array([time - self._began]))
        angles = self._from + share[:, None] * way
        return angles + DRIFT * np.array([[noise.next()[0] for noise in self._drift]])


class _Head:
    def __init__(self, rng: np.random.Generator, fps: float) -> None:
        noise, self._posture_rng, self._nod_rng = spawn(rng, 3)
        bands = (PITCH_BANDS, TURN_BANDS, TURN_BANDS, SHIFT_BANDS, SHIFT_BANDS, SHIFT_BANDS)
        self._noise = [
            NoiseStream(child, fps, band)
            for child, band in zip(spawn(noise, 6), bands, strict=True)
        ]
        self._heard_start = -np.inf
        self._rest = np.zeros(3)  # of the ways that are over
        self._ways: list[tuple[float, float, np.ndarray]] = []
        self._pose = np.zeros(3)
        self._posture = draw_posture(self._posture_rng)
        self._due = self._posture[0]
        self._nods: list[tuple[float, float, float, np.ndarray]] = []

    def step(self, time: float, cues: Cues) -> tuple[np.ndarray, np.ndarray]:
        """Head (1, 6) and emphasis (1,)."""
        lively = LISTENING + (1.0 - LISTENING) * cues.activity
        head = np.zeros((1, 6))
        for axis, noise in enumerate(self._noise):
            curves = noise.next()
            if axis < 3:
                quick = curves[1:].sum() * lively**1.5
                head[0, axis] = np.deg2rad(SWAY[axis]) * (curves[0] * lively**0.5 + quick)
            else:
                head[0, axis] = TRANSLATION[axis - 3] * curves[0]
        head[0, :3] += self._at_rest(time, cues)
        nods, emphasis = self._nodding(time, cues)
        head[0, :3] += nods
        return head * smoothstep(0, FADE_IN, np.array([time]))[:, None], np.array([emphasis])

    def _at_rest(self, time: float, cues: Cues) -> np.ndarray:
        """The resting pose, (3,) radians."""
        began = cues.phrase_start != self._heard_start
        self._heard_start = cues.phrase_start
        if (began and self._due - time < 1.5) or time >= self._due:
            _, _, length, pose = self._posture
            start = min(time, self._due)
            self._ways.append((start, length, pose - self._pose))
            self._pose = pose
            self._posture = draw_posture(self._posture_rng)
            self._due = start + self._posture[0]
        for way in [way for way in self._ways if time > way[0] + way[1]]:
            self._rest = self._rest + way[2]
            self._ways.remove(way)
        moving = [
            way * minimum_jerk(np.clip((time - start) / length, 0.0, 1.0))
            for start, length, way in self._ways
        ]
        return self._rest + sum(moving, np.zeros(3))

    def _nodding(self, time: float, cues: Cues) -> tuple[np.ndarray, float]:
        for _, weight in cues.accents:
            rng = self._nod_rng
            chance, width = rng.uniform(), rng.uniform(0.8, 1.3)
            size = float(np.exp(rng.normal(0.0, 0.3)))
            turn, tilt = rng.normal(0.0, 0.35, size=2)
            if chance <= 0.15 + 0.75 * weight:
                strength = (0.35 + 0.65 * weight) * size
                self._nods.append((time, float(width), strength, np.array([1.0, turn, tilt])))
        self._nods = [nod for nod in self._nods if time - nod[0] < 2.0]
        angles, emphasis = np.zeros(3), 0.0
        for start, width, strength, axes in self._nods:
            since = (time - start) / width
            # down within 0.2 s, slowly back: the syllable is over by the time it is noticed
            beat = float(
                smoothstep(0, 0.2, np.array(since))
                * np.exp(-0.5 * (max(0.0, since - 0.2) / 0.24) ** 2)
            )
            angles += np.deg2rad(NOD) * strength * beat * axes
            emphasis = max(emphasis, min(1.0, strength) * beat)
        return angles, emphasis


class _Breath:
    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._start = -float(rng.uniform(0.0, BREATH_PERIOD))
        self._length, self._depth = draw_breath_cycle(rng)
        self._inhale = 0.4 * self._length
        self._first: np.ndarray | None = None

    def step(self, time: float, cues: Cues) -> tuple[np.ndarray, np.ndarray]:
        """The volume (1,) and the head (1, 6)."""
        out = time >= self._start + self._length
        # who speaks goes on until there is a pause, or no air left
        if out and (not cues.speaking or time - self._start > _LONGEST_PHRASE):
            quick = cues.activity > 0.3
            self._start = (
                time if time - self._start - self._length > 0.2 else (self._start + self._length)
            )
            self._length, self._depth = draw_breath_cycle(self._rng)
            self._inhale = 0.4 * self._length
            if quick:
                self._inhale = min(_QUICK_BREATH, 0.3 * self._length)
        since = np.array([time - self._start])
        volume = self._depth * breath_curve(since, self._inhale, self._length)
        head = breath_head(volume)
        if self._first is None:
            self._first = head
        return volume, head - self._first

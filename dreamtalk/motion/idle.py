"""What a head does by itself: sway, shifts of posture, nods with stressed syllables, breath."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..curves.easing import minimum_jerk, smoothstep
from .noise import Band, band_noise, spawn
from .prosody import Prosody

# With shifts of posture and nods on top, the shares of power come out as in filmed speech
# (0.2-1, 1-2, 2-4 Hz: .75 .15 .07 for pitch, .90 .08 .02 for roll; yaw was like roll).
PITCH_BANDS: list[Band] = [
    (0.04, 0.36, 0.90),
    (1.0, 2.0, 0.05),
    (2.0, 4.0, 0.03),
    (4.0, 6.0, 0.01),
]
TURN_BANDS: list[Band] = [(0.03, 0.3, 0.965), (1.0, 2.0, 0.022), (2.0, 4.0, 0.01)]
SHIFT_BANDS: list[Band] = [(0.05, 0.6, 1.0)]

# Degrees. Five people who were filmed while they talked had standard deviations of 1.6-3.3, 1.1-4.9
# and 2.4-4.4 (pitch, yaw, roll); this gives the calm end of that.
SWAY = (1.3, 1.35, 2.1)
POSTURE = (1.0, 1.3, 1.8)
NOD = 1.5
TRANSLATION = (0.005, 0.004, 0.007)  # IOD
LISTENING = 0.4  # sway of somebody who is silent, against somebody who speaks

BREATH_PERIOD = 4.1  # s
BREATH_RISE = 0.008  # IOD
BREATH_PITCH = 0.22  # degrees, chin up when breathing in
FADE_IN = 0.8  # s: the first frame is the portrait's own pose


@dataclass(frozen=True)
class HeadLife:
    """Idle head motion.

    Attributes:
        head: (n, 6) radians and IOD, in the conventions of ``Motion.head``.
        emphasis: (n,) 0..1, how much the moment is stressed (brows go with it).
    """

    head: np.ndarray
    emphasis: np.ndarray


def draw_head(prosody: Prosody, times: np.ndarray, rng: np.random.Generator) -> HeadLife:
    """Draw idle head motion that goes with the speech.

    Sway has the spectrum of filmed speech and calms down in pauses; the posture changes where
    phrases begin (every few seconds without speech); stressed syllables get a small nod, some of
    them together with a turn.

    Args:
        prosody: cues of the recording.
        times: (n,) s, rising, from 0.
        rng: where the dice come from.
    """
    noise_rng, posture_rng, nod_rng = spawn(rng, 3)
    head = np.zeros((len(times), 6))
    lively = LISTENING + (1.0 - LISTENING) * _slow_activity(prosody, times)
    bands = (PITCH_BANDS, TURN_BANDS, TURN_BANDS)
    for axis, child in enumerate(spawn(noise_rng, 6)):
        if axis < 3:
            curves = band_noise(child, times, bands[axis])
            # quick movement belongs to speaking even more than sway does
            quick = curves[1:].sum(0) * lively**1.5
            head[:, axis] = np.deg2rad(SWAY[axis]) * (curves[0] * lively**0.5 + quick)
        else:
            head[:, axis] = TRANSLATION[axis - 3] * band_noise(child, times, SHIFT_BANDS)[0]
    head[:, :3] += _posture(prosody, times, posture_rng)
    nods, emphasis = _nods(prosody, times, nod_rng)
    head[:, :3] += nods
    head *= smoothstep(0, FADE_IN, times)[:, None]
    return HeadLife(head, emphasis)


def _slow_activity(prosody: Prosody, times: np.ndarray) -> np.ndarray:
    """Activity averaged over about a second: heads don't stop between two words."""
    offsets = np.linspace(-0.6, 0.6, 7)
    return np.mean([prosody.activity_at(times + offset) for offset in offsets], axis=0)


def _posture(prosody: Prosody, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Steps between resting poses, (n, 3) radians."""
    end = float(times[-1]) if len(times) else 0.0
    angles = np.zeros((len(times), 3))
    time, pose = 0.0, np.zeros(3)
    while True:
        wait, jitter, length, step = draw_posture(rng)
        time += wait
        if time > end:
            return angles
        if len(prosody.phrases):
            start = prosody.phrase_starts[np.abs(prosody.phrase_starts - time).argmin()]
            time = max(time - 1.0, float(start) + jitter) if abs(start - time) < 1.5 else time
        phase = np.clip((times - time) / length, 0.0, 1.0)
        angles += (step - pose) * minimum_jerk(phase)[:, None]
        pose = step


def draw_posture(rng: np.random.Generator) -> tuple[float, float, float, np.ndarray]:
    """The next resting pose: s until it is due, s of jitter, s that the way takes, (3,) radians."""
    wait = float(rng.uniform(2.2, 6.0))
    jitter = float(rng.normal(-0.1, 0.15))
    length = float(rng.uniform(0.7, 1.4))
    return wait, jitter, length, rng.normal(0.0, 1.0, size=3) * np.deg2rad(POSTURE)


def _nods(
    prosody: Prosody, times: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Beats on stressed syllables: angles (n, 3) in radians, and the emphasis (n,)."""
    angles, emphasis = np.zeros((len(times), 3)), np.zeros(len(times))
    for time, weight in zip(prosody.accents, prosody.weights, strict=True):
        chance, lead, width = rng.uniform(), float(rng.normal(0.02, 0.05)), rng.uniform(0.8, 1.3)
        size = float(np.exp(rng.normal(0.0, 0.3)))
        turn, tilt = rng.normal(0.0, 0.35, size=2)
        if chance > 0.15 + 0.75 * weight:
            continue
        # a beat is over within two seconds
        first, last = np.searchsorted(times, [time + lead - 2.0, time + lead + 2.0])
        since = (times[first:last] - time - lead) / float(width)
        # chin up a little before, down on the syllable, slowly back
        beat = np.exp(-0.5 * (since / np.where(since < 0, 0.13, 0.24)) ** 2)
        lift = np.exp(-0.5 * ((since + 0.36) / 0.15) ** 2)
        strength = (0.35 + 0.65 * float(weight)) * size
        beat_angle = np.deg2rad(NOD) * strength * (beat - 0.35 * lift)
        angles[first:last] += beat_angle[:, None] * np.array([1.0, turn, tilt])
        emphasis[first:last] = np.maximum(emphasis[first:last], min(1.0, strength) * beat)
    return angles, emphasis


def draw_breath(
    prosody: Prosody, times: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Breathing as it shows on a head.

    Silent people breathe about 15 times a minute, in for 40 % of the time; speakers snatch a
    breath in a pause and let it out over the phrase.

    Args:
        prosody: cues of the recording.
        times: (n,) s, rising, from 0.
        rng: where the dice come from.

    Returns:
        Head offsets (n, 6), and the volume (n,) 0 (out) .. 1 (in).
    """
    end = float(times[-1]) if len(times) else 0.0
    volume: np.ndarray = np.zeros(len(times))
    time, depth = -float(rng.uniform(0.0, BREATH_PERIOD)), 1.0
    while time < end:
        length, depth = draw_breath_cycle(rng)
        pauses = prosody.phrase_ends[
            (prosody.phrase_ends > time + 1.6) & (prosody.phrase_ends < time + length + 2.5)
        ]
        speaking = len(pauses) > 0
        if speaking:
            length = float(pauses[np.abs(pauses - time - length).argmin()]) + 0.05 - time
        quick = bool(len(prosody.phrases)) and bool(prosody.activity_at(np.array([time + 1.0]))[0])
        inhale = min(0.55, 0.3 * length) if quick else 0.4 * length
        since = times - time
        volume = np.maximum(volume, depth * breath_curve(since, inhale, length))
        time += length
    head = breath_head(volume)
    return head - head[:1], volume


def draw_breath_cycle(rng: np.random.Generator) -> tuple[float, float]:
    """How long a breath takes, s, and its depth, 0.5..1."""
    length = BREATH_PERIOD * float(np.exp(rng.normal(0.0, 0.14)))
    return length, float(np.clip(rng.normal(0.85, 0.12), 0.5, 1.0))


def breath_curve(since: np.ndarray, inhale: float, length: float) -> np.ndarray:
    """Volume 0..1 of one breath, (n,) seconds after it began; both lengths are in s, too."""
    return smoothstep(0, inhale, since) * (1.0 - smoothstep(inhale, length, since))


def breath_head(volume: np.ndarray) -> np.ndarray:
    """Head offsets (n, 6) of a breath's volume (n,)."""
    head = np.zeros((len(volume), 6))
    head[:, 0] = -np.deg2rad(BREATH_PITCH) * volume
    head[:, 4] = BREATH_RISE * volume
    return head

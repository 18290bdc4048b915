"""What a face does while another one speaks: lips at rest, a calm expression, nods at pauses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..curves.easing import smoothstep
from ..motion.motion import Motion
from ..motion.spaces import OPENING_SHAPE
from .voices import FaceVoice

MILDNESS = 0.5
"""How much of its expression a face keeps while it listens."""
NOD_CHANCE = 0.55
"""Share of a speaker's pauses that a listener nods at."""
STRESS_CHANCE = 0.2
"""Share of the stressed words within a phrase that a listener nods at, once and less."""
NOD_ANGLE = np.deg2rad(3.2)
_SETTLED = 1.0  # s that a listener's expression is averaged over: no lips that half speak
_OPENS = (0.42, 0.16)  # s before the first sound: lips begin to leave rest, have left it
_CLOSES = (0.12, 0.5)  # s after the last sound
_LATENCY = (0.18, 0.08)  # s from the pause to the nod, and its deviation
_APART = 1.5  # s between two nods
_PERIOD = (0.38, 0.55)  # s
_TIMES, _CHANCES = (1, 2, 3), (0.45, 0.4, 0.15)
_STRONG = 0.5  # weight of an accent
_TALKS_SOON = 0.6  # s: who is about to speak does not nod


def speaking_share(turns: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(n,) 0..1: whether the motion is the speaker's (1) or a listener's at given times (n,)."""
    share = np.zeros(len(times))
    for start, end in turns:
        first, last = np.searchsorted(times, [start - _OPENS[0], end + _CLOSES[1]])
        around = times[first:last]
        opened = smoothstep(start - _OPENS[0], start - _OPENS[1], around)
        closed = smoothstep(end + _CLOSES[0], end + _CLOSES[1], around)
        share[first:last] = np.maximum(share[first:last], np.minimum(opened, 1.0 - closed))
    return share


def with_rest(motion: Motion, turns: np.ndarray) -> Motion:
    """A sampled motion whose face is at rest outside of its turns.

    Inside of them it is what was sampled. Outside, the expression is what was sampled there on
    average, milder, with closed lips.

    Args:
        motion: in any space, as sampled from a voice that is silent outside of its turns.
        turns: (K, 2) s.
    """
    times = np.arange(len(motion)) / motion.fps
    share = speaking_share(turns, times)
    if (share == 1.0).all():
        return motion
    at_rest = _closed(motion, _calm(motion, share))
    weight = torch.from_numpy(share).to(motion.expression)[:, None]
    # exactly what was sampled where it is all of it
    mixed = torch.where(
        weight == 1, motion.expression, torch.lerp(at_rest, motion.expression, weight)
    )
    return motion.with_(expression=mixed)


def _calm(motion: Motion, share: np.ndarray) -> Tensor:
    """(n, C): the mean of what is sampled in silence around a moment, milder."""
    values = motion.expression.double().numpy()
    sigma = _SETTLED * motion.fps
    silent = np.maximum((share == 0.0).astype(np.float64), 1e-9)[:, None]
    total = gaussian_filter1d(silent * values, sigma, axis=0, mode="nearest")
    mean = total / gaussian_filter1d(silent, sigma, axis=0, mode="nearest")
    return torch.from_numpy(MILDNESS * mean).to(motion.expression)


def _closed(motion: Motion, expression: Tensor) -> Tensor:
    """An expression (n, C) with lips that meet, as far as the motion's space can tell."""
    space, result = motion.motion_space, expression.clone()
    if space.name == "face":
        gap = expression[:, space.index["lipAperture"]].clamp(min=0)
        for channel, amount in OPENING_SHAPE.items():
            result[:, space.index[channel]] -= amount * gap
    for channel, _ in space.lips.weights if space.lips else ():
        result[:, space.index[channel]] = 0.0
    return result


def draw_nods(
    face: int, voices: Sequence[FaceVoice], times: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Nods with which a listener says "go on": at the speaker's pauses, and now and then at a word.

    Args:
        face: who listens.
        voices: of all faces.
        times: (n,) s, rising.
        rng: where the dice come from.

    Returns:
        (n,) radians of pitch, down positive; (n,) 0..1, how much brows go along.
    """
    pitch, brows = np.zeros(len(times)), np.zeros(len(times))
    own = voices[face].turns
    cues = [voice.prosody for other, voice in enumerate(voices) if other != face]
    moments = sorted(
        [(float(end), True) for heard in cues for end in heard.phrase_ends]
        + [
            (float(time), False)
            for heard in cues
            for time, weight in zip(heard.accents, heard.weights, strict=True)
            if weight > _STRONG
        ]
    )
    free = 0.0
    for moment, pause in moments:
        chance, late = rng.uniform(), float(rng.normal(*_LATENCY))
        count = int(rng.choice(_TIMES, p=_CHANCES)) if pause else 1
        period = float(rng.uniform(*_PERIOD))
        angle = NOD_ANGLE * float(np.exp(rng.normal(0.0, 0.25))) * (1.0 if pause else 0.6)
        raised = float(rng.uniform(0.0, 0.6))
        start = moment + float(np.clip(late, 0.03, 0.4))
        end = start + count * period
        busy = ((own[:, 0] - _TALKS_SOON < end) & (own[:, 1] > start)).any()
        if chance > (NOD_CHANCE if pause else STRESS_CHANCE) or start < free or busy:
            continue
        free = end + _APART
        for i in range(count):
            begun = start + i * period
            first, last = np.searchsorted(times, [begun, begun + period])
            bob = 0.5 - 0.5 * np.cos(2 * np.pi * (times[first:last] - begun) / period)
            pitch[first:last] += angle * 0.7**i * bob
            brows[first:last] = np.maximum(brows[first:last], raised * 0.7**i * bob)
    return pitch, brows

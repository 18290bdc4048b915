"""Where the eyes look: fixations, saccades, and the reflex that holds them on the viewer."""

from __future__ import annotations

import numpy as np

from ..curves.easing import smoothstep
from .noise import band_noise, spawn
from .prosody import Prosody

EYE_RADIUS = 0.13
"""IOD from the centre of the eyeball to the iris (12 mm, with 92 mm between the outer corners)."""
LID_FOLLOWS = 0.75
"""How much of the iris's vertical path the upper lid goes along with."""
_AVERSION_CHANCE = 0.2
_LIMIT = np.deg2rad(11.0)
DRIFT = np.deg2rad(0.12)


def draw_gaze(prosody: Prosody, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaze angles over time, the same for both eyes.

    The eyes rest on the viewer, jump to another point of the viewer's face every second or so,
    and now and then look away for a moment, mostly when a phrase begins. Jumps take 20 ms and
    2.5 ms a degree, the main sequence of human saccades.

    Args:
        prosody: cues of the recording.
        times: (n,) s, rising, from 0.
        rng: where the dice come from.

    Returns:
        (n, 2) radians: horizontal (positive = to the subject's left), vertical (positive = up).
    """
    fixation_rng, drift_rng = spawn(rng, 2)
    angles = np.zeros((len(times), 2))
    end = float(times[-1]) if len(times) else 0.0
    time, away, previous = 0.0, False, np.zeros(2)
    while True:
        onset, target, away = next_fixation(prosody.phrase_starts, time, away, fixation_rng)
        if onset > end:
            break
        jump = target - previous
        length = jump_length(jump)
        angles += jump * smoothstep(0, length, times - onset)[:, None]
        time, previous = onset, target
    for axis, child in enumerate(spawn(drift_rng, 2)):
        angles[:, axis] += DRIFT * band_noise(child, times, [(0.2, 2.0, 1.0)])[0]
    return angles


def next_fixation(
    phrase_starts: np.ndarray, time: float, away: bool, rng: np.random.Generator
) -> tuple[float, np.ndarray, bool]:
    """When the gaze jumps next, and where to.

    Args:
        phrase_starts: (n,) s.
        time: s, when the fixation before began.
        away: whether that one avoids the viewer.
        rng: where the dice come from.

    Returns:
        Start in s, direction (2,) in radians, and whether it avoids the viewer.
    """
    length = float(np.exp(rng.normal(np.log(0.6 if away else 1.2), 0.5)))
    onset = time + max(0.2, length)
    begins = np.abs(phrase_starts - onset).min(initial=np.inf) < 0.4
    chance = _AVERSION_CHANCE * (1.8 if begins else 0.7)
    near = rng.normal(0.0, np.deg2rad([1.5, 1.0]))  # the viewer's eyes and mouth
    side = 1.0 if rng.uniform() < 0.5 else -1.0
    far = np.deg2rad([side * rng.uniform(4.0, 9.0), rng.normal(-0.5, 3.0)])
    leaves = not away and bool(rng.uniform() < chance)
    return onset, np.clip(far if leaves else near, -_LIMIT, _LIMIT), leaves


def jump_length(jump: np.ndarray) -> float:
    """How long a saccade of (2,) radians takes, s: the main sequence."""
    return 0.020 + 0.0025 * float(np.rad2deg(np.linalg.norm(jump)))


def iris_offsets(angles: np.ndarray) -> np.ndarray:
    """Angles (n, 2) in radians -> path of the iris centre (n, 2) in IOD, in the face frame."""
    return EYE_RADIUS * np.sin(angles)


def hold_on_viewer(head: np.ndarray) -> np.ndarray:
    """The vestibulo-ocular reflex: eye angles (n, 2) that undo a head rotation (n, >= 2)."""
    # pitch is positive downwards, gaze is positive upwards
    return np.stack([-head[:, 1], head[:, 0]], axis=1)

"""Where somebody in a conversation looks, with eyes and head.

Listeners look at the speaker about three quarters of the time, speakers at listeners less than
half of it, and at whom they give the word at the end of a turn (Kendon, "Some functions of
gaze-direction in social interaction", 1967; Argyle and Ingham, 1972). The camera is the one more
person that they talk to here: who does not look at another face looks at the viewer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..curves.easing import minimum_jerk, smoothstep
from ..face.portrait import Portrait
from ..motion.gaze import jump_length

REACH = np.deg2rad(30.0)
"""Angle at which somebody far away in the picture is looked at: half turned, both eyes seen."""
NEAR = 2.0
"""IOD between two faces at which about two thirds of that angle is reached."""
HEAD_SHARE = 0.45
"""How much of the way the head goes; the eyes go all of it, and first."""
_LATE = 0.08  # s that the head begins after the eyes
_FIRST_LOOK = 0.3  # s after somebody began to speak
_LISTENING = (3.0, 1.3)  # s at the speaker, s elsewhere (medians)
_SPEAKING = (1.1, 3.4)  # s at a listener, s at the viewer
_SPREAD = 0.4  # of their logarithms
_HANDOVER = 0.7  # s before the end of a turn in which the speaker looks at who is next
_HANDOVER_CHANCE = 0.8

Look = tuple[float, "int | None"]
"""When (s) somebody begins to look at a face; None for the viewer."""


def direction(looking: Portrait, seen: Portrait) -> np.ndarray:
    """Where a face of a picture sees another face of it.

    Returns:
        (2,) radians: to the looking one's left (the right of the picture), and up.
    """
    way = (seen.landmarks - looking.landmarks).mean(dim=0)[:2].numpy().astype(np.float64)
    distance = float(np.linalg.norm(way)) / looking.iod
    angle = REACH * (1.0 - np.exp(-distance / NEAR))
    unit: np.ndarray = way / max(1e-6, float(np.linalg.norm(way)))
    return angle * unit * np.array([1.0, -1.0])


def draw_looks(
    face: int, turns: Sequence[np.ndarray], duration: float, rng: np.random.Generator
) -> list[Look]:
    """Whom somebody looks at, from when on.

    Args:
        face: who looks.
        turns: (K, 2) s, the turns of every face.
        duration: s.
        rng: where the dice come from.
    """
    own = turns[face]
    others = sorted(
        (float(start), float(end), other)
        for other, theirs in enumerate(turns)
        if other != face
        for start, end in theirs
    )
    looks: list[Look] = [(0.0, None)]
    time, at_other = 0.0, _speaks(own, 0.5)
    heard: int | None = None  # who spoke last
    while time < duration:
        speaking = _speaks(own, time)
        now = [other for start, end, other in others if start + _FIRST_LOOK <= time < end]
        heard = now[-1] if now else heard
        if heard is None and others:
            heard = others[0][2] if others[0][0] < time + 2.0 else None
        there, away = _SPEAKING if speaking else _LISTENING
        at_other = not at_other and heard is not None
        length = (there if at_other else away) * float(np.exp(rng.normal(0.0, _SPREAD)))
        if not speaking and not now and at_other:
            length *= 0.6  # nobody speaks: nothing holds the eyes
        looks.append((time, heard if at_other else None))
        change = _next_change(own, others, time)
        if change < time + length:
            # listeners turn to the speaker at first, speakers to the viewer
            time, at_other = change, _speaks(own, change)
        else:
            time += length
    return _with_handovers(looks, own, others, rng)


def _speaks(turns: np.ndarray, time: float) -> bool:
    return bool(((turns[:, 0] <= time) & (time < turns[:, 1])).any())


def _next_change(own: np.ndarray, others: Sequence[tuple[float, float, int]], time: float) -> float:
    """When somebody else has begun, as one notices, or one's own turn begins or ends."""
    begins = [start + _FIRST_LOOK for start, _, _ in others if start + _FIRST_LOOK > time + 1e-6]
    return min(begins + own[own > time + 1e-6].tolist(), default=np.inf)


def _with_handovers(
    looks: list[Look],
    own: np.ndarray,
    others: Sequence[tuple[float, float, int]],
    rng: np.random.Generator,
) -> list[Look]:
    """Looks at the next speaker at the end of one's own turns."""
    for start, end in own:
        chance = rng.uniform()
        begun = max(float(start), float(end) - _HANDOVER)
        following = [other for at, _, other in others if float(end) - 0.5 <= at <= end + 1.5]
        if following and chance < _HANDOVER_CHANCE:
            looks = [look for look in looks if not begun <= look[0] <= end + _FIRST_LOOK]
            looks.append((begun, following[0]))
    return sorted(looks, key=lambda look: look[0])


def look_curves(
    looks: Sequence[Look],
    directions: Sequence[np.ndarray],
    times: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """The way of gaze and head.

    The gaze jumps; the head follows a moment later, in half a second and more.

    Args:
        looks: in the order of time.
        directions: (2,) radians to every face, see :func:`direction`.
        times: (n,) s, rising.
        rng: where the dice come from.

    Returns:
        (n, 2) radians twice: where the gaze goes, and how much of that the head turns.
    """
    gaze, head = np.zeros((len(times), 2)), np.zeros((len(times), 2))
    before = np.zeros(2)
    for time, seen in looks:
        target = np.zeros(2) if seen is None else directions[seen]
        length = float(rng.uniform(0.5, 0.85))
        late = _LATE + float(abs(rng.normal(0.0, 0.03)))
        way = target - before
        if not way.any():
            continue
        first, last = np.searchsorted(times, [time, time + late + length])
        since = times[first:last] - time
        gaze[first:last] += way * smoothstep(0.0, jump_length(way), since)[:, None]
        phase = np.clip((since - late) / length, 0.0, 1.0)
        head[first:last] += HEAD_SHARE * way * minimum_jerk(phase)[:, None]
        gaze[last:] += way
        head[last:] += HEAD_SHARE * way
        before = target
    return gaze, head

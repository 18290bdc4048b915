"""Mouth shapes to draw: a table of visemes in weights of the head's expressions, and chance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .head import Head

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Viseme:
    """One mouth shape.

    Attributes:
        weights: expression without side -> weight.
        tongue: cm by which tip, whole (forward), back and body move.
        closed: the lips touch.
    """

    weights: dict[str, float]
    tongue: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    closed: bool = False


def _v(tongue: tuple[float, float, float, float] = (0, 0, 0, 0), **weights: float) -> Viseme:
    return Viseme({_LONG[name]: value for name, value in weights.items()}, tongue)


_LONG = {
    "jaw": "jawOpen", "press": "mouthPress", "roll_upper": "mouthRollUpper",
    "roll_lower": "mouthRollLower", "pucker": "mouthPucker", "upper": "mouthUpperUp",
    "lower": "mouthLowerDown", "shrug_lower": "mouthShrugLower", "stretch": "mouthStretch",
    "funnel": "mouthFunnel", "smile": "mouthSmile",
}  # fmt: skip

VISEMES: dict[str, Viseme] = {
    "rest": Viseme({}, closed=True),
    "PP": Viseme(
        {"jawOpen": 0.08, "mouthPress": 0.25, "mouthRollUpper": 0.15, "mouthRollLower": 0.2},
        closed=True,
    ),
    "PPo": Viseme({"jawOpen": 0.08, "mouthPucker": 0.35, "mouthPress": 0.1}, closed=True),
    "FF": _v(jaw=0.07, roll_lower=0.45, upper=0.25, shrug_lower=0.1),
    "TH": _v((0.45, 1.3, 0, 0.2), jaw=0.15, lower=0.25, upper=0.15),
    "DD": _v((1.1, 0.4, 0.2, 0.3), jaw=0.12, lower=0.2, upper=0.12, stretch=0.08),
    "LL": _v((1.25, 0.4, 0.3, 0.3), jaw=0.19, lower=0.15, upper=0.1),
    "KK": _v((-0.1, -0.3, 1.0, 0.3), jaw=0.15, lower=0.15, upper=0.1, stretch=0.08),
    "CH": _v((1.0, -0.2, 0.2, 0.3), jaw=0.07, funnel=0.5, pucker=0.2, lower=0.15, upper=0.15),
    "SS": _v((0.9, 0, 0.1, 0.3), jaw=0.045, lower=0.3, upper=0.12, stretch=0.2, smile=0.15),
    "RR": _v((0.9, -0.7, 0.4, 0.3), jaw=0.12, pucker=0.35, funnel=0.25),
    "aa": _v((-0.1, 0.2, 0, 0.25), jaw=0.34, lower=0.2, upper=0.1),
    "aah": _v((-0.1, 0.3, 0, 0.3), jaw=0.45, lower=0.15, upper=0.15, stretch=0.1),
    "E": _v((0.1, 0.3, 0.1, 0.4), jaw=0.21, lower=0.25, upper=0.15, stretch=0.15, smile=0.15),
    "I": _v((0.1, 0.1, 0.1, 0.5), jaw=0.09, lower=0.25, upper=0.15, stretch=0.25, smile=0.3),
    "O": _v((-0.1, -0.5, 0.35, 0.1), jaw=0.26, funnel=0.35, pucker=0.3),
    "U": _v((0, -0.6, 0.5, 0.2), jaw=0.05, pucker=0.75, funnel=0.1),
    "schwa": _v((0, 0.2, 0, 0.3), jaw=0.14, lower=0.1, upper=0.05),
}
NAMES = tuple(VISEMES)
"""A viseme's number is its place here; 0 is the closed neutral mouth."""

SIDES = ("_L", "_R")
_NOISE = {
    "mouthSmile": 0.05, "mouthStretch": 0.05, "mouthPucker": 0.05, "mouthFunnel": 0.04,
    "mouthRollLower": 0.04, "mouthRollUpper": 0.04, "mouthLowerDown": 0.06, "mouthUpperUp": 0.05,
    "mouthShrugLower": 0.04, "mouthShrugUpper": 0.04, "mouthDimple": 0.05,
}  # fmt: skip
_ALONE = 0.45  # share of the frames that are of one viseme
_STILL_CLOSED = 0.3  # share of a second viseme up to which a closed one stays closed


@dataclass(frozen=True)
class Shape:
    """A mouth to draw.

    Attributes:
        weights: (57,) of the head's expressions, without the person's own.
        tongue: (4,) cm: tip, forward, back, body.
        viseme: number in :data:`NAMES`.
        closed: the lips are to touch.
        turn: (3,) rad: pitch, yaw, roll by which the head turns against the portrait.
    """

    weights: Array
    tongue: Array = field(default_factory=lambda: np.zeros(4, np.float32))
    viseme: int = 0
    closed: bool = False
    turn: Array = field(default_factory=lambda: np.zeros(3, np.float32))


def expression_row(head: Head, weights: dict[str, float]) -> Array:
    """Weights by names, with sides or without (then for both) -> (57,)."""
    row = np.zeros(len(head.names), np.float32)
    for name, value in weights.items():
        for end in ("",) if name in head.names else SIDES:
            row[head.weight(name + end)] += value
    return row


def draw_shape(head: Head, rng: np.random.Generator) -> Shape:
    """A mouth as speech has them, by chance."""
    main = int(rng.integers(1, len(NAMES)))
    first = VISEMES[NAMES[main]]
    row, tongue = expression_row(head, first.weights), np.array(first.tongue)
    share, closed = 0.0, first.closed
    if rng.random() > _ALONE:
        second, share = VISEMES[NAMES[rng.integers(1, len(NAMES))]], rng.uniform(0, 0.5)
        row = (1 - share) * row + share * expression_row(head, second.weights)
        tongue = (1 - share) * tongue + share * np.array(second.tongue)
        closed = closed and (second.closed or share < _STILL_CLOSED)
    row *= rng.uniform(0.55, 1.2) * np.exp(rng.normal(0, 0.18, len(row)))
    row *= _lopsided(head, 1 + rng.uniform(-0.12, 0.12))
    noise = {name: abs(rng.normal(0, size)) for name, size in _NOISE.items()}
    row += expression_row(head, noise)
    if rng.random() < 0.15:
        row += expression_row(head, {"mouthSmile": rng.uniform(0.1, 0.45)})
    if rng.random() < 0.07:
        row += expression_row(head, {"mouthFrown": rng.uniform(0.1, 0.45)})
    if rng.random() < 0.2:
        side = "jawLeft" if rng.random() < 0.5 else "jawRight"
        row[head.weight(side)] += rng.uniform(0, 0.12)
    tongue[3] += rng.uniform(-0.25, 0.25)
    tongue[1] += rng.uniform(-0.2, 0.2)
    turn = np.zeros(3)
    if rng.random() < 0.6:
        turn[:2] = np.radians(rng.normal(0, 1.5, 2))
    return Shape(
        row.astype(np.float32), tongue.astype(np.float32), main, closed, turn.astype(np.float32)
    )


def _lopsided(head: Head, more: float) -> Array:
    """One side stronger, the other weaker."""
    factors = {SIDES[0]: more, SIDES[1]: 2 - more}
    return np.array([factors.get(name[-2:], 1.0) for name in head.names], np.float32)

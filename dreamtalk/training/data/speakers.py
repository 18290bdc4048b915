"""Made-up people: a face shape and habits of speaking that go with it, as far as a rule says.

Whether faces tell habits, and which, is not known; the rule is invented. It gives the style
predictor something true to find in a portrait, and the measurements a truth to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ...motion.spaces import FACE
from ..rules.compose import GesturalScore, SpeakingStyle, styled_motion
from ..rules.expressions import named_offsets

Array = npt.NDArray[np.float64]

TOLD = 0.75
"""Correlation of each habit with what the face shape tells of it."""
SEEN = 0.35
"""Deviation of a face shape between two pictures of one person, in deviations between people."""
LEAK = 0.8
"""Deviation of what an expression adds to a face shape that is measured with it."""
_POSTURES = np.stack([
    named_offsets({"mouthWidth": 2.0, "mouthInnerWidth": 2.0}),
    named_offsets({"mouthCorner_Y": 1.8, "cheek_Y": 0.5}),
    named_offsets({"lipUpperZ": 0.8, "lipLowerZ": 1.2}),
    named_offsets({"mouthCornerLeftY": 0.8, "mouthCornerRightY": -0.8, "lipX": 0.5}),
    named_offsets({"lidUpper_Y": 0.8, "lidLower_Y": -0.3}),
    named_offsets({"browInner_Y": 1.4, "browOuter_Y": 1.2}),
    named_offsets({"browInner_Y": 0.8, "browOuter_Y": -0.8}),
])  # fmt: skip
"""How people hold their faces while they speak, one deviation each."""
_MANNERS = 6  # articulation, jaw, spread, upper lip, smile, brows


@dataclass(frozen=True)
class Speaker:
    """One made-up person.

    Attributes:
        shape: (K,) face shape, in deviations of people.
        manners: (6,) deviations of articulation, jaw, spread, upper lip, smile and brow emphasis.
        posture: (31,) IOD, added to all that they say.
        variant: how they show emotions, see :class:`SpeakingStyle`.
    """

    shape: Array
    manners: Array
    posture: Array
    variant: int

    def style(self, emotion: str, intensity: float) -> SpeakingStyle:
        """How they speak in an emotion."""
        articulation, jaw, spread, upper, smile, brows = self.manners.tolist()
        return SpeakingStyle(
            emotion, intensity,
            articulation=float(np.exp(0.18 * articulation)), jaw=float(np.exp(0.15 * jaw)),
            spread=float(np.exp(0.12 * spread)), upper_lip=float(np.exp(0.15 * upper)),
            smile=0.005 * smile, brows=abs(0.012 + 0.008 * brows), variant=self.variant,
        )  # fmt: skip

    def motion(
        self, score: GesturalScore, emotion: str, intensity: float, seed: int
    ) -> npt.NDArray[np.float32]:
        """What their face does: (T, 31) in IOD."""
        said = styled_motion(score, self.style(emotion, intensity), seed)
        return (said + self.posture).astype(np.float32)

    def portrait(self, rng: np.random.Generator, leaked: Array | None = None) -> npt.NDArray:
        """Their face shape as a picture shows it: (K,) float32.

        Args:
            leaked: (31,) IOD, the expression in the picture, where shape is measured with it; none
                by default, as a picture of another occasion measured apart from expression has.
        """
        seen = self.shape + rng.normal(0, SEEN, len(self.shape))
        if leaked is not None:
            seen = seen + leaked / 0.02 @ _leak_map(len(self.shape))
        return seen.astype(np.float32)


def make_speaker(seed: int, number: int, shape_dim: int) -> Speaker:
    """The ``number``-th person of a seed: the same for the same arguments."""
    rng = np.random.Generator(np.random.PCG64([seed, 31, number]))
    shape = rng.standard_normal(shape_dim)
    told = shape @ _habit_map(shape_dim)
    habits = TOLD * told + np.sqrt(1 - TOLD**2) * rng.standard_normal(len(told))
    posture = np.clip(habits[_MANNERS:], -2, 2) @ _POSTURES
    posture[FACE.index["lipAperture"]] = 0.0  # closed lips stay closed whoever it is
    return Speaker(shape, np.clip(habits[:_MANNERS], -2, 2), posture, int(rng.integers(1, 1 << 31)))


@lru_cache(maxsize=4)
def _habit_map(shape_dim: int) -> Array:
    """(K, 13) with columns of length 1: which shape tells which habit."""
    matrix = np.random.Generator(np.random.PCG64([2023, shape_dim])).standard_normal(
        (shape_dim, _MANNERS + len(_POSTURES))
    )
    result: Array = matrix / np.linalg.norm(matrix, axis=0)
    return result


@lru_cache(maxsize=4)
def _leak_map(shape_dim: int) -> Array:
    """(31, K): what an expression adds to a shape that is measured with it."""
    matrix = np.random.Generator(np.random.PCG64([2024, shape_dim])).standard_normal(
        (len(FACE), shape_dim)
    )
    result: Array = LEAK * matrix / np.sqrt(len(FACE))
    return result

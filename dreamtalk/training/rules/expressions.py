"""Emotions as offsets in the ``face`` channels, after FACS.

The action units that make up each emotion are the textbook ones; their sizes are averages of acted
emotion, rounded by hand, in percent of IOD at intensity 1 (strong acting).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ...motion.spaces import FACE

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Expression:
    """How an emotion changes the face.

    Attributes:
        offsets: percent of IOD per channel; ``brows*`` style names with Left and Right are given
            once, without the side, where both sides move alike.
        articulation: factor on aperture and jaw while speaking.
        width: factor on widening and rounding while speaking.
        parted: percent of IOD by which the lips stay apart while speaking (not in closures).
    """

    offsets: dict[str, float] = field(default_factory=dict)
    articulation: float = 1.0
    width: float = 1.0
    parted: float = 0.0


EXPRESSIONS: dict[str, Expression] = {
    "neutral": Expression(),
    # AU 6 + 12 + 25
    "happy": Expression(
        {"mouthWidth": 11.5, "mouthInnerWidth": 12, "mouthCorner_Y": 6.5, "lipUpperY": 1.8,
         "lipUpperInnerY": 2.0, "lipLowerY": 1.0, "lipLowerZ": -1.5, "lipUpperZ": -0.8,
         "lidLower_Y": 1.5, "lidUpper_Y": -0.4, "cheek_Y": 3.4, "noseWing_Y": 1.3,
         "browInner_Y": 0.9, "browOuter_Y": 1.2},
        1.15, 0.9, 1.5),
    # AU 1 + 4 + 15 (+ 17, 43)
    "sad": Expression(
        {"mouthWidth": 3.0, "mouthInnerWidth": 3.0, "mouthCorner_Y": -5.8, "lipLowerY": 1.5,
         "lipLowerZ": 2.6, "lipUpperZ": 1.0, "chinY": 0.8, "lidUpper_Y": -1.7, "lidLower_Y": 1.2,
         "browInner_Y": 3.2, "browOuter_Y": -3.6, "browFurrow_X": -0.8, "cheek_Y": -0.9,
         "noseWing_Y": -0.6},
        0.85, 0.85),
    # AU 4 + 5 + 7 + 23: the glare keeps the upper lid up
    "angry": Expression(
        {"mouthWidth": 2.5, "mouthInnerWidth": 2.0, "mouthCorner_Y": -2.2, "lipUpperY": 1.2,
         "lipUpperInnerY": 1.2, "lipLowerY": -1.8, "lipUpperZ": -1.6, "lipLowerZ": -4.0,
         "lidUpper_Y": -0.2, "lidLower_Y": 1.8, "browInner_Y": -6.8, "browOuter_Y": -3.0,
         "browFurrow_X": -1.1, "cheek_Y": 1.5, "noseWing_Y": 2.2},
        1.3, 1.15, 1.0),
    # AU 1 + 2 + 5 + 26
    "surprised": Expression(
        {"mouthWidth": -3.8, "mouthInnerWidth": -4.2, "mouthCorner_Y": -3.6, "lipLowerY": -2.4,
         "chinY": -3.0, "lipUpperY": -0.8, "lipUpperInnerY": -0.8, "lipUpperZ": 1.0,
         "lidUpper_Y": 2.8, "lidLower_Y": -1.6, "browInner_Y": 7.0, "browOuter_Y": 5.2,
         "browFurrow_X": 0.4, "cheek_Y": -1.6, "noseWing_Y": -1.5},
        1.4, 1.0, 2.5),
    # AU 1 + 2 + 4 + 5 + 20
    "fear": Expression(
        {"mouthWidth": 7.0, "mouthInnerWidth": 7.5, "mouthCorner_Y": -4.6, "lipUpperY": -1.0,
         "lipUpperInnerY": -0.8, "lipLowerY": -3.4, "lipLowerZ": -1.0, "chinY": -2.2,
         "lidUpper_Y": 2.4, "lidLower_Y": -0.4, "browInner_Y": 6.0, "browOuter_Y": 0.2,
         "browFurrow_X": -0.9, "cheek_Y": -0.8, "noseWing_Y": -0.9},
        1.2, 1.0, 1.5),
    # AU 4 + 9 + 10 + 15
    "disgusted": Expression(
        {"mouthWidth": 7.5, "mouthInnerWidth": 7.0, "mouthCorner_Y": -2.0, "lipUpperY": 4.6,
         "lipUpperInnerY": 4.2, "lipLowerY": 0.6, "lipLowerZ": -2.0, "lipUpperZ": -1.0,
         "lidUpper_Y": -1.1, "lidLower_Y": 1.8, "browInner_Y": -5.2, "browOuter_Y": -2.6,
         "browFurrow_X": -0.6, "cheek_Y": 1.6, "noseWing_Y": 4.2},
        1.05, 0.95, 1.0),
    # AU 12 + 14 on one side, the other brow up
    "contempt": Expression(
        {"mouthWidth": 3.5, "mouthInnerWidth": 3.0, "lipX": 3.0, "jawX": 1.8,
         "mouthCornerLeftY": 6.8, "mouthCornerRightY": -2.0, "lipUpperY": 1.6,
         "lipUpperInnerY": 1.4, "lipUpperZ": 1.0, "lipLowerZ": 1.6, "lidUpper_Y": -1.6,
         "lidLower_Y": 0.4, "cheekLeftY": 2.6, "cheekRightY": -1.2, "noseWingLeftY": 1.3,
         "noseWingRightY": -0.6, "browInnerRightY": 2.8, "browOuterRightY": 3.6,
         "browInnerLeftY": 1.2, "browOuterLeftY": 0.6},
        0.95, 0.9),
}  # fmt: skip


def emotion_offsets(emotion: str) -> Array:
    """The channel offsets of an emotion at intensity 1: (31,) in IOD."""
    return named_offsets(EXPRESSIONS[emotion].offsets)


def named_offsets(percents: Mapping[str, float]) -> Array:
    """Percent of IOD by channel name, ``_`` for both sides, as :class:`Expression` has them:
    (31,) in IOD."""
    values = np.zeros(len(FACE))
    for name, percent in percents.items():
        sides = [name.replace("_", side) for side in ("Left", "Right")] if "_" in name else [name]
        for channel in sides:
            values[FACE.index[channel]] = percent / 100
    return values

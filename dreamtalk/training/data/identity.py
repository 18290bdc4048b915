"""How faces at rest differ: what a style clip shows beside the style.

A clip that is measured from the mean face instead of the person's own neutral face carries the
person's proportions. The sizes are deviations between people, rounded, in percent of IOD; what
moves together differs together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..rules.expressions import named_offsets

_FACTORS: tuple[dict[str, float], ...] = (
    {"mouthWidth": 5.5, "mouthInnerWidth": 5.5},
    {"lipUpperY": 3.0, "lipUpperInnerY": 3.0, "noseWing_Y": 0.8, "cheek_Y": 0.8},
    {"lipLowerY": 3.0, "mouthCorner_Y": 1.5},
    {"lipUpperZ": 2.2, "lipLowerZ": 2.6},
    {"mouthCorner_Y": 3.0, "cheek_Y": 0.8},
    {"mouthCornerLeftY": 0.8, "mouthCornerRightY": -0.8},
    {"chinY": 5.0, "lipLowerY": 1.0},
    {"lipX": 2.0, "jawX": 3.5},
    {"browInner_Y": 2.3, "browOuter_Y": 2.3},
    {"browInner_Y": 1.2, "browOuter_Y": -1.2},
    {"browFurrow_X": 0.8},
    {"lidUpper_Y": 1.6, "lidLower_Y": -0.7},
    {"lidLower_Y": 0.8},
    {"cheek_Y": 1.5, "noseWing_Y": 1.3},
)


def random_identity(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """One person's rest against the mean face: (31,) in IOD; the aperture is 0 by definition."""
    matrix = np.stack([named_offsets(factor) for factor in _FACTORS])
    own: npt.NDArray[np.float64] = rng.standard_normal(len(matrix)) @ matrix
    return own

"""Mouths that follow a motion: 13 lip channels -> weights of the head's expressions.

Non-negative least squares on how the channels of the person at hand change with each expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from ...errors import DreamTalkError
from ...face.channels import LIP_CHANNELS
from ...motion.bridges import convert
from ...motion.files import load_motion
from .head import Head
from .mouth import mark_channels
from .visemes import SIDES, Shape, expression_row

Array = npt.NDArray[np.float32]

DRIVEN = -2
"""Instead of the number of a viseme."""
CLOSED = 0.012
"""IOD of aperture below which lips are made to touch."""
_MOVERS = (
    "jawOpen", "jawLeft", "jawRight", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    *(
        name + side
        for name in (
            "mouthSmile", "mouthFrown", "mouthStretch", "mouthDimple", "mouthPress",
            "mouthLowerDown", "mouthUpperUp",
        )
        for side in SIDES
    ),
)  # fmt: skip
_STEP = 0.2
_RIDGE = 0.02
_IMPORTANCE = {
    "lipAperture": 6.0, "mouthWidth": 3.0, "mouthInnerWidth": 2.0, "lipUpperY": 2.0,
    "lipUpperInnerY": 2.0, "lipLowerY": 3.0, "lipUpperZ": 0.7, "lipLowerZ": 0.7, "lipX": 1.0,
    "mouthCornerLeftY": 1.5, "mouthCornerRightY": 1.5, "chinY": 1.2, "jawX": 0.7,
}  # fmt: skip
_WIDTHS = ("mouthWidth", "mouthInnerWidth")
_HEIGHTS = ("lipUpperY", "lipUpperInnerY", "lipLowerY", "chinY")
_TONGUE = (0.0, 0.2, 0.0, 0.3)  # channels don't tell


@dataclass(frozen=True)
class TalkingLips:
    """The lips of one motion file: ``name``, and ``lips`` (T, 13) in IOD from its own neutral."""

    name: str
    lips: Array


def read_talking_lips(files: Sequence[Path]) -> list[TalkingLips]:
    """Read motions, in any space, and take the talkers' own faces out of them.

    Raises:
        DreamTalkError: if a file is no motion or has no frames.
    """
    talkers = []
    for path in files:
        motion = convert(load_motion(path), "face")
        if len(motion) == 0:
            raise DreamTalkError(f"'{path}' has no frames")
        lips = motion.expression[:, : len(LIP_CHANNELS)].numpy().astype(np.float32)
        talkers.append(TalkingLips(path.name, lips - own_face(lips)))
    return talkers


def own_face(lips: Array) -> Array:
    """(13,) what a talker's lips are like at rest; 0 for the aperture, which is absolute.

    Of (T, 13). Not simply the closed frames: lips are narrow in p, b and m, and everybody would
    grin.
    """
    closed = lips[lips[:, 0] <= np.quantile(lips[:, 0], 0.1)]
    rest = np.median(lips, axis=0)
    for name in _WIDTHS:
        column = LIP_CHANNELS.index(name)
        rest[column] = np.quantile(lips[:, column], 0.65)
    for name in _HEIGHTS:
        column = LIP_CHANNELS.index(name)
        rest[column] = np.median(closed[:, column])
    rest[LIP_CHANNELS.index("lipAperture")] = 0.0
    return rest


class Driver:
    """Finds the weights for one person.

    Args:
        identity: (N, 3) cm, the person without expression.
        base: (57,) what the person's face always shows.
    """

    def __init__(self, head: Head, identity: Array, base: Array) -> None:
        self._head = head
        self._rows = [expression_row(head, {n: 1.0}) for n in _MOVERS if n in head.names]
        marks = identity[head.landmarks]
        offsets = head.expression[:, head.landmarks]
        shown = marks + np.tensordot(base, offsets, 1)
        self._start = mark_channels(shown, marks)
        change = [
            mark_channels(shown + _STEP * np.tensordot(row, offsets, 1), marks) - self._start
            for row in self._rows
        ]
        self._importance = np.array([_IMPORTANCE[name] for name in LIP_CHANNELS])
        slope = np.stack(change, axis=1) / _STEP
        ridge = _RIDGE * np.eye(len(self._rows))
        self._system = np.concatenate([slope * self._importance[:, None], ridge])

    def shape(self, lips: Array) -> Shape:
        """The mouth that shows (13,) lip channels, as far as the head can."""
        wanted = (lips - self._start) * self._importance
        found, _ = nnls(self._system, np.concatenate([wanted, np.zeros(len(self._rows))]))
        weights = np.tensordot(np.minimum(found, 1.0), np.stack(self._rows), 1)
        closed = bool(lips[LIP_CHANNELS.index("lipAperture")] < CLOSED)
        return Shape(weights.astype(np.float32), np.array(_TONGUE, np.float32), DRIVEN, closed)


def some_frames(
    talkers: Sequence[TalkingLips], count: int, rng: np.random.Generator
) -> tuple[int, npt.NDArray[np.int64]]:
    """Which of the talkers, and ``count`` of its frames one after the other, by chance."""
    which = int(rng.integers(len(talkers)))
    frames = len(talkers[which].lips)
    first = int(rng.integers(max(1, frames - count + 1)))
    return which, np.minimum(first + np.arange(count), frames - 1)

"""The motion spaces: what the columns of ``Motion.expression`` mean.

``face`` is our own: named geometric channels, measured on pose-normalised landmarks in units of the
inter-ocular distance (IOD, outer eye corner to outer eye corner), as offsets from the person's own
neutral face. All lengths are seen from the front in the face's own frame: x to the subject's left,
y up, z out of the face. "Left" and "Right" are the subject's, as in ARKit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from ..errors import MotionError
from ..face.channels import CLOSED_APERTURE, FACE_CHANNELS, LIP_CHANNELS, UPPER_CHANNELS

__all__ = [
    "ARKIT",
    "ARKIT_CHANNELS",
    "BFM",
    "BFM_CHANNELS",
    "BFM_POSE_COLUMNS",
    "FACE",
    "FACE_CHANNELS",
    "LIP_CHANNELS",
    "OPENING_SHAPE",
    "SPACES",
    "UPPER_CHANNELS",
    "Closure",
    "MotionSpace",
    "space",
]

ARKIT_CHANNELS: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft",
    "eyeSquintLeft", "eyeWideLeft",
    "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight",
    "jawForward", "jawLeft", "jawRight", "jawOpen",
    "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight",
    "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthUpperUpLeft", "mouthUpperUpRight",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip

BFM_CHANNELS: tuple[str, ...] = tuple(f"exp{i:02d}" for i in range(64))
BFM_POSE_COLUMNS: tuple[str, ...] = (
    "pitch", "yaw", "roll", "x", "y", "z", "cropScale", "cropX", "cropY",
)  # fmt: skip


@dataclass(frozen=True)
class Closure:
    """When lips or an eye are closed, told by a weighted sum of channels.

    Attributes:
        weights: (channel, weight) of the sum.
        open: the sum from which on a frame has nothing to do with a closure.
        closed: the sum at which they count as closed.
        shut: the sum when they are closed as far as they go.
    """

    weights: tuple[tuple[str, float], ...]
    open: float
    closed: float
    shut: float


@dataclass(frozen=True)
class MotionSpace:
    """A named set of expression channels, and what is known about them.

    Attributes:
        name: ``"face"``, ``"arkit"`` or ``"bfm"``.
        channels: channel names in column order.
        regions: groups of channels by name; ``mouth`` and ``upper`` in every space.
        limits: channel -> lowest and highest value that makes sense; others have none.
        closed_neutral: channels that are 0 in the neutral face of anybody, by definition.
        lips: when lips are closed, if the channels can tell.
        eyes: when the left and the right eye are closed; empty if the channels can't tell.
        has_pose: motion in this space carries the official pose columns (``Motion.pose``).
        index: channel -> column.
    """

    name: str
    channels: tuple[str, ...]
    regions: dict[str, tuple[str, ...]] = field(repr=False, compare=False)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False, compare=False)
    closed_neutral: tuple[str, ...] = ()
    lips: Closure | None = None
    eyes: tuple[Closure, ...] = ()
    has_pose: bool = False
    index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", {c: i for i, c in enumerate(self.channels)})

    def __len__(self) -> int:
        return len(self.channels)

    @property
    def bounded(self) -> bool:
        """Whether no channel can grow without limit, as scores can't."""
        return all(c in self.limits and math.isfinite(sum(self.limits[c])) for c in self.channels)

    def limited(self, expression: Tensor) -> Tensor:
        """Values (..., C) within their limits."""
        if not self.limits:
            return expression
        free = (-math.inf, math.inf)
        low, high = zip(*(self.limits.get(c, free) for c in self.channels), strict=True)
        return expression.clamp(expression.new_tensor(low), expression.new_tensor(high))


def _regions(channels: tuple[str, ...], beginnings: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Regions of named channels, by how the names begin; a longer beginning wins."""
    groups: dict[str, tuple[str, ...]] = {}
    for channel in channels:
        beginning = max((b for b in beginnings if channel.startswith(b)), key=len)
        name = beginnings[beginning]
        groups[name] = (*groups.get(name, ()), channel)
    groups["mouth"] = (*groups["lips"], *groups["jaw"])
    groups["eyes"] = (*groups["lids"], *groups["gaze"])
    groups["upper"] = tuple(c for c in channels if c not in groups["mouth"])
    return groups


FACE = MotionSpace(
    "face",
    FACE_CHANNELS,
    regions=_regions(
        FACE_CHANNELS,
        {
            "lip": "lips", "mouth": "lips", "chin": "jaw", "jaw": "jaw", "lid": "lids",
            "gaze": "gaze", "brow": "brows", "cheek": "cheeks", "nose": "nose",
        },
    ),
    limits={"lipAperture": (0.0, math.inf)},
    closed_neutral=("lipAperture",),
    lips=Closure((("lipAperture", 1.0),), open=0.08, closed=CLOSED_APERTURE, shut=0.0),
    # A blink is under way from 0.035 on. Filmed blinks show 0.085 between the landmarks; the rest
    # is for eyes that are open wider than the median (0.09).
    eyes=tuple(
        Closure(((f"lidUpper{side}Y", 1.0),), open=-0.0175, closed=-0.035, shut=-0.105)
        for side in ("Left", "Right")
    ),
)  # fmt: skip
OPENING_SHAPE: dict[str, float] = {
    "lipAperture": 1.0, "lipUpperY": 0.30, "lipUpperInnerY": 0.42, "lipLowerY": -0.50,
    "lipLowerZ": -0.30, "mouthCornerLeftY": -0.10, "mouthCornerRightY": -0.10,
}  # fmt: skip
"""What the channels of ``face`` do when the lips alone open by 1, the jaw staying where it is
(regressions on filmed talkers, rounded)."""
ARKIT = MotionSpace(
    "arkit",
    ARKIT_CHANNELS,
    regions=_regions(
        ARKIT_CHANNELS,
        {
            "mouth": "lips", "tongue": "lips", "jaw": "jaw", "eye": "lids", "eyeLook": "gaze",
            "brow": "brows", "cheek": "cheeks", "nose": "nose",
        },
    ),
    limits=dict.fromkeys(ARKIT_CHANNELS, (0.0, 1.0)),
    # mouthClose says nothing by itself; against jawOpen it does
    lips=Closure((("jawOpen", 1.0), ("mouthClose", -1.0)), open=0.06, closed=0.0, shut=0.0),
    eyes=tuple(
        Closure(((f"eyeBlink{side}", 1.0),), open=0.2, closed=0.4, shut=1.0)
        for side in ("Left", "Right")
    ),
)  # fmt: skip
# What the official decoder's mouth branch predicts (DreamTalk's upper/lower split).
_BFM_MOUTH = tuple(BFM_CHANNELS[i] for i in (0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14))
BFM = MotionSpace(
    "bfm",
    BFM_CHANNELS,
    regions={
        "mouth": _BFM_MOUTH,
        "upper": tuple(c for c in BFM_CHANNELS if c not in _BFM_MOUTH),
    },
    has_pose=True,
)
SPACES: dict[str, MotionSpace] = {s.name: s for s in (FACE, ARKIT, BFM)}


def space(name: str) -> MotionSpace:
    """The space of that name.

    Raises:
        MotionError: if there is none.
    """
    try:
        return SPACES[name]
    except KeyError:
        raise MotionError(f"no motion space '{name[:40]}': there are {', '.join(SPACES)}") from None

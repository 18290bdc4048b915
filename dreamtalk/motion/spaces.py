"""The motion spaces: what the columns of ``Motion.expression`` mean.

``face`` is our own: named geometric channels, measured on pose-normalised landmarks in units of the
inter-ocular distance (IOD, outer eye corner to outer eye corner), as offsets from the person's own
neutral face. All lengths are seen from the front in the face's own frame: x to the subject's left,
y up, z out of the face. "Left" and "Right" are the subject's, as in ARKit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import MotionError
from ..face.channels import FACE_CHANNELS, LIP_CHANNELS, UPPER_CHANNELS

__all__ = [
    "ARKIT",
    "ARKIT_CHANNELS",
    "BFM",
    "BFM_CHANNELS",
    "BFM_POSE_COLUMNS",
    "FACE",
    "FACE_CHANNELS",
    "LIP_CHANNELS",
    "SPACES",
    "UPPER_CHANNELS",
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
class MotionSpace:
    """A named set of expression channels.

    Attributes:
        name: ``"face"``, ``"arkit"`` or ``"bfm"``.
        channels: channel names in column order.
    """

    name: str
    channels: tuple[str, ...]
    index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", {c: i for i, c in enumerate(self.channels)})

    def __len__(self) -> int:
        return len(self.channels)


FACE = MotionSpace("face", FACE_CHANNELS)
ARKIT = MotionSpace("arkit", ARKIT_CHANNELS)
BFM = MotionSpace("bfm", BFM_CHANNELS)
SPACES: dict[str, MotionSpace] = {s.name: s for s in (FACE, ARKIT, BFM)}


def space(name: str) -> MotionSpace:
    """The space of that name.

    Raises:
        MotionError: if there is none.
    """
    try:
        return SPACES[name]
    except KeyError:
        raise MotionError(f"no motion space '{name}': there are {', '.join(SPACES)}") from None

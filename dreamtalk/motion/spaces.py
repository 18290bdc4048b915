"""The motion spaces: what the columns of ``Motion.expression`` mean.

``face`` is our own: named geometric channels, measured on pose-normalised landmarks in units of the
inter-ocular distance (IOD, outer eye corner to outer eye corner), as offsets from the person's own
neutral face. All lengths are seen from the front in the face's own frame: x to the subject's left,
y up, z out of the face. "Left" and "Right" are the subject's, as in ARKit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import MotionError

FACE_CHANNELS: tuple[str, ...] = (
    # lips and jaw: the 12 lip channels that keep lip shape within the tracker's own noise
    "lipAperture",  # mean distance of 13-14, 82-87, 312-317; neutral = lips closed
    "mouthWidth",  # 61-291
    "mouthInnerWidth",  # 78-308
    "lipUpperY",  # outer upper lip, mean y of 37, 0, 267
    "lipUpperInnerY",  # inner upper lip, y of 13
    "lipLowerY",  # outer lower lip, mean y of 84, 17, 314
    "lipUpperZ",  # protrusion of the upper lip, mean z of 37, 0, 267
    "lipLowerZ",  # protrusion of the lower lip, mean z of 84, 17, 314
    "lipX",  # sideways shift of the lips, mean x of 0, 17, 61, 291
    "mouthCornerLeftY",  # 291
    "mouthCornerRightY",  # 61
    "chinY",  # 152
    "jawX",  # 152 sideways
    # eyelids and gaze
    "lidUpperLeftY",  # 386, negative = closing
    "lidUpperRightY",  # 159
    "lidLowerLeftY",  # 374
    "lidLowerRightY",  # 145
    "gazeLeftX",  # iris centre 473 against the eye corners, to the subject's left
    "gazeLeftY",
    "gazeRightX",  # iris centre 468
    "gazeRightY",
    # brows
    "browInnerLeftY",  # mean y of 336, 285
    "browInnerRightY",  # mean y of 107, 55
    "browOuterLeftY",  # mean y of 300, 276
    "browOuterRightY",  # mean y of 70, 46
    "browFurrowLeftX",  # x of 285: negative = towards the nose
    "browFurrowRightX",  # -x of 55: negative = towards the nose
    # cheeks and nose
    "cheekLeftY",  # mean y of 425, 280
    "cheekRightY",  # mean y of 205, 50
    "noseWingLeftY",  # mean y of 358, 278
    "noseWingRightY",  # mean y of 129, 48
)

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

LIP_CHANNELS: tuple[str, ...] = FACE_CHANNELS[:13]
"""Channels of the mouth and jaw: what speech drives first."""
UPPER_CHANNELS: tuple[str, ...] = FACE_CHANNELS[13:]
"""Channels of eyes, brows, cheeks and nose."""


def space(name: str) -> MotionSpace:
    """The space of that name.

    Raises:
        MotionError: if there is none.
    """
    try:
        return SPACES[name]
    except KeyError:
        raise MotionError(f"no motion space '{name}': there are {', '.join(SPACES)}") from None

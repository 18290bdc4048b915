"""The 52 ARKit shapes of the plain head: how each moves its vertices at a score of 1.

What a shape does is written down in channels of the ``face`` space, with sizes at which scores of
trackers give the face they were given for; the face basis turns that into landmarks. A shape moves
its own part of the face and its own side of it, and nothing else.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..curves.easing import smoothstep
from . import topology as t
from .basis import FaceBasis
from .channels import FACE_CHANNELS
from .head_mesh import TONGUE, Part, eye_centre, resting_face
from .pose import angles_to_rotation

Array = npt.NDArray[np.float64]

LOOK = (0.28, 0.45)
"""Radians that an eye turns up or down, and to the sides, at a score of 1."""

# IOD of the symmetric face; "{}" stands for Left and Right
_CORNERS = "mouthCorner{}Y"
SIDED: dict[str, dict[str, float]] = {
    "eyeBlink": {"lidUpper{}Y": -0.092, "lidLower{}Y": 0.012},
    "eyeLookDown": {"lidUpper{}Y": -0.035, "lidLower{}Y": -0.006},
    "eyeLookIn": {},
    "eyeLookOut": {},
    "eyeLookUp": {"lidUpper{}Y": 0.018},
    "eyeSquint": {"lidUpper{}Y": -0.018, "lidLower{}Y": 0.028, "cheek{}Y": 0.015},
    "eyeWide": {"lidUpper{}Y": 0.030, "lidLower{}Y": -0.008},
    "mouthSmile": {
        "mouthWidth": 0.14, "mouthInnerWidth": 0.14, _CORNERS: 0.08, "cheek{}Y": 0.03,
        "lipUpperY": 0.015, "lipLowerY": 0.02, "lipUpperZ": -0.04, "lipLowerZ": -0.03,
    },
    "mouthFrown": {
        _CORNERS: -0.07, "mouthWidth": 0.03, "mouthInnerWidth": 0.03, "lipLowerY": 0.02,
        "chinY": 0.02,
    },
    "mouthDimple": {
        "mouthWidth": 0.07, "mouthInnerWidth": 0.07, _CORNERS: 0.02, "lipUpperZ": -0.02,
        "lipLowerZ": -0.02,
    },
    "mouthStretch": {
        "mouthWidth": 0.17, "mouthInnerWidth": 0.17, _CORNERS: -0.02, "lipUpperZ": -0.03,
        "lipLowerZ": -0.03,
    },
    "mouthPress": {
        "lipLowerY": 0.04, "lipUpperY": -0.025, "mouthWidth": 0.04, "mouthInnerWidth": 0.04,
        "lipUpperZ": -0.02, "lipLowerZ": -0.02,
    },
    "mouthLowerDown": {"lipAperture": 0.16, "lipLowerY": -0.15, "lipLowerZ": -0.03},
    "mouthUpperUp": {
        "lipAperture": 0.08, "lipUpperInnerY": 0.08, "lipUpperY": 0.08, "noseWing{}Y": 0.025,
        "cheek{}Y": 0.02,
    },
    "browDown": {"browInner{}Y": -0.06, "browOuter{}Y": -0.04, "browFurrow{}X": -0.03},
    "browOuterUp": {"browOuter{}Y": 0.065, "browInner{}Y": 0.02},
    "cheekSquint": {"cheek{}Y": 0.05, "lidLower{}Y": 0.022},
    "noseSneer": {"noseWing{}Y": 0.05, "cheek{}Y": 0.025, "lipUpperY": 0.03},
}  # fmt: skip
"""Shapes that there are of either side: what both together do."""
MIDDLE: dict[str, dict[str, float]] = {
    "jawForward": {},
    "jawLeft": {"lipX": 0.03},
    "jawRight": {"lipX": -0.03},
    "jawOpen": {
        "lipAperture": 0.33, "lipLowerY": -0.31, "chinY": -0.24, "lipLowerZ": -0.13,
        _CORNERS: -0.11, "mouthWidth": -0.035, "mouthInnerWidth": -0.035, "lipUpperInnerY": 0.015,
    },
    "mouthClose": {
        "lipAperture": -0.33, "lipUpperY": -0.08, "lipUpperInnerY": -0.10, "lipLowerY": 0.22,
        "lipLowerZ": 0.10, _CORNERS: 0.02,
    },
    "mouthFunnel": {
        "mouthWidth": -0.12, "mouthInnerWidth": -0.15, "lipAperture": 0.11, "lipUpperY": 0.07,
        "lipUpperInnerY": 0.06, "lipLowerY": -0.07, "lipUpperZ": 0.05, "lipLowerZ": 0.05,
    },
    "mouthPucker": {
        "mouthWidth": -0.15, "mouthInnerWidth": -0.15, "lipUpperZ": 0.06, "lipLowerZ": 0.06,
    },
    "mouthLeft": {"lipX": 0.11, "jawX": 0.02, "mouthWidth": -0.03, "mouthInnerWidth": -0.03},
    "mouthRight": {"lipX": -0.11, "jawX": -0.02, "mouthWidth": -0.03, "mouthInnerWidth": -0.03},
    "mouthRollLower": {"lipLowerY": 0.06, "lipLowerZ": -0.05},
    "mouthRollUpper": {"lipUpperY": -0.06, "lipUpperZ": -0.04},
    "mouthShrugLower": {
        "lipLowerY": 0.09, "lipUpperY": 0.03, "lipUpperInnerY": 0.03, "lipLowerZ": 0.06,
        "chinY": 0.03,
    },
    "mouthShrugUpper": {
        "lipUpperY": 0.08, "lipUpperInnerY": 0.05, "lipLowerY": 0.04, "lipUpperZ": 0.03,
    },
    "browInnerUp": {"browInner{}Y": 0.07, "browOuter{}Y": 0.01},
    "cheekPuff": {"mouthWidth": -0.03, "mouthInnerWidth": -0.03},
    "tongueOut": {},
}  # fmt: skip
_JAW = {"jawForward": (0.0, 0.0, 0.10), "jawLeft": (0.09, 0.0, 0.0), "jawRight": (-0.09, 0.0, 0.0)}
_TURNS = {"eyeLookDown": (1, 0), "eyeLookUp": (-1, 0), "eyeLookIn": (0, -1), "eyeLookOut": (0, 1)}
"""Pitch and yaw of the left eye, in units of :data:`LOOK`."""
_TONGUE_OUT = (0.0, -0.02, 0.36)
_CHEEKS, _PUFF = (425, 205), 0.10
_SOFT_MIDDLE = 0.13  # IOD on each side of the middle in which the sides share


def shape_offsets(names: tuple[str, ...], head: Part) -> Array:
    """What shapes do to a head.

    Args:
        names: ARKit's names, as in ``ARKIT_CHANNELS``.
        head: from :func:`.head_mesh.head_mesh`.

    Returns:
        (S, N, 3) IOD: offsets of the vertices at a score of 1.
    """
    basis = FaceBasis.load()
    return np.stack([_offsets(name, head, basis) for name in names])


def landmark_offsets(names: tuple[str, ...]) -> Array:
    """The same for the 478 landmarks: (S, 478, 3) IOD."""
    basis = FaceBasis.load()
    return np.stack([_landmarks(name, basis) for name in names])


def _offsets(name: str, head: Part, basis: FaceBasis) -> Array:
    moved: Array = np.einsum("nl,lc->nc", head.follow, _landmarks(name, basis))
    kind, side = _split(name)
    if kind in _TURNS:
        ball = head.eye == side
        moved[ball] = _turned(head.points[ball], kind, side, basis)
    if name == "tongueOut":
        ball = head.kind == TONGUE
        depth = head.points[ball, 2]
        share = (depth - depth.min()) / np.ptp(depth)
        moved[ball] += share[:, None] * _TONGUE_OUT
    return moved


def _landmarks(name: str, basis: FaceBasis) -> Array:
    kind, side = _split(name)
    face = basis.template
    values = torch.zeros(1, len(FACE_CHANNELS))
    for channel, value in (SIDED | MIDDLE)[kind].items():
        for which in ("Left", "Right"):
            values[0, FACE_CHANNELS.index(channel.format(which))] = value
    moved = basis.decode(values)[0].double().numpy()
    if kind in _JAW:
        moved += _jaw(basis)[:, None] * _JAW[kind]
    if kind == "cheekPuff":
        moved += _puffed(face)
    moved *= _part(kind, np.abs(face[:, :1]), face[:, 1:2])
    if side:
        moved *= smoothstep(-_SOFT_MIDDLE, _SOFT_MIDDLE, side * face[:, :1])
    if kind in _TURNS:
        iris = list((t.EYE_LEFT if side > 0 else t.EYE_RIGHT)["iris"])
        moved[iris] = _turned(resting_face(basis)[iris], kind, side, basis)
    return moved


def _split(name: str) -> tuple[str, int]:
    """A shape's kind, and 1 for the left side, -1 for the right, 0 for both."""
    for side, sign in (("Left", 1), ("Right", -1)):
        kind = name.removesuffix(side)
        if kind != name and kind in SIDED:
            return kind, sign
    return name, 0


def _part(kind: str, beside: Array, height: Array) -> Array:
    """(478, 1) which landmarks a kind of shape may move, by where they are."""
    if kind.startswith(("eye", "brow")):
        return smoothstep(-0.40, -0.22, height)
    if kind.startswith("cheekSquint"):
        return np.ones_like(height)
    below = 1.0 - smoothstep(-0.20, -0.06, height)
    wide = kind.startswith(("jaw", "cheek"))
    return below if wide else below * (1.0 - smoothstep(0.40, 0.72, beside))


def _jaw(basis: FaceBasis) -> Array:
    """(478,) how much of a landmark goes with the jaw: as much as the chin's height moves it."""
    values = torch.zeros(1, len(FACE_CHANNELS))
    for channel in ("chinY", "lipLowerY"):
        values[0, FACE_CHANNELS.index(channel)] = 1.0
    return np.clip(basis.decode(values)[0, :, 1].double().numpy(), 0.0, 1.0)


def _puffed(face: Array) -> Array:
    moved = np.zeros_like(face)
    for cheek in _CHEEKS:
        away = face - face[cheek] - [0.0, 0.12, 0.0]
        near = np.exp(-(away[:, :2] ** 2).sum(1) / (2 * 0.17**2))
        moved += near[:, None] * np.array([np.sign(face[cheek, 0]) * 0.8, 0.0, 0.6]) * _PUFF
    return moved


def _turned(points: Array, kind: str, side: int, basis: FaceBasis) -> Array:
    """What a look adds to points of an eyeball."""
    centre = eye_centre(resting_face(basis), t.EYE_LEFT if side > 0 else t.EYE_RIGHT)
    pitch, yaw = (most * turn for most, turn in zip(LOOK, _TURNS[kind], strict=True))
    rotation = angles_to_rotation(np.array([pitch, side * yaw, 0.0]))
    return (points - centre) @ rotation.T + centre - points

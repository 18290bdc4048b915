"""The expression of one still picture as a style for a whole speech."""

from __future__ import annotations

from functools import lru_cache

from torch import Tensor

from ..face.basis import ASSETS, FaceBasis
from ..face.portrait import APERTURE_SHARES
from ..motion.bridges import convert
from ..motion.motion import Motion
from ..motion.spaces import FACE
from ..style.style import Style
from .model import DreamTalkModel

NEUTRAL_TALK = ASSETS / "neutral_talk.npz"
"""An average talker who shows nothing, five seconds: what a picture's expression is laid upon."""
_LARGEST = 0.16
"""IOD: larger offsets are a tracker's mistake or somebody else's face."""


def picture_expression(landmarks: Tensor, resting: Tensor | None = None) -> Tensor:
    """What the face in a picture shows, apart from speaking and looking somewhere.

    Args:
        landmarks: (478, 3) px of the face, as in ``Portrait``.
        resting: (478, 3) of the same person at rest; the mean face by default, and then the
            person's proportions are taken for expression in part.

    Returns:
        (31,) IOD offsets in the ``face`` space: gaze and how far the mouth is open are left out,
        as are the parts of the lips' places that go with its opening.
    """
    basis = FaceBasis.load()
    shown = basis.encode(landmarks.detach().cpu().numpy()[None])[0][0]
    rest = basis.neutral
    if resting is not None:
        rest = basis.encode(resting.detach().cpu().numpy()[None])[0][0]
    return _unspoken(shown - basis.neutral) - _unspoken(rest - basis.neutral)


def _unspoken(offsets: Tensor) -> Tensor:
    offsets = offsets.clone()
    aperture = offsets[FACE.index["lipAperture"]].clone()
    for name, share in APERTURE_SHARES.items():
        offsets[FACE.index[name]] -= share * aperture
    for name in FACE.channels:
        if name.startswith("gaze"):
            offsets[FACE.index[name]] = 0.0
    return offsets


def picture_style(
    model: DreamTalkModel,
    landmarks: Tensor,
    resting: Tensor | None = None,
    intensity: float = 1.0,
    name: str = "picture",
) -> Style:
    """A style that shows the expression of a picture for as long as somebody speaks.

    Args:
        model: the checkpoint.
        landmarks, resting: see :func:`picture_expression`.
        intensity: how strongly it shows.
    """
    shown = picture_expression(landmarks, resting).clamp(-_LARGEST, _LARGEST)
    talk = neutral_talk()
    motion = talk.with_(expression=FACE.limited(talk.expression + shown))
    style = model.encode_style(convert(motion, model.space), name)
    return Style(style.code, style.model, intensity, name)


@lru_cache(maxsize=1)
def neutral_talk() -> Motion:
    """The average talker's motion, in the ``face`` space."""
    return Motion.load(NEUTRAL_TALK)

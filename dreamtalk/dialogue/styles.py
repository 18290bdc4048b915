"""How each face speaks, as people write it: ``left=happy right=sad@0.7``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import DreamTalkError
from ..options import AUTO, EMOTIONS, checked
from .turns import faces_called

_PAIR = re.compile(r"(?P<face>\w+)=(?P<emotion>[^\W\d_][\w.-]*)(?:@(?P<intensity>\d*\.?\d+))?")


@dataclass(frozen=True)
class FaceStyle:
    """An emotion, or ``"auto"`` for what the face's voice sounds like.

    Attributes:
        emotion: a preset of the checkpoint.
        intensity: how strongly it shows; None for what holds for everybody.
    """

    emotion: str
    intensity: float | None = None


def parse_face_styles(text: str, faces: int) -> tuple[FaceStyle | None, ...]:
    """Read which style each face speaks in.

    Args:
        text: ``name=emotion`` or ``name=emotion@intensity``, separated by spaces, commas or lines;
            names as in a speaker track. Later ones hold.
        faces: how many there are.

    Returns:
        One a face; None where nothing is said.

    Raises:
        DreamTalkError: on what can't be read, or names no face or emotion.
    """
    styles: list[FaceStyle | None] = [None] * faces
    for word in re.split(r"[\s,;]+", text.strip()):
        if not word:
            continue
        pair = _PAIR.fullmatch(word)
        if not pair:
            raise DreamTalkError(
                f"can't read the style '{word[:40]}': write face=emotion or "
                "face=emotion@intensity, for example left=happy right=sad@0.7"
            )
        emotion, said = pair["emotion"], pair["intensity"]
        if emotion not in (*EMOTIONS, AUTO):
            raise DreamTalkError(
                f"'{emotion}' is no emotion: choose one of {', '.join((*EMOTIONS, AUTO))}"
            )
        intensity = float(said) if said else None
        checked(intensity=0.0 if intensity is None else intensity)
        for face in faces_called(pair["face"].lower(), faces):
            styles[face] = FaceStyle(emotion, intensity)
    return tuple(styles)

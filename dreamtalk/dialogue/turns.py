"""Who speaks when, as people write it: ``0:left 4.2:right 9:both``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..curves.marks import check_apart, parse_marks
from ..errors import DreamTalkError

_EXAMPLE = "0:left 4.2:right 9:both"
_WORD = re.compile(r"(?:[^\W\d_]+|\d{1,4})(?:\+(?:[^\W\d_]+|\d{1,4}))*")
_NAMES = "left, middle, right, both, all, none, or a number counted from the left"
_LEAST = {"left": 1, "right": 2, "middle": 3, "both": 2, "all": 1, "none": 1, "nobody": 1}


@dataclass(frozen=True)
class SpeakerMark:
    """Who begins to speak, and when.

    Attributes:
        time: s from the start.
        names: of the faces, see :func:`faces_called`.
    """

    time: float
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.time:g}:{'+'.join(self.names)}"


def parse_speaker_track(text: str) -> tuple[SpeakerMark, ...]:
    """Read who speaks when.

    Args:
        text: marks ``time:name``, as :func:`parse_marks` reads them (also an audio editor's
            labels). A name is ``left``, ``middle``, ``right``, ``both``, ``all``, ``none``
            (``nobody``) or a face's number counted from the left; several with ``+`` between.

    Returns:
        The marks in the order of time.

    Raises:
        DreamTalkError: if a mark can't be read, names nobody, or two begin at the same time.
    """
    read = parse_marks(text, _WORD, "speaker", "time:name, several names as left+2", _EXAMPLE)
    marks = [SpeakerMark(time, tuple(word[0].lower().split("+"))) for time, word in read]
    for name in {name for mark in marks for name in mark.names}:
        faces_needed(name)
    if not marks:
        raise DreamTalkError(f"the speaker track is empty: write for example {_EXAMPLE}")
    marks.sort(key=lambda mark: mark.time)
    check_apart(
        [(mark.time, "+".join(mark.names)) for mark in marks], ": write left+right for two at once"
    )
    return tuple(marks)


def faces_needed(name: str) -> int:
    """How many faces a picture must show for a name to mean somebody.

    Raises:
        DreamTalkError: if the name is none.
    """
    if name.isdecimal() and int(name) > 0:
        return int(name)
    if name not in _LEAST:
        raise DreamTalkError(f"'{name[:40]}' names no face: use {_NAMES}")
    return _LEAST[name]


def faces_called(name: str, faces: int) -> tuple[int, ...]:
    """Which faces a name means.

    Args:
        name: as in a speaker track.
        faces: how many there are.

    Returns:
        Their places from the left, from 0.

    Raises:
        DreamTalkError: if it means nobody in a picture of so many faces, or several may be meant.
    """
    needed = faces_needed(name)
    shown = f"'{name}' can't speak: {faces} face{'s take' if faces != 1 else ' takes'} part"
    if faces < needed:
        raise DreamTalkError(shown)
    if name.isdecimal():
        return (int(name) - 1,)
    if (name == "both" and faces != 2) or (name == "middle" and faces % 2 == 0):
        raise DreamTalkError(f"{shown}: give numbers from the left, as in 1+2, or all")
    return {
        "left": (0,),
        "right": (faces - 1,),
        "middle": (faces // 2,),
        "none": (),
        "nobody": (),
    }.get(name, tuple(range(faces)))


def turns_of(
    marks: Sequence[SpeakerMark], faces: int, duration: float
) -> tuple[list[np.ndarray], np.ndarray]:
    """When each face has its turn.

    A mark holds until the next one, the first one also before its time.

    Args:
        marks: in the order of time.
        faces: how many there are.
        duration: s; what begins later is left out.

    Returns:
        Turns (K, 2) of start and end in s for each face, one that goes on as one; and the times
        (M,) between 0 and the end at which something changes.
    """
    begun = [mark for mark in marks if mark.time < duration] or list(marks[:1])
    cuts = np.array([0.0, *(mark.time for mark in begun[1:]), duration])
    turns: list[list[list[float]]] = [[] for _ in range(faces)]
    for mark, start, end in zip(begun, cuts, cuts[1:], strict=False):
        for face in {face for name in mark.names for face in faces_called(name, faces)}:
            if turns[face] and turns[face][-1][1] == start:
                turns[face][-1][1] = end
            else:
                turns[face].append([start, end])
    return [np.array(own, dtype=np.float64).reshape(-1, 2) for own in turns], cuts[1:-1]

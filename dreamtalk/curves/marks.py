"""Moments with a word to each, read from text: ``0:neutral 2.5:happy 1:02.5:sad``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ..errors import DreamTalkError

_LABEL = re.compile(
    r"^\s*(?P<start>\d+(?:[.,]\d+)?)\t\s*(?:\d+(?:[.,]\d+)?\t\s*)?(?P<word>[^\s:]+)\s*$"
)
_MARK = re.compile(r"^(?:(?P<minutes>\d+):)?(?P<seconds>\d+(?:\.\d*)?|\.\d+):(?P<word>[^\s:]+)$")


def parse_marks(
    text: str, word: re.Pattern[str], what: str, form: str, example: str
) -> list[tuple[float, re.Match[str]]]:
    """Read marks from text.

    Args:
        text: ``time:word`` again and again, separated by spaces, commas, semicolons or lines. The
            time is in seconds (``2.5``) or minutes and seconds (``1:02.5``). Or the markers of an
            audio editor, as Audacity exports its labels: a line each with start, end (not used) and
            word, tabs between.
        word: what a word looks like.
        what: a mark's name, for messages.
        form: how one is written, for messages.
        example: of a whole text, for messages.

    Returns:
        s and the word, in the order of the text.

    Raises:
        DreamTalkError: if it is no text or a mark can't be read.
    """
    if not isinstance(text, str):
        raise DreamTalkError(f"a {what} track is a text like {example}, not {text!r}")
    labels = [_LABEL.match(line) for line in text.splitlines() if line.strip()]
    if labels and all(labels):
        text = " ".join(
            f"{label['start'].replace(',', '.')}:{label['word']}" for label in labels if label
        )
    marks = []
    for piece in re.split(r"[\s,;]+", text.strip()):
        if not piece:
            continue
        mark = _MARK.match(piece)
        read = mark and word.fullmatch(mark["word"])
        if not mark or not read:
            raise DreamTalkError(
                f"can't read the {what} mark '{piece[:40]}': write {form}, for example {example}"
            )
        marks.append((60.0 * float(mark["minutes"] or 0) + float(mark["seconds"]), read))
    return marks


def check_apart(marks: Sequence[tuple[float, str]], advice: str = "") -> None:
    """Refuse marks, in the order of time, of which two begin at the same time.

    Raises:
        DreamTalkError: names both, and ends with the advice.
    """
    for (time, name), (following, other) in pairwise(marks):
        if time == following:
            raise DreamTalkError(f"'{name}' and '{other}' both begin at {time:g} s{advice}")

"""Style over time: ``0:neutral 2.5:happy@1.2 6:sad`` -> a code per frame that changes smoothly."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Union

import torch
from torch import Tensor

from ..curves.easing import minimum_jerk
from ..errors import DreamTalkError, SpaceMismatchError
from ..speech.speech import FPS
from .style import Style

DEFAULT_TRANSITION = 0.8
"""s from one style to the next: faces take half a second to a second to change their expression."""
_LABEL = re.compile(
    r"^\s*(?P<start>\d+(?:[.,]\d+)?)\t\s*(?:\d+(?:[.,]\d+)?\t\s*)?(?P<style>[^\s:]+)\s*$"
)
_MARK = re.compile(
    r"^(?:(?P<minutes>\d+):)?(?P<seconds>\d+(?:\.\d*)?|\.\d+):(?P<name>[^\W\d_][\w.-]*)"
    r"(?:@(?P<intensity>\d+(?:\.\d*)?|\.\d+))?$"
)


@dataclass(frozen=True)
class StyleMark:
    """A style and when it begins.

    Attributes:
        time: s from the start.
        name: of the style, for example an emotion.
        intensity: guidance scale.
    """

    time: float
    name: str
    intensity: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.time) and self.time >= 0):
            raise DreamTalkError(f"a style can't begin at {self.time} s")
        if not (math.isfinite(self.intensity) and self.intensity >= 0):
            raise DreamTalkError(
                f"the intensity of '{self.name}' is {self.intensity}: give 0 or more"
            )


Mark = Union[StyleMark, "tuple[float, str]", "tuple[float, str, float]"]
"""A mark as :func:`style_track` takes it: ready-made, or time, name and perhaps intensity."""


def parse_style_track(text: str) -> tuple[StyleMark, ...]:
    """Read marks from text.

    Args:
        text: ``time:style`` or ``time:style@intensity``, separated by spaces, commas or lines. The
            time is in seconds (``2.5``) or minutes and seconds (``1:02.5``). Or the markers of an
            audio editor, as Audacity exports its labels: a line each with start, end (not used) and
            name, tabs between, the name being ``style`` or ``style@intensity``.

    Returns:
        The marks in the order of time.

    Raises:
        DreamTalkError: if a mark can't be read, two begin at the same time, or there is none.
    """
    labels = [_LABEL.match(line) for line in text.splitlines() if line.strip()]
    if labels and all(labels):
        text = " ".join(
            f"{label['start'].replace(',', '.')}:{label['style']}" for label in labels if label
        )
    marks = []
    for word in re.split(r"[\s,;]+", text.strip()):
        if not word:
            continue
        match = _MARK.match(word)
        if not match:
            raise DreamTalkError(
                f"can't read the style mark '{word}': write time:style or time:style@intensity, "
                "for example 0:neutral 2.5:happy@1.2"
            )
        time = 60.0 * int(match["minutes"] or 0) + float(match["seconds"])
        marks.append(StyleMark(time, match["name"], float(match["intensity"] or 1.0)))
    return _ordered(marks)


def _ordered(marks: Sequence[Mark]) -> tuple[StyleMark, ...]:
    made = [mark if isinstance(mark, StyleMark) else StyleMark(*mark) for mark in marks]
    if not made:
        raise DreamTalkError("the style track is empty: write for example 0:neutral 2.5:happy@1.2")
    ordered = tuple(sorted(made, key=lambda mark: mark.time))
    for mark, following in pairwise(ordered):
        if mark.time == following.time:
            raise DreamTalkError(
                f"'{mark.name}' and '{following.name}' both begin at {mark.time:g} s"
            )
    return ordered


def style_track(
    marks: str | Sequence[Mark],
    style_of: Callable[[str, float], Style],
    duration: float | None = None,
    transition: float = DEFAULT_TRANSITION,
    fps: float = FPS,
) -> Style:
    """A style that changes over time.

    Each change is eased (no jump in value or speed) and centred on its mark; between marks that are
    close together it is shortened to fit. The first style also holds before its mark.

    Args:
        marks: as text (see :func:`parse_style_track`) or ready-made: :class:`StyleMark` or tuples
            of time and name, with an intensity or without.
        style_of: name and intensity -> style, for example ``model.preset``. Called once per mark.
        duration: s; up to a second after the last change by default. The last code holds beyond.
        transition: s that a change takes.
        fps: codes a second.

    Returns:
        A style with code (T, d). Its intensity is one number if all marks have the same, else (T,).

    Raises:
        DreamTalkError: if the text can't be read, or the transition is negative.
        SpaceMismatchError: if the styles belong to different checkpoints.
    """
    ordered = parse_style_track(marks) if isinstance(marks, str) else _ordered(marks)
    if not transition >= 0:
        raise DreamTalkError(f"a transition of {transition} s: give 0 or more")
    styles = [style_of(mark.name, mark.intensity) for mark in ordered]
    models = {style.model for style in styles}
    if len(models) > 1:
        raise SpaceMismatchError(
            "the styles of one track come from different checkpoints "
            f"({', '.join(sorted(models))}): make all of them with the same"
        )
    end = ordered[-1].time + transition / 2 + 1.0 if duration is None else duration
    times = torch.arange(max(1, math.ceil(end * fps))) / fps
    weights = _weights([mark.time for mark in ordered], times, transition)
    rows = torch.stack([style.code.reshape(-1, style.code.shape[-1])[0] for style in styles])
    intensities = torch.tensor([mark.intensity for mark in ordered])
    constant = bool((intensities == intensities[0]).all())
    return Style(
        weights.to(rows) @ rows,
        styles[0].model,
        float(intensities[0]) if constant else weights @ intensities,
        " ".join(f"{mark.time:g}:{mark.name}" for mark in ordered),
    )


def _weights(starts: list[float], times: Tensor, transition: float) -> Tensor:
    """How much each style counts at each time: (T, S), rows sum to 1."""
    reached = [torch.ones_like(times)]
    for index in range(1, len(starts)):
        gaps = [starts[index] - starts[index - 1]]
        if index + 1 < len(starts):
            gaps.append(starts[index + 1] - starts[index])
        length = max(min(transition, *gaps), 1e-6)
        phase = ((times - starts[index]) / length + 0.5).clamp(0.0, 1.0)
        reached.append(minimum_jerk(phase))
    edges = torch.stack([*reached, torch.zeros_like(times)], dim=1)
    return edges[:, :-1] - edges[:, 1:]

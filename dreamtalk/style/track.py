"""Style over time: ``0:neutral 2.5:happy@1.2 6:sad`` -> a code per frame that changes smoothly."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Union

import torch
from torch import Tensor

from ..curves.easing import minimum_jerk
from ..curves.length import hold_last
from ..curves.marks import check_apart, parse_marks
from ..errors import DreamTalkError, SpaceMismatchError
from ..options import OPTIONS, checked, default
from ..speech.speech import FPS
from .style import Style

DEFAULT_TRANSITION: float = default("transition")
"""s from one style to the next: faces take half a second to a second to change their expression."""
MAX_OPEN_END = 10_800.0
"""s that a track may last whose end is not said: codes are made up to its last mark then."""
_WORD = re.compile(r"(?P<name>[^\W\d_][\w.-]*)(?:@(?P<intensity>\d+(?:\.\d*)?|\.\d+))?")
_EXAMPLE = "0:neutral 2.5:happy@1.2"


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
        checked(intensity=self.intensity)


Mark = Union[StyleMark, "tuple[float, str]", "tuple[float, str, float]"]
"""A mark as :func:`style_track` takes it: ready-made, or time, name and perhaps intensity."""


def parse_style_track(text: str, intensity: float = default("intensity")) -> tuple[StyleMark, ...]:
    """Read marks from text.

    Args:
        text: ``time:style`` or ``time:style@intensity``, separated by spaces, commas or lines. The
            time is in seconds (``2.5``) or minutes and seconds (``1:02.5``). Or the markers of an
            audio editor, as Audacity exports its labels: a line each with start, end (not used) and
            name, tabs between, the name being ``style`` or ``style@intensity``.
        intensity: of marks that don't say one.

    Returns:
        The marks in the order of time.

    Raises:
        DreamTalkError: if a mark can't be read, two begin at the same time, or there is none.
    """
    form = "time:style or time:style@intensity"
    marks = [
        StyleMark(time, word["name"], float(word["intensity"] or intensity))
        for time, word in parse_marks(text, _WORD, "style", form, _EXAMPLE)
    ]
    return _ordered(marks, intensity)


def _ordered(marks: Sequence[Mark], intensity: float) -> tuple[StyleMark, ...]:
    made = [
        mark if isinstance(mark, StyleMark) else StyleMark(*(*mark, intensity)[:3])
        for mark in marks
    ]
    if not made:
        raise DreamTalkError(f"the style track is empty: write for example {_EXAMPLE}")
    ordered = tuple(sorted(made, key=lambda mark: mark.time))
    check_apart([(mark.time, mark.name) for mark in ordered])
    return ordered


def style_track(
    marks: str | Sequence[Mark],
    style_of: Callable[[str, float], Style],
    duration: float | None = None,
    transition: float = DEFAULT_TRANSITION,
    fps: float = FPS,
    intensity: float = default("intensity"),
) -> Style:
    """A style that changes over time.

    Each change is eased (no jump in value or speed) and centred on its mark; between marks that are
    close together it is shortened to fit. The first style also holds before its mark.

    Args:
        marks: as text (see :func:`parse_style_track`) or ready-made: :class:`StyleMark` or tuples
            of time and name, with an intensity or without.
        style_of: name and intensity -> style, for example ``model.preset``. Called once per mark.
        duration: s of codes to make, such as the speech's; up to a second after the last change by
            default. The last code holds beyond; marks beyond cost nothing.
        transition: s that a change takes.
        fps: codes a second.
        intensity: of marks that don't say one.

    Returns:
        A style with code (T, d). Its intensity is one number if all marks have the same, else (T,).

    Raises:
        DreamTalkError: if the text can't be read, a number is out of its range, or the track is
            longer than 3 hours and no duration is given.
        SpaceMismatchError: if the styles belong to different checkpoints.
    """
    checked(transition=transition, frame_rate=fps, intensity=intensity)
    if isinstance(marks, str):
        ordered = parse_style_track(marks, intensity)
    else:
        ordered = _ordered(marks, intensity)
    styles = [style_of(mark.name, mark.intensity) for mark in ordered]
    models = {style.model for style in styles}
    if len(models) > 1:
        raise SpaceMismatchError(
            "the styles of one track come from different checkpoints "
            f"({', '.join(sorted(models))}): make all of them with the same"
        )
    times = torch.arange(_codes(ordered, duration, transition, fps)) / fps
    rows = torch.stack([style.code.reshape(-1, style.code.shape[-1])[0] for style in styles])
    intensities = torch.tensor([float(mark.intensity) for mark in ordered])
    constant = bool((intensities == intensities[0]).all())
    before, after, reached = _changes([mark.time for mark in ordered], times, transition)
    strength = torch.lerp(intensities[before], intensities[after], reached)
    return Style(
        torch.lerp(rows[before], rows[after], reached.to(rows)[:, None]),
        styles[0].model,
        float(intensities[0]) if constant else strength.clamp(0.0, OPTIONS["intensity"].high),
        _name(ordered),
    )


def scaled_intensity(style: Style, factors: Tensor) -> Style:
    """A style whose intensity changes over time.

    Args:
        style: steady, or one that changes over time, too; it is made as long as the factors.
        factors: (T,) by what the intensity is multiplied, one for each frame at 25 fps.

    Returns:
        A style with code (T, d) and intensity (T,), both holding beyond.

    Raises:
        DreamTalkError: if there are no factors, or the product is out of an intensity's range.
    """
    count, code = len(factors), style.code
    if count == 0:
        raise DreamTalkError("an intensity over time needs a factor for a frame at least")
    codes = code.expand(count, -1) if code.ndim == 1 else hold_last(code, count)
    own = style.intensity
    intensity = hold_last(own, count) if isinstance(own, Tensor) else own
    return Style(codes.contiguous(), style.model, intensity * factors.float(), style.name)


def _codes(
    ordered: tuple[StyleMark, ...], duration: float | None, transition: float, fps: float
) -> int:
    """How many codes are made: at least one."""
    end = ordered[-1].time + transition / 2 + 1.0 if duration is None else duration
    if duration is None and end > MAX_OPEN_END:
        raise DreamTalkError(
            f"the style track goes on until {ordered[-1].time:g} s: a track of more than "
            f"{MAX_OPEN_END:g} s needs the speech that it is for"
        )
    if not (math.isfinite(end) and end >= 0):
        raise DreamTalkError(f"a style track can't last {end} s: give the seconds of the speech")
    return max(1, math.ceil(end * fps))


def _name(ordered: tuple[StyleMark, ...], most: int = 20) -> str:
    """The marks in words, the first ones of very many."""
    words = [f"{mark.time:g}:{mark.name}" for mark in ordered[:most]]
    return " ".join(words + ["..."] * (len(ordered) > most))


def _changes(
    starts: list[float], times: Tensor, transition: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Which two styles count at each time, and how far the change to the second is (0..1).

    Changes don't overlap, so two are enough however many there are: (T,) int64 twice, (T,) float.
    """
    marks = torch.tensor(starts, dtype=torch.float64)
    gaps = torch.diff(marks)
    nearest = torch.bucketize(times.double(), marks[:-1] + gaps / 2, right=True)
    inf = torch.tensor([math.inf], dtype=torch.float64)
    room = torch.minimum(torch.cat([inf, gaps]), torch.cat([gaps, inf]))
    length = room.clamp(1e-6, max(transition, 1e-6))
    phase = ((times - marks[nearest]) / length[nearest] + 0.5).clamp(0.0, 1.0)
    reached = minimum_jerk(phase).float()
    return (nearest - 1).clamp(min=0), nearest, reached

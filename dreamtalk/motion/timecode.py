"""Timecodes of recordings, row by row, into times that rise.

What clocks do: they start again at midnight or noon, count 29.97 frames as 30 (and leave labels out
once a minute, written with a semicolon), drop frames, and stand still.
"""

from __future__ import annotations

import logging
import re
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..files.timeline import DROP_FRAME_RATES

log = logging.getLogger("dreamtalk")

DEFAULT_FPS = 60.0
"""What the app records at, where the timecodes can't tell."""
_BASES = (24, 25, 30, 48, 50, 60, 100, 120)
_RATES = tuple(sorted((*map(Fraction, _BASES), *DROP_FRAME_RATES)))
_TIMECODE = re.compile(r"^(\d+):(\d+):(\d+)([:;])(\d+(?:\.\d+)?)$")
_SNAP = 0.0008  # share that a measured rate may be off: 30 and 29.97 are 0.001 apart
_HALF_DAY = 43_200.0
_FAULTY = 0.1  # share of rows without a later stamp than those before: so few are left out
_LONGEST = 600.0  # s without a row
_STRETCH = 20.0  # times as many frames as rows, beside the longest pause

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int_]


def row_times(stamps: list[str], count: int, fps: float | None = None) -> tuple[Array, float, Rows]:
    """When each row was recorded.

    Where the stamps can't be right, which the log then says, rows follow each other at the
    recording's rate.

    Args:
        stamps: ``HH:MM:SS:FF.fff`` each, or of any other form: then they tell nothing.
        count: rows.
        fps: frames a second if that is known.

    Returns:
        (n,) s from the first row, rising; the frame rate; and the (n,) rows that they are of.
    """
    rows = np.arange(count)
    matches = [_TIMECODE.match(stamp) for stamp in stamps]
    if count < 2 or not matches or not all(matches):
        rate = fps or DEFAULT_FPS
        return rows / rate, rate, rows
    parts = np.array([[float(g) for g in match.group(1, 2, 3, 5)] for match in matches if match])
    times = _seconds(parts, any(";" in stamp for stamp in stamps), fps)
    rises = np.r_[True, times[1:] > np.maximum.accumulate(times)[:-1]]
    rate = _rate(times[rises], fps)
    faulty = count - int(rises.sum())
    kept, kept_rows = times[rises], rows[rises]
    if faulty > _FAULTY * count:
        span, fits = times[-1] - times[0], 0.0
        if span > 0 and (times[1:] >= times[:-1]).all():
            fits = (count - 1) / span  # several rows a stamp
        rate = fps or (_snapped(fits) if 10.0 <= fits <= 250.0 else DEFAULT_FPS)
        log.warning(
            "%d of %d time stamps repeat or run backwards: the rows are read one after the other "
            "at %.5g frames a second", faulty, count, rate,
        )  # fmt: skip
        return rows / rate, rate, rows
    pause = float(np.diff(kept).max(initial=0.0))
    if pause > _LONGEST or kept[-1] * rate > _STRETCH * count + _LONGEST * rate:
        log.warning(
            "the time stamps leave %.0f s out: the rows are read one after the other at %.5g "
            "frames a second", pause, rate,
        )  # fmt: skip
        return rows / rate, rate, rows
    if faulty:
        log.warning("%d rows whose time stamps repeat or run backwards are left out", faulty)
    return kept, rate, kept_rows


def _seconds(parts: Array, drops_labels: bool, fps: float | None) -> Array:
    """s from the first row: of hours, minutes, seconds and frames (n, 4)."""
    most = np.floor(parts[:, 3].max())
    bases = [base for base in _BASES if base > most] or [_BASES[-1]]
    if fps is not None and round(fps) > most:
        bases = [round(fps)]
    whole = parts[:, 0] * 3600 + parts[:, 1] * 60 + parts[:, 2]
    if np.ptp(whole) == 0 and fps is None and most < DEFAULT_FPS:
        bases = [round(DEFAULT_FPS)]  # less than a second shows not how many frames one has
    candidates = [
        _unwrapped(_labelled(parts, base) if drops_labels and base % 30 == 0 else
                   whole + parts[:, 3] / base)
        for base in bases
    ]  # fmt: skip
    best = min(candidates, key=lambda times: float(np.diff(times).std()))
    return best - best[0]


def _labelled(parts: Array, base: int) -> Array:
    """s by drop-frame timecode (SMPTE 12M): labels are left out so that it keeps to the clock."""
    minutes = parts[:, 0] * 60 + parts[:, 1]
    left_out = base // 15 * (minutes - minutes // 10)
    frames = (minutes * 60 + parts[:, 2]) * base + parts[:, 3] - left_out
    return frames * 1001.0 / (base * 1000.0)


def _unwrapped(times: Array) -> Array:
    """Over midnight, and over noon on a clock of twelve hours, it begins again."""
    steps = np.diff(times, prepend=times[0])
    turns = np.round(-steps / _HALF_DAY) * (steps < -_HALF_DAY / 2)
    return times + _HALF_DAY * np.cumsum(turns)


def _rate(times: Array, fps: float | None) -> float:
    """Frames a second from times that rise."""
    if fps is not None:
        return fps
    steps = np.diff(times)
    if len(steps) == 0:
        return DEFAULT_FPS
    usual = steps[np.abs(steps / np.median(steps) - 1.0) < 0.02]
    rate = 1.0 / float(usual.mean() if len(usual) else np.median(steps))
    return _snapped(rate) if 1.0 <= rate <= 1000.0 else DEFAULT_FPS


def _snapped(rate: float) -> float:
    """The nearest rate that cameras have, if it is near."""
    nearest = min(_RATES, key=lambda known: abs(float(known) - rate))
    close = abs(float(nearest) - rate) < _SNAP * rate
    return float(nearest) if close else round(rate, 3)

"""What the lips do for each phone: targets and how strongly they are held.

Lengths in IOD, as offsets from the closed, resting mouth. The numbers were written by hand: order
and size from phonetics, the scale from the statistics of real talkers (median aperture 10 % IOD,
standard deviation 5.5 %, 95th percentile 19 %; width 4 %).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..corpus.phones import Segment
from .calibrated import CALIBRATED

TRACKS: tuple[str, ...] = ("aperture", "width", "protrusion", "jaw")
"""What is coarticulated; the channels are composed from these."""


@dataclass(frozen=True)
class Viseme:
    """Targets of the four tracks and their dominance (how much they resist their neighbours)."""

    aperture: float
    width: float
    protrusion: float
    jaw: float
    hold: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)


# aperture, width, protrusion, jaw; dominance of each
_V = (1.0, 1.0, 1.0, 1.0)
_ROUND = (1.2, 2.0, 2.0, 0.8)
_SOFT = (0.5, 0.4, 0.4, 0.5)
HAND: dict[str, Viseme] = {
    "sil": Viseme(0.000, 0.000, 0.000, 0.000, (1.2, 0.9, 0.9, 1.2)),
    "pau": Viseme(0.095, 0.000, 0.000, 0.040, (0.8, 0.6, 0.6, 0.8)),
    "AA": Viseme(0.205, 0.000, 0.000, 0.110, (1.4, 0.8, 0.8, 1.4)),
    "AE": Viseme(0.190, 0.035, 0.000, 0.100, (1.3, 1.0, 0.8, 1.3)),
    "AH": Viseme(0.150, 0.000, 0.000, 0.080, (1.0, 0.6, 0.6, 1.0)),
    "AO": Viseme(0.165, -0.060, 0.022, 0.095, (1.2, 1.4, 1.4, 1.2)),
    "AX": Viseme(0.105, 0.000, 0.000, 0.050, (0.5, 0.4, 0.4, 0.5)),
    "EH": Viseme(0.145, 0.035, 0.000, 0.070, _V),
    "ER": Viseme(0.100, -0.050, 0.020, 0.040, (1.0, 1.2, 1.2, 1.0)),
    "EY": Viseme(0.125, 0.055, -0.004, 0.055, (1.0, 1.3, 1.0, 1.0)),
    "IH": Viseme(0.110, 0.040, 0.000, 0.045, (0.8, 0.8, 0.8, 0.8)),
    "IY": Viseme(0.090, 0.070, -0.006, 0.030, (1.0, 1.5, 1.0, 1.0)),
    "OE": Viseme(0.095, -0.085, 0.035, 0.045, _ROUND),
    "UE": Viseme(0.055, -0.115, 0.050, 0.025, _ROUND),
    "UH": Viseme(0.090, -0.060, 0.025, 0.040, (1.0, 1.2, 1.2, 0.8)),
    "UW": Viseme(0.055, -0.125, 0.050, 0.030, _ROUND),
    "OW": Viseme(0.125, -0.085, 0.035, 0.065, (1.2, 1.6, 1.6, 1.0)),
    "P": Viseme(0.040, -0.004, 0.000, 0.020, (0.5, 0.3, 0.3, 0.4)),
    "B": Viseme(0.040, -0.004, 0.000, 0.020, (0.5, 0.3, 0.3, 0.4)),
    "M": Viseme(0.040, -0.004, 0.000, 0.020, (0.5, 0.3, 0.3, 0.4)),
    "F": Viseme(0.030, 0.006, -0.010, 0.012, (2.5, 0.6, 1.2, 1.2)),
    "V": Viseme(0.032, 0.004, -0.008, 0.014, (2.2, 0.6, 1.0, 1.0)),
    "TH": Viseme(0.080, 0.010, 0.000, 0.025, (1.2, 0.5, 0.5, 1.2)),
    "DH": Viseme(0.080, 0.008, 0.000, 0.027, (0.8, 0.4, 0.4, 0.8)),
    "T": Viseme(0.080, 0.012, 0.000, 0.020, (0.8, 0.4, 0.4, 1.0)),
    "D": Viseme(0.082, 0.012, 0.000, 0.022, (0.8, 0.4, 0.4, 1.0)),
    "N": Viseme(0.080, 0.010, 0.000, 0.026, (0.7, 0.4, 0.4, 0.8)),
    "L": Viseme(0.105, 0.008, 0.000, 0.036, (0.7, 0.4, 0.4, 0.6)),
    "S": Viseme(0.062, 0.028, 0.000, 0.008, (1.8, 0.8, 0.5, 2.0)),
    "Z": Viseme(0.064, 0.026, 0.000, 0.009, (1.7, 0.8, 0.5, 1.8)),
    "SH": Viseme(0.072, -0.065, 0.038, 0.008, (1.8, 1.4, 1.6, 2.0)),
    "ZH": Viseme(0.072, -0.065, 0.038, 0.009, (1.7, 1.4, 1.6, 1.8)),
    "CH": Viseme(0.070, -0.060, 0.036, 0.009, (1.7, 1.3, 1.5, 1.8)),
    "JH": Viseme(0.070, -0.058, 0.034, 0.010, (1.6, 1.3, 1.5, 1.8)),
    "K": Viseme(0.095, 0.004, 0.000, 0.034, _SOFT),
    "G": Viseme(0.095, 0.004, 0.000, 0.034, _SOFT),
    "NG": Viseme(0.095, 0.006, 0.000, 0.036, _SOFT),
    "HH": Viseme(0.110, 0.000, 0.000, 0.045, (0.12, 0.1, 0.1, 0.12)),
    "X": Viseme(0.100, 0.000, 0.000, 0.036, _SOFT),
    "R": Viseme(0.080, -0.060, 0.026, 0.024, (1.1, 1.2, 1.3, 0.9)),
    "W": Viseme(0.045, -0.135, 0.052, 0.022, (1.8, 2.2, 2.2, 1.0)),
    "Y": Viseme(0.078, 0.045, 0.000, 0.022, (1.0, 1.0, 0.6, 1.0)),
}
"""Every phone but the diphthongs, and short pauses, as written by hand."""

VISEMES: dict[str, Viseme] = {
    phone: replace(viseme, aperture=CALIBRATED[phone][0], width=CALIBRATED[phone][1])
    if phone in CALIBRATED
    else viseme
    for phone, viseme in HAND.items()
}
"""The same with the numbers that were fitted to filmed talkers (docs/rules.md)."""

DIPHTHONGS: dict[str, tuple[str, str]] = {
    "AW": ("AA", "UH"), "AY": ("AA", "IH"), "OY": ("AO", "IH"), "EY": ("EH", "IY"), "OW": ("AO",
        "UW"),
}  # fmt: skip
"""Long vowels that end elsewhere than they begin."""

_DIPHTHONG_MIN = 0.09
PAUSE = 0.5
"""Seconds: in shorter pauses between words people keep their lips apart ("pau"), filmed ones by 9 %
of IOD in the middle; in longer ones, before they begin and when they are done they rest ("sil")."""


def viseme_sequence(segments: tuple[Segment, ...]) -> list[tuple[Viseme, Segment]]:
    """Visemes in time order, diphthongs as two."""
    found: list[tuple[Viseme, Segment]] = []
    spoken = [i for i, s in enumerate(segments) if s.phone != "sil"]
    first, last = (spoken[0], spoken[-1]) if spoken else (0, -1)
    for i, s in enumerate(segments):
        if s.phone == "sil" and first < i < last and s.end - s.start < PAUSE:
            found.append((VISEMES["pau"], s))
            continue
        parts = DIPHTHONGS.get(s.phone)
        if parts and (s.end - s.start >= _DIPHTHONG_MIN or s.phone not in VISEMES):
            middle = s.start + 0.6 * (s.end - s.start)
            found.append((VISEMES[parts[0]], Segment(s.phone, s.start, middle, s.stress)))
            found.append((VISEMES[parts[1]], Segment(s.phone, middle, s.end, s.stress)))
        else:
            found.append((VISEMES[s.phone], s))
    return found


def targets_and_dominances(
    visemes: list[Viseme],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Targets and dominances, (K, 4) each."""
    targets = np.array([(v.aperture, v.width, v.protrusion, v.jaw) for v in visemes])
    return targets, np.array([v.hold for v in visemes])

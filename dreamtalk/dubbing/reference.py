"""Which frames of a shot show the mouth best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..motion.spaces import FACE
from .film import Film
from .painter import Reference
from .trace import Trace

OPENINGS = (0.9, 0.97)
"""Quantiles of the lip aperture that the open reference frames are sought at."""
_SHARE = 0.05  # of a shot's frames, at least three, among which the best one is taken
_DEGREES = 10.0  # off the front that cost as much as a factor of e in sharpness
_PRESSED = 15.0  # what an IOD of lips thinner than usual costs,
_PURSED = 8.0  # and one of a mouth narrower or wider than usual
MARGIN = 0.75
"""Of the face's size around the face, in the pictures that painters see."""

Numbers = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


def scores(trace: Trace, frames: Numbers) -> Values:
    """How well frames show a face: ln(sharpness) minus a tenth of the degrees off the front.

    Sharpness is the variance of the Laplacian over the lower face. The angle is the larger one of
    pitch and yaw; the pitch against the frames' median, since cameras look up and down.
    """
    sharp = np.log(trace.looks[frames, 0].astype(np.float64) + 1e-3)
    degrees = np.degrees(trace.angles[frames, :2].astype(np.float64))
    degrees[:, 0] -= np.median(degrees[:, 0])
    return sharp - np.abs(degrees).max(axis=1) / _DEGREES


def choose_references(trace: Trace, shot: tuple[int, int], neutral: Values) -> list[int]:
    """The numbers of a shot's reference frames.

    Each is the one with the best score among a twentieth of the frames: those whose lips look and
    measure most closed (neither pressed nor pursed), those that show most teeth for their opening,
    and those at two wide openings.

    Args:
        shot: (first, last + 1), with at least one face found in it.
        neutral: (31,) the person's absolute channels.
    """
    frames = np.arange(*shot)[trace.found[shot[0] : shot[1]]]
    channels = (trace.channels[frames] - neutral).astype(np.float64)
    score = scores(trace, frames)

    def column(name: str) -> Values:
        return channels[:, FACE.index[name]]

    def best(order: Values, score: Values = score) -> int:
        first = np.argsort(order, kind="stable")[: max(3, round(_SHARE * len(frames)))]
        return int(frames[first[score[first].argmax()]])

    aperture = column("lipAperture")
    height = column("lipUpperY") - column("lipLowerY") - aperture
    width = column("mouthWidth")
    relaxed = score - _PRESSED * (np.median(height) - height).clip(min=0)
    relaxed = relaxed - _PURSED * np.abs(width - np.median(width))
    chosen = [
        best(trace.looks[frames, 1] + aperture / 2, relaxed),
        best(aperture / 10 - trace.looks[frames, 2]),
    ]
    chosen += [best(np.abs(aperture - np.quantile(aperture, share))) for share in OPENINGS]
    return list(dict.fromkeys(chosen))


def load_reference(film: Film, trace: Trace, numbers: list[int], neutral: Values) -> Reference:
    """Cut the face out of reference frames, all at one size."""
    marks = [trace.landmarks.part(number, number + 1)[0] for number in numbers]
    spans = [(m[:, :2].min(0), m[:, :2].max(0)) for m in marks]
    side = int(np.ceil((1 + 2 * MARGIN) * max(float((b - a).max()) for a, b in spans)))
    height, width = (min(side, s) for s in trace.size)
    pictures, landmarks = [], []
    for number, found, (low, high) in zip(numbers, marks, spans, strict=True):
        (picture,) = film.part(number, number + 1)
        middle = (low + high) / 2
        left = int(np.clip(round(middle[0] - width / 2), 0, trace.size[1] - width))
        top = int(np.clip(round(middle[1] - height / 2), 0, trace.size[0] - height))
        pictures.append(torch.from_numpy(picture[top : top + height, left : left + width].copy()))
        landmarks.append(torch.from_numpy(found - np.array([left, top, 0], np.float32)))
    channels = trace.channels[numbers] - neutral
    return Reference(
        pictures=torch.stack(pictures),
        landmarks=torch.stack(landmarks),
        channels=torch.from_numpy(channels.astype(np.float32)),
        neutral=torch.from_numpy(neutral.astype(np.float32)),
    )

"""Which frames of a shot show the mouth best."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..face.channels import CLOSED_APERTURE
from ..motion.spaces import FACE
from .film import Film
from .painter import Reference
from .trace import Trace

OPENINGS = (0.8, 0.9, 0.97)
"""Quantiles of the lip aperture that the open reference frames are sought at."""
_NEAR = 0.04  # share of a shot's frames that count as that open, at least three
_CLOSED = 0.05  # share of the frames with the smallest aperture, if none is closed
_DEGREES = 10.0  # off the front that cost as much as a factor of e in sharpness
MARGIN = 0.75
"""Of the face's size around the face, in the pictures that painters see."""


def scores(trace: Trace, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """How well frames show a face: ln(sharpness) minus a tenth of the degrees off the front.

    Sharpness is the variance of the Laplacian over the lower face. The angle is the larger one of
    pitch and yaw: against the shot's median for the pitch, since cameras look up and down.
    """
    sharp = np.log(trace.sharpness[frames].astype(np.float64) + 1e-3)
    degrees = np.degrees(trace.angles[frames, :2].astype(np.float64))
    degrees[:, 0] -= np.median(degrees[:, 0])
    return sharp - np.abs(degrees).max(axis=1) / _DEGREES


def choose_references(
    trace: Trace, shot: tuple[int, int], neutral: npt.NDArray[np.float64]
) -> list[int]:
    """The numbers of a shot's reference frames: lips closed first, then wider and wider.

    Args:
        shot: (first, last + 1), with at least one face found in it.
        neutral: (31,) the person's absolute channels.
    """
    frames = np.arange(*shot)[trace.found[shot[0] : shot[1]]]
    aperture = (
        trace.channels[frames, FACE.index["lipAperture"]] - neutral[FACE.index["lipAperture"]]
    )
    score = scores(trace, frames)
    closed = aperture <= max(CLOSED_APERTURE * 0.6, float(np.quantile(aperture, _CLOSED)))
    chosen = [int(frames[closed][score[closed].argmax()])]
    for share in OPENINGS:
        apart = np.abs(aperture - np.quantile(aperture, share))
        near = np.argsort(apart, kind="stable")[: max(3, round(_NEAR * len(frames)))]
        chosen.append(int(frames[near[score[near].argmax()]]))
    return list(dict.fromkeys(chosen))


def load_reference(
    film: Film, trace: Trace, numbers: list[int], neutral: npt.NDArray[np.float64]
) -> Reference:
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

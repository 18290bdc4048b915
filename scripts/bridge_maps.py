"""Fit linear maps between the motion spaces: what ``scripts/fit_bridges.py`` does with clips.

Ridge regression on offsets: each clip's mean is taken out. The map is the mean of four that err
differently: with every input scaled to its own spread, which listens to small inputs and their
noise, and all inputs alike; and with or without half of what a clip's mean differs from its
speaker's, so that lasting expressions (a happy clip against a sad one) count while a person's
resting face doesn't. ``face`` and ARKit data are doubled by mirroring.

Ridge regression mutes whatever it is unsure of. Its outputs are raised again (:func:`gains`) to the
size that they have in the clips of speakers who were not fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch

from dreamtalk.motion.bridges import Bridges
from dreamtalk.motion.spaces import ARKIT_CHANNELS, FACE_CHANNELS, LIP_CHANNELS, SPACES

RIDGE = 0.02  # in units of the inputs' variance
RIDGES = {
    ("bfm", "face"): 0.01,
    ("face", "arkit"): 0.01,
    ("arkit", "bfm"): 0.1,  # scores of a tracker are noisy, and 64 coefficients are many
}
# bfm -> face: a firmer fit follows lips of other trackers' clips better, and closes them more often
LIP_RIDGE = 0.1
PLAIN_RIDGE = 0.03
OWN_SCALES = (0.0, 1.0)  # inputs in units of: 0 the spread of all, 1 their own
LASTING = (0.0, 0.5)  # share of a clip's lasting expression that counts
LEAST_SPREAD = {"face": 0.003, "arkit": 0.02, "bfm": 0.03}  # about the trackers' noise
# Outputs are raised by at most MOST_GAIN, and only those that correlate by that much: of the rest
# the noise would be raised. Scores are solved for, so their map's size doesn't matter.
RAISED = {("bfm", "face"): 0.4, ("face", "bfm"): 0.75}
MOST_GAIN = 1.25
MANY_CLIPS = 4  # of a speaker: fewer tell nothing about lasting expressions
LEAST_SCATTER, HAND_SCATTER = 0.005, 0.05  # of scores; the second for those that are never seen
SHRINK = 0.1  # of the covariance of scores towards its diagonal
# Signs that change when a face channel is mirrored; Left and Right change places anyway.
MIRRORED_SIGN = ("lipX", "jawX", "gazeLeftX", "gazeRightX")
# MediaPipe's landmarker never shows these shapes, so their effect on the face is set by hand
# (IOD at a score of 1), after the pictures in Apple's ARKit documentation.
BY_HAND: dict[str, dict[str, float]] = {
    "jawForward": {"lipLowerZ": 0.05, "chinY": 0.01},
    "noseSneerLeft": {"noseWingLeftY": 0.05, "cheekLeftY": 0.02},
    "noseSneerRight": {"noseWingRightY": 0.05, "cheekRightY": 0.02},
    "cheekSquintLeft": {"cheekLeftY": 0.05, "lidLowerLeftY": 0.02},
    "cheekSquintRight": {"cheekRightY": 0.05, "lidLowerRightY": 0.02},
    "cheekPuff": {"mouthWidth": -0.03, "mouthInnerWidth": -0.03, "lipUpperZ": 0.02},
    "tongueOut": {},
}
GAZE = [i for i, name in enumerate(FACE_CHANNELS) if name.startswith("gaze")]
LIPS = [FACE_CHANNELS.index(name) for name in LIP_CHANNELS if name not in ("chinY", "jawX")]
UNSEEN = [ARKIT_CHANNELS.index(name) for name in BY_HAND]


@dataclass
class Clip:
    """One clip in all three spaces, (T, C) each, absolute."""

    name: str
    speaker: str
    values: dict[str, np.ndarray]


def mirrored(values: np.ndarray, space: str) -> np.ndarray:
    """The same motion seen in a mirror."""
    names = SPACES[space].channels
    swap = {"Left": "Right", "Right": "Left"}
    columns = []
    for name in names:
        for old, new in swap.items():
            if old in name:
                name = name.replace(old, new)
                break
        columns.append(names.index(name))
    signs = np.array([-1.0 if name in MIRRORED_SIGN else 1.0 for name in names])
    return values[:, columns] * signs


def offsets(clips: list[Clip], space: str, mirror: bool, lasting: float) -> np.ndarray:
    """Clip means removed, except for a share of what lasts."""
    rows = []
    for clip in clips:
        values = clip.values[space]
        same = [
            other.values[space].mean(axis=0) for other in clips if other.speaker == clip.speaker
        ]
        kept = lasting * (values.mean(axis=0) - np.mean(same, axis=0))
        moved = values - values.mean(axis=0) + kept
        rows.append(moved)
        if mirror:
            rows.append(mirrored(moved, space))
    return np.concatenate(rows)


def plain(clips: list[Clip], source: str, target: str) -> np.ndarray:
    """(C_source, C_target) ridge regression as simple as can be, to compare with: standardised
    inputs, clip means removed."""
    x, y = offsets(clips, source, False, 0.0), offsets(clips, target, False, 0.0)
    scale = x.std(axis=0) + 1e-4
    return _ridge(x / scale, y, PLAIN_RIDGE) / scale[:, None]


def fit(clips: list[Clip], source: str, target: str) -> np.ndarray:
    """(C_source, C_target): the mean of several ridge regressions, not raised."""
    mirror = "bfm" not in (source, target)
    matrices = []
    for lasting in LASTING:
        x, y = (offsets(clips, space, mirror, lasting) for space in (source, target))
        if source == "arkit":
            x[:, UNSEEN] = 0.0
        # BFM has no irises: what correlates with gaze there is the pose
        if (source, target) == ("face", "bfm"):
            x[:, GAZE] = 0.0
        spread = np.sqrt(x.var(axis=0) + LEAST_SPREAD[source] ** 2)
        usual = np.sqrt((spread**2).mean())
        for own in OWN_SCALES:
            scale = spread**own * usual ** (1.0 - own)
            ridge = RIDGES.get((source, target), RIDGE)
            matrix = _ridge(x / scale, y, ridge)
            if (source, target) == ("bfm", "face"):
                matrix[:, LIPS] = _ridge(x / scale, y[:, LIPS], LIP_RIDGE)
            matrices.append(matrix / scale[:, None])
    matrix = np.mean(matrices, axis=0)
    if source == "arkit":
        for name, effect in BY_HAND.items():
            row = np.zeros(matrix.shape[1])
            if target == "face":
                for channel, value in effect.items():
                    row[FACE_CHANNELS.index(channel)] = value
            matrix[ARKIT_CHANNELS.index(name)] = row
    if (source, target) == ("bfm", "face"):
        matrix[:, GAZE] = 0.0
    if (source, target) == ("bfm", "arkit"):
        matrix[:, [i for i, name in enumerate(ARKIT_CHANNELS) if "Look" in name]] = 0.0
    if target == "arkit":
        # what is never seen can't be predicted: a silent channel is better than noise
        matrix[:, UNSEEN] = 0.0
    return matrix


def _ridge(x: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    return np.linalg.solve(x.T @ x + ridge * len(x) * np.eye(x.shape[1]), x.T @ y)


def gains(clips: list[Clip], source: str, target: str) -> np.ndarray:
    """(C_target,) by what outputs are too small, for speakers who were left out of the fit: within
    clips and from one lasting expression to another, whichever lacks less."""
    least = RAISED.get((source, target))
    if least is None:
        return np.ones(len(SPACES[target].channels))
    within, between = [], []
    for speaker in {clip.speaker for clip in clips}:
        matrix = fit([clip for clip in clips if clip.speaker != speaker], source, target)
        pairs = [
            (clip.values[target], clip.values[source] @ matrix)
            for clip in clips
            if clip.speaker == speaker
        ]
        means = np.array([[values.mean(axis=0) for values in pair] for pair in pairs])
        for pair, mean in zip(pairs, means, strict=True):
            within.append(np.stack(pair, axis=1) - mean)
        if len(pairs) >= MANY_CLIPS:
            between.append(means - means.mean(axis=0))
    moving, lasting = np.concatenate(within), np.concatenate(between)
    if target == "face":  # the same for both sides
        moving, lasting = (
            np.concatenate([rows, np.stack([mirrored(rows[:, i], target) for i in (0, 1)], axis=1)])
            for rows in (moving, lasting)
        )
    (own, crossed), (_, ours) = np.einsum("tac,tbc->abc", moving, moving)
    correlation = crossed / np.sqrt(np.maximum(own * ours, 1e-12))
    size = np.sqrt(own / np.maximum(ours, 1e-12))
    real, mapped = np.linalg.norm(lasting, axis=0)
    size = np.minimum(size, real / np.maximum(mapped, 1e-12))
    return np.where(correlation >= least, size.clip(1.0, MOST_GAIN), 1.0)


def spread_of(clips: list[Clip], space: str) -> torch.Tensor:
    """(C,) standard deviation within clips."""
    variance = np.mean([clip.values[space].var(axis=0) for clip in clips], axis=0)
    if space != "bfm":
        # people are lopsided, but each to their own side
        variance = (variance + np.abs(mirrored(variance[None], space)[0])) / 2
    return torch.from_numpy(np.sqrt(variance)).float()


def scatter_of(clips: list[Clip], matrix: np.ndarray) -> torch.Tensor:
    """(52, 52) covariance of ARKit scores around those that the matrix gives for their face."""
    error = (
        offsets(clips, "arkit", True, max(LASTING))
        - offsets(clips, "face", True, max(LASTING)) @ matrix
    )
    covariance = error.T @ error / len(error)
    covariance = (1.0 - SHRINK) * covariance + SHRINK * np.diag(np.diag(covariance))
    floor = np.full(len(covariance), LEAST_SCATTER)
    floor[UNSEEN] = HAND_SCATTER
    return torch.from_numpy(covariance + np.diag(floor**2)).float()


def fit_all(clips: list[Clip], provenance: dict[str, object]) -> Bridges:
    """All maps between the spaces."""
    fitted = {pair: fit(clips, *pair) for pair in permutations(SPACES, 2)}
    return Bridges(
        {
            pair: torch.from_numpy(matrix * gains(clips, *pair)).float()
            for pair, matrix in fitted.items()
        },
        {space: spread_of(clips, space) for space in SPACES},
        scatter_of(clips, fitted["face", "arkit"]),
        provenance,
    )

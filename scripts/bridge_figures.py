"""How well bridges do on speakers who were not fitted on; see ``scripts/fit_bridges.py``."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from dreamtalk.face.channels import CLOSED_APERTURE
from dreamtalk.motion.bridges import Bridges, convert_expression
from dreamtalk.motion.spaces import SPACES
from scripts.bridge_maps import LEAST_SPREAD, MANY_CLIPS, Clip, plain

BEHIND = 0.02  # of correlation: differences below that are chance
MOVING = 0.5  # of a channel's usual spread: clips below that don't show it
OPEN = 0.06  # IOD of lip aperture above which lips count as open
SHOWN = {
    "face": ("lipAperture", "mouthWidth", "mouthCornerLeftY", "lipLowerY", "chinY",
             "lidUpperLeftY", "lidLowerLeftY", "gazeLeftX", "browInnerLeftY", "browOuterLeftY",
             "cheekLeftY", "noseWingLeftY"),
    "arkit": ("eyeBlinkRight", "eyeBlinkLeft", "jawOpen", "mouthSmileLeft", "mouthPucker",
              "mouthFunnel", "mouthRollLower", "mouthClose", "mouthLowerDownLeft",
              "mouthUpperUpLeft", "browInnerUp", "browDownLeft", "eyeLookOutLeft"),
    "bfm": ("exp00", "exp03", "exp05", "exp02", "exp04", "exp09", "exp10", "exp17", "exp14",
            "exp15", "exp23"),
}  # fmt: skip
LINEAR = "(matrix only)"
MORE_PATHS = (
    ("face", "arkit", LINEAR),
    ("bfm", "arkit", LINEAR),
    ("face", "arkit", "face"),
    ("face", "bfm", "face"),
    ("bfm", "face", "bfm"),
)


def mapped_by(bridges: Bridges, values: np.ndarray, path: tuple[str, ...]) -> np.ndarray:
    """Map offsets along a path of spaces, as ``convert`` does, or by matrix only."""
    current = torch.from_numpy(values).float()
    if path[-1] == LINEAR:
        return (current @ bridges.matrices[path[0], path[1]]).double().numpy()
    for source, target in pairwise(path):
        current = convert_expression(current, source, target, bridges)
    return current.double().numpy()


def mapped_plain(clips: list[Clip], source: str, target: str) -> list[np.ndarray]:
    """Each clip mapped by the plain method (``bridge_maps.plain``), fitted without its speaker."""
    speakers = {clip.speaker for clip in clips}
    fitted = {s: plain([c for c in clips if c.speaker != s], source, target) for s in speakers}
    return [clip.values[source] @ fitted[clip.speaker] for clip in clips]


def evaluate(
    clips: list[Clip], others: dict[str, Bridges], path: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Figures of the channels in :data:`SHOWN`; ``fit_bridges.py`` says what they are.

    Args:
        clips: to measure on.
        others: speaker -> bridges fitted without them.
        path: spaces to go through, one after the other; or two of them and ``LINEAR``.
    """
    source, target = path[0], path[-2] if path[-1] == LINEAR else path[-1]
    mapped = [mapped_by(others[clip.speaker], clip.values[source], path) for clip in clips]
    columns = measured(clips, target, mapped)
    return _shown(clips, target, mapped, columns)


def evaluate_plain(clips: list[Clip], source: str, target: str) -> dict[str, dict[str, float]]:
    """The same figures of the plain method (``bridge_maps.plain``); towards ARKit also of its
    scores within 0..1 (``limited``), where they end however they are got."""
    mapped = mapped_plain(clips, source, target)
    columns = measured(clips, target, mapped)
    if target == "arkit":
        limited = measured(clips, target, [values.clip(0.0, 1.0) for values in mapped])
        columns |= {f"limited {key}": column for key, column in limited.items()}
    return _shown(clips, target, mapped, columns)


def _shown(
    clips: list[Clip], target: str, mapped: list[np.ndarray], columns: dict[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """The figures of the channels in :data:`SHOWN`, of all channels, and of closed lips."""
    index = SPACES[target].index
    figures = {
        name: {key: round(float(column[index[name]]), 3) for key, column in columns.items()}
        for name in SHOWN[target]
    }
    figures["all"] = overall(clips, target, columns)
    if target == "face":
        figures["closed lips"] = closures(clips, mapped)
    return figures


def behind_plain(
    clips: list[Clip], others: dict[str, Bridges], source: str, target: str
) -> dict[str, float]:
    """Channels whose correlation by our matrix is more than 0.02 below that of the plain method
    (mean of ``r``, ``moving`` and ``pooled``), and by how much; of those that move at all."""
    theirs = measured(clips, target, mapped_plain(clips, source, target))
    path = (source, target, LINEAR)
    ours = measured(
        clips, target, [mapped_by(others[c.speaker], c.values[source], path) for c in clips]
    )
    lost = np.mean([theirs[key] - ours[key] for key in ("r", "moving", "pooled")], axis=0)
    alive = np.mean([clip.values[target].std(axis=0) for clip in clips], axis=0)
    return {
        name: round(float(lost[index]), 3)
        for index, name in enumerate(SPACES[target].channels)
        if lost[index] > BEHIND and alive[index] > LEAST_SPREAD[target]
    }


def measured(clips: list[Clip], target: str, mapped: list[np.ndarray]) -> dict[str, np.ndarray]:
    """(C,) of each figure, clip means removed."""
    truth = [clip.values[target] for clip in clips]
    means = np.array([(a.mean(axis=0), b.mean(axis=0)) for a, b in zip(truth, mapped, strict=True)])
    truth = [values - mean for values, mean in zip(truth, means[:, 0], strict=True)]
    guess = [values - mean for values, mean in zip(mapped, means[:, 1], strict=True)]
    r = np.array([correlated(a, b) for a, b in zip(truth, guess, strict=True)])
    spreads = np.stack([values.std(axis=0) for values in truth])
    moves = spreads >= MOVING * np.sqrt((spreads**2).mean(axis=0))
    real, ours = np.concatenate(truth), np.concatenate(guess)
    energy = (real**2).sum(axis=0) + 1e-12
    return {
        "r": r.mean(axis=0),
        "moving": (r * moves).sum(axis=0) / np.maximum(moves.sum(axis=0), 1),
        "pooled": correlated(real, ours),
        "r2": 1.0 - ((real - ours) ** 2).sum(axis=0) / energy,
        "std": np.sqrt((ours**2).sum(axis=0) / energy),
        **lasting([clip.speaker for clip in clips], means),
    }


def overall(clips: list[Clip], target: str, columns: dict[str, np.ndarray]) -> dict[str, float]:
    """Over all channels: R2 weighted by variance, and the mean of the correlations over those that
    move by more than the trackers' noise, without gaze."""
    variance = np.mean([clip.values[target].var(axis=0) for clip in clips], axis=0)
    gaze = np.array(["gaze" in name or "Look" in name for name in SPACES[target].channels])
    alive = (variance > LEAST_SPREAD[target] ** 2) & ~gaze
    figures = {
        key: round(float(columns[key][alive].mean()), 3)
        for key in columns
        if key.rpartition(" ")[2] in ("r", "moving", "pooled")
    }
    figures["r2"] = round(float((columns["r2"] * variance / variance.sum()).sum()), 3)
    return figures


def closures(clips: list[Clip], mapped: list[np.ndarray]) -> dict[str, float]:
    """Of the frames with closed lips, how many stay closed; and how many of all frames close though
    lips are clearly open."""
    column = SPACES["face"].index["lipAperture"]
    real = np.concatenate([clip.values["face"][:, column] for clip in clips])
    ours = np.concatenate(mapped)[:, column]
    return {
        "kept": round(float((ours[real < CLOSED_APERTURE] < CLOSED_APERTURE).mean()), 3),
        "false": round(float(((ours < CLOSED_APERTURE) & (real > OPEN)).mean()), 3),
    }


def lasting(speakers: list[str], means: np.ndarray) -> dict[str, np.ndarray]:
    """How well expressions of whole clips come through, for speakers with several clips.

    Args:
        speakers: of each clip.
        means: (clips, 2, C) mean of what is true and of what was mapped.
    """
    rows = []
    for speaker in set(speakers):
        own = means[[name == speaker for name in speakers]]
        if len(own) >= MANY_CLIPS:
            rows.append(own - own.mean(axis=0))
    real, mapped = np.concatenate(rows).transpose(1, 0, 2)
    size = np.linalg.norm(mapped, axis=0) / np.maximum(np.linalg.norm(real, axis=0), 1e-12)
    return {"lasting": correlated(real, mapped), "size": size}


def correlated(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlation of each column of two arrays (T, C) without a mean."""
    scale = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    return (first * second).sum(axis=0) / np.maximum(scale, 1e-12)

"""Fit the linear maps between the motion spaces on paired clips.

    python scripts/fit_bridges.py CLIPS --out dreamtalk/assets/bridges.npz

CLIPS is a folder (searched through) of video files, each with a ``.mat`` of the same name beside it
that holds the Deep3DFaceRecon coefficients of the same frames. ``face`` channels and ARKit scores
come from MediaPipe's landmarker on the video, BFM coefficients from the ``.mat``. What was tracked
is kept in ``--cache``, so a second run takes seconds.

The fit is ridge regression on offsets: each clip's mean is taken out, and half of what a clip's
mean differs from its speaker's is put back, so that lasting expressions (a happy clip against a
sad one) count but a person's resting face doesn't. ``face`` and ARKit data are doubled by
mirroring. Prints leave-one-speaker-out figures, those in docs/motion.md: r as the mean over clips
(``r``), over the clips in which the channel moves (``moving``: its standard deviation is at least
half of the usual one), and over all frames together (``pooled``); R2 and the ratio of the spreads
(``std``) over all frames together. Clip means are removed. Of lasting expressions, what a clip's
mean differs from its speaker's: r over the clips (``lasting``), ratio of the spreads (``size``).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from itertools import pairwise, permutations
from pathlib import Path

import av
import numpy as np
import torch
from fit_face_basis import speaker_of
from scipy.io import loadmat

from dreamtalk.face.basis import FaceBasis
from dreamtalk.face.landmarks import FaceLandmarker
from dreamtalk.motion.bridges import Bridges, face_to_scores
from dreamtalk.motion.spaces import ARKIT_CHANNELS, FACE_CHANNELS, LIP_CHANNELS, SPACES

RIDGE = 0.03  # in units of the inputs' variance
RIDGES = {("arkit", "bfm"): 0.2}  # scores of a tracker are noisy, and 64 coefficients are many
LIP_RIDGE = 0.1  # bfm -> face: a firmer fit closes the lips more often; brows it would mute
LEAST_SPREAD = {"face": 0.003, "arkit": 0.02, "bfm": 0.03}  # about the trackers' noise
LEAST_SCATTER, HAND_SCATTER = 0.005, 0.05  # of scores; the second for those that are never seen
MANY_CLIPS = 4
MOVING = 0.5  # of a channel's usual spread: clips below that don't show it
SHRINK = 0.1  # of the covariance of scores towards its diagonal
LASTING = 0.5  # share of a clip's lasting expression that counts
CLOSED = 0.035  # IOD of lip aperture below which lips count as closed
# Signs that change when a face channel is mirrored; Left and Right change places anyway.
MIRRORED_SIGN = ("lipX", "jawX", "gazeLeftX", "gazeRightX")
# MediaPipe's landmarker never shows these shapes, so their effect on the face is set by hand
# (IOD at a score of 1), after the pictures in Apple's ARKit documentation.
BY_HAND: dict[str, dict[str, float]] = {
    "jawLeft": {"jawX": 0.09, "lipX": 0.045},
    "jawRight": {"jawX": -0.09, "lipX": -0.045},
    "jawForward": {"lipLowerZ": 0.05, "chinY": 0.01},
    "noseSneerLeft": {"noseWingLeftY": 0.05, "cheekLeftY": 0.02},
    "noseSneerRight": {"noseWingRightY": 0.05, "cheekRightY": 0.02},
    "cheekSquintLeft": {"cheekLeftY": 0.05, "lidLowerLeftY": 0.02},
    "cheekSquintRight": {"cheekRightY": 0.05, "lidLowerRightY": 0.02},
    "cheekPuff": {"mouthWidth": -0.03, "mouthInnerWidth": -0.03, "lipUpperZ": 0.02},
    "tongueOut": {},
}
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


@dataclass
class Clip:
    """One clip in all three spaces, (T, C) each, absolute."""

    name: str
    speaker: str
    values: dict[str, np.ndarray]


def read_clip(video: Path, cache: Path, landmarker: FaceLandmarker, basis: FaceBasis) -> Clip:
    """Track a video (or take what was tracked before) and read its coefficients."""
    stored = cache / f"{video.stem}.bridge.npz"
    if not stored.exists():
        landmarks, scores = [], []
        with av.open(str(video)) as container:
            for frame in container.decode(video=0):
                faces = landmarker.find(frame.to_ndarray(format="rgb24"))
                missing = (np.full((478, 3), np.nan, np.float32), np.full(52, np.nan, np.float32))
                face = faces[0] if faces else None
                landmarks.append(face.landmarks if face else missing[0])
                scores.append(face.blendshapes if face else missing[1])
        cache.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(stored, landmarks=np.array(landmarks), scores=np.array(scores))
    data = np.load(stored)
    coefficients = loadmat(str(video.with_suffix(".mat")))["coeff"][:, 80:144].astype(np.float64)
    length = min(len(data["landmarks"]), len(coefficients))
    seen = np.isfinite(data["landmarks"][:length]).all(axis=(1, 2))
    face = basis.encode(data["landmarks"][:length][seen])[0] - basis.neutral
    # MediaPipe's order: _neutral, then the names in alphabetical order, without tongueOut
    order = sorted(name for name in ARKIT_CHANNELS if name != "tongueOut")
    arkit = np.zeros((int(seen.sum()), len(ARKIT_CHANNELS)))
    for index, name in enumerate(order):
        arkit[:, ARKIT_CHANNELS.index(name)] = data["scores"][:length][seen][:, index + 1]
    values = {"face": face.double().numpy(), "arkit": arkit, "bfm": coefficients[seen]}
    return Clip(video.stem, speaker_of(video), values)


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


def offsets(clips: list[Clip], space: str, mirror: bool) -> np.ndarray:
    """Clip means removed, except for half of what lasts."""
    rows = []
    for clip in clips:
        values = clip.values[space]
        same = [
            other.values[space].mean(axis=0) for other in clips if other.speaker == clip.speaker
        ]
        lasting = LASTING * (values.mean(axis=0) - np.mean(same, axis=0))
        moved = values - values.mean(axis=0) + lasting
        rows.append(moved)
        if mirror:
            rows.append(mirrored(moved, space))
    return np.concatenate(rows)


def fit(clips: list[Clip], source: str, target: str) -> np.ndarray:
    """(C_source, C_target) by ridge regression on standardised inputs."""
    mirror = "bfm" not in (source, target)
    x, y = offsets(clips, source, mirror), offsets(clips, target, mirror)
    unseen = [ARKIT_CHANNELS.index(name) for name in BY_HAND]
    gaze = [i for i, name in enumerate(FACE_CHANNELS) if name.startswith("gaze")]
    if source == "arkit":
        x[:, unseen] = 0.0
    # BFM has no irises: what correlates with gaze there is the pose
    if (source, target) == ("face", "bfm"):
        x[:, gaze] = 0.0
    # between each input's own spread, which blows up noise, and one for all, which mutes the eyes
    own = np.sqrt(x.var(axis=0) + LEAST_SPREAD[source] ** 2)
    spread = np.sqrt(own * np.sqrt((own**2).mean()))
    x = x / spread
    gram, moment = x.T @ x, x.T @ y

    def solved(ridge: float) -> np.ndarray:
        return np.linalg.solve(gram + ridge * len(x) * np.eye(len(gram)), moment) / spread[:, None]

    matrix = solved(RIDGES.get((source, target), RIDGE))
    if (source, target) == ("bfm", "face"):
        lips = [FACE_CHANNELS.index(name) for name in LIP_CHANNELS]
        matrix[:, lips] = solved(LIP_RIDGE)[:, lips]
    if source == "arkit":
        for name, effect in BY_HAND.items():
            row = np.zeros(matrix.shape[1])
            if target == "face":
                for channel, value in effect.items():
                    row[FACE_CHANNELS.index(channel)] = value
            matrix[ARKIT_CHANNELS.index(name)] = row
    if (source, target) == ("bfm", "face"):
        matrix[:, gaze] = 0.0
    if (source, target) == ("bfm", "arkit"):
        matrix[:, [i for i, name in enumerate(ARKIT_CHANNELS) if "Look" in name]] = 0.0
    if target == "arkit":
        # what is never seen can't be predicted: a silent channel is better than noise
        matrix[:, unseen] = 0.0
    return matrix


def spread_of(clips: list[Clip], space: str) -> torch.Tensor:
    """(C,) standard deviation within clips."""
    variance = np.mean([clip.values[space].var(axis=0) for clip in clips], axis=0)
    if space != "bfm":
        # people are lopsided, but each to their own side
        variance = (variance + np.abs(mirrored(variance[None], space)[0])) / 2
    return torch.from_numpy(np.sqrt(variance)).float()


def scatter_of(clips: list[Clip], matrix: np.ndarray) -> torch.Tensor:
    """(52, 52) covariance of ARKit scores around those that the matrix gives for their face."""
    error = offsets(clips, "arkit", True) - offsets(clips, "face", True) @ matrix
    covariance = error.T @ error / len(error)
    covariance = (1.0 - SHRINK) * covariance + SHRINK * np.diag(np.diag(covariance))
    unseen = [ARKIT_CHANNELS.index(name) for name in BY_HAND]
    floor = np.full(len(covariance), LEAST_SCATTER)
    floor[unseen] = HAND_SCATTER
    return torch.from_numpy(covariance + np.diag(floor**2)).float()


def fit_all(clips: list[Clip], provenance: dict[str, object]) -> Bridges:
    """All maps between the spaces."""
    fitted = {pair: fit(clips, *pair) for pair in permutations(SPACES, 2)}
    return Bridges(
        {pair: torch.from_numpy(matrix).float() for pair, matrix in fitted.items()},
        {space: spread_of(clips, space) for space in SPACES},
        scatter_of(clips, fitted["face", "arkit"]),
        provenance,
    )


def apply(bridges: Bridges, values: np.ndarray, path: tuple[str, ...]) -> np.ndarray:
    """Map offsets along a path of spaces, as ``convert`` does; ``linear`` means by matrix only."""
    current = torch.from_numpy(values).float()
    if path[-1] == LINEAR:
        return (current @ bridges.matrices[path[0], path[1]]).double().numpy()
    for source, target in pairwise(path):
        if target == "arkit":
            if source == "bfm":
                current = current @ bridges.matrices["bfm", "face"]
            current = face_to_scores(current, bridges=bridges)
        else:
            current = current @ bridges.matrices[source, target]
    return current.double().numpy()


def evaluate(
    clips: list[Clip], others: dict[str, Bridges], path: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Leave one speaker out; the module's docstring says what the figures are.

    Args:
        clips: to measure on.
        others: speaker -> bridges fitted without them.
        path: spaces to go through, one after the other; or two of them and ``LINEAR``.
    """
    source, target = path[0], path[-2] if path[-1] == LINEAR else path[-1]
    truth, guess, correlation, closed, means = [], [], [], [], []
    for clip in clips:
        real = clip.values[target]
        mapped = apply(others[clip.speaker], clip.values[source], path)
        if target == "face":
            shut = real[:, 0] < CLOSED
            level = mapped[:, 0] - np.median(mapped[:, 0]) + np.median(real[:, 0])
            closed.append(level[shut] < CLOSED)
        means.append((real.mean(axis=0), mapped.mean(axis=0)))
        real, mapped = real - means[-1][0], mapped - means[-1][1]
        correlation.append(correlated(real, mapped))
        truth.append(real)
        guess.append(mapped)
    spreads = np.stack([real.std(axis=0) for real in truth])
    moves = spreads >= MOVING * np.sqrt((spreads**2).mean(axis=0))
    r = np.array(correlation)
    real, mapped = np.concatenate(truth), np.concatenate(guess)
    energy = (real**2).sum(axis=0) + 1e-12
    r2 = 1.0 - ((real - mapped) ** 2).sum(axis=0) / energy
    columns = {
        "r": r.mean(axis=0),
        "moving": (r * moves).sum(axis=0) / np.maximum(moves.sum(axis=0), 1),
        "pooled": correlated(real, mapped),
        "r2": r2,
        "std": np.sqrt((mapped**2).sum(axis=0) / energy),
        **lasting([clip.speaker for clip in clips], np.array(means)),
    }
    index = SPACES[target].index
    figures = {
        name: {key: round(float(column[index[name]]), 3) for key, column in columns.items()}
        for name in SHOWN[target]
    }
    figures["all"] = {"r2": round(float((r2 * energy / energy.sum()).sum()), 3)}
    if closed:
        figures["closed lips kept"] = {"share": round(float(np.concatenate(closed).mean()), 3)}
    return figures


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


def main() -> None:
    """Fit all pairs, print the figures, write the asset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--out", type=Path, default=Path("dreamtalk/assets/bridges.npz"))
    parser.add_argument("--cache", type=Path, default=Path("runs/tracked"))
    arguments = parser.parse_args()
    videos = [v for v in sorted(arguments.clips.rglob("*.mp4")) if v.with_suffix(".mat").exists()]
    if not videos:
        raise SystemExit(f"no paired .mp4 and .mat under '{arguments.clips}'")
    basis = FaceBasis.load()
    with FaceLandmarker(max_faces=1, blendshapes=True) as landmarker:
        clips = [read_clip(video, arguments.cache, landmarker, basis) for video in videos]
    frames = sum(len(clip.values["face"]) for clip in clips)
    speakers = sorted({clip.speaker for clip in clips})
    print(f"{len(clips)} clips, {frames} frames, {len(speakers)} speakers; leave one speaker out:")
    others = {s: fit_all([c for c in clips if c.speaker != s], {}) for s in speakers}
    figures = {}
    for path in (*permutations(SPACES, 2), *MORE_PATHS):
        name = " -> ".join(path)
        figures[name] = evaluate(clips, others, path)
        print(f"\n{name}")
        for channel, values in figures[name].items():
            print(f"  {channel:20s}" + "".join(f"  {k} {v:6.3f}" for k, v in values.items()))
    provenance = {
        "script": "scripts/fit_bridges.py",
        "data": f"{len(clips)} clips of {len(speakers)} speakers published with DreamTalk and "
        f"StyleTalk (MEAD and web clips), {frames} frames; only the fitted matrices are kept",
        "ridge": {
            "usual": RIDGE,
            **{" -> ".join(pair): value for pair, value in RIDGES.items()},
            "bfm -> face lips": LIP_RIDGE,
        },
        "lasting": LASTING,
        "leave_one_speaker_out": figures,
    }
    fit_all(clips, provenance).save(arguments.out)
    arguments.out.with_suffix(".json").write_text(json.dumps(provenance, indent=1) + "\n")
    print(f"\nwritten to {arguments.out}")


if __name__ == "__main__":
    main()

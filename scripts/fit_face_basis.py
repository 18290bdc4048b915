"""Fit the decoder of the ``face`` space (31 channels -> 478 landmark offsets) on video clips.

    python scripts/fit_face_basis.py CLIPS --out dreamtalk/assets/face_basis.npz

CLIPS is a folder of video files (searched through), of speaking and expressive faces. See
``speaker_of`` for how file names give the speaker. Landmarks are kept in ``--cache`` so that a
second run takes seconds. Prints the errors of leave-one-speaker-out fits: the figures in
docs/face-space.md.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from dreamtalk.face import topology as t
from dreamtalk.face.basis import FaceBasis
from dreamtalk.face.channels import FACE_CHANNELS, measure_channels
from dreamtalk.face.landmarker import FaceLandmarker
from dreamtalk.face.pose import fit_similarity, image_to_camera

EYE_CORNERS = (t.EYE_OUTER_RIGHT, t.EYE_OUTER_LEFT)
LIPS = sorted(t.LIPS)
EYES_BROWS = sorted(
    {i for eye in t.EYES for part in ("corners", "upper", "lower") for i in eye[part]}
    | {70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276}
)
RIDGE = 1e-5  # (IOD)^2 a frame: far below the variance of any channel
TEMPLATE_ROUNDS = 4
CLOSED = (
    0.035  # lip aperture in IOD below which lips count as closed (91 % of real p/b/m lie below)
)
MIN_CLOSED = 5  # frames


@dataclass
class Clip:
    speaker: str
    points: np.ndarray  # (T, 478, 3) camera frame, px


def speaker_of(path: Path) -> str:
    """MEAD names start with the speaker; others count as one per stem up to ``_clip``."""
    mead = re.match(r"([MW]\d{3})_", path.name)
    return mead.group(1) if mead else re.sub(r"\d*_clip.*", "", path.stem)


def track(path: Path, cache: Path, landmarker: FaceLandmarker) -> np.ndarray:
    """(T, 478, 3) landmarks in px; frames without a face are left out."""
    stored = cache / f"{path.stem}.npz"
    if stored.exists():
        marks = np.load(stored)["landmarks"]
        return marks[np.isfinite(marks).all(axis=(1, 2))]
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            faces = landmarker.detect(frame.to_ndarray(format="rgb24"))
            found += faces[:1]
    marks = np.array(found, dtype=np.float32).reshape(-1, 478, 3)
    cache.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(stored, landmarks=marks)
    return marks


def mirror_of(shape: np.ndarray) -> np.ndarray:
    """The landmark on the other side, by matching the shape with its mirror image."""
    cost = cdist(shape * [-1, 1, 1], shape)
    _, partner = linear_sum_assignment(cost)
    if not (partner[partner] == np.arange(len(shape))).all():
        raise SystemExit("the mean shape is too lopsided to find mirrored landmarks")
    return partner


def fit_template(clips: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Generalised Procrustes mean over speakers, made symmetric and upright."""
    template = clips[0].points[0] - clips[0].points[0][list(EYE_CORNERS)].mean(axis=0)
    template = template / np.linalg.norm(template[t.EYE_OUTER_LEFT] - template[t.EYE_OUTER_RIGHT])
    mirror = np.arange(478)
    for _ in range(TEMPLATE_ROUNDS):
        means: dict[str, list[np.ndarray]] = {}
        for clip in clips:
            aligned = fit_similarity(clip.points, template).to_face(clip.points)
            # the mean face keeps its lips closed: that is what "neutral" means in the face space
            closed = measure_channels(aligned)[:, 0] < CLOSED
            if closed.sum() >= MIN_CLOSED:
                means.setdefault(clip.speaker, []).append(np.median(aligned[closed], axis=0))
        template = np.mean([np.mean(m, axis=0) for m in means.values()], axis=0)
        template = upright(template)
        mirror = mirror_of(template)
        template = (template + template[mirror] * [-1, 1, 1]) / 2
        template -= template[list(EYE_CORNERS)].mean(axis=0)
        template /= np.linalg.norm(template[t.EYE_OUTER_LEFT] - template[t.EYE_OUTER_RIGHT])
    return template, mirror


def upright(shape: np.ndarray) -> np.ndarray:
    """Turn a shape so that the eye line is level and the face oval's plane stands upright.

    Upright: forehead (10) and chin (152) are equally far forward of the ears' plane, which is how a
    face looks straight ahead to within a few degrees.
    """
    x = shape[t.EYE_OUTER_LEFT] - shape[t.EYE_OUTER_RIGHT]
    x /= np.linalg.norm(x)
    y = shape[t.FOREHEAD] - shape[t.CHIN]
    y -= x * (x @ y)
    y /= np.linalg.norm(y)
    return shape @ np.stack([x, y, np.cross(x, y)], axis=1)


def offsets(clips: list[Clip], template: np.ndarray, mirror: np.ndarray) -> dict[str, tuple]:
    """Per speaker: channels (T, 31) and points (T, 478, 3), clip mean removed, and mirrored."""
    data: dict[str, tuple[list, list]] = {}
    for clip in clips:
        aligned = fit_similarity(clip.points, template).to_face(clip.points)
        for points in (aligned, aligned[:, mirror] * [-1, 1, 1]):
            channels = measure_channels(points)
            x, y = data.setdefault(clip.speaker, ([], []))
            x.append(channels - channels.mean(axis=0))
            y.append(points - points.mean(axis=0))
    return {s: (np.concatenate(x), np.concatenate(y)) for s, (x, y) in data.items()}


def fit_decoder(data: dict[str, tuple]) -> np.ndarray:
    """Ridge regression; every speaker counts the same."""
    channels = len(FACE_CHANNELS)
    gram, cross = np.zeros((channels, channels)), np.zeros((channels, 478 * 3))
    for x, y in data.values():
        gram += x.T @ x / len(x)
        cross += x.T @ y.reshape(len(y), -1) / len(x)
    gram += np.eye(channels) * RIDGE * len(data)
    return np.linalg.solve(gram, cross).reshape(channels, 478, 3)


def make_consistent(decoder: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Correct the decoder so that measuring what it decodes gives the channels back.

    The smallest change that does it: measured at small offsets around the template.
    """
    step = 0.02
    base = measure_channels(template)
    jacobian = np.zeros((len(FACE_CHANNELS), 478 * 3))
    for i in range(478 * 3):
        moved = template.copy().reshape(-1)
        moved[i] += 1e-4
        jacobian[:, i] = (measure_channels(moved.reshape(478, 3)) - base) / 1e-4
    # distances that are almost 0 at the template (closed lips) have no gradient there: open them
    opened = template + step * decoder[0]
    base = measure_channels(opened)
    for i in range(478 * 3):
        moved = opened.copy().reshape(-1)
        moved[i] += 1e-4
        jacobian[0, i] = (measure_channels(moved.reshape(478, 3))[0] - base[0]) / 1e-4
    flat = decoder.reshape(len(FACE_CHANNELS), -1)
    defect = np.eye(len(FACE_CHANNELS)) - flat @ jacobian.T
    return (flat + defect @ np.linalg.pinv(jacobian).T).reshape(decoder.shape)


def report(data: dict[str, tuple], template: np.ndarray) -> dict[str, float]:
    """Leave one speaker out: errors in % IOD, correlations and closures of the decoded lips."""
    rows = []
    for speaker, (x, y) in data.items():
        others = {s: d for s, d in data.items() if s != speaker}
        decoder = make_consistent(fit_decoder(others), template)
        back = np.einsum("tc,ckd->tkd", x, decoder)
        error = 100 * np.linalg.norm((back - y)[..., :2], axis=-1)
        zero = 100 * np.linalg.norm(y[..., :2], axis=-1)
        shape_error = back - y
        shape_error = shape_error[:, LIPS] - shape_error[:, LIPS].mean(axis=1, keepdims=True)
        # around an open mouth: a gap of lips that pass through each other would turn positive
        opened = template + 0.3 * decoder[0]
        decoded = measure_channels(opened + back) - measure_channels(opened)
        r = [np.corrcoef(decoded[:, c], x[:, c])[0, 1] for c in (0, 1)]
        rows.append(
            (
                error[:, LIPS].mean(),
                100 * np.linalg.norm(shape_error[..., :2], axis=-1).mean(),
                error[:, EYES_BROWS].mean(),
                error.mean(),
                zero[:, LIPS].mean(),
                *r,
            )
        )
        print(
            f"  {speaker:18s} {len(x) // 2:5d} frames  " + "  ".join(f"{v:6.3f}" for v in rows[-1])
        )
    keys = ("lip", "lip_shape", "eye_brow", "all", "lip_no_motion", "r_aperture", "r_width")
    mean = dict(zip(keys, np.mean(rows, axis=0), strict=True))
    print("  mean                             " + "  ".join(f"{v:6.3f}" for v in mean.values()))
    return {k: round(float(v), 4) for k, v in mean.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--out", type=Path, default=Path("dreamtalk/assets/face_basis.npz"))
    parser.add_argument("--cache", type=Path, default=Path("runs/landmarks"))
    args = parser.parse_args()

    clips = []
    landmarker = FaceLandmarker(max_faces=1)
    for path in sorted(p for p in args.clips.rglob("*") if p.suffix in {".mp4", ".mov", ".avi"}):
        marks = track(path, args.cache, landmarker)
        if len(marks) >= 10:
            clips.append(Clip(speaker_of(path), image_to_camera(marks)))
    speakers = sorted({clip.speaker for clip in clips})
    print(
        f"{len(clips)} clips of {len(speakers)} speakers, "
        f"{sum(len(c.points) for c in clips)} frames"
    )

    template, mirror = fit_template(clips)
    data = offsets(clips, template, mirror)
    print(
        "leave one speaker out: lip, lip shape, eye/brow, all, lip without motion (% IOD), "
        "r aperture, r width"
    )
    figures = report(data, template)
    decoder = make_consistent(fit_decoder(data), template)
    spread = np.sqrt(np.mean([x.var(axis=0) for x, _ in data.values()], axis=0))
    for name, value in zip(FACE_CHANNELS, spread, strict=True):
        print(f"  {name:20s} std {100 * value:5.2f} % IOD")
    provenance: dict[str, object] = {
        "made_by": "scripts/fit_face_basis.py",
        "data": "MEAD emotion clips (3 speakers) and expressive web clips; only this average "
        "geometry of their landmarks is kept",
        "clips": len(clips),
        "speakers": len(speakers),
        "frames": int(sum(len(c.points) for c in clips)),
        "leave_one_speaker_out": figures,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    FaceBasis(template, decoder, spread, mirror, provenance).save(args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()

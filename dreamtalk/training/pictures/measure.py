"""How true a set of frames is: our landmarker looks at them and is compared with what they say."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ...difftalk.conditioning import IBUG_OF_MEDIAPIPE
from ...errors import DreamTalkError
from ...face.basis import FaceBasis
from ...face.channels import LIP_CHANNELS, measure_channels
from ...face.landmarker import FaceLandmarker
from ...files.arrays import read_npz
from ...progress import Progress, silent

Array = npt.NDArray[np.float32]

_ENLARGED = 3
_MARGIN = 110  # px above a crop, so that the landmarker sees a whole face
_REGIONS = {
    "jaw line": slice(0, 17), "brows": slice(17, 27), "nose": slice(27, 36), "eyes": slice(36, 48),
    "lips": slice(48, 68),
}  # fmt: skip
_COMPARED = ("lipAperture", "mouthWidth", "mouthInnerWidth", "lipUpperY", "lipLowerY", "chinY")


def measure_frames(
    folder: Path, count: int = 200, seed: int = 0, progress: Progress = silent
) -> str:
    """A table: channels and landmarks of the frames against what is seen in them.

    Widths and heights are compared within each person, whose neutral is unknown to the landmarker.

    Args:
        folder: of shards.
        count: drawn frames that are looked at, of the first shards.

    Raises:
        DreamTalkError: if there are no shards.
    """
    rows = _some(folder, count, seed)
    landmarker, basis = FaceLandmarker(max_faces=1), FaceBasis.load()
    seen, said, off, closed, people = [], [], [], [], []
    for number, image in enumerate(rows["images"]):
        faces = landmarker.detect(_framed(image))
        progress(number + 1, len(rows["images"]))
        if not faces:
            continue
        points = faces[0] / _ENLARGED
        points[:, :2] += 0.5 / _ENLARGED - 0.5 - np.array([_MARGIN // 2, _MARGIN])
        values = measure_channels(basis.align(points[None])[0])[0, : len(LIP_CHANNELS)]
        seen.append(values)
        said.append(rows["lips"][number])
        marks = points[list(IBUG_OF_MEDIAPIPE), :2]
        size = np.linalg.norm(marks[36] - marks[45])
        off.append(np.linalg.norm(marks - rows["landmarks"][number], axis=-1) / size)
        closed.append(rows["closed"][number])
        people.append(rows["person"][number])
    return _portraits(folder / "people.json") + _table(
        len(rows["images"]), np.array(seen), np.array(said), np.array(off), np.array(closed),
        np.array(people),
    )  # fmt: skip


def _portraits(path: Path) -> str:
    """How well the head fits the portraits, and how many are used."""
    if not path.is_file():
        return ""
    people = json.loads(path.read_text(encoding="utf-8")).values()
    used = sum(row["accepted"] for row in people)
    lines = [f"{used} of {len(people)} portraits used, teeth seen in "
             f"{sum(row['teeth_seen'] for row in people)}"]  # fmt: skip
    for name, words in (("face_error", "face without jaw line"), ("lip_error", "lips")):
        low, middle, high = np.quantile([row[name] for row in people], [0.05, 0.5, 0.95])
        lines.append(f"fit, % IOD, {words}: median {middle:.2f}, p5 {low:.2f}, p95 {high:.2f}")
    refusals = Counter(reason for row in people for reason in row["refusals"])
    lines.append("not used: " + ", ".join(f"{n} {reason}" for reason, n in refusals.most_common()))
    return "\n".join(lines) + "\n\n"


def _some(folder: Path, count: int, seed: int) -> dict[str, npt.NDArray]:
    """Drawn frames of the first shards, some of each person."""
    shards = sorted(folder.glob("shard_*.npz"))[:4]
    if not shards:
        raise DreamTalkError(f"there are no shards in '{folder}'")
    read = [read_npz(path) for path in shards]
    rows = {key: np.concatenate([r[key] for r in read]) for key in read[0]}
    drawn = np.flatnonzero(~rows["real"])
    people = np.random.default_rng(seed).permutation(np.unique(rows["person"][drawn]))
    chosen: list[int] = []
    for person in people:
        if len(chosen) < count:
            chosen += drawn[rows["person"][drawn] == person][:16].tolist()
    return {key: values[chosen[:count]] for key, values in rows.items()}


def _framed(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A crop with some margin, enlarged: its eyes lie at its upper edge."""
    side = _MARGIN // 2
    framed = cv2.copyMakeBorder(image, _MARGIN, side, side, side, cv2.BORDER_REPLICATE)
    return cv2.resize(framed, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)


def _table(
    looked: int, seen: Array, said: Array, off: Array, closed: npt.NDArray[np.bool_], people: Array
) -> str:
    aperture, shares = seen[closed, 0], [0.05, 0.25, 0.5, 0.75, 0.95]
    written = ", ".join(f"{value:.1f}" for value in 100 * np.quantile(said[:, 0], shares))
    lines = [
        f"a face found in {len(seen)} of {looked} frames",
        f"aperture of the {closed.sum()} frames that are closed, IOD: median "
        f"{np.median(aperture):.3f}, p90 {np.quantile(aperture, 0.9):.3f}, "
        f"largest {aperture.max():.3f}; {(aperture < 0.035).mean():.0%} below .035",
        f"aperture as written, % IOD: p5, p25, median, p75, p95 {written}",
        "", "| channel | r | gain | offset |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for name in _COMPARED:
        column = LIP_CHANNELS.index(name)
        x, y = said[:, column].astype(float), seen[:, column].astype(float)
        if name != "lipAperture":
            for person in np.unique(people):
                of_them = people == person
                x[of_them] -= x[of_them].mean()
                y[of_them] -= y[of_them].mean()
        gain, offset = np.polyfit(x, y, 1)
        lines.append(f"| {name} | {np.corrcoef(x, y)[0, 1]:.3f} | {gain:.2f} | {offset:+.3f} |")
    lines += ["", "| landmarks | % IOD off |", "| --- | --- |"]
    lines += [f"| {name} | {100 * off[:, part].mean():.1f} |" for name, part in _REGIONS.items()]
    return "\n".join(lines)

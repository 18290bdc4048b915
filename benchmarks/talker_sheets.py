"""Our lips beside the filmed ones at the same instants, as contact sheets to look at.

    python benchmarks/talker_sheets.py CLIPS --cache FOLDER --out SHEETS [--names NAME ...]

CLIPS and FOLDER as in benchmarks/talkers.py. Of each clip one sheet: above the filmed mouth, below
the starter's motion of the same voice (neutral, upright), drawn by the mesh renderer on the frame
where the filmed lips are closest together. The sheets show people: none is in this repository.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.errors import FaceNotFoundError
from dreamtalk.face.analysis import analyze_portrait
from dreamtalk.face.image import save_image
from dreamtalk.model import DreamTalkModel, load_model
from dreamtalk.motion.motion import Motion
from dreamtalk.pipeline import render
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.tracking.video import read_pictures
from dreamtalk.training.measure.figures import features_of
from dreamtalk.training.measure.talkers import Talker, read_talkers

SIDE = 160
"""px of a mouth on the sheet."""
CORNERS = [61, 291]
"""Of the mouth, among the 478 landmarks."""
FPS = 25


def sheet(
    talker: Talker, path: Path, lag: float, model: DreamTalkModel, count: int, first: float
) -> np.ndarray:
    """(2 * SIDE, count * SIDE, 3) uint8: filmed above, ours below."""
    frames = filmed(path, lag)
    features = features_of(model, talker.waveform)
    motion = model.sample(features, model.preset("neutral"))
    length = min(len(motion), len(talker.motion), len(frames))
    rest = int(talker.motion[:length, 0].argmin())
    portrait = analyze_portrait(torch.from_numpy(frames[rest]).float() / 255)
    begin = int(first * FPS)
    at = np.arange(begin, min(begin + 2 * count, length), 2)
    ours = Motion(motion.expression[at], torch.zeros(len(at), 6), FPS / 2, motion.space)
    drawn = np.concatenate([c.numpy() for c in render(MeshRenderer(portrait), ours)])
    box = mouth_box(portrait.landmarks.numpy())
    below = [cut(image, box) for image in drawn]
    above = [cut(frames[i], tracked_box(frames[i], box)) for i in at]
    return np.concatenate([np.concatenate(row, axis=1) for row in (above, below)])


def filmed(path: Path, lag: float) -> np.ndarray:
    """Frames (T, H, W, 3) uint8 at 25 a second, in time with the sound."""
    pictures, fps, _ = read_pictures(path)
    frames = np.stack([picture for _, picture in pictures])
    wanted = (np.arange(int(len(frames) / fps * FPS)) / FPS + lag) * fps
    return frames[wanted.round().astype(int).clip(0, len(frames) - 1)]


def mouth_box(landmarks: np.ndarray) -> tuple[int, int, int]:
    """Centre and side of a square around the mouth, px."""
    right, left = landmarks[CORNERS, :2]
    x, y = (right + left) / 2
    return int(x), int(y), int(2.2 * np.hypot(*(left - right)))


def tracked_box(image: np.ndarray, before: tuple[int, int, int]) -> tuple[int, int, int]:
    """The mouth's box in a frame; the last one where no face is found."""
    try:
        return mouth_box(analyze_portrait(torch.from_numpy(image).float() / 255).landmarks.numpy())
    except FaceNotFoundError:
        return before


def cut(image: np.ndarray, box: tuple[int, int, int]) -> np.ndarray:
    """A square of the picture, scaled to the sheet's size."""
    x, y, side = box
    matrix = np.float32([[SIDE / side, 0, SIDE / 2 - x * SIDE / side],
                         [0, SIDE / side, SIDE / 2 - y * SIDE / side]])  # fmt: skip
    return cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA)


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--names", nargs="*", help="which clips; three of different speakers else")
    parser.add_argument("--count", type=int, default=14)
    parser.add_argument("--start", type=float, default=1.0, help="s into the clip")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model("starter")
    talkers = read_talkers(args.clips, args.cache)
    chosen = args.names or list({t.speaker: t.name for t in talkers}.values())[:3]
    with (args.cache / "clips.csv").open(encoding="utf-8", newline="") as file:
        lags = {row["clip"]: float(row["lag"] or 0) for row in csv.DictReader(file)}
    args.out.mkdir(parents=True, exist_ok=True)
    for talker in talkers:
        if talker.name in chosen:
            path = args.clips / f"{talker.name}.mp4"
            image = sheet(talker, path, lags[talker.name], model, args.count, args.start)
            save_image(torch.from_numpy(image).float() / 255, args.out / f"{talker.name}.png")


if __name__ == "__main__":
    main()

"""Compare teeth that are drawn with those of another picture of the person, in filmed clips.

    python benchmarks/open_mouth.py CLIP... [--frames 200] [--step 5] [--sheet FOLDER]

The frame of each clip whose lips are the most closed is the portrait; the others are given to
``add_open_mouth``, which takes one. The tracked landmarks drive both, and every fifth frame whose
lips are parted is compared with what was filmed, those within a third of a second of the chosen one
left out. "mouth" is the lips' bounding box and 5 % of the face width around it, "inside" what is
between the filmed lips; L1 in 0..255.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.renderer import INNER_LIPS, drive, outline, read_frames, regions, ssim, track
from dreamtalk.face import FaceBasis, FaceLandmarker, add_open_mouth, analyze_portrait
from dreamtalk.face.image import save_image
from dreamtalk.face.mouth_look import look_at_mouth
from dreamtalk.face.open_mouth import LEAST_PARTED, choose_picture, lips_apart
from dreamtalk.render.mesh import MeshRenderer

NEAR = 8
"""Frames around the chosen one that are not compared."""
SHOWN = 6
"""Rows of a sheet."""


def measure(path: Path, frames: int, step: int, sheet: Path | None) -> None:
    """Print a line for each kind of teeth, and draw the sheet."""
    film = read_frames(path)[:frames]
    marks = track(film)
    apart = np.array([lips_apart(m) for m in marks])
    looks = [
        look_at_mouth(f, m.astype(np.float32)).parted for f, m in zip(film, marks, strict=True)
    ]
    closed = int(np.argmin(np.array(looks) + apart))
    pictures = torch.from_numpy(film).float() / 255
    portrait = analyze_portrait(pictures[closed])
    opened = choose_picture(portrait, pictures, FaceLandmarker())
    portrait = add_open_mouth(portrait, pictures[opened])
    numbers = np.arange(len(film))
    compared = numbers[(apart >= LEAST_PARTED) & (np.abs(numbers - opened) > NEAR)][::step]
    # three times in front, so that smoothing over time leaves it as it is
    order = [closed] * 3 + numbers.tolist()
    offsets, channels, head = (
        values[3:][compared] for values in drive(FaceBasis.load(), marks[order])
    )
    made = {}
    for name, given in (("drawn", replace(portrait, open_mouth=None)), ("open mouth", portrait)):
        renderer = MeshRenderer(given)
        made[name] = torch.cat(
            list(renderer.frames_from_landmarks(offsets, channels, head))
        ).numpy()
        rows = []
        for number, frame in zip(compared, made[name], strict=True):
            truth, size = film[number], film.shape[1:3]
            mouth = regions(marks[number], *size)["mouth"]
            inside = outline(marks[number], INNER_LIPS, *size)
            off = np.abs(truth.astype(float) - frame)
            rows.append([off[mouth].mean(), ssim(truth, frame, mouth), off[inside].mean()])
        l1, likeness, within = np.mean(rows, axis=0)
        print(
            f"{path.stem[:24]:24s} {name:10s} {len(rows):3d} frames  mouth L1 {l1:6.2f}  SSIM "
            f"{likeness:.3f}  inside L1 {within:6.2f}",
            flush=True,
        )
    if sheet is not None:
        order = np.linspace(0, len(compared) - 1, SHOWN).round().astype(int)
        first = [mouth_of(film[i], marks[i]) for i in (closed, opened)]
        rows = [np.concatenate([*first, np.zeros_like(first[0])], axis=1)]
        for i in order:
            number = compared[i]
            row = [made["drawn"][i], made["open mouth"][i], film[number]]
            rows.append(np.concatenate([mouth_of(f, marks[number]) for f in row], axis=1))
        picture = torch.from_numpy(np.concatenate(rows)).float() / 255
        save_image(picture, sheet / f"{path.stem}.png")


def mouth_of(frame: np.ndarray, marks: np.ndarray, scale: float = 3.0) -> np.ndarray:
    """(270, 390, 3): the mouth of a frame, three times as large for a face 180 px wide."""
    middle = marks[[61, 291, 0, 17], :2].mean(axis=0)
    width = float(np.linalg.norm(marks[454, :2] - marks[234, :2]))
    scale = scale * 180 / width
    matrix = np.array([[scale, 0, 195 - scale * middle[0]], [0, scale, 135 - scale * middle[1]]])
    return cv2.warpAffine(frame, matrix, (390, 270), flags=cv2.INTER_CUBIC)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=200, help="of each clip")
    parser.add_argument("--step", type=int, default=5)
    parser.add_argument("--sheet", type=Path, help="a folder for drawn | open mouth | filmed")
    args = parser.parse_args()
    for clip in args.clips:
        measure(clip, args.frames, args.step, args.sheet)


if __name__ == "__main__":
    main()

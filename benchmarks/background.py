"""What another background costs and how its edges look.

    python benchmarks/background.py samples/portrait.png --out out/ [--behind photo.jpg]

Prints for each portrait the processor time of cutting out, rendering and replacing, and writes a
sheet: still, turned, nodding and leaning over black, white, green (and a photo), with hair
and a side of the head enlarged three times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch

from dreamtalk.face import analyze_portrait
from dreamtalk.face.image import VIDEO_PIXELS, load_image, save_image
from dreamtalk.face.portrait import Portrait
from dreamtalk.face.topology import CHEEK_LEFT, CHEEK_RIGHT, FOREHEAD
from dreamtalk.motion import FACE, Motion
from dreamtalk.render.background import background_of, cut_out, over_background, with_mattes
from dreamtalk.render.mesh import MeshRenderer

Made = TypeVar("Made")
ZOOM, TILE, WIDTH = 3, 130, 390


def poses() -> Motion:
    """As it is, turned, nodding and turned the other way, leaning."""
    expression, head = torch.zeros(4, len(FACE)), torch.zeros(4, 6)
    expression[1:, FACE.index["lipAperture"]] = 0.1
    degrees = [(0, 0, 0), (0, 12, 0), (8, -14, -6), (0, -10, 10)]
    head[:, :3] = torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))
    return Motion(expression, head)


def timed(work: Callable[[], Made]) -> tuple[Made, float]:
    """A result, and the seconds of processor time that it took."""
    start = time.process_time()
    made = work()
    return made, time.process_time() - start


def zoomed(frame: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """A square around a place, enlarged."""
    height, width = frame.shape[:2]
    x, y = (
        int(np.clip(c - TILE / 2, 0, max(0, side - TILE)))
        for c, side in zip(centre, (width, height), strict=True)
    )
    part = frame[y : y + TILE, x : x + TILE]
    return cv2.resize(part, (ZOOM * TILE, ZOOM * TILE), interpolation=cv2.INTER_CUBIC)


def sheet(portrait: Portrait, rows: list[np.ndarray]) -> np.ndarray:
    """(H, W, 3) uint8 of rows (4, h, w, 3): whole frames, and details of them."""
    marks = portrait.landmarks[:, :2].numpy()
    unit = float(np.linalg.norm(marks[CHEEK_LEFT] - marks[CHEEK_RIGHT]))
    crown = marks[FOREHEAD] - [0.1 * unit, 0.45 * unit]
    side = marks[CHEEK_RIGHT] - [0.15 * unit, 0.2 * unit]
    lines = []
    for row in rows:
        scale = WIDTH / row.shape[2]
        whole = [cv2.resize(f, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for f in row]
        details = [zoomed(row[0], crown), zoomed(row[2], crown), zoomed(row[1], side)]
        high = max(part.shape[0] for part in (*whole, *details))
        padded = [
            np.pad(p, ((0, high - p.shape[0]), (0, 0), (0, 0)), constant_values=128)
            for p in (*whole, *details)
        ]
        lines.append(np.concatenate(padded, 1))
    return np.concatenate(lines)


def measure(path: Path, behind: list[str], out: Path | None) -> None:
    """Print one portrait's times; write its sheet."""
    portrait = analyze_portrait(load_image(path, VIDEO_PIXELS))
    portraits, cutting = timed(lambda: with_mattes([portrait]))
    renderer = MeshRenderer(portraits[0])
    motion = poses()
    frames, rendering = timed(lambda: list(renderer.frames(motion)))
    cutout = cut_out(portraits)
    rows, replacing = [], 0.0
    for choice in behind:
        background = background_of(choice)
        made, seconds = timed(
            lambda chosen=background: torch.cat(  # type: ignore[misc]
                list(over_background(frames, renderer, portraits, motion, chosen, cutout))
            )
        )
        rows.append(made.numpy())
        replacing += seconds / len(behind)
    height, width = portrait.size
    print(
        f"| {path.name} | {width}x{height} | {cutting:.1f} | {250 * rendering:.0f} "
        f"| {250 * replacing:.0f} |"
    )
    if out is not None:
        save_image(torch.from_numpy(sheet(portrait, rows)), out / f"{path.stem}_background.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("portraits", type=Path, nargs="+")
    parser.add_argument("--behind", action="append", default=[], help="a picture, too")
    parser.add_argument("--out", type=Path, help="where sheets go")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print("| portrait | px | cut out, s | render, ms per frame | background, ms per frame |")
    print("| --- | --- | --- | --- | --- |")
    for path in args.portraits:
        measure(path, ["black", "white", "#00b140", *args.behind], args.out)


if __name__ == "__main__":
    main()

"""Measure painted mouths beside the mesh renderer's, on filmed clips and in speed.

    python benchmarks/painter.py clips DIR [--weights FILE] [--step 8] [--sheet out.png]
    python benchmarks/painter.py flicker CLIP [--weights FILE]
    python benchmarks/painter.py speed PICTURE [--weights FILE]

``clips`` is self-reenactment as in ``benchmarks/renderer.py``: frame 0 of each clip is the
portrait, the clip's tracked channels and head drive it, frames are compared with what was filmed.
All in the box around the lips: SSIM, L1, sharpness (variance of the Laplacian against the filmed
one's, median), L1 between the lips, and the lips' aperture as it is tracked again (correlation,
ratio of deviations). ``flicker`` compares how frames follow each other: ``error step`` is the mean
change, from frame to frame, of the difference to the filmed frame; ``motion`` the mean difference
of neighbouring frames against the filmed one's.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.renderer import (
    INNER_LIPS,
    drive,
    follows,
    outline,
    read_frames,
    regions,
    ssim,
    talking,
    track,
)
from dreamtalk.difftalk.mouth.file import load_mouth_painter
from dreamtalk.difftalk.mouth.painter import MouthFrames, MouthOptions, PersonMouthPainter
from dreamtalk.face import FaceBasis, analyze_portrait
from dreamtalk.motion import FACE, LIP_CHANNELS, Motion
from dreamtalk.render.mesh import MeshRenderer

VARIANTS: dict[str, MouthOptions] = {
    "as it is": MouthOptions(),
    "4 steps": MouthOptions(steps=4),
    "10 steps": MouthOptions(steps=10),
    "20 steps": MouthOptions(steps=20),
    "not crisper": MouthOptions(crispness=0.0),
    "twice as crisp": MouthOptions(crispness=2 * MouthOptions.crispness),
    "net alone": MouthOptions(detail=0.0),
    "portrait's lips": MouthOptions(placed="reference"),
    "opening alone": MouthOptions(strength=0.0),
}


def clip_scene(path: Path, step: int) -> dict[str, Any]:
    """A clip, its motion and the mesh renderer's frames of it."""
    truth = read_frames(path)
    marks = track(truth)
    basis = FaceBasis.load()
    _, channels, head = drive(basis, marks)
    portrait = analyze_portrait(torch.from_numpy(truth[0]).float() / 255)
    renderer = MeshRenderer(portrait)
    sampled = np.arange(1, len(truth), step)
    absolute = Motion((channels + renderer.rest.cpu())[sampled], head[sampled])
    made = torch.cat(list(renderer.frames(absolute))).numpy()
    aperture = FACE.index["lipAperture"]
    return {
        "truth": truth[sampled],
        "marks": marks[sampled],
        "wanted": basis.encode(marks)[0].numpy()[sampled, aperture],
        "basis": basis,
        "mesh": made,
        "mixed": torch.cat(list(MeshRenderer(portrait, mouth="painted").frames(absolute))).numpy(),
        "places": renderer.landmarks(absolute).numpy(),
        "lips": absolute.expression[:, : len(LIP_CHANNELS)],
        "picture": truth[0],
        "landmarks": portrait.landmarks.numpy(),
        "rest": portrait.rest[: len(LIP_CHANNELS)],
    }


def painted(scene: dict[str, Any], network: Any, options: MouthOptions) -> np.ndarray:
    """(N, H, W, 3) uint8: the mesh renderer's frames with painted mouths."""
    painter = PersonMouthPainter(
        network, scene["picture"], scene["landmarks"], scene["rest"], options
    )
    places = scene["places"]
    frames, masks = painter.paint(MouthFrames(scene["mesh"], places, places, scene["lips"]))
    mixed = scene["mesh"] + masks[..., None] * (frames.astype(np.float32) - scene["mesh"])
    return (mixed + 0.5).astype(np.uint8)


def measure(scene: dict[str, Any], frames: np.ndarray) -> dict[str, float]:
    """The figures of one row."""
    row: dict[str, list[float]] = {"ssim": [], "l1": [], "sharp": [], "inner": []}
    for truth, made, marks in zip(scene["truth"], frames, scene["marks"], strict=True):
        height, width = truth.shape[:2]
        mouth = regions(marks, height, width)["mouth"]
        away = np.abs(truth.astype(np.float64) - made)
        row["ssim"].append(ssim(truth, made, mouth))
        row["l1"].append(float(away[mouth].mean()))
        row["inner"].append(float(away[outline(marks, INNER_LIPS, height, width)].mean()))
        row["sharp"].append(_edges(made, mouth) / max(_edges(truth, mouth), 1e-6))
    result = {name: float(np.mean(values)) for name, values in row.items()}
    result["sharp"] = float(np.median(row["sharp"]))
    seen = scene["basis"].encode(track(frames))[0].numpy()[:, FACE.index["lipAperture"]]
    result["lip_r"], result["lip_ratio"] = follows(scene["wanted"], seen)
    return result


def _edges(picture: np.ndarray, mask: np.ndarray) -> float:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64)
    return float(cv2.Laplacian(grey, cv2.CV_64F)[mask].var())


def clips(
    directory: Path, weights: str, step: int, limit: int, sheet: Path | None, only: list[str]
) -> None:
    """Print the table for all clips of a directory, and their mean."""
    network = load_mouth_painter(weights)
    paths = sorted(p for p in directory.rglob("*") if p.suffix == ".mp4")
    paths = paths[:: max(1, len(paths) // limit)][:limit] if limit else paths
    every: dict[str, dict[str, dict[str, float]]] = {}
    rows = []
    for path in paths:
        scene = clip_scene(path, step)
        found = {"mesh": scene["mesh"], "mesh, mouth = painted": scene["mixed"]}
        found |= {name: painted(scene, network, VARIANTS[name]) for name in only}
        every[path.stem] = {name: measure(scene, frames) for name, frames in found.items()}
        for name in ("mesh", only[0]):
            print(_line(path.stem, name, every[path.stem][name]), flush=True)
        rows += list(_sheet_rows(scene, found))
    for name in next(iter(every.values())):
        each = [clip[name] for clip in every.values()]
        mean = {key: float(np.mean([r[key] for r in each])) for key in each[0]}
        gains = [clip[name]["ssim"] - clip["mesh"]["ssim"] for clip in every.values()]
        print(_line("mean", name, mean), f"| better on {sum(g > 0 for g in gains)} of {len(gains)}")
    if sheet is not None:
        cv2.imwrite(str(sheet), np.concatenate(rows)[..., ::-1])


def _sheet_rows(scene: dict[str, Any], found: dict[str, np.ndarray]) -> Iterator[np.ndarray]:
    """Two frames of a clip, three times enlarged: what was filmed, then each way."""
    for index in (len(scene["truth"]) // 3, int(np.argmax(scene["wanted"]))):
        lips = scene["marks"][index][list(INNER_LIPS), :2]
        size = int(0.36 * np.linalg.norm(scene["marks"][index][454] - scene["marks"][index][234]))
        x, y = lips.mean(0).astype(int)
        box = (slice(max(y - size, 0), y + size), slice(max(x - size, 0), x + size))
        cells = [scene["truth"][index], *(frames[index] for frames in found.values())]
        yield np.concatenate([cv2.resize(c[box], (240, 240), interpolation=3) for c in cells], 1)


def _line(clip: str, variant: str, r: dict[str, float]) -> str:
    return (
        f"{clip[:34]:34s} {variant:19s} SSIM {r['ssim']:.3f}  L1 {r['l1']:5.2f}  sharp "
        f"{r['sharp']:4.2f}  inner {r['inner']:5.1f}  lip r {r['lip_r']:5.2f} {r['lip_ratio']:4.2f}"
    )


def flicker(path: Path, weights: str, frames: int) -> None:
    """Print how steadily each way follows the film."""
    network = load_mouth_painter(weights)
    scene = clip_scene(path, 1)
    each = ("truth", "marks", "mesh", "mixed", "places", "lips", "wanted")
    scene |= {k: scene[k][:frames] for k in each}
    ways = {"mesh": scene["mesh"], "mesh, mouth = painted": scene["mixed"]}
    for steps in (1, 4, 10):
        one = MouthOptions(steps=steps)
        ways[f"{steps} steps, one noise"] = painted(scene, network, one)
        ways[f"{steps} steps, fresh noise"] = painted(scene, network, replace(one, one_noise=False))
    truth = scene["truth"].astype(np.float64)
    height, width = truth.shape[1:3]
    boxes = [regions(m, height, width)["mouth"] for m in scene["marks"][1:]]
    film = np.mean(
        [np.abs(d)[b].mean() for d, b in zip(np.diff(truth, axis=0), boxes, strict=True)]
    )
    for name, made in ways.items():
        steps_made = np.diff(made.astype(np.float64), axis=0)
        moved = [np.abs(d)[b].mean() for d, b in zip(steps_made, boxes, strict=True)]
        wrong = np.diff(made - truth, axis=0)
        away = [np.abs(d)[b].mean() for d, b in zip(wrong, boxes, strict=True)]
        print(f"{name:24s} error step {np.mean(away):5.2f}  motion {np.mean(moved) / film:5.2f}")


def speed(path: Path, weights: str, frames: int) -> None:
    """Print CPU ms a frame, the mesh renderer's own time aside."""
    network = load_mouth_painter(weights)
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]
    for size in (256, 512, 1024):
        factor = size / max(picture.shape[:2])
        resized = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        portrait = analyze_portrait(torch.from_numpy(resized.copy()).float() / 255)
        renderer = MeshRenderer(portrait)
        motion = talking(frames)
        made = torch.cat(list(renderer.frames(motion))).numpy()
        places = renderer.landmarks(motion).numpy()
        lips = motion.expression[:, : len(LIP_CHANNELS)]
        given = MouthFrames(made, places, places, lips)
        for steps in (1, 4, 10):
            rest, options = portrait.rest[: len(LIP_CHANNELS)], MouthOptions(steps=steps)
            painter = PersonMouthPainter(
                network, resized, portrait.landmarks.numpy(), rest, options
            )
            painter.paint(given[:4])
            start = time.process_time()
            painter.paint(given)
            spent = 1e3 * (time.process_time() - start) / frames
            print(f"{size:5d} px, {steps:2d} steps: {spent:6.1f} ms a frame")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    what = parser.add_subparsers(dest="what", required=True)
    each = {name: what.add_parser(name) for name in ("clips", "flicker", "speed")}
    for name, command in each.items():
        command.add_argument("path", type=Path)
        command.add_argument("--weights", default="starter")
        command.add_argument("--frames", type=int, default=32 if name == "speed" else 40)
    each["clips"].add_argument("--step", type=int, default=8)
    each["clips"].add_argument("--limit", type=int, default=0)
    each["clips"].add_argument("--sheet", type=Path)
    each["clips"].add_argument(
        "--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="of the ways to paint"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "clips":
        clips(args.path, args.weights, args.step, args.limit, args.sheet, args.only)
    elif args.what == "flicker":
        flicker(args.path, args.weights, args.frames)
    else:
        speed(args.path, args.weights, args.frames)


if __name__ == "__main__":
    main()

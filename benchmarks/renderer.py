"""Measure the mesh renderer: likeness to filmed clips, speed, memory.

    python benchmarks/renderer.py clips DIR [--limit N] [--step 2] [--oracle] [--report out.json]
    python benchmarks/renderer.py speed PICTURE [--sizes 256,512,1024] [--backend auto]
        [--mouth painted]
    python benchmarks/renderer.py memory PICTURE [--frames 10000]

``clips`` is self-reenactment: frame 0 of each clip is the portrait, the clip's tracked motion
drives it, and every second frame is compared with what was filmed. ``landmarks`` drives with the
tracked landmarks themselves, ``channels`` with the 31 channels of the ``face`` space (what a motion
model predicts), ``static`` is the portrait held still. Lips and lids are tracked again.
``--oracle`` adds what a renderer could reach that knew the filmed frame: ``flow`` is frame 0 bent
onto it by dense optical flow; the others start from ``landmarks``: ``aligned`` is moved, turned and
stretched onto it as a whole around the mouth, ``interior`` has the filmed picture between its lips,
``skin`` has it around them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from scipy.ndimage import convolve1d
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.bench.stages import peak_memory
from dreamtalk.face import FaceBasis, FaceLandmarker, analyze_portrait, topology
from dreamtalk.face.pose import rotation_to_angles
from dreamtalk.face.units import CAMERA_DISTANCE, NECK
from dreamtalk.motion import FACE, Motion
from dreamtalk.render.mesh import MeshRenderer

VARIANTS = ("static", "landmarks", "channels")
ORACLES = ("flow", "aligned", "interior", "skin")
INNER_LIPS = (topology.INNER_RIGHT, *topology.UPPER_INNER, topology.INNER_LEFT)
INNER_LIPS += tuple(reversed(topology.LOWER_INNER))
OUTER_LIPS = (topology.MOUTH_RIGHT, *topology.UPPER_RINGS[3], topology.MOUTH_LEFT)
OUTER_LIPS += tuple(reversed(topology.LOWER_RINGS[3]))


def read_frames(path: Path) -> np.ndarray:
    """(T, H, W, 3) uint8."""
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def track(frames: np.ndarray) -> np.ndarray:
    """(T, 478, 3) landmarks in px; a frame without a face repeats the one before."""
    marks: list[np.ndarray] = []
    for found in FaceLandmarker().landmarks(frames):
        if found:
            marks.append(found[0])
        elif marks:
            marks.append(marks[-1])
        else:
            raise SystemExit("no face in the first frame")
    return np.stack(marks).astype(np.float64)


def drive(basis: FaceBasis, marks: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Offsets (T, 478, 3), channels (T, 31), head (T, 6), all against frame 0."""
    # Trackers jitter; anything stronger than this takes blinks and closures away.
    marks = convolve1d(marks, [0.1, 0.8, 0.1], axis=0, mode="nearest")
    points, pose = basis.align(marks)
    channels, _ = basis.encode(marks)
    angles = rotation_to_angles(pose.rotation)
    neck = pose.position(NECK)
    head = np.zeros((len(marks), 6))
    head[:, :3] = angles - angles[:1]
    head[:, 3:5] = (neck[:, :2] - neck[:1, :2]) / pose.scale[0]
    head[:, 5] = CAMERA_DISTANCE * np.log(pose.scale / pose.scale[0])
    offsets = torch.from_numpy((points - points[:1]).astype(np.float32))
    return offsets, channels - channels[:1], torch.from_numpy(head.astype(np.float32))


def ssim(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> float:
    """Wang et al. 2004 on grey values 0..255, Gaussian window of sigma 1.5, mean over the mask."""

    def smooth(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (11, 11), 1.5)

    x, y = (cv2.cvtColor(v, cv2.COLOR_RGB2GRAY).astype(np.float64) for v in (a, b))
    mx, my = smooth(x), smooth(y)
    vx, vy, cxy = smooth(x * x) - mx * mx, smooth(y * y) - my * my, smooth(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    value = (2 * mx * my + c1) * (2 * cxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(value[mask].mean())


def regions(marks: np.ndarray, height: int, width: int) -> dict[str, np.ndarray]:
    """Masks (H, W) of the face outline and of two boxes around the lips.

    ``mouth`` is the lips' bounding box and 5 % of the face width around it, ``wide`` the box and a
    quarter of the mouth's width around it, which holds more skin.
    """
    face = np.zeros((height, width), np.uint8)
    outline = np.round(marks[list(topology.OVAL), :2]).astype(np.int32)
    cv2.fillPoly(face, [outline], 1)
    lips = [i for ring in (*topology.UPPER_RINGS, *topology.LOWER_RINGS) for i in ring]
    low, high = marks[lips, :2].min(0), marks[lips, :2].max(0)
    face_width = np.linalg.norm(marks[454, :2] - marks[234, :2])
    masks = {"face": face > 0}
    for name, pad in (("mouth", 0.05 * face_width), ("wide", 0.25 * (high - low).max())):
        x0, y0 = np.maximum(low - pad, 0).astype(int)
        x1, y1 = np.ceil(high + pad).astype(int)
        masks[name] = np.zeros((height, width), bool)
        masks[name][y0:y1, x0:x1] = True
    return masks


def follows(wanted: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Correlation and ratio of standard deviations."""
    if wanted.std() < 1e-6 or seen.std() < 1e-6:
        return 0.0, float(seen.std() / max(wanted.std(), 1e-6))
    return float(np.corrcoef(wanted, seen)[0, 1]), float(seen.std() / wanted.std())


def outline(marks: np.ndarray, indices: tuple[int, ...], height: int, width: int) -> np.ndarray:
    """(H, W) bool: inside a ring of landmarks, one pixel wider."""
    mask = np.zeros((height, width), np.uint8)
    points = np.round(8 * marks[list(indices), :2]).astype(np.int32)
    cv2.fillPoly(mask, [points], 1, shift=3)
    return cv2.dilate(mask, np.ones((3, 3), np.uint8)) > 0


def by_flow(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """``source`` bent onto ``target`` by dense inverse search flow, at full resolution."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    search.setPatchStride(2)
    search.setVariationalRefinementIterations(10)
    grey = [cv2.cvtColor(v, cv2.COLOR_RGB2GRAY) for v in (target, source)]
    flow = search.calc(*grey, None)
    height, width = grey[0].shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    at = (x + flow[..., 0], y + flow[..., 1])
    return cv2.remap(source, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def by_affine(source: np.ndarray, target: np.ndarray, box: np.ndarray) -> np.ndarray:
    """``source`` with the surroundings of a box (H, W) moved affinely onto ``target``."""
    rows, columns = np.nonzero(box)
    part = (
        slice(max(rows.min() - 12, 0), rows.max() + 13),
        slice(max(columns.min() - 12, 0), columns.max() + 13),
    )
    grey = [cv2.cvtColor(v[part], cv2.COLOR_RGB2GRAY) for v in (target, source)]
    matrix = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-4)
    try:
        _, matrix = cv2.findTransformECC(*grey, matrix, cv2.MOTION_AFFINE, stop, None, 3)
    except cv2.error:  # it did not converge: nothing to gain
        return source
    result = source.copy()
    result[part] = cv2.warpAffine(
        source[part],
        matrix,
        grey[0].shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return result


def with_truth(
    name: str, first: np.ndarray, truth: np.ndarray, made: np.ndarray, marks: np.ndarray
) -> np.ndarray:
    """What is reached by who knows the filmed frame; see the top."""
    height, width = truth.shape[:2]
    if name == "flow":
        return by_flow(first, truth)
    if name == "aligned":
        return by_affine(made, truth, regions(marks, height, width)["mouth"])
    inside = outline(marks, INNER_LIPS, height, width)
    if name == "skin":
        inside = ~outline(marks, OUTER_LIPS, height, width)
    return np.where(inside[..., None], truth, made)


def measure_clip(
    path: Path, basis: FaceBasis, step: int, oracle: bool
) -> dict[str, dict[str, float]]:
    """The table's rows for one clip."""
    truth = read_frames(path)
    marks = track(truth)
    offsets, channels, head = drive(basis, marks)
    portrait = analyze_portrait(torch.from_numpy(truth[0]).float() / 255)
    renderer = MeshRenderer(portrait)
    aperture = FACE.index["lipAperture"]
    lids = [
        FACE.index[f"lid{part}{side}Y"] for part in ("Upper", "Lower") for side in ("Left", "Right")
    ]
    wanted = basis.encode(marks)[0].numpy()
    # Frame 0 is where the portrait is, whatever its lips do there.
    absolute = Motion(channels + renderer.rest.cpu(), head)
    rows: dict[str, dict[str, float]] = {}
    sampled = np.arange(1, len(truth), step)
    rendered = np.empty(0)
    for variant in (*VARIANTS, *(ORACLES if oracle else ())):
        if variant in ORACLES:
            each = zip(sampled, rendered, strict=True)
            frames = np.stack(
                [with_truth(variant, truth[0], truth[i], b, marks[i]) for i, b in each]
            )
        elif variant == "static":
            frames = np.repeat(truth[:1], len(sampled), axis=0)
        elif variant == "landmarks":
            parts = renderer.frames_from_landmarks(
                offsets[sampled], channels[sampled], head[sampled]
            )
            frames = rendered = torch.cat(list(parts)).numpy()
        else:
            motion = Motion(absolute.expression[sampled], absolute.head[sampled])
            frames = torch.cat(list(renderer.frames(motion))).numpy()
        row: dict[str, list[float]] = {}
        for i, b in zip(sampled, frames, strict=True):
            a = truth[i]
            for name, mask in regions(marks[i], *a.shape[:2]).items():
                difference = a[mask].astype(np.float64) - b[mask]
                row.setdefault(f"{name}_l1", []).append(float(np.abs(difference).mean()))
                row.setdefault(f"{name}_ssim", []).append(ssim(a, b, mask))
        result = {name: float(np.mean(values)) for name, values in row.items()}
        again = np.repeat(marks[:1], len(frames), 0) if variant == "static" else track(frames)
        seen = basis.encode(again)[0].numpy()
        result["lip_r"], result["lip_ratio"] = follows(wanted[sampled, aperture], seen[:, aperture])
        eye = [
            c[:, lids[0]] + c[:, lids[1]] - c[:, lids[2]] - c[:, lids[3]]
            for c in (wanted[sampled], seen)
        ]
        result["eye_r"], result["eye_ratio"] = follows(eye[0], eye[1])
        away = np.linalg.norm(again[:, :468, :2] - marks[sampled, :468, :2], axis=-1).mean()
        width = np.linalg.norm(marks[0, 454] - marks[0, 234])
        result["landmarks_percent"] = float(100 * away / width)
        rows[variant] = result
    return rows


def clips(directory: Path, limit: int, step: int, oracle: bool, report: Path | None) -> None:
    """Print the table for all clips of a directory, and their mean."""
    paths = sorted(p for p in directory.rglob("*") if p.suffix in (".mp4", ".mov", ".webm", ".avi"))
    if not paths:
        raise SystemExit(f"no videos in '{directory}'")
    paths = paths[:: max(1, len(paths) // limit)][:limit] if limit else paths
    basis = FaceBasis.load()
    every: dict[str, dict[str, dict[str, float]]] = {}
    print(
        f"{'clip':34s} {'variant':10s} face L1  SSIM | mouth L1  SSIM | wide L1  SSIM |"
        " lip r ratio | eye r ratio | lmk %"
    )
    for path in paths:
        every[path.stem] = measure_clip(path, basis, step, oracle)
        for variant, row in every[path.stem].items():
            print(_line(path.stem, variant, row), flush=True)
    means = {}
    for variant in next(iter(every.values())):
        rows = [clip[variant] for clip in every.values()]
        means[variant] = {name: float(np.mean([r[name] for r in rows])) for name in rows[0]}
        print(_line("mean", variant, means[variant]))
    every["mean"] = means
    if report:
        report.write_text(json.dumps(every, indent=1))


def _line(clip: str, variant: str, r: dict[str, float]) -> str:
    return (
        f"{clip[:34]:34s} {variant:10s} {r['face_l1']:7.2f} {r['face_ssim']:5.3f} |"
        f" {r['mouth_l1']:8.2f} {r['mouth_ssim']:5.3f} |"
        f" {r['wide_l1']:7.2f} {r['wide_ssim']:5.3f} | {r['lip_r']:5.2f} {r['lip_ratio']:5.2f} |"
        f" {r['eye_r']:5.2f} {r['eye_ratio']:5.2f} | {r['landmarks_percent']:5.2f}"
    )


def talking(frames: int, seed: int = 0) -> Motion:
    """A made-up motion that moves everything, so that no layer is skipped."""
    t = torch.arange(frames) / 25
    expression, head = torch.zeros(frames, len(FACE)), torch.zeros(frames, 6)
    aperture = 0.09 * (1 + torch.sin(2 * np.pi * 3 * t))
    for name, share in (
        ("lipAperture", 1.0),
        ("lipLowerY", -0.62),
        ("lipUpperY", 0.12),
        ("chinY", -0.5),
    ):
        expression[:, FACE.index[name]] = share * aperture
    expression[:, FACE.index["mouthWidth"]] = 0.05 * torch.sin(2 * np.pi * 1.1 * t)
    for side in ("Left", "Right"):
        expression[:, FACE.index[f"lidUpper{side}Y"]] = -0.09 * (
            torch.sin(2 * np.pi * 0.4 * t) > 0.9
        )
        expression[:, FACE.index[f"browInner{side}Y"]] = 0.02 * torch.sin(2 * np.pi * 0.3 * t)
        expression[:, FACE.index[f"gaze{side}X"]] = 0.01 * torch.sin(2 * np.pi * 0.2 * t)
    head[:, 0] = 0.06 * torch.sin(2 * np.pi * 0.31 * t)
    head[:, 1] = 0.10 * torch.sin(2 * np.pi * 0.23 * t)
    head[:, 2] = 0.05 * torch.sin(2 * np.pi * 0.17 * t)
    return Motion(expression, head)


def _read_picture(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"can't read the picture '{path}'")
    return picture[..., ::-1]


def speed(path: Path, sizes: list[int], backend: str, device: str, frames: int, mouth: str) -> None:
    """Print set-up time and ms per frame for pictures whose longer side is as given."""
    picture = _read_picture(path)
    print(f"threads {torch.get_num_threads()}, device {device}, backend {backend}")
    print("  size    set-up s   ms/frame wall   ms/frame CPU")
    for size in sizes:
        factor = size / max(picture.shape[:2])
        resized = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        portrait = analyze_portrait(torch.from_numpy(resized.copy()).float() / 255)
        start = time.perf_counter()
        renderer = MeshRenderer(portrait, device=device, backend=backend, mouth=mouth)
        ready = time.perf_counter() - start
        motion = talking(frames)
        for _ in renderer.frames(talking(8)):
            pass
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in renderer.frames(motion):
            pass
        wall, cpu = (time.perf_counter() - wall) / frames, (time.process_time() - cpu) / frames
        height, width = resized.shape[:2]
        print(
            f"{width:5d}x{height:<5d} {ready:6.2f} {1000 * wall:12.1f} {1000 * cpu:14.1f}",
            flush=True,
        )


def memory(path: Path, frames: int) -> None:
    """Print the peak memory of the process as a long motion goes by."""

    portrait = analyze_portrait(torch.from_numpy(_read_picture(path).copy()).float() / 255)
    renderer = MeshRenderer(portrait)
    done = 0
    marks = {round(frames * share) for share in (0.01, 0.1, 0.25, 0.5, 1.0)}
    print("frames done   peak MiB")
    for chunk in renderer.frames(talking(frames)):
        before, done = done, done + len(chunk)
        if any(before < mark <= done for mark in marks):
            print(f"{done:11d} {peak_memory() / 2**20:10.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    c = commands.add_parser("clips")
    c.add_argument("directory", type=Path)
    c.add_argument("--limit", type=int, default=0, help="at most so many clips, spread evenly")
    c.add_argument("--step", type=int, default=2, help="compare every n-th frame")
    c.add_argument("--oracle", action="store_true", help="what knowing the film could reach")
    c.add_argument("--report", type=Path, help="write the figures as JSON too")
    s = commands.add_parser("speed")
    s.add_argument("--mouth", choices=("drawn", "painted"), default="drawn")
    s.add_argument("picture", type=Path)
    s.add_argument("--sizes", default="256,512,1024")
    s.add_argument("--frames", type=int, default=64)
    s.add_argument("--backend", default="auto", choices=("auto", "opencv", "torch"))
    s.add_argument("--device", default="cpu")
    s.add_argument("--threads", type=int, default=torch.get_num_threads())
    m = commands.add_parser("memory")
    m.add_argument("picture", type=Path)
    m.add_argument("--frames", type=int, default=10_000)
    arguments = parser.parse_args()
    if arguments.command == "clips":
        clips(
            arguments.directory, arguments.limit, arguments.step, arguments.oracle, arguments.report
        )
    elif arguments.command == "speed":
        torch.set_num_threads(arguments.threads)
        cv2.setNumThreads(arguments.threads)
        sizes = [int(v) for v in arguments.sizes.split(",")]
        speed(
            arguments.picture, sizes, arguments.backend, arguments.device, arguments.frames,
            arguments.mouth,
        )  # fmt: skip
    else:
        memory(arguments.picture, arguments.frames)


if __name__ == "__main__":
    main()

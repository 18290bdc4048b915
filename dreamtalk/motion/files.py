"""Motion files: our ``.npz``, official ``.mat`` and ``.npy``, Live Link Face ``.csv``, JSON lines.

What each keeps: ``.npz`` and ``.jsonl`` everything, exactly. ``.mat`` and ``.npy`` the 64 BFM
coefficients and the 9 pose columns, exactly; other spaces go through the bridge. ``.csv`` the 52
ARKit shapes to 6 decimals and the head's rotation, not where it is. ``.glb`` is written only: a
head that moves, for programs that show such.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..errors import MotionError, OutputError
from ..files.arrays import read_npy
from ..files.atomic import atomic_write
from ..files.mat import read_mat
from ..files.names import is_there
from ..files.values import reason
from ..options import checked
from .bridges import RESTING_POSE, convert, head_to_pose, pose_to_head
from .livelink import parse_livelink, render_livelink
from .motion import Motion, stored_rate
from .neutral import without_neutral
from .spaces import BFM, space

OFFICIAL_FPS = 25.0
"""Frames a second of official files, which don't say."""
_EXPRESSION = slice(80, 144)
_ANGLES = slice(224, 227)
_TRANSLATION = slice(254, 257)
_JSON_FORMAT = "dreamtalk.motion"

SUFFIXES: tuple[str, ...] = (".npz", ".mat", ".npy", ".txt", ".csv", ".jsonl", ".json")
"""What :func:`load_motion` reads; all but ``.txt`` can be written, and ``.glb`` as well."""


def is_motion_file(path: str | Path) -> bool:
    """Whether a file's name says that :func:`load_motion` reads it; a video's does not."""
    return Path(path).suffix.lower() in SUFFIXES


def load_motion(
    path: str | Path, fps: float | None = None, neutral: Motion | None = None
) -> Motion:
    """Read a motion file, by its suffix.

    Args:
        path: ``.npz`` (ours), ``.mat`` (Deep3DFaceRecon: ``coeff`` (T, 257), ``transform_params``
            (T, 5)), ``.npy`` (official motion: (T, 73) or (T, 64)), ``.txt`` (64 columns),
            ``.csv`` (Live Link Face), ``.jsonl`` or ``.json`` (ours, one frame a line).
        fps: frames a second, for files that don't say (official ones: 25) or say it wrongly; 0 is
            the file's own.
        neutral: of the same person who acts nothing, whose neutral face is taken off.

    Returns:
        The motion in the space of the file. Official files keep their pose columns, and get a
        head that is the offset from the clip's median pose.

    Raises:
        MotionError: if there is no such file, the kind is unknown, or the contents are malformed.
    """
    if fps is not None:
        checked(MotionError, **{"file.fps": fps})
    fps = fps or None
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise MotionError(
            f"'{path.name}' is not a motion file: known are {', '.join(SUFFIXES)}. "
            "Motion of a video is got by tracking it"
        )
    if not is_there(path):
        raise MotionError(f"there is no motion file '{path}'")
    try:
        motion = reader(path, fps)
    except MotionError as error:
        raise MotionError(f"'{path.name}': {error}") from error
    except Exception as error:
        # readers meet arbitrary bytes: whatever they trip over, the file is at fault
        raise MotionError(f"'{path.name}' can't be read as a motion: {reason(error)}") from error
    if len(motion) == 0:
        raise MotionError(f"'{path.name}' holds no frames")
    return motion if neutral is None else without_neutral(motion, neutral)


def check_motion_name(path: str | Path) -> None:
    """Find out before the work whether :func:`save_motion` knows the suffix.

    Raises:
        OutputError: if not; the message lists those that it knows.
    """
    if Path(path).suffix.lower() not in _WRITERS:
        raise OutputError(
            f"'{Path(path).name}' has no known motion suffix: choose one of {', '.join(_WRITERS)}"
        )


def save_motion(motion: Motion, path: str | Path) -> None:
    """Write a motion file, by its suffix; converts to the space that the format speaks.

    Args:
        motion: in any space.
        path: with suffix ``.npz``, ``.mat``, ``.npy``, ``.csv``, ``.jsonl``, ``.json`` or ``.glb``.

    Raises:
        OutputError: if the suffix is unknown or the file can't be written. Nothing half-written
            is left behind.
    """
    path = Path(path)
    check_motion_name(path)
    writer = _WRITERS[path.suffix.lower()]
    with atomic_write(path, "the motion") as part:
        writer(motion, part)


def _official(expression: np.ndarray, pose: np.ndarray | None, fps: float | None) -> Motion:
    """A ``bfm`` motion from official arrays (T, 64) and (T, 9)."""
    if len(expression) == 0:
        raise MotionError("it holds no frames")
    coefficients = torch.from_numpy(np.ascontiguousarray(expression, dtype=np.float32))
    columns: torch.Tensor | None = None
    head = torch.zeros(len(coefficients), 6)
    if pose is not None:
        columns = torch.from_numpy(np.ascontiguousarray(pose, dtype=np.float32))
        if not torch.isfinite(columns).all():
            raise MotionError("the pose columns hold NaN or infinite values")
        head = pose_to_head(columns)
    return Motion(coefficients, head, fps or OFFICIAL_FPS, "bfm", columns)


def _read_npz(path: Path, fps: float | None) -> Motion:
    motion = Motion.load(path)
    return motion if fps is None else motion.with_(fps=fps)


def _read_mat(path: Path, fps: float | None) -> Motion:
    data = read_mat(path)
    if "coeff" not in data:
        raise MotionError("there is no 'coeff' in it: is it a Deep3DFaceRecon file?")
    coeff = np.asarray(data["coeff"], dtype=np.float32)
    if coeff.ndim != 2 or coeff.shape[1] != 257:
        raise MotionError(f"'coeff' is (frames, 257), not {coeff.shape}")
    pose = np.tile(np.array(RESTING_POSE, dtype=np.float32), (len(coeff), 1))
    pose[:, :3], pose[:, 3:6] = coeff[:, _ANGLES], coeff[:, _TRANSLATION]
    if "transform_params" in data:
        crop = np.asarray(data["transform_params"], dtype=np.float32)
        if crop.ndim != 2 or crop.shape[1] < 3 or len(crop) < len(coeff):
            raise MotionError(f"'transform_params' is ({len(coeff)}, 5), not {crop.shape}")
        pose[:, 6:9] = crop[: len(coeff), -3:]
    stored = stored_rate(data["fps"]) if "fps" in data else None
    return _official(coeff[:, _EXPRESSION], pose, fps or stored)


def _write_mat(motion: Motion, path: Path) -> None:
    bfm, pose = _with_pose(motion)
    coeff = np.zeros((len(bfm), 257), dtype=np.float32)
    coeff[:, _EXPRESSION] = bfm.expression.cpu().numpy()
    coeff[:, _ANGLES], coeff[:, _TRANSLATION] = pose[:, :3], pose[:, 3:6]
    crop = np.full((len(bfm), 5), 256.0, dtype=np.float32)
    crop[:, 2:] = pose[:, 6:9]
    # official tools look only at the first two; fps is for ourselves
    from scipy.io import savemat

    savemat(str(path), {"coeff": coeff, "transform_params": crop, "fps": np.float64(bfm.fps)})


def _read_columns(array: np.ndarray, fps: float | None) -> Motion:
    if array.ndim != 2 or array.shape[1] not in (64, 73):
        raise MotionError(f"official motion is (frames, 73) or (frames, 64), not {array.shape}")
    pose = array[:, 64:] if array.shape[1] == 73 else None
    return _official(array[:, : len(BFM)], pose, fps)


def _read_npy(path: Path, fps: float | None) -> Motion:
    return _read_columns(read_npy(path), fps)


def _read_txt(path: Path, fps: float | None) -> Motion:
    return _read_columns(np.loadtxt(path, dtype=np.float32, ndmin=2), fps)


def _write_npy(motion: Motion, path: Path) -> None:
    bfm, pose = _with_pose(motion)
    columns = np.concatenate([bfm.expression.cpu().numpy(), pose], axis=1)
    # Into memory first: numpy writes an array past Python, and a disk that fills goes unnoticed.
    data = io.BytesIO()
    np.save(data, columns.astype(np.float32))
    path.write_bytes(data.getvalue())


def _with_pose(motion: Motion) -> tuple[Motion, np.ndarray]:
    """In ``bfm``, with pose columns in any case."""
    bfm = convert(motion, "bfm")
    pose = head_to_pose(bfm.head) if bfm.pose is None else bfm.pose
    return bfm, pose.cpu().numpy()


def _read_csv(path: Path, fps: float | None) -> Motion:
    return parse_livelink(path.read_text(encoding="utf-8-sig"), fps)


def _write_csv(motion: Motion, path: Path) -> None:
    path.write_text(render_livelink(convert(motion, "arkit")), encoding="utf-8")


def _read_json(path: Path, fps: float | None) -> Motion:
    with path.open(encoding="utf-8") as lines:
        header = json.loads(next(lines, "null"))
        if not isinstance(header, dict) or header.get("format") != _JSON_FORMAT:
            raise MotionError(f'the first line does not say "format": "{_JSON_FORMAT}"')
        frames = [json.loads(line) for line in lines if line.strip()]
    name = str(header["space"])
    columns = [list(header["channels"]).index(c) for c in space(name).channels]
    posed = bool(frames) and all("pose" in frame for frame in frames)

    def stacked(key: str, width: int) -> torch.Tensor:
        return torch.tensor([f[key] for f in frames], dtype=torch.float32).reshape(-1, width)

    return Motion(
        stacked("expression", len(header["channels"]))[:, columns],
        stacked("head", 6),
        fps or float(header["fps"]),
        name,
        stacked("pose", 9) if posed else None,
    )


def _write_json(motion: Motion, path: Path) -> None:
    def numbers(row: torch.Tensor) -> list[float]:
        return [float(f"{value:.9g}") for value in row.tolist()]  # exact for float32

    header = {
        "format": _JSON_FORMAT,
        "space": motion.space,
        "fps": motion.fps,
        "channels": list(motion.motion_space.channels),
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(header) + "\n")
        for index in range(len(motion)):
            frame = {
                "time": round(index / motion.fps, 6),
                "expression": numbers(motion.expression[index]),
                "head": numbers(motion.head[index]),
            }
            if motion.pose is not None:
                frame["pose"] = numbers(motion.pose[index])
            file.write(json.dumps(frame) + "\n")


def _write_glb(motion: Motion, path: Path) -> None:
    from .glb import render_glb  # what builds a head is loaded by those who want one

    path.write_bytes(render_glb(motion))


_READERS: dict[str, Callable[[Path, float | None], Motion]] = {
    ".npz": _read_npz,
    ".mat": _read_mat,
    ".npy": _read_npy,
    ".txt": _read_txt,
    ".csv": _read_csv,
    ".jsonl": _read_json,
    ".json": _read_json,
}
_WRITERS: dict[str, Callable[[Motion, Path], None]] = {
    ".npz": lambda motion, path: motion.save(path),
    ".mat": _write_mat,
    ".npy": _write_npy,
    ".csv": _write_csv,
    ".jsonl": _write_json,
    ".json": _write_json,
    ".glb": _write_glb,
}

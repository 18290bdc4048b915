"""Live Link Face recordings: one CSV row a frame, 52 ARKit shapes, head and eye rotations.

Rotations are in radians about ARKit's face axes (x to the subject's left, y up, z out of the face):
positive yaw turns to the subject's left, positive pitch nods down, positive roll tips the head
towards the subject's right shoulder.
"""

from __future__ import annotations

import csv
import io

import numpy as np
import torch

from ..errors import MotionError
from .edit import resample_frames
from .motion import Motion
from .spaces import ARKIT, ARKIT_CHANNELS
from .timecode import row_times

EYE_TURN = 0.5
"""Radians that an eye is turned at an eyeLook score of 1."""
_MOST_FILLED = 100
"""Frames a row that gaps are filled with; more is no recording whose phone dropped frames."""
_HEAD = ("HeadYaw", "HeadPitch", "HeadRoll")
_EYES = (
    "LeftEyeYaw",
    "LeftEyePitch",
    "LeftEyeRoll",
    "RightEyeYaw",
    "RightEyePitch",
    "RightEyeRoll",
)
LIVE_CHANNELS: tuple[str, ...] = (
    *(name[0].upper() + name[1:] for name in ARKIT_CHANNELS), *_HEAD, *_EYES,
)  # fmt: skip
"""The 61 values of a frame, as Unreal names and orders them."""


def _column_order() -> list[str]:
    """The app's order: ARKit's, but the right side of jaw and mouth comes before the left."""
    order = list(ARKIT_CHANNELS)
    for left, right in (("jawLeft", "jawRight"), ("mouthLeft", "mouthRight")):
        i, j = order.index(left), order.index(right)
        order[min(i, j)], order[max(i, j)] = right, left
    return order


def parse_livelink(text: str, fps: float | None = None) -> Motion:
    """Read a recording.

    Frames that the phone dropped are interpolated by time; for time stamps that can't be right
    see :func:`row_times`.

    Args:
        text: contents of the CSV.
        fps: frames a second; found from the timecodes by default.

    Returns:
        A motion in the ``arkit`` space. Head rotations are taken as recorded; eye rotations are
        left out, because the eyeLook shapes say the same.

    Raises:
        MotionError: if a column is missing or a value is not a number.
    """
    if fps is not None and not 0 < fps <= 1000:
        raise MotionError(f"fps of {fps} is not a frame rate")
    rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    if not rows:
        raise MotionError("the file is empty")
    columns = {name.strip().lower(): index for index, name in enumerate(rows[0])}
    missing = [name for name in ARKIT_CHANNELS if name.lower() not in columns]
    # early versions of the app did not write the tongue
    missing = [name for name in missing if name != "tongueOut"]
    if missing:
        raise MotionError(f"it is not a Live Link Face recording: no column '{missing[0]}'")
    body = [row for row in rows[1:] if len(row) >= len(rows[0]) - 1]
    if not body:
        raise MotionError("it holds no frames")

    def column(name: str) -> np.ndarray:
        index = columns.get(name.lower())
        if index is None:
            return np.zeros(len(body), dtype=np.float64)
        return np.array([float(row[index] or 0.0) for row in body], dtype=np.float64)

    values = np.stack([column(name) for name in (*ARKIT_CHANNELS, *_HEAD)], axis=1)
    if not np.isfinite(values).all():
        raise MotionError("it holds NaN or infinite values")
    stamps = [row[columns["timecode"]].strip() for row in body] if "timecode" in columns else []
    times, rate, kept = row_times(stamps, len(body), fps)
    values = values[kept]
    if (times[-1] - times[0]) * rate > _MOST_FILLED * len(body) + rate:
        raise MotionError(
            f"its time codes run over {times[-1] - times[0]:.0f} s, and it has {len(body)} rows: "
            "cut out the part that was recorded"
        )
    if len(times) > 1 and np.abs(np.diff(times) * rate - 1.0).max() > 0.2:
        values = resample_frames(values, times, rate)
    head = np.zeros((len(values), 6))
    head[:, 0], head[:, 1], head[:, 2] = values[:, 53], values[:, 52], -values[:, 54]
    shapes = torch.from_numpy(values[:, :52].astype(np.float32))
    return Motion(shapes, torch.from_numpy(head.astype(np.float32)), rate, "arkit")


def render_livelink(motion: Motion) -> str:
    """Write a recording.

    Args:
        motion: in the ``arkit`` space.

    Returns:
        The CSV: timecodes from 00:00:00, values to 6 decimals.
    """
    order = _column_order()
    columns = [*(ARKIT.index[name] for name in order), *range(len(ARKIT), len(LIVE_CHANNELS))]
    rows = live_values(motion)[:, columns]
    base = int(np.ceil(motion.fps - 1e-6))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [LIVE_CHANNELS[column] for column in columns]
    writer.writerow(["Timecode", "BlendShapeCount", *names])
    for index in range(len(motion)):
        seconds, part = divmod(round(index / motion.fps * base * 1000), base * 1000)
        stamp = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        stamp += f":{part // 1000:02d}.{part % 1000:03d}"
        values = (f"{value + 0.0:.6f}" for value in rows[index])
        writer.writerow([stamp, len(columns), *values])
    return out.getvalue()


def live_values(motion: Motion) -> np.ndarray:
    """All that Live Link Face tells of a frame: shapes, head and eye rotations.

    Args:
        motion: in the ``arkit`` space.

    Returns:
        (T, 61) in the order of :data:`LIVE_CHANNELS`; rotations in radians.
    """
    shapes, head = motion.expression.cpu().numpy(), motion.head.cpu().numpy()
    turn = np.stack([head[:, 1], head[:, 0], -head[:, 2]], axis=1)
    return np.concatenate([shapes, turn, _eye_rotations(motion)], axis=1)


def _eye_rotations(motion: Motion) -> np.ndarray:
    """(T, 6) yaw, pitch, roll of the left and the right eye, from the eyeLook shapes."""
    shape = {name: motion.channel(name).cpu().numpy() for name in ARKIT_CHANNELS if "Look" in name}
    none = np.zeros(len(motion))
    left = shape["eyeLookOutLeft"] - shape["eyeLookInLeft"]
    right = shape["eyeLookInRight"] - shape["eyeLookOutRight"]
    down = [shape[f"eyeLookDown{side}"] - shape[f"eyeLookUp{side}"] for side in ("Left", "Right")]
    return EYE_TURN * np.stack([left, down[0], none, right, down[1], none], axis=1)

"""``Motion``: what a face does over time, apart from whose face it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import MotionError
from ..files.arrays import read_npz
from ..files.atomic import atomic_write
from ..files.timeline import exact_rate
from ..files.values import reason
from ..options import OPTIONS
from .spaces import MotionSpace, space

HEAD_CHANNELS: tuple[str, ...] = ("pitch", "yaw", "roll", "x", "y", "z")


@dataclass(frozen=True)
class Motion:
    """Expression coefficients and head motion, frame by frame.

    Attributes:
        expression: (T, C) float32, offsets from the person's neutral face, in units of ``space``.
        head: (T, 6) float32, offsets from the rest pose: pitch, yaw, roll in radians, then x, y, z
            in units of the inter-ocular distance. Right-handed, camera looks along -z: x to the
            image's right, y up, z towards the camera. Positive pitch nods down, positive yaw turns
            to the subject's left (the image's right), positive roll tips the head towards the
            subject's left shoulder. R = Ry(yaw) Rx(pitch) Rz(-roll).
        fps: frames per second.
        space: name of the motion space.
        pose: (T, 9) float32, only in ``bfm``: the official pose columns (Euler angles, translation,
            crop scale and centre) that PIRenderer takes.

    Raises:
        MotionError: if the shapes disagree or a value is not finite.
    """

    expression: Tensor
    head: Tensor
    fps: float = 25.0
    space: str = "face"
    pose: Tensor | None = None

    def __post_init__(self) -> None:
        channels = len(space(self.space))
        if self.expression.ndim != 2 or self.expression.shape[1] != channels:
            raise MotionError(
                f"expression of a '{self.space}' motion is (T, {channels}), "
                f"not {tuple(self.expression.shape)}"
            )
        if tuple(self.head.shape) != (len(self), 6):
            raise MotionError(f"head is ({len(self)}, 6), not {tuple(self.head.shape)}")
        if self.pose is not None and tuple(self.pose.shape) != (len(self), 9):
            raise MotionError(f"pose is ({len(self)}, 9), not {tuple(self.pose.shape)}")
        problem = OPTIONS["frame_rate"].problem(self.fps)
        if problem is not None:
            raise MotionError(f"fps of {self.fps} is not a frame rate: {problem}")
        parts = (("expression", self.expression), ("head", self.head), ("pose", self.pose))
        for name, value in parts:
            if value is not None and not torch.isfinite(value).all():
                raise MotionError(f"{name} holds NaN or infinite values")

    def __len__(self) -> int:
        return int(self.expression.shape[0])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self) / self.fps

    @property
    def motion_space(self) -> MotionSpace:
        """The space with its channel names."""
        return space(self.space)

    def channel(self, name: str) -> Tensor:
        """One expression channel by name, (T,).

        Raises:
            MotionError: if the space has no such channel.
        """
        column = self.motion_space.index.get(name)
        if column is None:
            raise MotionError(f"a '{self.space}' motion has no channel '{name}'")
        return self.expression[:, column]

    def with_(self, **changes: object) -> Motion:
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def save(self, path: str | Path) -> None:
        """Write as ``.npz``, whole or not at all: expression, channels, head, fps, space (, pose).

        Raises:
            OutputError: if the file can't be written.
        """
        arrays: dict[str, Any] = {
            "expression": self.expression.cpu().numpy().astype(np.float32),
            "channels": np.array(self.motion_space.channels),
            "head": self.head.cpu().numpy().astype(np.float32),
            "fps": np.array(float(self.fps), dtype=np.float64),
            "space": np.array(self.space),
        }
        if self.pose is not None:
            arrays["pose"] = self.pose.cpu().numpy().astype(np.float32)
        with atomic_write(path, "the motion") as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Motion:
        """Read what :meth:`save` wrote; channels are matched by name.

        Raises:
            MotionError: if the file is not a motion file, or lacks a channel.
        """
        try:
            arrays = read_npz(path)
            name = str(arrays["space"])
            stored = [str(c) for c in arrays["channels"]]
            columns = [stored.index(c) for c in space(name).channels]
            return cls(
                expression=torch.from_numpy(arrays["expression"][:, columns].astype(np.float32)),
                head=torch.from_numpy(arrays["head"].astype(np.float32)),
                fps=stored_rate(arrays["fps"]),
                space=name,
                pose=torch.from_numpy(arrays["pose"].astype(np.float32))
                if "pose" in arrays
                else None,
            )
        except FileNotFoundError:
            raise MotionError(f"there is no motion file '{path}'") from None
        except MotionError:
            raise
        except Exception as error:  # arbitrary bytes: whatever it trips over, the file is at fault
            raise MotionError(f"'{path}' is not a motion file of ours: {reason(error)}") from error


def stored_rate(fps: np.ndarray) -> float:
    """Frames a second as a file has them; what older files rounded to float32 is made exact."""
    value = float(np.ravel(fps)[0])
    rounded = fps.dtype == np.float32 and np.isfinite(value)
    return float(exact_rate(value)) if rounded else value

"""Bridges between the motion spaces: small linear maps, fitted by ``scripts/fit_bridges.py``.

Neutral maps to neutral, so the maps have no constant term: the neutral scores and neutral
coefficients of a tracker belong to the person in front of it, not to the expression. The head goes
along as it is; ``bfm`` carries it a second time, as the official pose columns. Scores can't be
negative, so towards ``arkit`` the map is only the first guess of a small least-squares problem.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..curves.easing import smoothstep
from ..errors import DreamTalkError, SpaceMismatchError
from ..face.pose import euler_matrix
from ..face.units import CAMERA_DISTANCE
from ..files.atomic import atomic_write
from .motion import Motion
from .scores import solve_scores
from .spaces import SPACES, space

ASSET = Path(__file__).resolve().parents[1] / "assets" / "bridges.npz"

CROP_IOD = 85.0
"""Px between the outer eye corners at crop scale 1, measured on the paired clips: the pose columns
give the scale that brings a face to that size."""
CROP_FRAME = 256.0
"""Px, edge of the frames that the crop centre is counted in (y upwards)."""
RESTING_POSE = (0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 0.95, CROP_FRAME / 2, CROP_FRAME / 2)
"""Pose columns of a head that looks straight ahead from the middle of the frame."""
_CENTRE_ARM = (0.0, 0.27, 1.25)  # IOD from the neck to the middle of eyes, nose and mouth corners
# IOD: gaps below the first are closed by so much, those above the second not at all. Measured: of
# the frames that the map from BFM puts at a gap of 0.035, two in three have closed lips.
_TOUCHING = (0.035, 0.055)
_PRESSED = {"bfm": 0.008}  # IOD, by the space that the gap comes from
# Errors that scores may leave in a channel, as a share of its spread. Gaze, lips and brows are what
# a rig must show; smaller tolerances cost agreement with the scores of a tracker.
_TOLERANCE = 1.2
_TOLERANCES = {
    "lipAperture": 0.25,
    "Width": 0.5,
    "Corner": 0.28,
    "lid": 0.45,
    "brow": 0.45,
    "gaze": 0.22,
}


@dataclass(frozen=True)
class Bridges:
    """Matrices between each pair of spaces.

    Attributes:
        matrices: (source, target) -> (C_source, C_target) float32.
        spreads: space -> (C,) float32, how much each channel varies within clips.
        scatter: (52, 52) float32, covariance of ARKit scores among faces with the same channels.
        provenance: what they were fitted on and how well they do.
    """

    matrices: dict[tuple[str, str], Tensor]
    spreads: dict[str, Tensor]
    scatter: Tensor
    provenance: dict[str, object]

    def save(self, path: str | Path) -> None:
        """Write as ``.npz`` with the channel names, so that a changed space is noticed."""
        arrays: dict[str, Any] = {
            f"{source}_to_{target}": matrix.numpy().astype(np.float32)
            for (source, target), matrix in self.matrices.items()
        }
        for name, members in SPACES.items():
            arrays[f"{name}_channels"] = np.array(members.channels)
            arrays[f"{name}_spread"] = self.spreads[name].numpy().astype(np.float32)
        arrays["scatter"] = self.scatter.numpy().astype(np.float32)
        arrays["provenance"] = np.array(json.dumps(self.provenance))
        with atomic_write(path, "the bridges") as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)


@lru_cache(maxsize=4)
def load_bridges(path: str | Path = ASSET) -> Bridges:
    """Read bridges; the bundled ones by default.

    Raises:
        DreamTalkError: if they were fitted for other channels.
    """
    with np.load(path, allow_pickle=False) as data:
        for name, members in SPACES.items():
            if tuple(str(c) for c in data[f"{name}_channels"]) != members.channels:
                raise DreamTalkError(
                    f"'{path}' was fitted for other '{name}' channels: fit it again"
                )
        matrices = {
            (a, b): torch.from_numpy(data[f"{a}_to_{b}"].astype(np.float32))
            for a, b in permutations(SPACES, 2)
        }
        spreads = {n: torch.from_numpy(data[f"{n}_spread"].astype(np.float32)) for n in SPACES}
        scatter = torch.from_numpy(data["scatter"].astype(np.float32))
        return Bridges(matrices, spreads, scatter, json.loads(str(data["provenance"])))


def map_offsets(offsets: Tensor, source: str, target: str) -> Tensor:
    """Offsets from neutral in one space -> offsets from neutral in another.

    Args:
        offsets: (..., C_source).
        source, target: names of the spaces.

    Returns:
        (..., C_target), on the device and in the dtype of ``offsets``. Not limited to a range.

    Raises:
        SpaceMismatchError: if the number of channels is not that of ``source``.
    """
    if offsets.shape[-1] != len(space(source)):
        raise SpaceMismatchError(
            f"'{source}' has {len(space(source))} channels, not {offsets.shape[-1]}"
        )
    if source == target:
        return offsets
    space(target)
    return offsets @ load_bridges().matrices[source, target].to(offsets)


def convert(motion: Motion, target: str) -> Motion:
    """A motion in another space.

    Exact for ``head``; the expression loses what the target space can't say (docs/motion.md has
    the figures). ARKit scores are limited to 0..1, a lip aperture to 0 and above. To ``bfm`` the
    pose columns are made from the head, around :data:`RESTING_POSE`; from ``bfm`` to another space
    a head of zeros is filled in from the pose columns.

    Args:
        motion: in any space.
        target: ``"face"``, ``"arkit"`` or ``"bfm"``.

    Returns:
        The motion itself if it is in that space already.

    Raises:
        MotionError: if there is no such space.
    """
    if motion.space == target:
        return motion
    expression = convert_expression(motion.expression, motion.space, target)
    head = motion.head
    if motion.pose is not None and not head.any():
        head = pose_to_head(motion.pose)
    pose = head_to_pose(head) if space(target).has_pose else None
    return Motion(expression, head, motion.fps, target, pose)


def convert_expression(
    expression: Tensor, source: str, target: str, bridges: Bridges | None = None
) -> Tensor:
    """The expression of a motion in another space; see :func:`convert`.

    Args:
        expression: (T, C_source).
        source, target: names of the spaces.
        bridges: the bundled ones by default.

    Returns:
        (T, C_target).
    """
    bridges = bridges or load_bridges()

    def mapped(to: str) -> Tensor:
        if source == to:
            return expression
        result = expression @ bridges.matrices[source, to].to(expression)
        return _contact(result, _PRESSED.get(source, 0.0)) if to == "face" else result

    space(source), space(target)
    if source == target or not space(target).bounded:
        return mapped(target)
    return face_to_scores(mapped("face"), mapped("arkit"), bridges)


def face_to_scores(
    expression: Tensor, guess: Tensor | None = None, bridges: Bridges | None = None
) -> Tensor:
    """The likeliest ARKit scores for a face: within 0..1, and with nearly the wanted face.

    Args:
        expression: (T, 31) of the ``face`` space.
        guess: (T, 52) scores to stay near; those of the linear map by default.
        bridges: the bundled ones by default.

    Returns:
        (T, 52) within 0..1.
    """
    bridges = bridges or load_bridges()
    if guess is None:
        guess = expression @ bridges.matrices["face", "arkit"].to(expression)
    tolerance = torch.tensor([_tolerance(name) for name in space("face").channels])
    return solve_scores(
        expression,
        guess,
        bridges.matrices["arkit", "face"].to(expression),
        1.0 / (tolerance * bridges.spreads["face"]).to(expression),
        bridges.scatter.to(expression),
    )


def _tolerance(channel: str) -> float:
    return next((value for part, value in _TOLERANCES.items() if part in channel), _TOLERANCE)


def to_face(motion: Motion) -> Motion:
    """The motion in the ``face`` space, which the mesh renderer takes."""
    return convert(motion, "face")


def _contact(expression: Tensor, pressed: float) -> Tensor:
    """No aperture below 0, and lips that nearly meet come closer by ``pressed`` IOD.

    A linear map to a gap that ends at 0 leaves closed lips a little open, because it evens errors
    out. Wider gaps than :data:`_TOUCHING` stay as they are.
    """
    column = space("face").index["lipAperture"]
    gap = expression[..., column]
    low, high = _TOUCHING
    result = expression.clone()
    result[..., column] = (gap - pressed * smoothstep(high, low, gap)).clamp(min=0.0)
    return result


def pose_to_head(pose: Tensor, rest: Tensor | None = None) -> Tensor:
    """Official pose columns -> head offsets.

    Args:
        pose: (T, 9): Euler angles, translation, crop scale and centre.
        rest: (9,) the pose that counts as 0; the median of each column by default.

    Returns:
        (T, 6) in the conventions of ``Motion.head``: the crop's centre follows the face, so what
        turning the head about the neck moves it by is taken off. The small translation columns are
        noise of the fit and are left out.
    """
    # contiguous: torch's median of an expanded tensor reads past its storage
    rest = pose.contiguous().median(dim=0).values if rest is None else rest
    moved = pose - rest
    scale = rest[6].clamp(min=1e-3)
    head = torch.zeros(len(pose), 6, dtype=pose.dtype, device=pose.device)
    head[:, 0] = moved[:, 0]
    head[:, 1] = moved[:, 1]
    head[:, 2] = -moved[:, 2]
    head[:, 3:5] = moved[:, 7:] * scale / CROP_IOD - _swing(pose[:, :3]) + _swing(rest[:3])
    head[:, 5] = -CAMERA_DISTANCE * torch.log(pose[:, 6].clamp(min=1e-3) / scale)
    return head


def _swing(angles: Tensor) -> Tensor:
    """How far the middle of the face is from the neck, seen from the front: (..., 2) IOD.

    Args:
        angles: (..., 3) official Euler angles; the third has the opposite sign of ``roll``.
    """
    ours = angles * torch.tensor([1.0, 1.0, -1.0]).to(angles)
    return (euler_matrix(ours) @ torch.tensor(_CENTRE_ARM).to(angles))[..., :2]


def add_head_to_pose(pose: Tensor, head: Tensor) -> Tensor:
    """Add head offsets (T, 6) to pose columns (T, 9); inverts :func:`pose_to_head`."""
    head = head.to(pose)
    result = pose.clone()
    result[:, 0] += head[:, 0]
    result[:, 1] += head[:, 1]
    result[:, 2] -= head[:, 2]
    scale = pose[:, 6]
    swung = _swing(result[:, :3]) - _swing(pose[:, :3])
    result[:, 7:] += (head[:, 3:5] + swung) * CROP_IOD / scale[:, None]
    result[:, 6] = scale * torch.exp(-head[:, 5] / CAMERA_DISTANCE)
    return result


def head_to_pose(head: Tensor, rest: Tensor | None = None) -> Tensor:
    """Head offsets (T, 6) -> pose columns (T, 9) around a resting pose."""
    rest = torch.tensor(RESTING_POSE) if rest is None else rest
    return add_head_to_pose(rest.to(head).expand(len(head), 9), head)

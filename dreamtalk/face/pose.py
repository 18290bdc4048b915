"""Head pose: similarity fits of landmarks, and angles to rotations and back.

Angles are those of ``Motion.head``: R = Ry(yaw) Rx(pitch) Rz(-roll) takes the face frame to the
camera frame. In numpy for measuring; ``euler_matrix`` and ``euler_angles`` are the same in torch,
where frames are made: in float32, on any device.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from .topology import STABLE

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Similarity:
    """camera point = scale * rotation @ face point + translation, for each of T frames.

    Attributes:
        scale: (T,) px per IOD unit.
        rotation: (T, 3, 3) face frame -> camera frame.
        translation: (T, 3) px, where the template's origin lies.
    """

    scale: Array
    rotation: Array
    translation: Array

    def frame(self, index: int) -> Similarity:
        """One of the frames by itself."""
        part = slice(index, index + 1)
        return Similarity(self.scale[part], self.rotation[part], self.translation[part])

    def to_face(self, points: Array) -> Array:
        """Camera points (T, K, 3) in px -> face frame in IOD units."""
        centred = points - self.translation[:, None]
        return np.einsum("tji,tkj->tki", self.rotation, centred) / self.scale[:, None, None]

    def position(self, point: tuple[float, float, float]) -> Array:
        """Where one face-frame point (IOD) lies in each frame: (T, 3) px of the camera frame."""
        placed = np.einsum("tij,j->ti", self.rotation, np.array(point)) * self.scale[:, None]
        return placed + self.translation

    def to_camera(self, points: Array) -> Array:
        """Face-frame points (T, K, 3) in IOD units -> camera frame in px."""
        turned = np.einsum("tij,tkj->tki", self.rotation, points)
        return turned * self.scale[:, None, None] + self.translation[:, None]


def image_to_camera(landmarks: Array) -> Array:
    """Pixels (x right, y down, z away) -> camera frame (x right, y up, z towards the camera)."""
    return np.asarray(landmarks, dtype=np.float64) * np.array([1.0, -1.0, -1.0])


def fit_similarity(points: Array, template: Array, marks: tuple[int, ...] = STABLE) -> Similarity:
    """Least-squares similarity that takes the template onto each frame's points.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns"
    (1991), eqs. 40-42.

    Args:
        points: (T, 478, 3) camera frame, px.
        template: (478, 3) face frame.
        marks: which landmarks are fitted.
    """
    target = points[:, list(marks)]
    source = template[list(marks)]
    target_mean, source_mean = target.mean(axis=1), source.mean(axis=0)
    target, source = target - target_mean[:, None], source - source_mean
    covariance = np.einsum("tki,kj->tij", target, source) / len(marks)
    u, d, vt = np.linalg.svd(covariance)
    sign = np.ones_like(d)
    sign[:, 2] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    rotation = np.einsum("tij,tj,tjk->tik", u, sign, vt)
    scale = (d * sign).sum(axis=1) / (source**2).sum(axis=1).mean()
    translation = target_mean - scale[:, None] * np.einsum("tij,j->ti", rotation, source_mean)
    return Similarity(scale, rotation, translation)


def angles_to_rotation(angles: Array) -> Array:
    """R = Ry(yaw) Rx(pitch) Rz(-roll).

    Args:
        angles: (..., 3) pitch, yaw, roll in radians. Positive pitch nods down, positive yaw turns
            to the subject's left, positive roll tips the head towards the subject's left shoulder.

    Returns:
        (..., 3, 3), face frame -> camera frame.
    """
    pitch, yaw, roll = np.moveaxis(np.asarray(angles, dtype=np.float64), -1, 0)
    turns = np.stack([yaw, pitch, -roll], axis=-1).reshape(-1, 3)
    matrices = Rotation.from_euler("YXZ", turns).as_matrix()
    return matrices.reshape(*np.shape(pitch), 3, 3)


def rotation_to_angles(rotation: Array) -> Array:
    """The inverse of :func:`angles_to_rotation` for |pitch| < 90 degrees."""
    r = np.asarray(rotation, dtype=np.float64)
    turns = Rotation.from_matrix(r.reshape(-1, 3, 3)).as_euler("YXZ")
    angles = np.stack([turns[:, 1], turns[:, 0], -turns[:, 2]], axis=-1)
    return angles.reshape(*r.shape[:-2], 3)


def euler_matrix(angles: Tensor) -> Tensor:
    """:func:`angles_to_rotation` in torch: (..., 3) pitch, yaw, roll -> (..., 3, 3)."""
    pitch, yaw, roll = angles.unbind(-1)
    cp, sp, cy, sy = pitch.cos(), pitch.sin(), yaw.cos(), yaw.sin()
    cr, sr = roll.cos(), -roll.sin()
    zero, one = torch.zeros_like(cp), torch.ones_like(cp)
    rx = torch.stack([one, zero, zero, zero, cp, -sp, zero, sp, cp], -1)
    ry = torch.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], -1)
    rz = torch.stack([cr, -sr, zero, sr, cr, zero, zero, zero, one], -1)
    shape = (*cp.shape, 3, 3)
    return ry.reshape(shape) @ rx.reshape(shape) @ rz.reshape(shape)


def euler_angles(rotation: Tensor) -> Tensor:
    """:func:`rotation_to_angles` in torch: (..., 3, 3) -> (..., 3)."""
    pitch = torch.asin((-rotation[..., 1, 2]).clamp(-1, 1))
    yaw = torch.atan2(rotation[..., 0, 2], rotation[..., 2, 2])
    roll = -torch.atan2(rotation[..., 1, 0], rotation[..., 1, 1])
    return torch.stack([pitch, yaw, roll], dim=-1)

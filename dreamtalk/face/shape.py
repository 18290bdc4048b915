"""The shape of a face, apart from head pose and expression: who somebody is, in a few numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..files.atomic import atomic_write
from .basis import ASSETS, FaceBasis
from .topology import NUM_LANDMARKS

Array = npt.NDArray[np.float64]
ASSET = "face_shape.npz"
MOST = 4.0
"""Deviations beyond which a number is cut: a drawing's face."""


@dataclass(frozen=True)
class FaceShapes:
    """Principal directions in which faces differ, outside those in which an expression moves them.

    Attributes:
        mean: (1434,) of pose-normalised landmarks without expression, IOD.
        directions: (K, 1434) orthonormal, orthogonal to what the face basis can move.
        spread: (K,) deviation of people along each.
        provenance: what they were fitted from.
    """

    mean: Array
    directions: Array
    spread: Array
    provenance: dict[str, object]

    @classmethod
    def load(cls, path: str | Path | None = None) -> FaceShapes:
        """Read them; the bundled ones by default."""
        with np.load(Path(path) if path else ASSETS / ASSET, allow_pickle=False) as data:
            return cls(
                data["mean"].astype(np.float64),
                data["directions"].astype(np.float64),
                data["spread"].astype(np.float64),
                json.loads(str(data["provenance"])),
            )

    def save(self, path: str | Path) -> None:
        """Write as ``.npz``."""
        with atomic_write(path, "the face shapes") as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                mean=self.mean.astype(np.float32),
                directions=self.directions.astype(np.float16),
                spread=self.spread.astype(np.float32),
                provenance=np.array(json.dumps(self.provenance)),
            )

    def measure(
        self, landmarks: npt.NDArray[np.floating], basis: FaceBasis | None = None
    ) -> Tensor:
        """The shapes of faces.

        Args:
            landmarks: (T, 478, 3) px, as in ``Portrait``.

        Returns:
            (T, K) float32 in deviations of people, within 4.
        """
        points, _ = (basis or FaceBasis.load()).align(landmarks)
        found = (points.reshape(len(points), -1) - self.mean) @ self.directions.T / self.spread
        return torch.from_numpy(np.clip(found, -MOST, MOST).astype(np.float32))


def without_expression(points: Array, basis: FaceBasis) -> Array:
    """Take out of pose-normalised landmarks all that an expression could have put there.

    Args:
        points: (T, 478, 3) IOD.

    Returns:
        (T, 1434): the part that is orthogonal to the face basis's 31 directions.
    """
    moved, _ = np.linalg.qr(basis.decoder.reshape(-1, NUM_LANDMARKS * 3).T)
    flat = points.reshape(len(points), -1)
    rest: Array = flat - (flat @ moved) @ moved.T
    return rest


def fit_shapes(points: Array, basis: FaceBasis, count: int, **provenance: object) -> FaceShapes:
    """Principal components of faces without expression.

    Args:
        points: (N, 478, 3) pose-normalised landmarks of N people.
        count: K.
    """
    flat = without_expression(points, basis)
    mean = flat.mean(0)
    _, sizes, directions = np.linalg.svd(flat - mean, full_matrices=False)
    spread = sizes[:count] / np.sqrt(len(flat) - 1)
    return FaceShapes(mean, directions[:count], spread, provenance)


def face_shape(landmarks: Tensor) -> Tensor:
    """The shape of one face: (478, 3) px as in ``Portrait`` -> (K,)."""
    return FaceShapes.load().measure(landmarks.detach().cpu().numpy()[None])[0]

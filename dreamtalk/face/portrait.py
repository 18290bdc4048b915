"""``Portrait``: a still picture and where the face in it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ImageError
from ..files.values import load_values, making, save_values
from .channels import FACE_CHANNELS
from .topology import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, NUM_LANDMARKS

APERTURE_SHARES: dict[str, float] = {
    "lipAperture": 1.0,
    "lipLowerY": -0.62,
    "lipUpperInnerY": 0.20,
    "lipUpperY": 0.14,
    "chinY": -0.45,
}
"""How far lip channels usually go along with the aperture."""
_STORED = ("image", "landmarks", "rotation", "expression", "mask")
_OPEN = "open_mouth_"
"""Begins the names of what is stored of another picture's mouth."""


@dataclass(frozen=True)
class Portrait:
    """A picture of a person, analysed once.

    Attributes:
        image: (H, W, 3) float32 in 0..1, the whole picture at its own resolution.
        landmarks: (478, 3) float32 of MediaPipe's face mesh: x right and y down in px of
            ``image``, z in px too, growing away from the camera.
        rotation: (3, 3) float32, head orientation: face frame -> camera frame (x right, y up, z
            towards the camera).
        expression: (C,) float32, what the portrait's own face does already, in the ``face`` space,
            as far as one picture tells (lip aperture and lids; 0 elsewhere).
        faces: how many faces were found in the picture.
        mask: (H, W) float32 in 0..1, the person's matte if the user gave one.
        turned: degrees counter-clockwise by which the picture was turned to be upright; ``image``
            is the turned one.
        open_mouth: another picture of the same person whose teeth, tongue and cavity are shown
            between these lips, see :func:`add_open_mouth`; None for the portrait's own, or drawn
            ones.

    Raises:
        ImageError: if the shapes are others, or a value is not finite.
    """

    image: Tensor
    landmarks: Tensor
    rotation: Tensor
    expression: Tensor
    faces: int = 1
    mask: Tensor | None = None
    turned: int = 0
    open_mouth: Portrait | None = None

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[-1] != 3 or 0 in self.image.shape:
            raise ImageError(f"a portrait's image is (H, W, 3), not {tuple(self.image.shape)}")
        shapes = {
            "landmarks": (NUM_LANDMARKS, 3),
            "rotation": (3, 3),
            "expression": (len(FACE_CHANNELS),),
            "mask": self.size,
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != shape:
                raise ImageError(f"a portrait's {name} is {shape}, not {tuple(value.shape)}")
        for name in ("image", *shapes):
            value = getattr(self, name)
            if value is not None and not torch.isfinite(value).all():
                raise ImageError(f"the portrait's {name} holds NaN or infinite values")
        if self.open_mouth is not None and self.open_mouth.open_mouth is not None:
            raise ImageError("the picture that shows the open mouth can't have another one's")

    def save(self, path: str | Path) -> None:
        """Write as ``.npz``: everything, exactly.

        Raises:
            OutputError: if the file can't be written.
        """
        values = self._arrays()
        if self.open_mouth is not None:
            values |= {_OPEN + name: v for name, v in self.open_mouth._arrays().items()}
        save_values(path, "portrait", values)

    def _arrays(self) -> dict[str, np.ndarray]:
        values = {
            name: getattr(self, name).detach().float().cpu().numpy()
            for name in _STORED
            if getattr(self, name) is not None
        }
        whole = np.round(values["image"] * 255).astype(np.uint8)
        if np.array_equal(whole / np.float32(255), values["image"]):
            values["image"] = whole  # as from any file with 8 bits: a quarter of the size
        return {**values, "faces": np.array(self.faces)}

    @classmethod
    def load(cls, path: str | Path) -> Portrait:
        """Read what :meth:`save` wrote.

        Raises:
            ImageError: if there is no such file, or it holds something else.
        """
        values = load_values(path, "portrait", ImageError, (*_STORED[:-1], "faces"))
        with making(path, "portrait", ImageError):
            other = {k.removeprefix(_OPEN): v for k, v in values.items() if k.startswith(_OPEN)}
            made = replace(
                cls._from_arrays(values), open_mouth=cls._from_arrays(other) if other else None
            )
        return made

    @classmethod
    def _from_arrays(cls, values: dict[str, np.ndarray]) -> Portrait:
        if values["image"].dtype == np.uint8:
            values = {**values, "image": values["image"] / np.float32(255)}
        tensors: dict[str, Any] = {
            name: torch.from_numpy(values[name].astype(np.float32))
            for name in _STORED
            if name in values
        }
        return cls(**tensors, faces=int(values["faces"]))

    @property
    def rest(self) -> Tensor:
        """(31,) float32, the portrait's rest: the channels at which a face looks as in the picture.

        One picture tells the aperture; the other lip channels take the share of it that they
        usually have, so that lips close by moving towards each other rather than by the lower one
        alone. 0 for all the rest: the portrait's own face counts as its neutral one.
        """
        rest = torch.zeros(len(FACE_CHANNELS))
        aperture = float(self.expression[FACE_CHANNELS.index("lipAperture")])
        for name, share in APERTURE_SHARES.items():
            rest[FACE_CHANNELS.index(name)] = share * aperture
        return rest

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in px."""
        return int(self.image.shape[0]), int(self.image.shape[1])

    @property
    def iod(self) -> float:
        """Inter-ocular distance in px: outer eye corner to outer eye corner, in 3-D."""
        return float((self.landmarks[EYE_OUTER_LEFT] - self.landmarks[EYE_OUTER_RIGHT]).norm())

"""``FaceBasis``: the fitted map between the ``face`` space and 478 landmarks.

Encoding is arithmetic on pose-normalised landmarks (:mod:`.channels`); decoding is one linear map,
fitted by ``scripts/fit_face_basis.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import DreamTalkError, SpaceMismatchError
from ..files.atomic import atomic_write
from .channels import FACE_CHANNELS, measure_channels
from .pose import Similarity, fit_similarity, image_to_camera, rotation_to_angles
from .units import CAMERA_DISTANCE

Array = npt.NDArray[np.float64]
ASSETS = Path(__file__).resolve().parents[1] / "assets"
ASSET = "face_basis.npz"


@dataclass(frozen=True)
class FaceBasis:
    """A mean face and how the channels move it.

    Attributes:
        template: (478, 3) float64 mean face in IOD units in the face frame: x to the subject's
            left, y up, z out of the face; origin midway between the outer eye corners.
        decoder: (31, 478, 3) float64, landmark offset for one IOD of each channel.
        spread: (31,) float64, standard deviation of each channel within the clips it was fitted on.
        mirror: (478,) int64, the landmark on the other side of the face.
        provenance: what it was fitted from.
    """

    template: Array
    decoder: Array
    spread: Array
    mirror: npt.NDArray[np.int64]
    provenance: dict[str, object]

    @classmethod
    def load(cls, path: str | Path | None = None) -> FaceBasis:
        """Read a basis; the bundled one by default.

        Raises:
            DreamTalkError: if its channels are not those of this version.
        """
        source = Path(path) if path else ASSETS / ASSET
        with source.open("rb") as file, np.load(file, allow_pickle=False) as data:
            if tuple(str(c) for c in data["channels"]) != FACE_CHANNELS:
                raise DreamTalkError(f"'{source}' was fitted for other channels: fit it again")
            return cls(
                data["template"].astype(np.float64),
                data["decoder"].astype(np.float64),
                data["spread"].astype(np.float64),
                data["mirror"].astype(np.int64),
                json.loads(str(data["provenance"])),
            )

    def save(self, path: str | Path) -> None:
        """Write as ``.npz``, float32."""
        with atomic_write(path, "the face basis") as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                template=self.template.astype(np.float32),
                decoder=self.decoder.astype(np.float32),
                spread=self.spread.astype(np.float32),
                mirror=self.mirror.astype(np.int16),
                channels=np.array(FACE_CHANNELS),
                provenance=np.array(json.dumps(self.provenance)),
            )

    def align(self, landmarks: npt.NDArray[np.floating]) -> tuple[Array, Similarity]:
        """Take the head pose out of landmarks.

        Args:
            landmarks: (T, 478, 3) px: x right, y down, z away from the camera.

        Returns:
            (T, 478, 3) in IOD units in the face frame, and the pose.
        """
        points = image_to_camera(np.asarray(landmarks))
        pose = fit_similarity(points, self.template)
        return pose.to_face(points), pose

    def encode(self, landmarks: npt.NDArray[np.floating]) -> tuple[Tensor, Tensor]:
        """Landmarks -> channels and head pose, both absolute.

        Args:
            landmarks: (T, 478, 3) px: x right, y down, z away from the camera.

        Returns:
            channels (T, 31) float32 in IOD units; subtract the person's neutral for a motion. Head
            (T, 6) float32: pitch, yaw, roll in radians against the camera; x, y of the origin in
            IOD units against the picture's upper left corner; z in IOD units against the first
            frame: ten times ln(scale / scale_0), the way covered towards a camera ten IOD away.
        """
        points, pose = self.align(landmarks)
        unit = np.median(pose.scale)
        head = np.empty((len(points), 6))
        head[:, :3] = rotation_to_angles(pose.rotation)
        head[:, 3:5] = pose.translation[:, :2] / unit
        head[:, 5] = CAMERA_DISTANCE * np.log(pose.scale / pose.scale[0])
        return _tensor(measure_channels(points)), _tensor(head)

    def decode(self, expression: Tensor) -> Tensor:
        """Channel offsets -> landmark offsets.

        Args:
            expression: (T, 31) in IOD units.

        Returns:
            (T, 478, 3) float32 in IOD units in the face frame, on the device of ``expression``.

        Raises:
            SpaceMismatchError: if there are not 31 channels.
        """
        if expression.shape[-1] != len(FACE_CHANNELS):
            raise SpaceMismatchError(
                f"the face basis decodes {len(FACE_CHANNELS)} channels, not "
                f"{expression.shape[-1]}: convert the motion to the 'face' space first"
            )
        matrix = self._matrix.to(expression.device, expression.dtype)
        return (expression @ matrix).unflatten(-1, (-1, 3))

    @cached_property
    def _matrix(self) -> Tensor:
        return _tensor(self.decoder.reshape(len(FACE_CHANNELS), -1))

    @cached_property
    def neutral(self) -> Tensor:
        """(31,) float32 absolute channels of the template with its lips closed.

        The gap of closed lips is 0 by definition of ``lipAperture``.
        """
        values = measure_channels(self.template)
        values[FACE_CHANNELS.index("lipAperture")] = 0.0
        return _tensor(values)


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

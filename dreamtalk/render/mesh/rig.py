"""Where channels and head offsets take the landmarks and the head of one portrait."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...face import topology as t
from ...face.basis import FaceBasis
from ...face.projection import head_transform
from .mouth.contact import SOFT_CLOSED, SOFT_OPEN, settle_lips
from .mouth.seam import Mouth
from .portrait.geometry import FaceGeometry
from .portrait.posture import brow_room, frown, frown_offsets, lower_brows
from .warp.grid import HeadMotion
from .warp.head_motion import limited_head, torso_transform

_CHEST = 1.2
"""How far below the chin the shoulders turn, in face heights."""


@dataclass(frozen=True)
class Rig:
    """How one portrait moves, on the device; px are those of the crop.

    Attributes:
        basis: how channels move the landmarks of a face.
        iod: px per inter-ocular distance.
        landmarks: (478, 3) px, at rest.
        axes: (3, 3), columns are the face frame's x, y, z in the picture frame.
        rotation: (3, 3), the face frame in the camera frame.
        pivot: (3,) px, where the head turns.
        chest: (2,) px, where the shoulders turn.
        freedom: share of a head's motion that is shown.
        brow_room: IOD that brows can come down.
        frown: (2, 478, 3) IOD, what a lowered right and left brow move further.
        softness: gap in px under which lips count as touching.
        is_open: whether the portrait's lips are apart.
    """

    basis: FaceBasis
    iod: float
    landmarks: Tensor
    axes: Tensor
    rotation: Tensor
    pivot: Tensor
    chest: Tensor
    freedom: float
    brow_room: float
    frown: Tensor
    softness: float
    is_open: bool

    @classmethod
    def build(
        cls,
        face: FaceGeometry,
        mouth: Mouth,
        basis: FaceBasis,
        freedom: float,
        device: torch.device,
    ) -> Rig:
        """Of a measured face; ``freedom`` as above."""

        def tensor(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(device)

        return cls(
            basis=basis,
            iod=face.iod,
            landmarks=tensor(face.landmarks),
            axes=tensor(face.axes),
            rotation=tensor(face.rotation),
            pivot=tensor(face.pivot),
            chest=tensor(face.points[t.CHIN] + _CHEST * face.face_height * face.down),
            freedom=freedom,
            brow_room=brow_room(face.points, face.down, face.iod),
            frown=frown_offsets().to(device),
            softness=(SOFT_OPEN if mouth.is_open else SOFT_CLOSED) * face.mm,
            is_open=mouth.is_open,
        )

    def offsets(self, channels: Tensor) -> Tensor:
        """Channels (n, 31) from the portrait -> landmark offsets (n, 478, 3) in IOD, face frame."""
        channels = lower_brows(channels, self.brow_room)
        return self.basis.decode(channels) + frown(channels, self.frown)

    def moved(self, offsets: Tensor) -> Tensor:
        """Landmark offsets in IOD -> (n, 478, 3) px in the picture frame, with lips that touch."""
        return settle_lips(
            self.iod * offsets.float() @ self.axes.T,
            self.landmarks,
            self.axes[:, 0],
            -self.axes[:, 1],
            softness=self.softness,
            is_open=self.is_open,
        )

    def turned(self, head: Tensor) -> HeadMotion:
        """The motion of head and shoulders for head offsets (n, 6)."""
        head = self.freedom * head
        rotation, shift = head_transform(limited_head(head), self.rotation)
        torso, torso_shift = torso_transform(head)
        return HeadMotion(
            rotation, shift * self.iod, self.pivot, torso, torso_shift * self.iod, self.chest
        )

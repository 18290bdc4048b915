"""How landmarks and the head move the grid, and where pixels come from in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..portrait.geometry import Box, FaceGeometry
from .fields import Fields
from .inverse import invert_displacement
from .textures import Sampler


@dataclass(frozen=True)
class HeadMotion:
    """Rigid motion of n frames in the picture frame.

    Attributes:
        rotation: (n, 3, 3), with the scale.
        shift: (n, 2) px.
        pivot: (3,) px.
        torso: (n, 2, 2) rotation of the shoulders in the picture, with the scale.
        torso_shift: (n, 2) px.
        torso_pivot: (2,) px.
    """

    rotation: Tensor
    shift: Tensor
    pivot: Tensor
    torso: Tensor
    torso_shift: Tensor
    torso_pivot: Tensor

    def project(self, points: Tensor) -> Tensor:
        """Points (n, k, 3) or (k, 3) px -> (n, k, 2) px, weak perspective."""
        turned = (points - self.pivot) @ self.rotation.transpose(1, 2)
        return turned[..., :2] + self.pivot[:2] + self.shift[:, None]


@dataclass(frozen=True)
class WarpGrid:
    """The fields on the device.

    Attributes:
        fields: sizes and boxes.
        nodes: (rows, columns, 3) px.
        head: (rows, columns) share of the head's motion.
        torso: (rows, columns) share of the shoulders' motion.
        pins: (4, rows, columns) what the picture's borders hold back.
        weights_a, weights_b: (nodes, 478) landmark displacements -> node displacements.
        sampler: who expands nodes to pixels.
    """

    fields: Fields
    nodes: Tensor
    head: Tensor
    torso: Tensor
    pins: Tensor
    weights_a: Tensor
    weights_b: Tensor
    sampler: Sampler

    @classmethod
    def build(cls, fields: Fields, sampler: Sampler) -> WarpGrid:
        """Move fields to the sampler's device."""

        def tensor(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array).to(sampler.device)

        return cls(
            fields=fields,
            nodes=tensor(fields.points),
            head=tensor(fields.head),
            torso=tensor(fields.torso),
            pins=tensor(fields.pins),
            weights_a=tensor(fields.weights_a),
            weights_b=tensor(fields.weights_b),
            sampler=sampler,
        )

    def sources_a(self, moved: Tensor, head: HeadMotion, box: Box) -> tuple[Tensor, Tensor]:
        """Where field A takes the pixels of a box from.

        Args:
            moved: (n, 478, 3) px, landmark displacements without head motion.
            head: the head's motion.
            box: px of the crop.

        Returns:
            x, y: (n, h, w) px of the crop.
        """
        area = self.fields.face
        points = self.nodes.expand(len(moved), -1, -1, -1).clone()
        points[:, area.y0 : area.y1, area.x0 : area.x1] += self._local(self.weights_a, area, moved)
        forward = self._displacement(points, head, Box(0, 0, *self.fields.shape[::-1]))
        return self._expand(invert_displacement(forward), (0, 0), box)

    def sources_b(self, moved: Tensor, head: HeadMotion, box: Box) -> tuple[Tensor, Tensor]:
        """The same for field B, which is known around the mouth only."""
        area = self.fields.lip
        points = self.nodes[area.slices] + self._local(self.weights_b, area, moved)
        forward = self._displacement(points, head, area)
        return self._expand(invert_displacement(forward), (area.x0, area.y0), box)

    def _local(self, weights: Tensor, area: Box, moved: Tensor) -> Tensor:
        """(n, h, w, 3) px that the landmarks move the nodes of an area by."""
        flat = moved.permute(1, 0, 2).reshape(moved.shape[1], -1)
        local = (weights @ flat).view(area.height, area.width, len(moved), 3)
        return local.permute(2, 0, 1, 3)

    def _displacement(self, points: Tensor, head: HeadMotion, area: Box) -> Tensor:
        """(n, 2, rows, columns) in cells: where the nodes of an area go, bent to ``points``."""
        base = self.nodes[area.slices][..., :2]
        turned = (points - head.pivot) @ head.rotation.transpose(1, 2)[:, None]
        turned = turned[..., :2] + head.pivot[:2] + head.shift[:, None, None]
        rigid = self.head[area.slices][..., None] * (turned - points[..., :2])
        follow = (base - head.torso_pivot) @ head.torso.transpose(1, 2)[:, None]
        follow = follow + head.torso_pivot + head.torso_shift[:, None, None]
        rigid = rigid + self.torso[area.slices][..., None] * (follow - base)
        left, right, top, bottom = self.pins[:, area.slices[0], area.slices[1]]
        x, y = rigid.unbind(-1)
        x = x - left * x.clamp_min(0) - right * x.clamp_max(0)
        y = y - top * y.clamp_min(0) - bottom * y.clamp_max(0)
        bent = points[..., :2] - base
        return (bent.permute(0, 3, 1, 2) + torch.stack([x, y], 1)) / self.fields.cell

    def _expand(self, shift: Tensor, first: tuple[int, int], box: Box) -> tuple[Tensor, Tensor]:
        """Source minus node (n, 2, rows, columns) in cells -> look-up positions of a box."""
        x, y = self.sampler.expand(shift, self.fields.cell, first, box)
        device = self.sampler.device
        px = torch.arange(box.x0, box.x1, device=device, dtype=torch.float32)
        py = torch.arange(box.y0, box.y1, device=device, dtype=torch.float32)
        return x.add_(px), y.add_(py[:, None])


def head_freedom(fields: Fields, face: FaceGeometry) -> float:
    """How much of its motion a head may show: less where the frame cuts through the face.

    What is cut off is pinned to the border; turning the rest in full would shear the face.
    """
    columns = np.clip(np.round(face.points[:, 0] / fields.cell).astype(int), 0, fields.shape[1] - 1)
    rows = np.clip(np.round(face.points[:, 1] / fields.cell).astype(int), 0, fields.shape[0] - 1)
    free = fields.head * (1 - fields.pins.max(0))
    held = float(np.quantile(free[rows, columns], 0.1))
    return float(np.clip((held - 0.2) / 0.6, 0.15, 1.0))

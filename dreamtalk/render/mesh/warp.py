"""How landmarks and the head move the grid, and where pixels come from in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .fields import Fields
from .geometry import Box, FaceGeometry
from .inverse import invert_displacement
from .sampling import Sampler


@dataclass(frozen=True)
class HeadMotion:
    """Rigid motion of n frames in the picture frame.

    Attributes:
        rotation: (n, 3, 3), with the scale.
        shift: (n, 2) px.
        pivot: (3,) px.
    """

    rotation: Tensor
    shift: Tensor
    pivot: Tensor

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
        weights_a, weights_b: (nodes, 478) landmark displacements -> node displacements.
        sampler: who expands nodes to pixels.
    """

    fields: Fields
    nodes: Tensor
    head: Tensor
    weights_a: Tensor
    weights_b: Tensor
    sampler: Sampler

    @classmethod
    def build(cls, fields: Fields, sampler: Sampler) -> WarpGrid:
        """Move fields to the sampler's device."""
        arrays = (fields.points, fields.head, fields.weights_a, fields.weights_b)
        nodes, head, a, b = (torch.from_numpy(x).to(sampler.device) for x in arrays)
        return cls(fields, nodes, head, a, b, sampler)

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
        forward = self._displacement(self.nodes, points, self.head, head)
        return self._expand(invert_displacement(forward), (0, 0), box)

    def sources_b(self, moved: Tensor, head: HeadMotion, box: Box) -> tuple[Tensor, Tensor]:
        """The same for field B, which is known around the mouth only."""
        area = self.fields.lip
        base = self.nodes[area.slices]
        points = base + self._local(self.weights_b, area, moved)
        forward = self._displacement(base, points, self.head[area.slices], head)
        return self._expand(invert_displacement(forward), (area.x0, area.y0), box)

    def _local(self, weights: Tensor, area: Box, moved: Tensor) -> Tensor:
        """(n, h, w, 3) px that the landmarks move the nodes of an area by."""
        flat = moved.permute(1, 0, 2).reshape(moved.shape[1], -1)
        local = (weights @ flat).view(area.height, area.width, len(moved), 3)
        return local.permute(2, 0, 1, 3)

    def _displacement(
        self, base: Tensor, points: Tensor, weight: Tensor, head: HeadMotion
    ) -> Tensor:
        """(n, 2, rows, columns) in cells: where nodes at ``base`` go, once bent to ``points``."""
        turned = (points - head.pivot) @ head.rotation.transpose(1, 2)[:, None]
        turned = turned[..., :2] + head.pivot[:2] + head.shift[:, None, None]
        bent = points[..., :2] - base[..., :2]
        result = bent + weight[..., None] * (turned - points[..., :2])
        return result.permute(0, 3, 1, 2) / self.fields.cell

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
    held = float(np.quantile(fields.head[rows, columns], 0.1))
    return float(np.clip((held - 0.2) / 0.6, 0.15, 1.0))

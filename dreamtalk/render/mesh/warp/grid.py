"""How landmarks and the head move the grid, and where pixels come from in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...box import Box
from ..portrait.geometry import FaceGeometry
from .fields import Fields
from .inverse import count_up, invert_displacement
from .textures import Sampler

_LEAST_ROWS = 4
"""Of a product of matrices."""


@dataclass(frozen=True)
class Carried:
    """How the nodes of an area follow the landmarks: a matrix without its rows and columns of 0.

    Attributes:
        marks: (k,) landmarks that move any node.
        nodes: (m,) nodes that are moved.
        weights: (k, m) landmark displacements -> node displacements.
        area: rows and columns of the grid.
    """

    marks: Tensor
    nodes: Tensor
    weights: Tensor
    area: Box

    @classmethod
    def build(cls, weights: np.ndarray, area: Box, device: torch.device) -> Carried:
        """From (nodes, 478)."""
        nodes, marks = (np.flatnonzero((weights != 0).any(axis)) for axis in (1, 0))
        used = np.ascontiguousarray(weights[np.ix_(nodes, marks)].T)
        m, n, w = (torch.from_numpy(array).to(device) for array in (marks, nodes, used))
        return cls(m, n, w, area)

    def __call__(self, rows: Tensor) -> Tensor:
        """Landmark displacements (r, 478) -> (r, h, w); each row by itself.

        Of three rows and fewer BLAS makes products of vectors, whose sums go another way: the
        three of a single frame get company.
        """
        moving = F.pad(rows[:, self.marks], (0, 0, 0, max(0, _LEAST_ROWS - len(rows))))
        moved = rows.new_zeros(len(rows), self.area.height * self.area.width)
        moved[:, self.nodes] = (moving @ self.weights)[: len(rows)]
        return moved.view(-1, self.area.height, self.area.width)


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
        head: (rows, columns) share of the head's motion.
        rigid: (7, rows, columns): the share of the head's motion times each node's x, y, z (px) and
            1, and that of the shoulders' motion times x, y and 1.
        pins: (4, rows, columns) what the picture's borders hold back.
        face, lip: how nodes follow the landmarks in field A and in field B.
        sampler: who expands nodes to pixels.
    """

    fields: Fields
    head: Tensor
    rigid: Tensor
    pins: Tensor
    face: Carried
    lip: Carried
    sampler: Sampler

    @classmethod
    def build(cls, fields: Fields, sampler: Sampler) -> WarpGrid:
        """Move fields to the sampler's device."""

        def tensor(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(sampler.device)

        x, y, z = np.moveaxis(fields.points, -1, 0)
        one = np.ones_like(x)
        head, torso = fields.head, fields.torso
        return cls(
            fields=fields,
            head=tensor(head),
            rigid=tensor(
                np.stack([*(head * p for p in (x, y, z, one)), *(torso * p for p in (x, y, one))])
            ),
            pins=tensor(fields.pins),
            face=Carried.build(fields.weights_a, fields.face, sampler.device),
            lip=Carried.build(fields.weights_b, fields.lip, sampler.device),
            sampler=sampler,
        )

    def bend(self, moved: Tensor) -> tuple[Tensor, Tensor]:
        """How far landmarks move the nodes of the face and of the mouth.

        The more frames at once the better: what takes the time is to read the weights.

        Args:
            moved: (n, 478, 3) px, landmark displacements without head motion.

        Returns:
            (n, 3, h, w) px in field A and in field B, without head motion.
        """
        rows = moved.permute(0, 2, 1).flatten(0, 1)
        bent_a, bent_b = (carried(rows).unflatten(0, (-1, 3)) for carried in (self.face, self.lip))
        return bent_a, bent_b

    def sources_a(self, bent: Tensor, head: HeadMotion, box: Box) -> tuple[Tensor, Tensor]:
        """Where field A takes the pixels of a box from.

        Args:
            bent: the first of :meth:`bend`.
            head: the head's motion.
            box: px of the crop.

        Returns:
            x, y: (n, h, w) px of the crop.
        """
        area, whole = self.fields.face, Box(0, 0, *self.fields.shape[::-1])
        forward = self._rigid(head, whole)
        forward[:, :, area.y0 : area.y1, area.x0 : area.x1] += self._turned(bent, head, area)
        self._pin(forward, whole)
        forward[:, :, area.y0 : area.y1, area.x0 : area.x1] += bent[:, :2]
        forward /= self.fields.cell
        return self._expand(invert_displacement(forward), (0, 0), box)

    def sources_b(self, bent: Tensor, head: HeadMotion, box: Box) -> tuple[Tensor, Tensor]:
        """The same for field B, which is known around the mouth only."""
        area = self.fields.lip
        forward = self._rigid(head, area)
        forward += self._turned(bent, head, area)
        self._pin(forward, area)
        forward += bent[:, :2]
        forward /= self.fields.cell
        return self._expand(invert_displacement(forward), (area.x0, area.y0), box)

    def _rigid(self, head: HeadMotion, area: Box) -> Tensor:
        """(n, 2, h, w) px that head and shoulders move the nodes of an area by.

        Every node goes by ``share * ((R - 1) (node - pivot) + shift)`` with the head, and by the
        same with the shoulders: seven products with what is the same in all frames.
        """
        turn = _from_identity(head.rotation)[:, :2]
        lean = _from_identity(head.torso)
        factors = torch.cat(
            [
                turn,
                (head.shift - turn @ head.pivot)[..., None],
                lean,
                (head.torso_shift - lean @ head.torso_pivot)[..., None],
            ],
            -1,
        )
        rigid = self.rigid[:, area.y0 : area.y1, area.x0 : area.x1].reshape(7, -1)
        moved = torch.bmm(factors, rigid.expand(len(factors), -1, -1))
        return moved.view(-1, 2, area.height, area.width)

    def _turned(self, bent: Tensor, head: HeadMotion, area: Box) -> Tensor:
        """(n, 2, h, w) px that the head's turn adds to what moves (n, 3, h, w) px in the face."""
        turn = _from_identity(head.rotation)[:, :2]
        return self.head[area.slices] * torch.bmm(turn, bent.flatten(2)).unflatten(
            2, bent.shape[2:]
        )

    def _pin(self, rigid: Tensor, area: Box) -> None:
        """Hold back (n, 2, h, w) what would come in from outside of the picture, in place."""
        left, right, top, bottom = self.pins[:, area.slices[0], area.slices[1]]
        for way, low, high in ((rigid[:, 0], left, right), (rigid[:, 1], top, bottom)):
            way -= low * way.clamp_min(0) + high * way.clamp_max(0)

    def _expand(self, shift: Tensor, first: tuple[int, int], box: Box) -> tuple[Tensor, Tensor]:
        """Source minus node (n, 2, rows, columns) in cells -> look-up positions of a box."""
        x, y = self.sampler.expand(shift, self.fields.cell, first, box)
        device = self.sampler.device
        px = count_up(box.x0, box.x1, device)
        py = count_up(box.y0, box.y1, device)
        return x.add_(px), y.add_(py[:, None])


def _from_identity(matrix: Tensor) -> Tensor:
    """A matrix (n, k, k) less the identity."""
    return matrix - torch.eye(matrix.shape[-1], device=matrix.device)


def head_freedom(fields: Fields, face: FaceGeometry) -> float:
    """How much of its motion a head may show: less where the frame cuts through the face.

    What is cut off is pinned to the border; turning the rest in full would shear the face.
    """
    columns = np.clip(np.round(face.points[:, 0] / fields.cell).astype(int), 0, fields.shape[1] - 1)
    rows = np.clip(np.round(face.points[:, 1] / fields.cell).astype(int), 0, fields.shape[0] - 1)
    free = fields.head * (1 - fields.pins.max(0))
    held = float(np.quantile(free[rows, columns], 0.1))
    return float(np.clip((held - 0.2) / 0.6, 0.15, 1.0))

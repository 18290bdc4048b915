"""``MeshRenderer``: a portrait and a motion become frames at the portrait's own resolution."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from ...errors import SpaceMismatchError
from ...face.basis import FaceBasis
from ...face.portrait import Portrait
from ...motion import FACE, Motion
from ...progress import Progress, silent
from . import topology as t
from .contact import settle_lips
from .eyes import WIDEST, LidPose, build_eye, paint_eye, remap_lids
from .fields import Fields, build_fields
from .geometry import Box, FaceGeometry, face_geometry
from .inverse import invert_displacement
from .matte import person_matte
from .mouth import build_mouth, mouth_pose, paint_mouth
from .plate import background_plate
from .pose import head_transform
from .raster import disc
from .sampling import make_sampler
from .seam import find_mouth
from .skin import TINT, build_skin, fold_gain

logger = logging.getLogger("dreamtalk")

BATCH_PIXELS = 3_000_000
"""Pixels that are rendered at once."""


class MeshRenderer:
    """Animates one face of one portrait by warping it in layers.

    Everything that depends on the portrait alone is computed here, in about two seconds.

    Attributes:
        rest: (1, 31) channels at which a frame equals the portrait: 0 unless its lips are apart.
        face, matte, plate, fields, eyes, mouth: what was measured, in px of the crop.

    Args:
        portrait: the analysed picture.
        device: where frames are made.
        backend: ``"opencv"``, ``"torch"`` or ``"auto"`` (OpenCV on the CPU, torch elsewhere).
        basis: how channels move landmarks; the bundled one by default.
    """

    def __init__(
        self,
        portrait: Portrait,
        device: str | torch.device = "cpu",
        backend: str = "auto",
        basis: FaceBasis | None = None,
    ) -> None:
        self.device = torch.device(device)
        self._sampler = make_sampler(self.device, backend)
        self._basis = basis or FaceBasis.load()
        self.face = face_geometry(portrait)
        crop = self.face.crop
        rows, columns = crop.slices
        self.picture = (portrait.image.detach().cpu() * 255).round().clamp(0, 255).to(torch.uint8)
        image = portrait.image.detach().cpu().numpy().astype(np.float32)[rows, columns]
        image = np.ascontiguousarray(image)
        given = None
        if portrait.mask is not None:
            given = portrait.mask.detach().cpu().numpy().astype(np.float32)[rows, columns]
        self.matte = person_matte(image, self.face, given)
        self.plate = background_plate(image, self.matte, self.face)
        self.fields = build_fields(self.face, self.matte)

        eyes = [build_eye(image, self.face, marks, self._sampler) for marks in t.EYES]
        self.eyes = [eye for eye, _ in eyes]
        sclera = np.mean([colour for _, colour in eyes], axis=0)
        self.mouth = find_mouth(image, self.face)
        self.mouth_layer = build_mouth(image, self.face, self.mouth, sclera, self._sampler)

        self.skin = build_skin(image, self.face, self._sampler)

        cover = self.matte[..., None]
        layer = np.concatenate([image - (1 - cover) * self.plate, cover], -1)
        self._box = self._moving_box()
        self._person = self._sampler.texture(layer)
        self._plate = self._tensor(self.plate[self._box.slices].transpose(2, 0, 1))
        self.rest = _lip_posture(portrait.expression).to(self.device)
        self._freedom = _head_freedom(self.fields, self.face)
        self._points = self._tensor(self.face.landmarks)
        self._grid = self._tensor(self.fields.points)
        self._head_weight = self._tensor(self.fields.head)
        self._weights_a = self._tensor(self.fields.weights_a)
        self._weights_b = self._tensor(self.fields.weights_b)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self.device)

    def _moving_box(self) -> Box:
        """The box of the crop outside of which nothing can change."""
        rows, columns = np.nonzero(self.fields.support)
        cell = self.fields.cell
        crop = self.face.crop
        low = np.array([columns.min() - 1, rows.min() - 1]) * cell
        high = np.array([columns.max() + 1, rows.max() + 1]) * cell
        return Box.around(np.maximum(low, 0), high, crop.width, crop.height)

    def mask(self) -> Tensor:
        """Where pixels may differ from the portrait.

        Returns:
            (H, W) float32, 1 where something may move.
        """
        cell = self.fields.cell
        crop = self.face.crop
        matrix = np.array([[1 / cell, 0, 0], [0, 1 / cell, 0]])
        support = cv2.warpAffine(
            self.fields.support.astype(np.float32),
            matrix,
            (crop.width, crop.height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        reach = cv2.dilate((self.matte > 0).astype(np.uint8), disc(0.35 * self.face.iod))
        result = torch.zeros(self.face.size)
        inside = np.zeros((crop.height, crop.width), bool)
        inside[self._box.slices] = True
        result[crop.slices] = torch.from_numpy(
            ((support > 0) & (reach > 0) & inside).astype(np.float32)
        )
        return result

    space = "face"
    """The motion space that :meth:`frames` takes."""

    def frames(
        self, motion: Motion, chunk: int = 8, progress: Progress = silent
    ) -> Iterator[Tensor]:
        """Render a motion in the ``face`` space, in constant memory.

        Args:
            motion: offsets from rest.
            chunk: frames per batch.
            progress: told after every chunk.

        Yields:
            (n, H, W, 3) uint8 on the CPU.

        Raises:
            SpaceMismatchError: if the motion is in another space.
        """
        if motion.space != "face":
            raise SpaceMismatchError(
                f"the mesh renderer takes motion in the 'face' space, not '{motion.space}': "
                "convert it first"
            )
        total = len(motion)
        for start in range(0, total, chunk):
            channels = motion.expression[start : start + chunk].to(self.device, torch.float32)
            channels = channels - self.rest
            head = motion.head[start : start + chunk].to(self.device, torch.float32)
            yield self._render(self._basis.decode(channels), head, channels)
            progress(min(start + chunk, total), total)

    def frames_from_landmarks(
        self, offsets: Tensor, channels: Tensor, head: Tensor, chunk: int = 8
    ) -> Iterator[Tensor]:
        """Render landmark offsets themselves, past the channels: for measuring.

        Args:
            offsets: (T, 478, 3) in IOD units in the face frame.
            channels: (T, 31) offsets from the portrait; lids, gaze and folds are read from them.
            head: (T, 6).
            chunk: frames per batch.

        Yields:
            (n, H, W, 3) uint8.
        """
        for start in range(0, len(offsets), chunk):
            part = slice(start, start + chunk)
            yield self._render(
                offsets[part].to(self.device),
                head[part].to(self.device),
                channels[part].to(self.device),
            )

    def source_map(self, channels: Tensor, head: Tensor) -> np.ndarray:
        """Where one frame takes its pixels from, lids and lower lip aside: for debugging.

        Args:
            channels: (1, 31) offsets from the portrait.
            head: (1, 6).

        Returns:
            (h, w, 2) float32 px of the crop.
        """
        with torch.inference_mode():
            moved = self._moved(self._basis.decode(channels.to(self.device)))
            rotation, shift = head_transform(head.to(self.device), self._tensor(self.face.rotation))
            forward = self._forward(moved, rotation, shift * self.face.iod)
            crop = self.face.crop
            box = Box(0, 0, crop.width, crop.height)
            x, y = self._expand(invert_displacement(forward[0]), (0, 0), box)
        return torch.stack([x[0], y[0]], -1).cpu().numpy()

    def _moved(self, offsets: Tensor) -> Tensor:
        """Landmark offsets in IOD units -> displacements in px, with lips that touch."""
        axes = self._tensor(self.face.axes)
        return settle_lips(
            self.face.iod * offsets.float() @ axes.T,
            self._points,
            axes[:, 0],
            -axes[:, 1],
            softness=(2.0 if self.mouth.is_open else 1.3) * self.face.mm,
            is_open=self.mouth.is_open,
        )

    def _lids(self, channels: Tensor) -> list[LidPose]:
        """Closure, lower lid and gaze of the right and the left eye."""
        poses = []
        for eye, side in zip(self.eyes, ("Right", "Left"), strict=True):
            upper = channels[:, FACE.index[f"lidUpper{side}Y"]]
            lower = channels[:, FACE.index[f"lidLower{side}Y"]]
            scale = self.face.iod
            opening = eye.opening / scale
            reference = self._typical_opening(side)
            # Small motions keep their size; a blink shuts the eyes of every portrait, however wide
            # it has them open.
            way = lower - upper
            blink = ((way / reference - 0.25) / 0.6).clamp(0, 1)
            share = way / opening
            closure = share + blink * (1.05 * way / reference - share)
            wider = WIDEST * torch.tanh(closure / WIDEST)
            closure = torch.where(closure < 0, wider, closure.clamp(0, 1))
            raised = (lower * opening / reference).clamp(-0.03, 0.04) * scale
            gaze = torch.stack(
                [
                    channels[:, FACE.index[f"gaze{side}X"]],
                    -channels[:, FACE.index[f"gaze{side}Y"]],
                ],
                -1,
            )
            limit = 0.6 * eye.radius
            gaze = limit * torch.tanh(gaze * scale / limit)
            poses.append(LidPose(closure, raised, gaze))
        return poses

    def _typical_opening(self, side: str) -> float:
        neutral = self._basis.neutral
        upper, lower = FACE.index[f"lidUpper{side}Y"], FACE.index[f"lidLower{side}Y"]
        return max(float(neutral[upper] - neutral[lower]), 0.03)

    def _render(self, offsets: Tensor, head: Tensor, channels: Tensor) -> Tensor:
        """(n, H, W, 3) uint8 for landmark offsets (n, 478, 3), head (n, 6), channels (n, 31)."""
        with torch.inference_mode():
            crops = self._render_box(offsets, head, channels)
        n = len(crops)
        frames = self.picture.expand(n, -1, -1, -1).clone()
        crop, box = self.face.crop, self._box
        frames[:, crop.y0 + box.y0 : crop.y0 + box.y1, crop.x0 + box.x0 : crop.x0 + box.x1] = crops
        return frames

    def _render_box(self, offsets: Tensor, head: Tensor, channels: Tensor) -> Tensor:
        face, fields, box = self.face, self.fields, self._box
        moved = self._moved(offsets)
        rotation, shift = head_transform(self._freedom * head, self._tensor(face.rotation))
        shift = shift * face.iod
        project = partial(_project, rotation, shift, self._tensor(face.pivot))

        forward = self._forward(moved, rotation, shift)
        x, y = self._expand(invert_displacement(forward[0]), (0, 0), box)
        marks = project_points(self._points + moved, rotation, shift, self._tensor(face.pivot))

        lids = self._lids(channels)
        unbent = []
        for eye, lid, index in zip(self.eyes, lids, t.EYES, strict=True):
            region = self._region(
                marks[:, index["corners"]], box, 0.05 * eye.width, 0.12 * eye.width, eye.reach
            )
            rows, columns = self._inside(region)
            before = (x[:, rows, columns].clone(), y[:, rows, columns].clone())
            unbent.append((region, before))
            x[:, rows, columns], y[:, rows, columns] = remap_lids(eye, lid, *before)

        frame = self._sampler.compose(self._person, self._plate, x, y)
        for (region, before), eye, lid in zip(unbent, self.eyes, lids, strict=True):
            rows, columns = self._inside(region)
            frame[:, rows, columns] = paint_eye(
                eye, lid, self._sampler, frame[:, rows, columns], *before
            )

        self._shade(frame, channels, marks, (x, y))

        lips = [i for ring in (*t.UPPER_RINGS, *t.LOWER_RINGS) for i in ring]
        inner = [*t.UPPER_INNER, *t.LOWER_INNER, t.INNER_RIGHT, t.INNER_LEFT]
        half = self.mouth.half_width
        region = self._region(marks[:, [*lips, t.CHIN]], box, 0.45 * half, 0.2 * half)
        rows, columns = self._inside(region)
        lip_nodes = invert_displacement(forward[1])
        xb, yb = self._expand(lip_nodes, (fields.lip.x0, fields.lip.y0), region)
        lip = self._sampler.compose(self._person, self._plate[:, rows, columns], xb, yb)
        frame[:, rows, columns] = paint_mouth(
            self.mouth_layer,
            self._sampler,
            frame[:, rows, columns],
            region,
            self._region(marks[:, inner], region, 4 * face.mm + 2, 3 * face.mm + 2),
            (x[:, rows, columns], y[:, rows, columns]),
            (xb, yb),
            lip,
            mouth_pose(self.mouth_layer, moved, rotation, project),
        )
        return self._sampler.to_bytes(frame)

    def _shade(
        self, frame: Tensor, channels: Tensor, marks: Tensor, source: tuple[Tensor, Tensor]
    ) -> None:
        """Let folds come and go on the skin of the frames (n, h, w, 3), in place."""
        skin = self.skin
        gain = fold_gain(skin, channels)
        if float((gain - 1).abs().max()) < 0.003:
            return
        region = self._region(marks[:, list(t.OVAL)], self._box, 4, 4)
        rows, columns = self._inside(region)
        x = source[0][:, rows, columns] - skin.box.x0
        y = source[1][:, rows, columns] - skin.box.y0
        change = self._sampler.sample_planes(gain - 1, x, y)
        for channel, tint in enumerate(TINT):
            frame[:, rows, columns, channel] *= 1 + tint * change

    def _inside(self, region: Box) -> tuple[slice, slice]:
        """A box of the crop as indices into the moving box."""
        return (
            slice(region.y0 - self._box.y0, region.y1 - self._box.y0),
            slice(region.x0 - self._box.x0, region.x1 - self._box.x0),
        )

    def _region(
        self, marks: Tensor, box: Box, pad_x: float, pad_y: float, reach: float = 0.0
    ) -> Box:
        """The box of the crop that holds marks (n, k, 2) of all frames, cut to ``box``."""
        pad = np.array([pad_x, pad_y + reach])
        low = marks.amin((0, 1)).cpu().numpy() - pad
        high = marks.amax((0, 1)).cpu().numpy() + pad
        low = np.maximum(low, [box.x0, box.y0])
        high = np.minimum(high, [box.x1 - 1, box.y1 - 1])
        return Box.around(low, high, box.x1, box.y1)

    def _forward(self, moved: Tensor, rotation: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        """Displacement of nodes in cells: field A (n, 2, rows, columns), B on the lip nodes."""
        fields = self.fields
        pivot = self._tensor(self.face.pivot)
        n = len(moved)
        flat = moved.permute(1, 0, 2).reshape(478, -1)
        results = []
        for weights, area in ((self._weights_a, fields.face), (self._weights_b, fields.lip)):
            local = (weights @ flat).view(area.height, area.width, n, 3).permute(2, 0, 1, 3)
            if area is fields.face:
                points = self._grid.expand(n, -1, -1, -1).clone()
                points[:, area.y0 : area.y1, area.x0 : area.x1] += local
                base, weight = self._grid, self._head_weight
            else:
                base = self._grid[area.slices]
                weight = self._head_weight[area.slices]
                points = base + local
            turned = (points - pivot) @ rotation.transpose(1, 2)[:, None]
            turned = turned[..., :2] + pivot[:2] + shift[:, None, None]
            plain = points[..., :2] - base[..., :2]
            result = plain + weight[..., None] * (turned - points[..., :2])
            results.append(result.permute(0, 3, 1, 2) / fields.cell)
        return results[0], results[1]

    def _expand(self, shift: Tensor, first: tuple[int, int], box: Box) -> tuple[Tensor, Tensor]:
        """Look-up positions of a box of pixels.

        Args:
            shift: (n, 2, rows, columns) in cells: source minus node.
            first: column and row of the first node.
            box: pixels of the crop.

        Returns:
            x, y: (n, h, w) px of the crop.
        """
        x, y = self._sampler.expand(shift, self.fields.cell, first, box)
        px = torch.arange(box.x0, box.x1, device=self.device, dtype=torch.float32)
        py = torch.arange(box.y0, box.y1, device=self.device, dtype=torch.float32)
        return x.add_(px), y.add_(py[:, None])


def _head_freedom(fields: Fields, face: FaceGeometry) -> float:
    """How much of its motion a head may show: less where the frame cuts through the face.

    What is cut off is pinned to the border; turning the rest in full would shear the face.
    """
    columns = np.clip(np.round(face.points[:, 0] / fields.cell).astype(int), 0, fields.shape[1] - 1)
    rows = np.clip(np.round(face.points[:, 1] / fields.cell).astype(int), 0, fields.shape[0] - 1)
    held = float(np.quantile(fields.head[rows, columns], 0.1))
    return float(np.clip((held - 0.2) / 0.6, 0.15, 1.0))


def _lip_posture(expression: Tensor) -> Tensor:
    """(1, 31) what a portrait's mouth does already, as channels that can be taken back.

    One picture tells the aperture; the other lip channels take the share of it that they usually
    have, so that the lips close by moving towards each other rather than by the lower one alone.
    """
    rest = torch.zeros(1, len(FACE))
    aperture = float(expression[FACE.index["lipAperture"]])
    shares = {
        "lipAperture": 1.0,
        "lipLowerY": -0.62,
        "lipUpperInnerY": 0.20,
        "lipUpperY": 0.14,
        "chinY": -0.45,
    }
    for name, share in shares.items():
        rest[0, FACE.index[name]] = share * aperture
    return rest


def project_points(points: Tensor, rotation: Tensor, shift: Tensor, pivot: Tensor) -> Tensor:
    """Head motion on points (n, k, 3) px: (n, k, 2) px."""
    turned = (points - pivot) @ rotation.transpose(1, 2)
    return turned[..., :2] + pivot[:2] + shift[:, None]


def _project(rotation: Tensor, shift: Tensor, pivot: Tensor, points: Tensor) -> Tensor:
    return project_points(points.expand(len(rotation), -1, -1), rotation, shift, pivot)

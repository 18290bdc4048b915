"""``MeshRenderer``: a portrait and a motion become frames at the portrait's own resolution."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

from ...errors import SpaceMismatchError
from ...face import topology as t
from ...face.basis import FaceBasis
from ...face.image import to_uint8
from ...face.portrait import Portrait
from ...motion import FACE, Motion
from ...options import default
from ...progress import Progress, silent
from ...speech.speech import Features
from ...speed import map_ahead
from ..box import Box
from .eyes.layer import build_eye, paint_eye, remap_lids, view_eye
from .mouth.interior import mouth_pose
from .mouth.layer import build_mouth, paint_mouth
from .mouth.seam import find_mouth
from .notes import SHOWN_NOT_PAINTED, portrait_notes
from .portrait.geometry import face_geometry
from .portrait.plate import cut_out
from .portrait.posture import lid_poses
from .portrait.raster import grow
from .rig import Rig
from .skin.dynamics import build_skin, fold_gain
from .warp.fields import build_fields, reach_of_landmarks
from .warp.grid import WarpGrid, head_freedom
from .warp.textures import SUPERSAMPLING, make_sampler
from .workers import batch_size, chunk_size, frame_workers

if TYPE_CHECKING:
    from .mouth.painted import PaintedMouth

logger = logging.getLogger("dreamtalk")

LARGE = 4_000_000
"""Pixels of a crop from which on its texture is not enlarged."""


class MeshRenderer:
    """Animates one face of one portrait by warping it in layers, set up in about two seconds.

    Attributes:
        space: the motion space that :meth:`frames` takes.
        rest: (1, 31) channels at which a frame equals the portrait: 0 unless its lips are apart.
        notes: sentences about what will not look its best in this portrait, and why.
        face, matte, plate, fields, eyes, mouth: what was measured, in px of the crop.

    Args:
        portrait: the analysed picture.
        device: where frames are made.
        backend: ``"opencv"``, ``"torch"`` or ``"auto"`` (OpenCV on the CPU, torch elsewhere).
        basis: how channels move landmarks; the bundled one by default.
        mouth: ``"drawn"``, or ``"painted"`` (see :mod:`.mouth.painted`) if no other picture shows.
    """

    space = "face"

    def __init__(
        self,
        portrait: Portrait,
        device: str | torch.device = "cpu",
        backend: str = "auto",
        basis: FaceBasis | None = None,
        mouth: str = default("mouth"),
    ) -> None:
        self.device = torch.device(device)
        self._sampler = make_sampler(self.device, backend)
        self.face = face_geometry(portrait)
        crop = self.face.crop
        rows, columns = crop.slices
        self.picture = torch.from_numpy(to_uint8(portrait.image))
        # From the bytes that come out, so that what does not move comes out as these bytes again:
        # of a picture between them (enlarged, filtered) some pixels would be rounded the other way.
        image = self.picture.numpy()[rows, columns].astype(np.float32) / 255
        given = None
        if portrait.mask is not None:
            given = portrait.mask.detach().cpu().float().numpy()[rows, columns]
        # What depends on who is cut out of the picture waits for that, beside all the rest.
        with ThreadPoolExecutor(1) as pool:
            person = pool.submit(cut_out, image, self.face, given)
            eyes = [build_eye(image, self.face, marks, self._sampler) for marks in t.EYES]
            self.eyes = [eye for eye, _ in eyes]
            sclera = np.mean([colour for _, colour in eyes], axis=0)
            self.mouth = find_mouth(image, self.face)
            self.mouth_layer = build_mouth(
                image, self.face, self.mouth, sclera, self._sampler, portrait.open_mouth
            )
            self.skin = build_skin(image, self.face, self._sampler)
            reach = reach_of_landmarks(self.face, *image.shape[:2])
            self.matte, self.plate = person.result()
        self.fields = build_fields(self.face, reach, self.matte)
        cover = self.matte[..., None]
        layer = np.concatenate([image - (1 - cover) * self.plate, cover], -1)
        self._box = self._moving_box()
        # Beyond 4 million pixels the finer texture would cost a gigabyte, and nobody sees it.
        large = crop.width * crop.height > LARGE
        self._person = self._sampler.texture(layer, factor=1 if large else SUPERSAMPLING)
        self._plate = self._tensor(self.plate[self._box.slices])
        self.rest = portrait.rest[None].to(self.device)
        freedom = head_freedom(self.fields, self.face)
        self._rig = Rig.build(
            self.face, self.mouth, basis or FaceBasis.load(), freedom, self.device
        )
        aperture = float(self.rest[0, FACE.index["lipAperture"]])
        self.notes = portrait_notes(image, self.face, self.eyes, aperture, freedom, given)
        self._lids = self._tensor(self.fields.lids)
        self._warp = WarpGrid.build(self.fields, self._sampler)
        self._painted: PaintedMouth | None = None
        if mouth == "painted" and self.mouth_layer.interior.borrowed:
            self.notes.append(SHOWN_NOT_PAINTED)
        elif mouth == "painted":
            from .mouth.painted import PaintedMouth

            self._painted = PaintedMouth(portrait, self.picture, self.face.mm, self.device)
        for note in self.notes:
            logger.warning("portrait: %s", note)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self.device)

    def _exact(self) -> torch.autocast:
        """Positions stay float32 under any autocast: halves can't count the pixels of a picture."""
        return torch.autocast(self.device.type, enabled=False)

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
        reach = grow(self.matte > 0, 0.35 * self.face.iod)
        result = torch.zeros(self.face.size)
        inside = np.zeros((crop.height, crop.width), bool)
        inside[self._box.slices] = True
        moving = (support > 0) & (reach > 0) & inside
        result[crop.slices] = torch.from_numpy(moving.astype(np.float32))
        return result

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames, px: the portrait's."""
        return self.face.size

    def frames(
        self,
        motion: Motion,
        features: Features | None = None,
        progress: Progress = silent,
        chunk: int = 8,
    ) -> Generator[Tensor, None, None]:
        """Render a motion in the ``face`` space, in constant memory.

        Args:
            motion: offsets from rest.
            features: not listened to.
            progress: told after every chunk.
            chunk: frames that are made together, of large pictures fewer. On a CPU with several
                threads chunks are made at the same time, and ahead of who takes them.

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
        total, chunk = len(motion), chunk_size(chunk, *self.size)

        def make(start: int) -> Tensor:
            part = slice(start, start + chunk)
            channels, head = self._taken(motion, part)
            with self._exact():
                offsets = self._rig.offsets(channels)
            return self._render(offsets, head, channels)

        starts = range(0, total, chunk)
        with closing(map_ahead(make, starts, frame_workers(self.device))) as made:
            for start, frames in zip(starts, made, strict=True):
                yield frames
                progress(min(start + chunk, total), total)

    def frames_from_landmarks(
        self, offsets: Tensor, channels: Tensor, head: Tensor, chunk: int = 8
    ) -> Generator[Tensor, None, None]:
        """Render landmark offsets themselves, past the channels: for measuring.

        Args:
            offsets: (T, 478, 3) in IOD units in the face frame.
            channels: (T, 31) offsets from the portrait; lids, gaze and folds are read from them.
            head: (T, 6).
            chunk: frames per batch.

        Yields:
            (n, H, W, 3) uint8.
        """
        chunk = chunk_size(chunk, *self.size)
        for start in range(0, len(offsets), chunk):
            part = slice(start, start + chunk)
            yield self._render(
                offsets[part].to(self.device, torch.float32),
                head[part].to(self.device, torch.float32),
                channels[part].to(self.device, torch.float32),
            )

    def landmarks(self, motion: Motion, part: slice = slice(None)) -> Tensor:
        """Where the landmarks lie in the frames that :meth:`frames` makes.

        Args:
            motion: in the ``face`` space.
            part: which of its frames.

        Returns:
            (n, 478, 2) float32 px of the picture, on the CPU.
        """
        channels, head = self._taken(motion, part)
        with self._exact():
            return self._places(self._rig.offsets(channels), head)[0]

    def carrier(self, layer: np.ndarray, motion: Motion) -> Callable[[slice], Tensor]:
        """Carry a layer along with the person: see :class:`.renderer.Carries`."""
        crop, box = self.face.crop, self._box
        still = torch.from_numpy(layer)
        factor = 1 if crop.width * crop.height > LARGE else SUPERSAMPLING
        texture = self._sampler.texture(layer[crop.slices], factor=factor)
        rows = slice(crop.y0 + box.y0, crop.y0 + box.y1)
        columns = slice(crop.x0 + box.x0, crop.x0 + box.x1)

        def carry(part: slice) -> Tensor:
            channels, head = self._taken(motion, part)
            with torch.inference_mode(), self._exact():
                bent, _ = self._warp.bend(self._rig.moved(self._rig.offsets(channels)))
                x, y = self._warp.sources_a(bent, self._rig.turned(head), box)
                inside = self._sampler.sample(texture, x, y)
            carried = still.expand(len(channels), -1, -1, -1).clone()
            carried[:, rows, columns] = inside.cpu()
            return carried

        return carry

    def source_map(self, channels: Tensor, head: Tensor) -> np.ndarray:
        """Where one frame takes its pixels from, lids and lower lip aside: for debugging.

        Args:
            channels: (1, 31) offsets from the portrait.
            head: (1, 6).

        Returns:
            (h, w, 2) float32 px of the crop.
        """
        with torch.inference_mode():
            moved = self._rig.moved(self._rig.offsets(channels.to(self.device)))
            crop = self.face.crop
            box = Box(0, 0, crop.width, crop.height)
            turn = self._rig.turned(head.to(self.device))
            x, y = self._warp.sources_a(self._warp.bend(moved)[0], turn, box)
        return torch.stack([x[0], y[0]], -1).cpu().numpy()

    def _taken(self, motion: Motion, part: slice) -> tuple[Tensor, Tensor]:
        """Channels (n, 31), as offsets from the portrait, and head (n, 6) of some frames."""
        channels = motion.expression[part].to(self.device, torch.float32) - self.rest
        return channels, motion.head[part].to(self.device, torch.float32)

    def _render(self, offsets: Tensor, head: Tensor, channels: Tensor) -> Tensor:
        """(n, H, W, 3) uint8 for landmark offsets (n, 478, 3), head (n, 6), channels (n, 31)."""
        crop, box = self.face.crop, self._box
        rows = slice(crop.y0 + box.y0, crop.y0 + box.y1)
        columns = slice(crop.x0 + box.x0, crop.x0 + box.x1)
        frames = torch.empty(len(offsets), *self.picture.shape, dtype=torch.uint8)
        if (box.width, box.height) != self.size[::-1]:
            frames[:] = self.picture
        step = batch_size(box.width * box.height)
        with torch.inference_mode(), self._exact():
            moved = self._rig.moved(offsets)
            bent_a, bent_b = self._warp.bend(moved)
            for start in range(0, len(offsets), step):
                part = slice(start, start + step)
                fields = bent_a[part], bent_b[part]
                made = self._render_box(moved[part], fields, head[part], channels[part])
                self._sampler.to_bytes(made, frames[part, rows, columns])
        if self._painted is not None:
            marks, moves = self._places(offsets, head)
            self._painted.paint(frames, marks, channels, moves)
        return frames

    def _places(self, offsets: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 478, 2) px of the picture where landmarks lie, and (n,) how far the lips moved."""
        corner = torch.tensor([self.face.crop.x0, self.face.crop.y0], dtype=torch.float32)
        with torch.inference_mode(), self._exact():
            moved, turn = self._rig.moved(offsets), self._rig.turned(head)
            marks = turn.project(self._rig.landmarks + moved).cpu() + corner
            moves = mouth_pose(self.mouth_layer.interior, moved, turn).activity
        return marks, moves.cpu()

    def _render_box(
        self, moved: Tensor, fields: tuple[Tensor, Tensor], head: Tensor, channels: Tensor
    ) -> Tensor:
        face, box = self.face, self._box
        turn = self._rig.turned(head)
        x, y = self._warp.sources_a(fields[0], turn, box)
        marks = turn.project(self._rig.landmarks + moved)

        dragged = torch.einsum("lk,nkc->nlc", self._lids, moved[..., :2]) @ self._tensor(face.down)
        lids = lid_poses(
            self.eyes, channels, dragged.view(-1, 2, 2), self._rig.basis.neutral, face.iod
        )
        views = []
        for eye, lid, index in zip(self.eyes, lids, t.EYES, strict=True):
            region = _region(
                marks[:, index["corners"]], box, 0.3 * eye.width, 0.12 * eye.width, eye.reach
            )
            rows, columns = region.slices_in(box)
            view = view_eye(eye, lid, x[:, rows, columns].clone(), y[:, rows, columns].clone())
            bent = remap_lids(eye, view)
            views.append((region, view, bent))
            x[:, rows, columns], y[:, rows, columns] = bent

        frame = self._sampler.compose(self._person, self._plate, x, y)
        for (region, view, bent), eye, lid in zip(views, self.eyes, lids, strict=True):
            rows, columns = region.slices_in(box)
            frame[:, rows, columns] = paint_eye(
                eye, lid, self._sampler, frame[:, rows, columns], view, bent
            )

        self._shade(frame, channels, marks, (x, y))

        lips = [i for ring in (*t.UPPER_RINGS, *t.LOWER_RINGS) for i in ring]
        inner = [*t.UPPER_INNER, *t.LOWER_INNER, t.INNER_RIGHT, t.INNER_LEFT]
        half = self.mouth.half_width
        region = _region(marks[:, [*lips, t.CHIN]], box, 0.45 * half, 0.2 * half)
        rows, columns = region.slices_in(box)
        xb, yb = self._warp.sources_b(fields[1], turn, region)
        lip = self._sampler.compose(self._person, self._plate[rows, columns], xb, yb)
        frame[:, rows, columns] = paint_mouth(
            self.mouth_layer,
            self._sampler,
            frame[:, rows, columns],
            region,
            _region(marks[:, inner], region, 4 * face.mm + 2, 3 * face.mm + 2),
            (x[:, rows, columns], y[:, rows, columns]),
            (xb, yb),
            lip,
            mouth_pose(self.mouth_layer.interior, moved, turn),
        )
        return frame

    def _shade(
        self, frame: Tensor, channels: Tensor, marks: Tensor, source: tuple[Tensor, Tensor]
    ) -> None:
        """Let folds come and go on the skin of the frames (n, h, w, 3), in place."""
        skin, box = self.skin, self._box
        gain = fold_gain(skin, channels)
        if float((gain - 1).abs().max()) < 0.003:
            return
        region = _region(marks[:, list(t.OVAL)], box, 4, 4)
        rows, columns = region.slices_in(box)
        x = (source[0][:, rows, columns] - skin.box.x0) * skin.scale
        y = (source[1][:, rows, columns] - skin.box.y0) * skin.scale
        change = self._sampler.sample_planes(gain - 1, x, y)
        # Frame by frame, so that the work stays in the processor's cache.
        for pixels, share in zip(frame[:, rows, columns], change, strict=True):
            pixels.addcmul_(pixels, self._sampler.tinted(share, skin.tint))


def _region(marks: Tensor, box: Box, pad_x: float, pad_y: float, reach: float = 0.0) -> Box:
    """The box of the crop that holds marks (n, k, 2) of all frames, cut to ``box``."""
    pad = np.array([pad_x, pad_y + reach])
    low = marks.amin((0, 1)).cpu().numpy() - pad
    high = marks.amax((0, 1)).cpu().numpy() + pad
    low = np.maximum(low, [box.x0, box.y0])
    high = np.minimum(high, [box.x1 - 1, box.y1 - 1])
    return Box.around(low, high, box.x1, box.y1)

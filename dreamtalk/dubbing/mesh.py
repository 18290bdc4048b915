"""Painter ``mesh``: the filmed skin bent to new lips, the lips and teeth of one good frame in it.

The skin, the jaw and the neck are those of the frame itself, moved as far as the new speech moves
them against what was filmed, so there is no seam and the light is right. The lips come from the
shot's reference frame, where it is known exactly where they meet; between them is the mesh
renderer's mouth. Works on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..face import topology as t
from ..face.basis import FaceBasis
from ..face.channels import FACE_CHANNELS
from ..face.portrait import Portrait
from ..face.pose import Similarity
from ..progress import Progress, silent
from ..render.box import Box
from ..render.mesh.eyes.layer import build_eye
from ..render.mesh.mouth.contact import SOFT_CLOSED, SOFT_OPEN, settle_lips
from ..render.mesh.mouth.interior import build_interior
from ..render.mesh.mouth.layer import build_mouth, paint_mouth
from ..render.mesh.mouth.seam import Mouth, find_mouth
from ..render.mesh.portrait.geometry import FLIP, FaceGeometry, face_geometry
from ..render.mesh.warp.inverse import invert_displacement
from ..render.mesh.warp.textures import OpenCVSampler
from ..speed import run_parallel, worker_count
from .lower_face import build_lower_face
from .options import MeshPainterOptions
from .painter import Painted, Reference, Take
from .teeth import INNER, PlacedTeeth, teeth_shown

Array = npt.NDArray[np.float32]

RING = (0.02, 0.9)
"""Where the lips' picture is compared with the skin's: between these shares of it."""
_MOST_WORKERS = 4


class MeshPainter:
    """Makes the painters of shots; see the module.

    Args:
        options: what can be set.
    """

    def __init__(self, options: MeshPainterOptions | None = None) -> None:
        self.options = options or MeshPainterOptions()
        self._basis = FaceBasis.load()

    def prepare(self, reference: Reference) -> MeshShotPainter:
        """Measure the mouth of the shot's best frame, in about half a second."""
        return MeshShotPainter(reference, self.options, self._basis)


@dataclass(frozen=True)
class _KnownFace:
    """A reference frame, measured.

    Attributes:
        image: (h, w, 3) float32 in 0..1, its crop around the face.
        face: the face in it.
        mouth: its mouth.
        channels: (31,) what the face does, as offsets from the person's neutral.
        white: (3,) colour of the white of the eyes.
    """

    image: Array
    face: FaceGeometry
    mouth: Mouth
    channels: Tensor
    white: npt.NDArray[np.float32]


def _measured(
    reference: Reference, index: int, basis: FaceBasis, sampler: OpenCVSampler
) -> _KnownFace:
    marks = reference.landmarks[index].float()
    _, pose = basis.align(marks.numpy()[None])
    portrait = Portrait(
        image=reference.pictures[index].float() / 255,
        landmarks=marks,
        rotation=torch.from_numpy(pose.rotation[0]).float(),
        expression=torch.zeros(len(FACE_CHANNELS)),
    )
    face = face_geometry(portrait)
    image = np.ascontiguousarray(portrait.image.numpy()[face.crop.slices])
    white = np.mean([build_eye(image, face, eye, sampler)[1] for eye in t.EYES], axis=0)
    return _KnownFace(
        image, face, find_mouth(image, face), reference.channels[index].float(), white
    )


class MeshShotPainter:
    """The painter of one shot; keeps nothing from one take to the next."""

    def __init__(self, reference: Reference, options: MeshPainterOptions, basis: FaceBasis) -> None:
        self._basis, self._options = basis, options
        self._sampler = OpenCVSampler()
        known = [
            _measured(reference, index, basis, self._sampler)
            for index in range(len(reference.pictures))
        ]
        self._lips = known[0]
        inside = [build_interior(k.image, k.face, k.mouth, k.white, self._sampler) for k in known]
        best = max(range(len(known)), key=lambda i: teeth_shown(inside[i]))
        self._teeth = PlacedTeeth(inside[best], known[best].face, basis)
        mouth = build_mouth(
            self._lips.image, self._lips.face, self._lips.mouth, self._lips.white, self._sampler
        )
        light = mouth.seam_light if options.lips == 1 else None  # filmed lips have no such line
        self._layer = replace(mouth, interior=inside[best], seam_light=light)
        self.lower_face = build_lower_face(self._lips.face, basis)

    def paint(self, take: Take, progress: Progress = silent) -> Painted:
        """See :class:`ShotPainter`."""
        pictures = take.pictures.clone()
        mask = torch.zeros(pictures.shape[:3])
        channels = take.wanted.expression - take.filmed.expression
        _, poses = self._basis.align(take.landmarks.numpy())
        axes = FLIP[:, None] * poses.rotation * poses.scale[:, None, None]
        offsets = np.einsum(
            "nij,nkj->nki", axes, self._basis.decode(channels).double().numpy()
        ).astype(np.float32)
        done = 0

        def work(index: int) -> None:
            self._paint(
                pictures[index].numpy(), mask[index].numpy(), take.landmarks[index, :, :2].numpy(),
                offsets[index], take.wanted.expression[index], poses.frame(index),
            )  # fmt: skip

        workers = worker_count(torch.device("cpu"), _MOST_WORKERS)
        for start in range(0, len(take), workers):
            run_parallel(work, range(start, min(start + workers, len(take))), workers)
            done = min(start + workers, len(take))
            progress(done, len(take))
        return Painted(pictures, mask)

    def _paint(
        self, picture: npt.NDArray[np.uint8], mask: Array, marks: Array, offset: Array,
        wanted: Tensor, pose: Similarity,
    ) -> None:  # fmt: skip
        """One frame (H, W, 3) and its mask (H, W), in place.

        Args:
            marks: (478, 2) px, as filmed.
            offset: (478, 3) px of the frame (y down, z near), what the new lips move them by.
            wanted: (31,) channels.
            pose: of the head.
        """
        face, low = self._lips.face, self.lower_face
        plane = fit_plane(face.points[low.still], marks[low.still])
        turn, shift = plane[:, :2], plane[:, 2]
        back = np.linalg.inv(turn).astype(np.float32)
        filmed = (marks - shift) @ back.T - face.points
        moved = self._moved(filmed, offset, back, wanted)
        change = moved[:, :2].numpy() - filmed

        region = self._region(turn, shift, *picture.shape[:2])
        ys, xs = np.mgrid[region.slices].astype(np.float32)
        place = np.stack([xs, ys], -1)
        plain = (place - shift) @ back.T  # in the reference's plane, before any bending
        share = remap(low.mask, plain)
        if not share.any():
            return
        film = picture.astype(np.float32) / np.float32(255)
        skin, lips = [], []
        for field in (low.upper, low.lower):
            u = self._sources(field, filmed, change, plain)
            grid = u / low.cell - np.array([low.box.x0, low.box.y0], np.float32)
            delta = (field @ change).reshape(low.box.height, low.box.width, 2)
            delta = remap((delta * low.change[..., None]).astype(np.float32), grid)
            skin.append(remap(film, place - delta @ turn.T, cv2.INTER_CUBIC))
            lips.append((u, remap(low.lips, u)))
        colour = self._colour(skin, lips)
        layers = []
        for bent, (u, amount) in zip(skin, lips, strict=True):
            amount = (self._options.lips * amount)[..., None]
            own = remap(self._lips.image, u, cv2.INTER_CUBIC) * colour
            layers.append(torch.from_numpy(bent + amount * (own - bent))[None])
        sources = [
            (torch.from_numpy(u[None, ..., 0]), torch.from_numpy(u[None, ..., 1])) for u, _ in lips
        ]
        corners = (face.points[INNER] + moved[INNER, :2].numpy()) @ turn.T + shift
        painted = paint_mouth(
            self._layer, self._sampler, layers[0], region, self._cavity(corners, turn, region),
            sources[0], sources[1], layers[1],
            self._teeth.pose(pose, corners, marks + offset[:, :2], moved),
        )  # fmt: skip
        picture[region.slices] = self._sampler.to_bytes(painted)[0].numpy()
        mask[region.slices] = share

    def _moved(self, filmed: Array, offset: Array, back: Array, wanted: Tensor) -> Tensor:
        """(478, 3) px that the reference's landmarks are displaced by, its lips solid."""
        face, mouth = self._lips.face, self._lips.mouth
        shape = self._basis.decode((wanted - self._lips.channels)[None])[0].numpy()
        depth = face.iod * (shape @ face.axes.T)[:, 2:]
        moved = np.concatenate([filmed + offset[:, :2] @ back.T, depth], axis=1)
        axes = torch.from_numpy(face.axes)
        soft = (SOFT_OPEN if mouth.is_open else SOFT_CLOSED) * face.mm
        return settle_lips(
            torch.from_numpy(moved.astype(np.float32))[None], torch.from_numpy(face.landmarks),
            axes[:, 0], -axes[:, 1], soft, mouth.is_open,
        )[0]  # fmt: skip

    def _sources(self, field: Array, filmed: Array, change: Array, plain: Array) -> Array:
        """Where in the reference each place lies: (h, w, 2) px of its crop."""
        low = self.lower_face
        height, width = low.box.height, low.box.width
        bent = (field @ filmed).reshape(height, width, 2)
        new = (field @ change).reshape(height, width, 2) * low.change[..., None]
        forward = torch.from_numpy((bent + new) / np.float32(low.cell))
        inverse = invert_displacement(forward.permute(2, 0, 1)[None])[0].permute(1, 2, 0)
        grid = plain / low.cell - np.array([low.box.x0, low.box.y0], np.float32)
        return plain + low.cell * remap(np.ascontiguousarray(inverse.numpy()), grid)

    def _colour(self, skin: list[Array], lips: list[tuple[Array, Array]]) -> Array:
        """(3,) gain that gives the lips' picture the light of the frame, by the skin around."""
        filmed, known = np.zeros(3), np.zeros(3)
        for bent, (u, amount) in zip(skin, lips, strict=True):
            ring = (amount > RING[0]) & (amount < RING[1])
            if ring.any():
                filmed += bent[ring].sum(0)
                known += remap(self._lips.image, u)[ring].sum(0)
        return (filmed / np.maximum(known, 1e-3)).clip(0.5, 2.0).astype(np.float32)

    def _region(self, turn: Array, shift: Array, height: int, width: int) -> Box:
        """The part of a frame that the mask lies in."""
        rows, columns = np.nonzero(self.lower_face.mask > 0)
        x, y = (columns.min(), columns.max()), (rows.min(), rows.max())
        corners = np.array([[a, b] for a in x for b in y]) @ turn.T + shift
        low, high = corners.min(0) - 2, corners.max(0) + 2
        return Box.around(
            np.maximum(low, 0), np.minimum(high, [width - 1, height - 1]), width, height
        )

    def _cavity(self, corners: Array, turn: Array, region: Box) -> Box:
        """Where in a region the inside of the mouth lies, by the inner lips (K, 2) px."""
        scale = float(np.abs(np.linalg.det(turn))) ** 0.5
        pad = np.array([4, 3], np.float32) * self._lips.face.mm * scale + 2
        return Box.around(
            np.maximum(corners.min(0) - pad, [region.x0, region.y0]),
            np.minimum(corners.max(0) + pad, [region.x1 - 1, region.y1 - 1]),
            region.x1, region.y1,
        )  # fmt: skip


def fit_plane(known: Array, seen: Array) -> Array:
    """The affine map (2, 3) that takes points (K, 2) onto others, by least squares."""
    ones = np.concatenate([known, np.ones((len(known), 1), np.float32)], axis=1)
    return np.linalg.lstsq(ones.astype(np.float64), seen, rcond=None)[0].T.astype(np.float32)


def remap(image: Array, at: npt.NDArray[np.floating], how: int = cv2.INTER_LINEAR) -> Array:
    """Values of a picture at places (h, w, 2), clamped at its border."""
    found: Array = cv2.remap(
        image, at[..., 0].astype(np.float32), at[..., 1].astype(np.float32), how,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return found

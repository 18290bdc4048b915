"""The person of a portrait, cut out at full size: how much of each pixel is theirs, and of which
colour that share is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from ...curves.easing import smoothstep
from ...errors import ImageError
from ...face import topology as t
from ...face.image import to_uint8
from ...face.portrait import Portrait
from ..box import Box
from ..mesh.portrait.geometry import FaceGeometry, face_geometry
from ..mesh.portrait.matte import grabcut_matte, head_shape
from ..mesh.portrait.raster import blur, grow, pixel_grid, polygon_mask, signed_distance
from .matting import foreground_colours, plain_backdrop, solve_alpha

_SIDE = 640
"""Longer side of the picture that the matte is solved on, px."""
_SKIN, _HAIR = (0.03, 0.05), (0.06, 0.14)
"""How far within and beyond the coarse outline a pixel may be both, in face widths."""
_BUSY = 0.5
"""The same before a background with a pattern, where colours tell less: this share of it."""
_TRUSTED = 0.06
"""Beyond the coarse outline by that much, in face widths, is background for sure."""
_MIDDLE, _BROWS, _CROWN = 0.5, 0.95, 1.1
"""Of a face, its brows and a head's top: above the chin, in face widths."""
_GAP = 0.15
"""How far within the coarse outline the wall may be seen, in face widths."""
_JAW = 0.05
"""How far landmarks may overshoot a jaw, in face widths."""
_STRAND = 0.025
"""How far from a plain backdrop a pixel can be mixed with it, in face widths."""


@dataclass(frozen=True)
class Cutout:
    """The person of a portrait.

    Attributes:
        alpha: (H, W) float32 in 0..1.
        repair: (H, W, 3) float32: added to the portrait it gives the person's own colours, without
            what shines through soft edges; 0 where nothing does.
    """

    alpha: np.ndarray
    repair: np.ndarray

    @property
    def layer(self) -> np.ndarray:
        """(H, W, 4) float32: repair and alpha, to be carried along."""
        return np.concatenate([self.repair, self.alpha[..., None]], -1)


def cut_out(portraits: Sequence[Portrait]) -> Cutout:
    """Cut everybody out of a picture.

    With a mask in a portrait that is the matte. Otherwise GrabCut's coarse one is solved along its
    edge: see :func:`.matting.solve_alpha`.

    Args:
        portraits: of the same picture, one a face.

    Raises:
        ImageError: if there is nothing behind the person.
    """
    image = to_uint8(portraits[0].image).astype(np.float32) / 255
    faces = [_whole(face_geometry(portrait)) for portrait in portraits]
    masks = [p.mask.detach().cpu().float().numpy() for p in portraits if p.mask is not None]
    masks = [mask for mask in masks if mask.max() > 0.05]
    alpha = np.max(masks, 0).clip(0, 1) if masks else _matte(image, faces)
    if not (alpha < 0.5).any():
        raise ImageError(
            "no background is found around the person, so there is nothing to replace: take a "
            "wider picture, or connect a mask of the person"
        )
    front = foreground_colours(image, alpha, 0.08 * max(face.face_width for face in faces))
    return Cutout(alpha, (front - image) * (alpha < 1)[..., None])


def with_mattes(portraits: Sequence[Portrait]) -> list[Portrait]:
    """The portraits with a fine matte of everybody for a mask, where they have none.

    Renderers that are made of them move what is shown later before another background.

    Raises:
        ImageError: as :func:`cut_out`.
    """
    alpha = torch.from_numpy(cut_out(portraits).alpha)
    return [replace(portrait, mask=alpha) for portrait in portraits]


def _whole(face: FaceGeometry) -> FaceGeometry:
    """The same face in px of the whole picture."""
    corner = np.array([face.crop.x0, face.crop.y0, 0], np.float32)
    height, width = face.size
    return replace(
        face,
        crop=Box(0, 0, width, height),
        landmarks=face.landmarks + corner,
        pivot=face.pivot + corner,
    )


def _matte(image: np.ndarray, faces: Sequence[FaceGeometry]) -> np.ndarray:
    """(H, W) float32 in 0..1 without anybody's help."""
    height, width = image.shape[:2]
    coarse = np.max([grabcut_matte(image, face) for face in faces], 0)
    ovals = np.max([polygon_mask(height, width, f.points[list(t.OVAL)]) for f in faces], 0)
    unit = min(face.face_width for face in faces)
    outside = signed_distance(np.maximum(coarse, ovals) > 0.5)
    ovals = grow(ovals, -_JAW * unit)
    backdrop = plain_backdrop(image, outside > _TRUSTED * unit, _above(faces, _MIDDLE))
    hair = _hair(faces)
    inner, outer = (
        unit * (skin + (most - skin) * hair) for skin, most in zip(_SKIN, _HAIR, strict=True)
    )
    if backdrop is None:
        outer = _BUSY * outer
    unknown = (outside > -inner) & (outside < outer) & (ovals == 0)
    guess = (outside < 0).astype(np.float32)
    if backdrop is not None:
        # What hangs together with the person and is not the wall: hair and clothes it overlooked.
        stray = (backdrop.unlike(blur(image, 1.0)) > 0.5) & (outside >= outer)
        stray = _joined(stray | (outside < outer), ovals > 0) & stray
        unknown |= (grow(stray, 0.02 * unit) > 0) & (outside > 0)
        # And gaps in the hair, or between it and the border, in which there is wall.
        soft = blur(image, 0.7)
        wall, other = backdrop.alike(soft) > 0.5, backdrop.unlike(soft) > 0.5
        top = _above(faces, _BROWS)  # lower down it may as well be a pale ear
        gaps = wall & top & (outside > -_GAP * unit) & (ovals == 0)
        unknown |= (grow(_joined(gaps, outside > 0), 0.02 * unit) > 0) & (ovals == 0)
        # Far from every pixel of the wall there are no mixtures, and no person far from all others.
        reach = _STRAND * unit
        # On top of a head hair is dense, and greyer than elsewhere; beside it strands hang apart.
        mixed = np.where(_above(faces, _CROWN), wall, backdrop.unlike(soft) < 0.15)
        solid = other & (grow(mixed, reach) == 0)
        empty = wall & (grow(other, reach) == 0) & (top | (outside > 0))
        guess[unknown & solid], guess[unknown & (empty | (wall & top))] = 1, 0
        unknown &= ~(solid | empty)
    alpha = solve_alpha(image, guess, unknown, _SIDE, backdrop)
    return ((alpha - 0.03) / 0.94).clip(0, 1)


def _joined(area: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """(H, W) bool: the parts of an area that hold a pixel of the seed."""
    parts = cv2.connectedComponents(area.astype(np.uint8))[1]
    return np.isin(parts, np.unique(parts[seed & area])) & area


def _hair(faces: Sequence[FaceGeometry]) -> np.ndarray:
    """(H, W) float32: 1 where hair is to be expected, 0 from the neck on downwards."""
    return np.max([1 - smoothstep(-0.2, 0.1, _below_chin(face)) for face in faces], 0)


def _above(faces: Sequence[FaceGeometry], height: float) -> np.ndarray:
    """(H, W) bool: so far above all chins, in face widths."""
    return np.max([_below_chin(face) for face in faces], 0) < -height


def _below_chin(face: FaceGeometry) -> np.ndarray:
    v = head_shape(face, pixel_grid(*face.size))[1]
    return v - head_shape(face, face.points[t.CHIN])[1]

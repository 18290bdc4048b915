"""Skin dynamics: folds and bulges that come and go with the expression.

A warp alone moves the skin like a sticker. Folds show as shading, so each fold is a picture of how
much lighter or darker the skin gets when it is fully there, drawn once along lines between
landmarks; per frame the pictures are mixed by how far the channels call for each fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ...motion import FACE
from . import topology as t
from .geometry import Box, FaceGeometry
from .raster import blur, grow, pixel_grid, polygon_mask, smoothstep
from .sampling import Sampler

# fold -> how it grows with each channel (per IOD); "L"/"R" are the subject's sides
FOLD_GAINS: dict[str, dict[str, float]] = {
    "nasolabialL": {
        "mouthCornerLeftY": 6.5,
        "mouthWidth": 2.2,
        "cheekLeftY": 7.0,
        "noseWingLeftY": 5.0,
    },
    "nasolabialR": {
        "mouthCornerRightY": 6.5,
        "mouthWidth": 2.2,
        "cheekRightY": 7.0,
        "noseWingRightY": 5.0,
    },
    "cornerL": {"mouthCornerLeftY": 5.0, "mouthWidth": 4.0},
    "cornerR": {"mouthCornerRightY": 5.0, "mouthWidth": 4.0},
    "crowL": {"cheekLeftY": 14.0, "lidLowerLeftY": 22.0, "mouthCornerLeftY": 3.0},
    "crowR": {"cheekRightY": 14.0, "lidLowerRightY": 22.0, "mouthCornerRightY": 3.0},
    "underEyeL": {"cheekLeftY": 12.0, "lidLowerLeftY": 18.0},
    "underEyeR": {"cheekRightY": 12.0, "lidLowerRightY": 18.0},
    "foreheadL": {"browInnerLeftY": 8.0, "browOuterLeftY": 9.0},
    "foreheadR": {"browInnerRightY": 8.0, "browOuterRightY": 9.0},
    "glabella": {
        "browFurrowLeftX": -28.0,
        "browFurrowRightX": -28.0,
        "browInnerLeftY": -7.0,
        "browInnerRightY": -7.0,
    },
    "sulcus": {"lipLowerY": 5.0, "lipLowerZ": 4.0, "mouthWidth": -1.2, "lipAperture": 1.2},
    "frownL": {"mouthCornerLeftY": -9.0},
    "frownR": {"mouthCornerRightY": -9.0},
}
TINT = (0.72, 1.14, 1.08)
"""Shadows on skin are warm: how strongly red, green and blue take a gain."""
DEADBAND = 0.12
"""What tracking noise amounts to: below it there is no fold."""


@dataclass(frozen=True)
class SkinLayer:
    """Fold pictures over a box of the crop.

    Attributes:
        box: px of the crop.
        scale: texels of the maps per px.
        shape: (h, w) of the maps.
        maps: (K, h * w) float32, log-gain of each fold when fully there.
        mixing: (31, K) channels -> how far each fold is there.
    """

    box: Box
    scale: float
    shape: tuple[int, int]
    maps: Tensor
    mixing: Tensor


def _valley(
    shape: tuple[int, int], line: np.ndarray, width: float, ends: tuple[float, float] = (0.25, 0.35)
) -> tuple[np.ndarray, np.ndarray]:
    """A soft groove along a polyline, fading out at its ends, and the signed side of each pixel.

    Returns:
        (H, W) 0..1, and (H, W) distance to the line in px: positive to the line's left.
    """
    # Resample and smooth: landmarks alone make corners.
    step = np.linalg.norm(np.diff(line, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(step)])
    fine = np.linspace(0, at[-1], 48)
    coordinates = [np.interp(fine, at, line[:, k])[None].astype(np.float32) for k in range(2)]
    dense = np.stack([blur(values, 3.0)[0] for values in coordinates], -1)
    # Only the neighbourhood of the line is worth computing.
    near = Box.around(dense.min(0) - 4 * width, dense.max(0) + 4 * width, shape[1], shape[0])
    corner = np.array([near.x0, near.y0], np.float32)
    grid = pixel_grid(near.height, near.width).reshape(-1, 2) + corner
    delta_x = grid[:, :1] - dense[None, :, 0]
    delta_y = grid[:, 1:] - dense[None, :, 1]
    squared = delta_x**2 + delta_y**2
    nearest = squared.argmin(1)
    row = np.arange(len(grid))
    distance = np.sqrt(squared[row, nearest])
    tangent = np.gradient(dense, axis=0)[nearest]
    side = np.sign(tangent[:, 0] * delta_y[row, nearest] - tangent[:, 1] * delta_x[row, nearest])
    along = nearest / (len(dense) - 1)
    fade = smoothstep(0, ends[0], along) * smoothstep(0, ends[1], 1 - along)
    groove = np.zeros(shape, np.float32)
    off = np.full(shape, 1e6, np.float32)
    groove[near.slices] = (np.exp(-((distance / width) ** 2)) * fade).reshape(near.height, -1)
    off[near.slices] = (distance * side).reshape(near.height, -1)
    return groove, off


def _draw(face: FaceGeometry, box: Box, scale: float) -> dict[str, np.ndarray]:
    """Log-gain pictures of all folds over a box, at ``scale`` px per px of the crop."""
    shape = (int(np.ceil(box.height * scale)), int(np.ceil(box.width * scale)))
    points = (face.points - [box.x0, box.y0]) * scale
    mm = face.mm * scale
    right, down = face.right, face.down
    maps: dict[str, np.ndarray] = {}
    grid = pixel_grid(*shape)

    def blob(centre: np.ndarray, across: float, along: float) -> np.ndarray:
        d = grid - centre
        return np.exp(-((d @ right / (across * mm)) ** 2) - (d @ down / (along * mm)) ** 2)

    for side, sign, fold, corner, cheek, eye, under, droop in (
        (
            "R",
            -1.0,
            (129, 203, 206, 216, 212),
            61,
            50,
            33,
            (133, 243, 112, 26, 22, 23, 24),
            (61, 57, 43, 202),
        ),
        (
            "L",
            1.0,
            (358, 423, 426, 436, 432),
            291,
            280,
            263,
            (362, 463, 341, 256, 252, 253, 254),
            (291, 287, 273, 422),
        ),
    ):
        line = points[list(fold)]
        groove, off = _valley(shape, line, 1.7 * mm, (0.12, 0.5))
        hollow, _ = _valley(shape, line, 5.0 * mm, (0.05, 0.5))
        # The cheek outside of the fold bulges and catches light.
        outward = off * (-sign)
        length = smoothstep(0.0, 1.0, groove / max(groove.max(), 1e-6))
        ridge = np.exp(-(((outward - 6.0 * mm) / (4.5 * mm)) ** 2)) * blur(
            (length > 0.01).astype(np.float32), 4 * mm
        )
        bulge = blob(points[cheek] + sign * right * 2 * mm, 14, 9)
        maps["nasolabial" + side] = -0.08 * groove - 0.09 * hollow + 0.05 * ridge + 0.05 * bulge
        dip = blob(points[corner] + sign * right * 3.2 * mm - down * 0.6 * mm, 2.6, 4.2)
        maps["corner" + side] = -0.20 * dip
        start = points[eye] + sign * right * 4 * mm
        crow = np.zeros(shape)
        for angle, reach, strength in ((-0.42, 9.0, 0.8), (0.02, 11.0, 1.0), (0.45, 10.0, 0.9)):
            ray = sign * right * np.cos(angle) + down * np.sin(angle)
            bend = down * 0.6 * mm
            line = np.stack(
                [start + ray * k * reach * mm / 4 + bend * (k / 4) ** 2 for k in range(5)]
            )
            crow += strength * _valley(shape, line, 1.0 * mm, (0.3, 0.5))[0]
        maps["crow" + side] = -0.10 * crow
        lower = points[list(under[2:])] + down * 2.2 * mm
        bag, off = _valley(shape, lower, 1.8 * mm, (0.25, 0.3))
        maps["underEye" + side] = -0.10 * bag
        line, _ = _valley(shape, points[list(droop)], 3.2 * mm, (0.2, 0.5))
        maps["frown" + side] = -0.13 * line

    brow = points[[105, 66, 107, 9, 336, 296, 334]]
    hair = (
        points[[54, 103, 109, 10, 338, 332, 284]] * 0.5
        + points[[103, 67, 109, 10, 338, 297, 332]] * 0.5
    )
    lines = np.zeros(shape)
    rng = np.random.default_rng(3)
    for share, strength in ((0.34, 0.9), (0.54, 1.0), (0.73, 0.7)):
        wave = rng.uniform(-0.8, 0.8, (7, 1)) * mm * down
        groove, off = _valley(shape, brow + share * (hair - brow) + wave, 1.7 * mm, (0.4, 0.4))
        lit = np.exp(-(((np.abs(off) - 3.6 * mm) / (2.0 * mm)) ** 2)) * blur(groove, 2 * mm)
        lines += strength * (-0.075 * groove + 0.03 * lit)
    middle = ((grid - points[9]) @ right) / (6 * mm)
    maps["foreheadL"] = lines * smoothstep(-1, 1, middle)
    maps["foreheadR"] = lines * smoothstep(-1, 1, -middle)

    furrow = np.zeros(shape)
    for sign in (-1.0, 1.0):
        base = points[8] + sign * right * 4.6 * mm
        line = np.stack(
            [base - down * k * mm + sign * right * 0.1 * k * mm for k in (-5, -1, 3, 7, 11)]
        )
        furrow += _valley(shape, line, 1.9 * mm, (0.45, 0.5))[0]
    maps["glabella"] = -0.11 * furrow + 0.04 * blob(points[9], 3.0, 6.0)
    arc = points[[43, 106, 182, 83, 18, 313, 406, 335, 273]]
    maps["sulcus"] = -0.12 * _valley(shape, arc, 3.2 * mm, (0.3, 0.3))[0]
    return maps


def _skin_mask(image: np.ndarray, face: FaceGeometry, box: Box) -> np.ndarray:
    """(h, w) how far pixels are skin: no folds on hair, beards, glasses or clothes."""
    patch = image[box.slices]
    inside = polygon_mask(box.height, box.width, face.points[list(t.OVAL)] - [box.x0, box.y0])
    cheeks = face.points[[50, 280, 205, 425, 151, 9]] - [box.x0, box.y0]
    sample = np.zeros(inside.shape, np.uint8)
    for x, y in np.round(cheeks).astype(int):
        cv2.circle(sample, (int(x), int(y)), max(1, int(4 * face.mm)), 1, -1)
    logs = np.log(np.clip(blur(patch, 0.8 * face.mm), 0.02, 1))
    chosen = logs[sample > 0]
    if len(chosen) < 4:
        return inside.astype(np.float32)
    centre = np.median(chosen, 0)
    chroma = np.abs((logs - logs.mean(-1, keepdims=True)) - (centre - centre.mean())).max(-1)
    dark = centre.mean() - logs.mean(-1)
    like = (1 - smoothstep(0.16, 0.34, chroma)) * (1 - smoothstep(0.55, 1.0, dark))
    keep = like * grow(inside, -2 * face.mm)
    return blur(keep.astype(np.float32), 1.5 * face.mm)


def build_skin(image: np.ndarray, face: FaceGeometry, sampler: Sampler) -> SkinLayer:
    """Draw the folds of a portrait.

    Args:
        image: (H, W, 3) float32 in 0..1, the crop.
        face: the face in it.
        sampler: whose device the maps live on.
    """
    oval = face.points[list(t.OVAL)]
    pad = 3 * face.mm
    box = Box.around(oval.min(0) - pad, oval.max(0) + pad, face.crop.width, face.crop.height)
    # Folds are soft: drawing them at 140 px per face width is enough, and much faster.
    scale = min(1.0, 140 / face.face_width)
    drawn = _draw(face, box, scale)
    shape = drawn["sulcus"].shape
    mask = cv2.resize(
        _skin_mask(image, face, box), (shape[1], shape[0]), interpolation=cv2.INTER_AREA
    )
    maps = []
    for name in FOLD_GAINS:
        maps.append((drawn[name] * mask).reshape(-1))
    mixing = np.zeros((len(FACE), len(FOLD_GAINS)), np.float32)
    for k, gains in enumerate(FOLD_GAINS.values()):
        for channel, gain in gains.items():
            mixing[FACE.index[channel], k] = gain
    return SkinLayer(
        box=box,
        scale=scale,
        shape=(shape[0], shape[1]),
        maps=torch.from_numpy(np.stack(maps).astype(np.float32)).to(sampler.device),
        mixing=torch.from_numpy(mixing).to(sampler.device),
    )


def fold_gain(layer: SkinLayer, channels: Tensor) -> Tensor:
    """How much lighter or darker each pixel of the skin gets.

    Args:
        layer: the folds.
        channels: (n, 31) offsets from the portrait's own face.

    Returns:
        (n, h, w) factors on the texels of the maps, 1 at rest.
    """
    wanted = channels @ layer.mixing
    amount = 1.25 * torch.tanh((wanted - DEADBAND).clamp_min(0) / 1.25)
    gain = torch.exp(amount @ layer.maps)
    return gain.view(len(channels), *layer.shape)

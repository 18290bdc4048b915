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

from ....curves.easing import smoothstep
from ....face import topology as t
from ....motion import FACE
from ...box import Box
from ..portrait.colours import colourfulness, lip_colour, skin_colour
from ..portrait.geometry import FaceGeometry
from ..portrait.raster import blur, grow, polygon_mask
from ..warp.textures import Sampler
from .folds import FoldArtist


# fold -> how it grows with each channel (per IOD). "+" takes only what a channel rises above 0,
# "-" only what it falls below. What people show at full emotion (brows lowered by 0.06 IOD, corners
# of the mouth by 0.07, nose wings and cheeks raised by 0.04) makes a fold of about 1.
def _sided(side: str) -> dict[str, dict[str, float]]:
    s = side[0]
    return {
        "nasolabial" + s: {
            f"mouthCorner{side}Y+": 6.5,
            f"mouthCorner{side}Y-": 3.0,
            "mouthWidth+": 2.5,
            f"cheek{side}Y": 7.0,
            f"noseWing{side}Y": 10.0,
        },
        "corner" + s: {f"mouthCorner{side}Y+": 9.0, "mouthWidth+": 3.5},
        "crow" + s: {
            f"cheek{side}Y": 14.0,
            f"lidLower{side}Y": 18.0,
            f"mouthCorner{side}Y+": 3.0,
        },
        "underEye" + s: {f"cheek{side}Y": 12.0, f"lidLower{side}Y": 18.0},
        "frown" + s: {
            f"mouthCorner{side}Y-": 15.0,
            f"mouthCorner{side}Y+": -8.0,
            "lipAperture": -3.0,
        },
        "furrow" + s: {
            f"browInner{side}Y-": 16.0,
            f"browFurrow{side}X-": 22.0,
            # Brows that slant (grief) are drawn together too.
            f"browInner{side}Y+": 6.0,
            f"browOuter{side}Y": -7.0,
        },
        "socket" + s: {f"browInner{side}Y": -13.0, f"browOuter{side}Y": -5.0},
        "nose" + s: {f"noseWing{side}Y": 20.0, f"browInner{side}Y-": 5.0},
        "forehead" + s: {f"browOuter{side}Y+": 22.0, f"browInner{side}Y+": 5.0},
    }


FOLD_GAINS: dict[str, dict[str, float]] = {
    **_sided("Left"),
    **_sided("Right"),
    "foreheadMiddle": {"browInnerLeftY+": 14.0, "browInnerRightY+": 14.0},
    "procerus": {
        "browInnerLeftY-": 8.5,
        "browInnerRightY-": 8.5,
        "noseWingLeftY+": 8.5,
        "noseWingRightY+": 8.5,
    },
    "sulcus": {
        "lipLowerY": 5.0,
        "lipLowerZ": 4.0,
        "mouthWidth": -1.2,
        "lipAperture": 1.2,
        "mouthCornerLeftY-": 1.5,
        "mouthCornerRightY-": 1.5,
    },
    "chin": {
        "mouthCornerLeftY-": 5.0,
        "mouthCornerRightY-": 5.0,
        "lipLowerY+": 9.0,
        "lipAperture": -3.5,
    },
}
LATE = {"procerus": 0.6, "noseL": 0.35, "noseR": 0.35, "foreheadMiddle": 0.3}
"""Folds that it takes more for."""
AGED: dict[str, tuple[tuple[int, ...], float, float]] = {
    "forehead": ((9, 108, 151, 337), 0.006, 0.014),
    **dict.fromkeys(
        ("nasolabial", "crow", "underEye"), ((203, 206, 216, 423, 426, 436), 0.007, 0.03)
    ),
}
"""Lines that skin gets with the years, where to see whether it has, and how rough it is there when
it is smooth and when it has, as measured on young and on old faces."""
SMOOTHEST = 0.35
"""How deep such a line gets on skin that has none."""
BARE = ("socketL", "socketR")
"""Shade, that falls on brows and eyes as it does on skin."""
TINT = (0.74, 1.08, 1.14)
"""Shadows on skin are warm: how strongly red, green and blue take a gain in a coloured picture."""
DEADBAND = 0.12
"""What tracking noise amounts to: below it there is no fold."""
STRONGEST = 1.3
"""However strong the motion, no fold gets deeper than this."""
TEXELS_PER_FACE = 200


@dataclass(frozen=True)
class SkinLayer:
    """Fold pictures over a box of the crop.

    Attributes:
        box: px of the crop.
        scale: texels of the maps per px.
        shape: (h, w) of the maps.
        maps: (K, h * w) float32, log-gain of each fold when fully there.
        mixing: (93, K) channels, what they rise and what they fall -> how far each fold is there.
        late: (K,) what is taken off from that.
        tint: how strongly red, green and blue take a gain.
    """

    box: Box
    scale: float
    shape: tuple[int, int]
    maps: Tensor
    mixing: Tensor
    late: Tensor
    tint: tuple[float, float, float]


def _outline(face: FaceGeometry, box: Box) -> np.ndarray:
    return polygon_mask(box.height, box.width, face.points[list(t.OVAL)] - [box.x0, box.y0])


def _face_mask(face: FaceGeometry, box: Box) -> np.ndarray:
    """(h, w) 1 within the outline of the face, soft at its edge."""
    inside = grow(_outline(face, box), -3 * face.mm)
    return blur(inside.astype(np.float32), 2 * face.mm)


def _skin_mask(image: np.ndarray, face: FaceGeometry, box: Box) -> np.ndarray:
    """(h, w) how far pixels are skin: no folds on hair, beards, glasses or clothes."""
    patch = image[box.slices]
    inside = _outline(face, box)
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


def _aged(
    image: np.ndarray, face: FaceGeometry, marks: tuple[int, ...], smooth: float, lined: float
) -> float:
    """How deep a line of age gets, ``SMOOTHEST`` .. 1, by how rough skin is at some landmarks.

    Roughness is the deviation of log-lightness between .5 and 2.5 mm: pores are finer, shading is
    coarser.
    """
    reach = 5 * face.mm
    places = face.points[list(marks)]
    pad = 2.5 * reach
    box = Box.around(places.min(0) - pad, places.max(0) + pad, image.shape[1], image.shape[0])
    light = np.log(np.clip(image[box.slices].mean(-1), 0.03, 1))
    band = blur(light, 0.5 * face.mm) - blur(light, 2.5 * face.mm)
    rough = []
    for place in places - [box.x0, box.y0]:
        part = Box.around(place - reach, place + reach, box.width, box.height)
        rough.append(band[part.slices].std())
    share = float(smoothstep(smooth, lined, np.median(rough)))
    return SMOOTHEST + (1 - SMOOTHEST) * share


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
    # Folds are soft: drawing them at 200 px per face width is enough, and much faster.
    scale = min(1.0, TEXELS_PER_FACE / face.face_width)
    artist = FoldArtist(face, box, scale)
    drawn = artist.draw()
    mask = cv2.resize(
        _skin_mask(image, face, box), artist.shape[::-1], interpolation=cv2.INTER_AREA
    )
    within = cv2.resize(_face_mask(face, box), artist.shape[::-1], interpolation=cv2.INTER_AREA)
    # Light gets into light skin and softens what shadows it has.
    size = np.array(image.shape[1::-1]) - 1
    x, y = np.clip(np.round(face.points[[50, 280, 151]]), 0, size).astype(int).T
    depth = 1 - 0.3 * float(smoothstep(0.65, 0.9, np.median(image[y, x])))
    aged = {line: _aged(image, face, *where) for line, where in AGED.items()}
    maps = []
    for name in FOLD_GAINS:
        share = next((aged[line] for line in AGED if name.startswith(line)), 1.0)
        maps.append(depth * share * drawn[name] * (within if name in BARE else mask))
    mixing = np.zeros((3, len(FACE), len(FOLD_GAINS)), np.float32)
    for k, gains in enumerate(FOLD_GAINS.values()):
        for channel, gain in gains.items():
            part = {"+": 1, "-": 2}.get(channel[-1], 0)
            mixing[part, FACE.index[channel.rstrip("+-")], k] = gain
    colourful = colourfulness(skin_colour(image, face), lip_colour(image, face))
    red, green, blue = (1 + colourful * (share - 1) for share in TINT)
    late = np.array([LATE.get(name, DEADBAND) for name in FOLD_GAINS], np.float32)

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(sampler.device)

    return SkinLayer(
        box=box,
        scale=scale,
        shape=artist.shape,
        maps=tensor(np.stack(maps).reshape(len(maps), -1)),
        mixing=tensor(mixing.reshape(-1, len(FOLD_GAINS))),
        late=tensor(late),
        tint=(red, green, blue),
    )


def fold_gain(layer: SkinLayer, channels: Tensor) -> Tensor:
    """How much lighter or darker each pixel of the skin gets.

    Args:
        layer: the folds.
        channels: (n, 31) offsets from the portrait's own face.

    Returns:
        (n, h, w) factors on the texels of the maps, 1 at rest.
    """
    parts = torch.cat([channels, channels.clamp_min(0), (-channels).clamp_min(0)], -1)
    wanted = parts @ layer.mixing - layer.late
    amount = STRONGEST * torch.tanh(wanted.clamp_min(0) / STRONGEST)
    gain = torch.exp(amount @ layer.maps)
    return gain.view(len(channels), *layer.shape)

"""Painted mouths, small as they are, laid over frames of any size.

The network's picture is soft beside a large frame. So outside of the opening of the lips only what
is coarse in the difference between painting and frame is added to the frame, whose own detail
stays; between the lips, where the frame shows nothing that could stay, all is the network's.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from torch import Tensor
from torch.nn import functional as F

from .config import CUT_HEIGHT, CUT_LEFT, CUT_TOP, CUT_WIDTH
from .crop import Array, Bytes

_FADE = 6.0
"""px of the crop over which the painted box fades into the frame."""


class Blend(Protocol):
    """The options that are used here, see ``MouthOptions``."""

    @property
    def detail(self) -> float: ...

    @property
    def strength(self) -> float: ...

    @property
    def crispness(self) -> float: ...


def lay_over(
    pictures: Bytes,
    matrices: Array,
    painted: Tensor,
    base: Tensor,
    inside: Tensor,
    shifts: Tensor | None,
    blend: Blend,
) -> tuple[Bytes, Array]:
    """Painted cuts into the frames that they belong to.

    Args:
        pictures: (N, H, W, 3) uint8.
        matrices: (N, 2, 3), px of the pictures -> px of the crop.
        painted, base: (N, 3, 64, 80) in -1..1, what the network made of what.
        inside: (N, 1, 64, 80) the opening of the lips.
        shifts: (N, 32, 40, 2) how far off the base comes from; None if it is where it was.

    Returns:
        (N, H, W, 3) uint8 and the mask (N, H, W) float32.
    """
    made, masks = np.array(pictures), np.zeros(pictures.shape[:3], np.float32)
    fade = fading()
    crisp = _crisper(painted, blend.crispness)
    change = 127.5 * (crisp - base).permute(0, 2, 3, 1).numpy()
    coarse_base = 127.5 * (base + 1).permute(0, 2, 3, 1).numpy()
    opening = inside[:, 0].numpy()
    for index, (picture, matrix) in enumerate(zip(pictures, matrices, strict=True)):
        room, to_cut = cut_room(picture, matrix)
        part = picture[room].astype(np.float32)
        if shifts is not None:
            part = _bent(picture, matrix, shifts[index].numpy(), room, to_cut)
        share = opening[index, ..., None]
        soft = change[index]
        if blend.detail > 0:
            soft = cv2.GaussianBlur(soft, (0, 0), blend.detail)
        mixed = share * change[index] + (1 - share) * blend.strength * soft
        # of the frame, what the cut is too small to show: it stays on the lips, not between them
        fine = part - enlarged(coarse_base[index], to_cut, part.shape)
        keep = 1 - enlarged(share, to_cut, part.shape)[..., None]
        mask = enlarged(fade, to_cut, part.shape, cv2.BORDER_CONSTANT).clip(0, 1)
        whole = part - fine + keep.clip(0, 1) * fine + enlarged(mixed, to_cut, part.shape)
        made[index][room] = (whole + 0.5).clip(0, 255).astype(np.uint8)
        masks[index][room] = mask
    return made, masks


def _crisper(painted: Tensor, amount: float) -> Tensor:
    """An unsharp mask over what is finer than about a pixel of the crop, (N, 3, 64, 80)."""
    if amount == 0:
        return painted
    soft = F.avg_pool2d(F.pad(painted, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (painted + amount * (painted - soft)).clamp(-1, 1)


def fading() -> Array:
    """(64, 80) in 0..1: how much of a painted cut shows. 0 at its edge."""
    y, x = np.mgrid[:CUT_HEIGHT, :CUT_WIDTH]
    near = np.minimum.reduce([x, CUT_WIDTH - 1 - x, y, CUT_HEIGHT - 1 - y])
    ramp = (near / _FADE).clip(0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def cut_room(
    picture: Bytes, matrix: Array, box: tuple[int, int, int, int] = (0, 0, CUT_WIDTH, CUT_HEIGHT)
) -> tuple[tuple[slice, slice], Array]:
    """Where a part of the cut lies in a picture.

    Args:
        picture: (H, W, 3)
        matrix: (2, 3), px of it -> px of the crop.
        box: left, top, right, bottom in px of the cut.

    Returns:
        Rows and columns of the picture, and (2, 3), px of them -> px of the cut.
    """
    back = cv2.invertAffineTransform(matrix)
    left, top, right, bottom = np.add(box, 2 * (CUT_LEFT, CUT_TOP))
    corners = np.array([[x, y, 1] for x in (left, right) for y in (top, bottom)]) @ back.T
    height, width = picture.shape[:2]
    low = np.clip(np.floor(corners.min(0)), 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + 1, low + 1, [width, height]).astype(int)
    to_cut = matrix.astype(np.float64).copy()
    to_cut[:, 2] += matrix[:, :2] @ low - [CUT_LEFT, CUT_TOP]
    return (slice(low[1], high[1]), slice(low[0], high[0])), to_cut.astype(np.float32)


def enlarged(
    cut: Array, to_cut: Array, shape: tuple[int, ...], border: int = cv2.BORDER_REPLICATE
) -> Array:
    """A cut (64, 80[, C]) as it lies in a room of that shape."""
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    made = cv2.warpAffine(cut, to_cut, (shape[1], shape[0]), flags=flags, borderMode=border)
    return np.asarray(made, np.float32)


def _bent(
    picture: Bytes, matrix: Array, shifts: Array, room: tuple[slice, slice], to_cut: Array
) -> Array:
    """The room of a picture with its mouth bent, at the picture's own resolution."""
    rows, columns = room
    height, width = rows.stop - rows.start, columns.stop - columns.start
    fine = CUT_WIDTH // shifts.shape[1]
    # the field's places are the middles of fields of ``fine`` px
    to_field = to_cut / fine
    to_field[:, 2] += 0.5 / fine - 0.5
    back = cv2.invertAffineTransform(matrix).astype(np.float32)
    shift = enlarged(shifts, to_field, (height, width)) @ back[:, :2].T
    y, x = np.mgrid[rows, columns].astype(np.float32)
    at = np.stack([x, y], -1) + shift
    bent = cv2.remap(
        picture, at[..., 0], at[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(bent, np.float32)

"""From the full picture to the generator's 256 px square, and back."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from ..curves.easing import smoothstep
from ..face.portrait import Portrait
from ..face.topology import EYE_OUTER_LEFT, EYE_OUTER_RIGHT
from .box import Box

SIZE = 256
"""Side of the pictures that the generator makes, px."""
_GROW = 0.4
_RAISE = 0.1
_BOX_SIDE = 1.58  # of the face detector's box, in inter-ocular distances
_BOX_DROP = 0.32  # of its centre below the eyes
_CROPPED = (0.30, 0.42)  # inter-ocular distance over side, where a picture is a crop already


def official_crop(height: int, width: int, face: Box) -> Box:
    """The crop that the official code takes around the box of its face detector.

    The box moves up by a tenth, grows by 0.4 of its size on each side (more on the shorter side, so
    that the result is square) and moves inwards where it leaves the picture.

    Args:
        height, width: of the picture.
        face: what the detector found; may leave the picture.
    """
    raised = _RAISE * (face.y1 - face.y0)
    top, bottom = max(0.0, face.y0 - raised), min(float(height), face.y1 - raised)
    left, right = face.x0, face.x1
    w, h = right - left, bottom - top
    dx = max(_GROW, ((1 + 2 * _GROW) * h - w) / (2 * w)) * w
    dy = max(_GROW, ((1 + 2 * _GROW) * w - h) / (2 * h)) * h
    box = [int(left - dx), int(top - dy), int(right + dx), int(bottom + dy)]
    # how far the grown box leaves the picture; on the right and below it is the detector's own box
    # that counts, so that there the grown one is simply cut
    excess = (-box[0], -box[1], right - min(box[2], width), bottom - min(box[3], height))
    if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
        inwards = max(0, *(int(e) for e in excess))
        box = [box[0] + inwards, box[1] + inwards, box[2] - inwards, box[3] - inwards]
    return Box(max(0, box[0]), max(0, box[1]), min(width, box[2]), min(height, box[3]))


def face_box(portrait: Portrait) -> Box:
    """Where the official face detector would put its box, from the landmarks."""
    marks = portrait.landmarks[:, :2]
    eyes = (marks[EYE_OUTER_LEFT] + marks[EYE_OUTER_RIGHT]) / 2
    middle = (marks.amin(0) + marks.amax(0)) / 2
    half = _BOX_SIDE / 2 * portrait.iod
    x = float((eyes[0] + middle[0]) / 2)
    y = float(eyes[1]) + _BOX_DROP * portrait.iod
    return Box(round(x - half), round(y - half), round(x + half), round(y + half))


def crop_box(portrait: Portrait, crop: bool | None = None) -> Box:
    """The part of the picture that the generator renders.

    Args:
        crop: false takes the whole picture; by default that is done for pictures that are such a
            crop already.
    """
    height, width = portrait.size
    if crop is None:
        low, high = (share * max(height, width) for share in _CROPPED)
        crop = abs(height - width) > 0.02 * height or not low < portrait.iod < high
    return official_crop(height, width, face_box(portrait)) if crop else Box(0, 0, width, height)


def cut(image: Tensor, box: Box) -> Tensor:
    """Cut the box out of a picture and bring it to the generator's size.

    Args:
        image: (H, W, 3) in 0..1

    Returns:
        (1, 3, 256, 256) in -1..1
    """
    part = rearrange(image[box.slices], "h w c -> 1 c h w").float()
    if part.shape[-2:] != (SIZE, SIZE):
        part = F.interpolate(part, (SIZE, SIZE), mode="bicubic", antialias=True).clamp(0, 1)
    return part * 2 - 1


def feathering(box: Box, height: int, width: int, margin: float) -> Tensor:
    """How much of the rendered crop shows: 1 inside, falling to 0 towards the crop's edges.

    Edges that are edges of the picture don't fade.

    Args:
        margin: width of the fading edge, as a share of the crop's shorter side.

    Returns:
        (h, w) of the box, float32.
    """
    h, w = box.size
    reach = max(1.0, margin * min(h, w))
    far = float(h + w)

    def ramp(length: int, fades_before: bool, fades_after: bool) -> Tensor:
        place = torch.arange(length) + 0.5
        before = place if fades_before else torch.full((length,), far)
        after = length - place if fades_after else torch.full((length,), far)
        return smoothstep(0, reach, torch.minimum(before, after))

    rows = ramp(h, box.y0 > 0, box.y1 < height)
    columns = ramp(w, box.x0 > 0, box.x1 < width)
    return rows[:, None] * columns[None]


def colour_match(rendered: Tensor, original: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset per channel that give the rendered crop the original's colours.

    Args:
        rendered, original: (3, h, w)
        weight: (h, w) where to compare.

    Returns:
        gain (3, 1, 1) within 0.8..1.25, offset (3, 1, 1)
    """
    share = weight / weight.sum().clamp(min=1e-6)

    def moments(x: Tensor) -> tuple[Tensor, Tensor]:
        mean = (x * share).sum((-2, -1), keepdim=True)
        spread = ((x - mean).square() * share).sum((-2, -1), keepdim=True).sqrt()
        return mean, spread

    (mean_r, spread_r), (mean_o, spread_o) = moments(rendered), moments(original)
    gain = (spread_o / spread_r.clamp(min=1e-3)).clamp(0.8, 1.25)
    return gain, mean_o - gain * mean_r

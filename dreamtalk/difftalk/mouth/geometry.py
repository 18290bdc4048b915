"""Lips as maps, and a reference picture whose lips are put where they shall be.

All points are iBUG's 68 in px of the 128 px crop, x right, y down. Everything here is plain torch
on batches, the same in training and in use.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .config import CUT_HEIGHT, CUT_LEFT, CUT_TOP, CUT_WIDTH

OUTER, INNER = slice(48, 60), slice(60, 68)
"""The lips' outer and inner outline among the 68."""
_MOVED = (*range(17), *range(27, 36), *range(48, 68))
"""Points by which a picture is bent: jaw, nose, lips."""
_STEADY = (*range(27, 31), *range(36, 48))
"""Points that expression moves least: the nose's bridge and the eyes."""
_REACH = 8.0  # px from an outline within which the maps tell the distance
_FINE = 2  # px between the places at which maps and fields are computed
_PLACES = 2  # of them along a side of a place of the latent
MAP_CHANNELS = 4 * _PLACES**2
_ANCHORS = tuple((x, y) for x in (-30.0, 158.0) for y in (-40.0, 64.0, 190.0))
_STIFFNESS = 40.0  # px^2: how much bending is avoided for fitting the points less exactly


def cut_grid(step: int, device: torch.device | str = "cpu") -> Tensor:
    """Centres of the fields of ``step`` px that the cut has: (h, w, 2) px of the crop."""
    y, x = (
        (torch.arange(length // step, device=device) + 0.5) * step - 0.5 + first
        for length, first in ((CUT_HEIGHT, CUT_TOP), (CUT_WIDTH, CUT_LEFT))
    )
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def signed_distance(outline: Tensor, places: Tensor) -> Tensor:
    """Distance to a closed outline, positive inside.

    Args:
        outline: (B, N, 2)
        places: (h, w, 2)

    Returns:
        (B, h, w)
    """
    # coordinates by themselves, as (B, N, h, w): several times as quick as vectors of two
    x, y = outline[..., None, None].unbind(2)
    along_x, along_y = x.roll(-1, 1) - x, y.roll(-1, 1) - y
    away_x, away_y = places[..., 0] - x, places[..., 1] - y
    length = (along_x.square() + along_y.square()).clamp(min=1e-6)
    share = ((away_x * along_x + away_y * along_y) / length).clamp(0, 1)
    off_x, off_y = away_x - share * along_x, away_y - share * along_y
    nearest = (off_x.square() + off_y.square()).amin(1).sqrt()
    # even-odd rule: how many edges a ray to the right meets
    meets = (away_y < 0) != (away_y < along_y)
    slope = along_x / torch.where(along_y == 0, 1e-9, along_y)
    inside = (meets & (away_x < slope * away_y)).sum(1) % 2 == 1
    return torch.where(inside, nearest, -nearest)


def lip_maps(target: Tensor, reference: Tensor) -> Tensor:
    """Distances to the lips' outlines: target's outer and inner, then the reference's.

    Args:
        target: (B, 68, 2)
        reference: (B, 68, 2), or (1, 68, 2) for all of them.

    Returns:
        (B, MAP_CHANNELS, 16, 20) in -1..1
    """
    places = cut_grid(_FINE, target.device)
    rings = [points[:, ring] for points in (target, reference) for ring in (OUTER, INNER)]
    far = [signed_distance(ring, places).expand(len(target), -1, -1) for ring in rings]
    return F.pixel_unshuffle((torch.stack(far, 1) / _REACH).clamp(-1, 1), _PLACES)


def inner_mask(target: Tensor, grown: float = 0.0, softness: float = 1.0) -> Tensor:
    """What lies between the lips: (B, 68, 2) -> (B, 1, 64, 80) in 0..1, soft at the edge.

    Args:
        grown: px by which it reaches onto the lips.
    """
    return within(opening_distance(target), grown, softness)[:, None]


def opening_distance(target: Tensor) -> Tensor:
    """How deep each place of the cut lies between the lips: (B, 68, 2) -> (B, 64, 80) px."""
    return signed_distance(target[:, INNER], cut_grid(1, target.device))


def within(distance: Tensor, grown: float = 0.0, softness: float = 1.0) -> Tensor:
    """Depths inside an outline, in px, as a mask in 0..1; see :func:`inner_mask`."""
    return ((distance + grown) / softness + 0.5).clamp(0, 1)


def bending(target: Tensor, source: Tensor) -> Tensor:
    """How far off each place of the cut comes from, when lips move from ``source`` to ``target``.

    A smoothing thin-plate spline (Bookstein 1989; Wahba 1990) through jaw, nose and lips. It takes
    points that contradict each other, as those of lips that close, half way.

    Args:
        target, source: (B, 68, 2)

    Returns:
        (B, 32, 40, 2) float32 px, for every second px of the cut.
    """
    target, source = target.float(), source.float()
    batch, device = len(target), target.device
    fixed = torch.tensor(_ANCHORS, device=device).expand(batch, -1, -1)
    ends = torch.cat([target[:, _MOVED], fixed], 1)
    moved = torch.cat([(source - target)[:, _MOVED], torch.zeros_like(fixed)], 1)
    count = ends.shape[1]
    unit = 32.0  # px: keeps the system well-conditioned
    grid = cut_grid(_FINE, device)
    places = grid.flatten(0, 1).expand(batch, -1, -1)
    kernel = _thin_plate(ends / unit, ends / unit)
    kernel = kernel + (_STIFFNESS / unit**2) * torch.eye(count, device=device)
    flat = torch.cat([torch.ones_like(ends[..., :1]), ends / unit], -1)
    corner = torch.zeros(batch, 3, 3, device=device)
    system = torch.cat([torch.cat([kernel, flat], 2), torch.cat([flat.mT, corner], 2)], 1)
    wanted = torch.cat([moved, torch.zeros(batch, 3, 2, device=device)], 1)
    weights = torch.linalg.solve(system, wanted)
    plane = torch.cat([torch.ones_like(places[..., :1]), places / unit], -1)
    shift = _thin_plate(places / unit, ends / unit) @ weights[:, :count] + plane @ weights[:, -3:]
    return shift.unflatten(1, grid.shape[:2])


def _thin_plate(a: Tensor, b: Tensor) -> Tensor:
    """(B, M, 2), (B, N, 2) -> (B, M, N): r^2 log r."""
    square = (a[:, :, None] - b[:, None]).square().sum(-1)
    return 0.5 * square * square.clamp(min=1e-9).log()


def place(images: Tensor, origin: tuple[int, int], shifts: Tensor) -> Tensor:
    """Pictures bent.

    Args:
        images: (B, 3, H, W), a part of the crop.
        origin: (left, top) of that part in the crop.
        shifts: (B, 32, 40, 2) from :func:`bending`.

    Returns:
        (B, 3, 64, 80)
    """
    height, width = images.shape[-2:]
    field = F.interpolate(
        shifts.permute(0, 3, 1, 2), scale_factor=_FINE, mode="bilinear", align_corners=False
    )
    sources = field.permute(0, 2, 3, 1) + cut_grid(1, images.device)
    size = torch.tensor([width, height], device=images.device)
    corner = torch.tensor(origin, device=images.device)
    at = (sources - corner + 0.5) * 2 / size - 1
    return F.grid_sample(images, at, mode="bilinear", padding_mode="border", align_corners=False)


def carried_landmarks(reference: Tensor, offsets: Tensor, shown: Tensor) -> Tensor:
    """Where lips and jaw lie in a frame, told by the reference, the lips' motion and the eyes.

    Args:
        reference: (B, 68, 2) of the picture that the lips are known in.
        offsets: (B, 68, 2) px of that crop: what the lip channels move between the two.
        shown: (B, 68, 2) of the frame; its lips and jaw are not looked at.

    Returns:
        (B, 68, 2): reference and offsets, moved as eyes and nose are.
    """
    steady = list(_STEADY)
    before, after = reference[:, steady], shown[:, steady]
    middle, aim = before.mean(1, keepdim=True), after.mean(1, keepdim=True)
    a, b = before - middle, after - aim
    power = a.square().sum((1, 2)).clamp(min=1e-6)
    cosine = (a * b).sum((1, 2)) / power
    sine = (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(1) / power
    turn = torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)
    return (reference + offsets - middle) @ turn.mT + aim

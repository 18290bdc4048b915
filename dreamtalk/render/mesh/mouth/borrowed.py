"""The inside of the mouth that another picture of the same person shows, in the portrait."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import torch

from ....face import topology as t
from ....face.portrait import Portrait
from ....face.pose import fit_similarity
from ..portrait.colours import skin_colour
from ..portrait.geometry import FLIP, FaceGeometry, face_geometry
from ..warp.textures import Sampler
from .interior import SKULL_SHARE, Interior, build_interior
from .seam import Mouth, find_mouth

log = logging.getLogger("dreamtalk")

EDGE_MM = (0.5, 7.0)
"""How far below the seam of closed lips the upper teeth may end. People's do 0 to 4 mm below their
upper lip; where two pictures' skulls lie is known to some millimetres only."""
GAIN = (0.5, 2.0)
"""Limits of the factor, channel by channel, between the cheeks of the two pictures."""


def borrow_interior(
    mine: Interior,
    image: np.ndarray,
    face: FaceGeometry,
    mouth: Mouth,
    other: Portrait,
    sclera: np.ndarray,
    sampler: Sampler,
) -> Interior:
    """Put the teeth, tongue and cavity of another picture where the portrait has its own.

    Both heads are laid onto each other by the landmarks that expression moves least; what is left
    of the turn between them is that of a plane. The lips stay the portrait's.

    Args:
        mine: the portrait's interior.
        image: (H, W, 3) float32 in 0..1, the portrait's crop.
        face: the face in it.
        mouth: its mouth.
        other: a picture of the same person whose lips are parted.
        sclera: (3,) colour of the white of the portrait's eyes.
        sampler: where look-ups happen.

    Returns:
        ``mine`` if the other mouth is open too little to say what is in it.
    """
    there = face_geometry(other)
    picture = other.image.detach().cpu().float().numpy()[there.crop.slices]
    gain = skin_colour(image, face) / np.maximum(skin_colour(picture, there), 1e-3)
    picture = np.clip(picture * gain.clip(*GAIN), 0, 1).astype(np.float32)
    inside = build_interior(picture, there, find_mouth(picture, there), sclera, sampler)
    if inside.own is None:
        log.warning("the other picture's mouth is hardly open: teeth are drawn")
        return mine
    marks = (face.landmarks * FLIP).astype(np.float64)
    pose = fit_similarity((there.landmarks * FLIP)[None].astype(np.float64), marks)

    def here(points: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the other crop in the portrait's."""
        return pose.to_face((points * FLIP)[None].astype(np.float64))[0] * FLIP

    moved = here(there.landmarks) - face.landmarks
    # what the nose's base is off tells in part how far the pose is
    skull = -SKULL_SHARE * moved[list(t.NOSE_BASE)].mean(0)
    mm = there.mm / float(pose.scale[0])
    anchor = here(inside.anchor.cpu().numpy()[None])[0] + skull
    if not mouth.is_open and inside.own.upper_edge is not None:
        edge = anchor[:2] + inside.own.upper_edge * mm * face.down
        seam = float(mouth.upper[len(mouth.upper) // 2])
        below = (float(mouth.to_frame(edge)[1]) - seam) / face.mm
        anchor[:2] += (np.clip(below, *EDGE_MM) - below) * face.mm * mouth.v_axis
    jaw_rest = moved[list(t.CHIN_PATCH)].mean(0) + skull

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values, np.float32)).to(sampler.device)

    return replace(
        inside,
        anchor=tensor(anchor),
        x_mm=tensor(face.axes[:, 0] * mm),
        y_mm=tensor(-face.axes[:, 1] * mm),
        mm=mm,
        wet=mine.wet,
        jaw_rest=tensor(jaw_rest),
        parted=mouth.is_open,
        borrowed=True,
    )

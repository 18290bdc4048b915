"""The mouth of another picture: a portrait with closed lips gets its person's own teeth."""

from __future__ import annotations

import logging
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import FaceNotFoundError, ImageError
from . import topology as t
from .analysis import analyze_portrait
from .basis import FaceBasis
from .image import as_rgb, to_uint8
from .landmarker import FaceLandmarker
from .mouth_look import look_at_mouth, lower_face_sharpness
from .portrait import Portrait

log = logging.getLogger("dreamtalk")

LEAST_PARTED = 0.035
"""Inter-ocular distances that lips must be apart, some 3 mm: closed ones measure about 0.01."""
LEAST_TEETH = 0.025
"""Mean height of teeth over the mouth's width, in the same unit, below which a note is given: wide
smiles have 0.05, and of two teeth in the dark no row can be made."""
WIDE = 0.12
"""Inter-ocular distances that lips are better not further apart."""
MOST_TURNED = 15.0
"""Degrees between both heads' directions beyond which teeth will not fit well."""
LEAST_SCALE = 0.5
"""Of the portrait's size; below it teeth will look soft."""
MOST_PICTURES = 48
"""Of a batch that are looked at, evenly spread."""
_SHARE = 0.05  # of the pictures, at least three, among which the best one is taken
_DEGREES = 10.0  # off the portrait's direction that cost as much as a factor of e in sharpness
_MARGIN = 0.25  # of the face's size around it, in what is kept of the picture

Array = npt.NDArray[np.float32]


def add_open_mouth(
    portrait: Portrait, pictures: Tensor, landmarker: FaceLandmarker | None = None
) -> Portrait:
    """Let a portrait show the teeth, tongue and cavity of another picture of the same person.

    Of several pictures, such as the frames of a clip, one is taken: among those that show most
    teeth the sharpest one in which the head is turned as in the portrait.

    Args:
        portrait: the picture that is animated.
        pictures: (H, W, C) or (N, H, W, C) float 0..1: smiles, or open mouths. Of several faces the
            largest one is taken.
        landmarker: one with settings of its own; the usual one by default.

    Returns:
        the portrait with ``open_mouth``: the face of the chosen picture, no larger than the
        portrait's. Only the mesh renderer uses it.

    Raises:
        FaceNotFoundError: if there is no face in the pictures.
        ImageError: if the lips are closed in all of them, or the face is too small or turned away.
    """
    if pictures.ndim not in (3, 4) or 0 in pictures.shape:
        raise ImageError(
            "the open mouth is a picture (H, W, C) or several (N, H, W, C), not "
            f"{tuple(pictures.shape)}"
        )
    landmarker = landmarker or FaceLandmarker()
    several = pictures if pictures.ndim == 4 else pictures[None]
    number = choose_picture(portrait, several, landmarker) if len(several) > 1 else 0
    try:
        found = analyze_portrait(several[number], landmarker=landmarker)
    except (FaceNotFoundError, ImageError) as error:
        raise type(error)(f"the picture of the open mouth: {error}") from None
    marks = found.landmarks.numpy()
    if lips_apart(marks) < LEAST_PARTED:
        raise ImageError(
            f"the lips in the picture of the open mouth are closed ({lips_apart(marks):.3f} of the "
            f"eyes' distance apart, {LEAST_PARTED} are needed): choose one that smiles with its "
            "teeth, or says 'ah'"
        )
    made = replace(portrait, open_mouth=_cut_out(found, portrait.iod))
    for note in open_mouth_notes(made):
        log.warning("%s", note)
    return made


def lips_apart(marks: Array) -> float:
    """How far the lips (of (478, 3) px) are apart, in inter-ocular distances."""
    iod = np.linalg.norm(marks[t.EYE_OUTER_LEFT] - marks[t.EYE_OUTER_RIGHT])
    return float(np.linalg.norm(marks[t.INNER_LOWER] - marks[t.INNER_UPPER]) / iod)


def degrees_between(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """Between the directions that two heads (3, 3) look in; a lean to the shoulder is none."""
    return float(np.degrees(np.arccos(np.clip(a[:, 2] @ b[:, 2], -1, 1))))


def choose_picture(portrait: Portrait, pictures: Tensor, landmarker: FaceLandmarker) -> int:
    """Which of (N, H, W, C) pictures to take; the first one if no face is found in any."""
    basis, towards = FaceBasis.load(), portrait.rotation.numpy()
    looked = np.unique(np.linspace(0, len(pictures) - 1, MOST_PICTURES).round().astype(int))
    seen: list[tuple[int, float, float, bool]] = []
    for number in looked.tolist():
        picture = to_uint8(as_rgb(pictures[number]))
        faces = landmarker.detect(picture)
        if not faces:
            continue
        marks = faces[0]
        _, pose = basis.align(marks[None])
        sharp = float(np.log(lower_face_sharpness(picture, marks) + 1e-3))
        score = sharp - degrees_between(pose.rotation[0], towards) / _DEGREES
        apart = lips_apart(marks)
        # of wide open mouths the tongue looks like teeth, and the jaw's way back is a long one
        teeth = min(look_at_mouth(picture, marks).teeth, apart) - 2 * max(0.0, apart - WIDE)
        seen.append((number, teeth, score, apart >= LEAST_PARTED))
    parted = [each for each in seen if each[3]] or seen
    if not parted:
        return 0
    parted.sort(key=lambda each: -each[1])
    return max(parted[: max(3, round(_SHARE * len(parted)))], key=lambda each: each[2])[0]


def open_mouth_notes(portrait: Portrait) -> list[str]:
    """Sentences about what will not look its best in a portrait's open mouth; empty without one."""
    found, notes = portrait.open_mouth, []
    if found is None:
        return []
    turned = degrees_between(found.rotation.numpy(), portrait.rotation.numpy())
    if turned > MOST_TURNED:
        notes.append(
            f"the head in the picture of the open mouth is turned by {turned:.0f} degrees against "
            "the portrait's: the teeth may not fit, choose one that looks the same way"
        )
    if found.iod < LEAST_SCALE * portrait.iod:
        notes.append(
            f"the face in the picture of the open mouth has {found.iod:.0f} px between the eyes, "
            f"the portrait's {portrait.iod:.0f}: teeth will look soft"
        )
    if look_at_mouth(to_uint8(found.image), found.landmarks.numpy()).teeth < LEAST_TEETH:
        notes.append(
            "few teeth are seen in the picture of the open mouth, or none: what it doesn't show is "
            "guessed, so choose one with a wide smile"
        )
    return notes


def _cut_out(found: Portrait, iod: float) -> Portrait:
    """The face alone, scaled down to the size of the portrait's if it is larger."""
    marks, (height, width) = found.landmarks.numpy().copy(), found.size
    low, high = marks[:, :2].min(axis=0), marks[:, :2].max(axis=0)
    margin = _MARGIN * float((high - low).max())
    left, top = np.floor(low - margin).clip(0).astype(int).tolist()
    right, bottom = (np.ceil(high + margin).astype(int) + 1).tolist()
    part = found.image[top : min(bottom, height), left : min(right, width)]
    marks[:, :2] -= np.array([left, top], np.float32)
    scale = min(1.0, iod / found.iod)
    if scale < 1.0:
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        # pixel centres: what lies at x comes to lie at scale (x + 0.5) - 0.5
        marks[:, :2] = scale * (marks[:, :2] + 0.5) - 0.5
        marks[:, 2] *= scale
        part = torch.from_numpy(cv2.resize(part.numpy(), size, interpolation=cv2.INTER_AREA))
    return Portrait(
        image=part.contiguous(),
        landmarks=torch.from_numpy(marks),
        rotation=found.rotation,
        expression=found.expression,
    )

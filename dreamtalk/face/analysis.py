"""A picture into a :class:`Portrait`: find the face, its landmarks and its pose."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import FaceNotFoundError, ImageError
from ..options import FACE_CHOICES
from . import topology as t
from .basis import FaceBasis
from .channels import FACE_CHANNELS, measure_channels
from .image import as_rgb, to_uint8
from .landmarker import FaceLandmarker
from .portrait import Portrait
from .pose import rotation_to_angles
from .upright import quarter_turns

log = logging.getLogger("dreamtalk")

MIN_SIDE = 64
"""Smallest picture, px."""
MIN_IOD = 14.0
"""Smallest face, px between the outer eye corners: below it the landmarks are guesses."""
MAX_YAW = 45.0
WARN_YAW = 22.0
"""Degrees that a face may be turned away: beyond the first the far half is out of sight."""

_DETECT_SIDE = 1280  # the detector works on small pictures anyway
_REFINE_SIDE = 512
_PANORAMA = 3.0  # times as long as high
_FILLS = 0.4  # of the picture's shorter side: a portrait rather than a group or a figure
_BEYOND = 3.0  # times the picture's longer side: larger no face is that somebody marked
_REFINE_MARGIN = 0.9  # of the face's size, on each side

View = tuple[np.ndarray, float, np.ndarray]
"""A picture, its scale against the whole, and where it lies in the whole, px."""


def analyze_portrait(
    image: Tensor,
    which: str = "largest",
    mask: Tensor | None = None,
    landmarker: FaceLandmarker | None = None,
    landmarks: np.ndarray | None = None,
) -> Portrait:
    """Find the face in a picture.

    A picture that lies on its side or upside down is turned upright first, with a warning: the
    portrait's image, landmarks and mask are of the turned picture.

    Args:
        image: (H, W, C) float 0..1 with 1 to 4 channels.
        which: of several faces: ``"largest"``, ``"leftmost"``, ``"rightmost"``, or a number counted
            from the left, from ``"1"``.
        mask: (H, W) float 0..1, 1 where the person is, if known.
        landmarker: one with settings of its own; the usual one by default.
        landmarks: (478, 3) px of the face if they are known, as ``face/points.py`` makes them: then
            nothing is looked for.

    Raises:
        ImageError: if the picture is too small, the face too small or turned away too far, or if
            the landmarks lie beside the picture.
        FaceNotFoundError: if there is no face.
    """
    pixels = as_rgb(image)
    _check_sizes(pixels, mask)
    found, turns = 1, 0
    if landmarks is None:
        found, landmarks, turns = _find(to_uint8(pixels), which, landmarker or FaceLandmarker())
        if turns:
            log.warning(
                "the picture is turned by %d degrees: it is worked with upright", 90 * turns
            )
            pixels = torch.rot90(pixels, turns).contiguous()
            mask = None if mask is None else torch.rot90(mask, turns).contiguous()
    else:
        _check_place(landmarks, *pixels.shape[:2])

    iod = float(np.linalg.norm(landmarks[t.EYE_OUTER_LEFT, :2] - landmarks[t.EYE_OUTER_RIGHT, :2]))
    if iod < MIN_IOD:
        raise ImageError(
            f"the face is too small: {iod:.0f} px between the eyes' outer corners, at least "
            f"{MIN_IOD:.0f} are needed. Crop or upscale the picture"
        )
    points, pose = FaceBasis.load().align(landmarks[None])
    _check_yaw(float(np.degrees(rotation_to_angles(pose.rotation[0])[1])))
    expression = torch.zeros(len(FACE_CHANNELS))
    aperture = FACE_CHANNELS.index("lipAperture")
    # closed lips measure about 1 % IOD: a portrait below that is at rest
    expression[aperture] = max(0.0, float(measure_channels(points)[0, aperture]) - 0.015)
    return Portrait(
        image=pixels,
        landmarks=torch.from_numpy(landmarks),
        rotation=torch.from_numpy(pose.rotation[0]).float(),
        expression=expression,
        faces=found,
        mask=None if mask is None else mask.detach().float().cpu().clamp(0, 1),
        turned=90 * turns,
    )


def _check_sizes(pixels: Tensor, mask: Tensor | None) -> None:
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"the picture is {width}x{height} px: a portrait needs at least {MIN_SIDE} px a side"
        )
    if mask is not None and tuple(mask.shape) != (height, width):
        raise ImageError(
            f"the mask is {tuple(mask.shape)}, the picture {(height, width)}: they must have the "
            "same height and width"
        )


def _check_yaw(yaw: float) -> None:
    """Refuse a face that looks too far to the side, in degrees; warn of one that nearly does."""
    if abs(yaw) > MAX_YAW:
        raise ImageError(
            f"the face is turned {abs(yaw):.0f} degrees to the side: up to {MAX_YAW:.0f} can be "
            "animated. Use a picture that looks at the camera"
        )
    if abs(yaw) > WARN_YAW:
        log.warning("the face is turned %.0f degrees to the side: expect a less good result", yaw)


def _check_place(landmarks: np.ndarray, height: int, width: int) -> None:
    """Refuse a face beside the picture: px of another size of it, or a digit too many."""
    x, y = landmarks[:, :2].mean(axis=0)
    if not (0 <= x < width and 0 <= y < height) or _extent(landmarks) > _BEYOND * max(
        width, height
    ):
        raise ImageError(
            f"the face's points don't lie in the picture ({width}x{height} px): their middle is at "
            f"{x:.0f}, {y:.0f}, and they are {_extent(landmarks):.0f} px long"
        )


def _find(image: np.ndarray, which: str, landmarker: FaceLandmarker) -> tuple[int, np.ndarray, int]:
    """How many faces there are, the refined landmarks of the one wanted, and how often the picture
    was turned counter-clockwise by 90 degrees for it."""
    faces, turns = _detect_all(image, landmarker), 0
    if not faces:
        faces, turns = _in_turned(image, landmarker)
    if not faces:
        height, width = image.shape[:2]
        raise FaceNotFoundError(
            f"no face was found in the picture ({width}x{height} px): it must show a face from the "
            "front, larger than about a tenth of the picture. For a drawing or an animal set the "
            "face's points by hand" + _blank(image)
        )
    chosen = choose_face(faces, which)
    upright = np.rot90(image, turns)
    more = quarter_turns(_close_up(upright, chosen)[0], landmarker)
    if more:
        again = _detect_all(np.ascontiguousarray(np.rot90(upright, more)), landmarker)
        if again:
            faces, turns = again, (turns + more) % 4
            chosen = choose_face(faces, which)
    if len(faces) > 1 and which == FACE_CHOICES[0]:  # others were chosen by somebody
        log.warning("%d faces in the picture: taking the %s", len(faces), which)
    return len(faces), chosen, turns


def _in_turned(image: np.ndarray, landmarker: FaceLandmarker) -> tuple[list[np.ndarray], int]:
    """Faces in the picture turned by quarters, and how often it was; only what is sure."""
    for turns in (2, 1, 3):
        turned = np.ascontiguousarray(np.rot90(image, turns))
        faces = _detect_all(turned, landmarker, doubtful_too=False)
        if faces:
            return faces, turns
    return [], 0


def _blank(image: np.ndarray) -> str:
    """A hint for pictures (H, W, 3) uint8 in which there is nothing to see; "" for others."""
    if (image > 250).mean() > 0.9:
        return (
            ". It is almost all white: that is what files with 16 bits a channel become in loaders "
            "that expect 8. Save it with 8 bits"
        )
    if (image < 6).mean() > 0.9:
        return ". It is almost all black: brighten it"
    return ""


def find_faces(image: np.ndarray, landmarker: FaceLandmarker) -> list[np.ndarray]:
    """Landmarks (478, 3) px of all faces in a picture (H, W, 3) uint8, the largest first.

    Looks harder than the landmarker by itself: also for small faces, part by part.
    """
    return _detect_all(image, landmarker)


def _detect_all(
    image: np.ndarray, landmarker: FaceLandmarker, doubtful_too: bool = True
) -> list[np.ndarray]:
    """Landmarks of all faces, the largest first.

    Every face is looked at again in a close-up, which makes the landmarks exact and sorts out what
    only looked like a face from afar; if nothing stands that test, what was seen first is returned.
    Stops at a face that fills most of the picture: beside it nobody else is looked for.
    """
    faces: list[np.ndarray] = []
    doubtful: list[np.ndarray] = []
    for views in _views(image):
        seen = landmarker.landmarks([view for view, _, _ in views])
        for (_, scale, offset), in_view in zip(views, seen, strict=True):
            for found in (_back(marks, scale, offset) for marks in in_view):
                if any(_same_face(found, known) for known in faces):
                    continue
                refined = _refine(image, found, landmarker)
                if refined is None:
                    doubtful.append(found)
                else:
                    faces.append(refined)
            if any(_extent(marks) > _FILLS * min(image.shape[:2]) for marks in faces):
                return sorted(faces, key=_extent, reverse=True)
    return sorted(faces, key=_extent, reverse=True) or doubtful[: int(doubtful_too)]


def _extent(marks: np.ndarray) -> float:
    return float(np.ptp(marks[:, :2], axis=0).max())


def _same_face(a: np.ndarray, b: np.ndarray) -> bool:
    apart = float(np.linalg.norm(a[:, :2].mean(axis=0) - b[:, :2].mean(axis=0)))
    return apart < 0.5 * max(_extent(a), _extent(b))


def _views(image: np.ndarray) -> Iterator[list[View]]:
    """Pictures to look for a face in, the likeliest first; those of a list are looked at together.

    The detector wants a face of a tenth to two thirds of the picture: so after the whole, the whole
    with a margin (faces that fill the frame), then enlarged parts (figures, group pictures); of a
    panorama squares of its height with a margin.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _DETECT_SIDE / max(height, width))
    yield [(_resize(image, scale), scale, np.zeros(2))]
    margin = max(height, width) // 2
    framed = cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    scale = min(1.0, _DETECT_SIDE / max(framed.shape[:2]))
    yield [(_resize(framed, scale), scale, np.array([-margin, -margin], dtype=float))]
    short = min(height, width)
    if max(height, width) > _PANORAMA * short:
        yield [
            _framed(image[top : top + short, left : left + short], left, top)
            for top in _starts(height, short)
            for left in _starts(width, short)
        ]
    for parts in (2, 4):
        side = max(MIN_SIDE, max(height, width) // parts)
        yield [
            _part(image, left, top, side)
            for top in _starts(height, side)
            for left in _starts(width, side)
        ]


def _part(image: np.ndarray, left: int, top: int, side: int) -> View:
    part = image[top : top + side, left : left + side]
    scale = _REFINE_SIDE / max(part.shape[:2])
    return _resize(part, scale), scale, np.array([left, top], dtype=float)


def _framed(part: np.ndarray, left: int, top: int) -> View:
    """A part with a margin of half its size around it."""
    margin = max(part.shape[:2]) // 2
    scale = min(1.0, _REFINE_SIDE / (2 * max(part.shape[:2])))
    small, margin_there = _resize(part, scale), round(margin * scale)
    framed = cv2.copyMakeBorder(small, *[margin_there] * 4, cv2.BORDER_REPLICATE)
    return framed, scale, np.array([left, top], dtype=float) - margin_there / scale


def _starts(length: int, side: int) -> list[int]:
    """Where parts of that side begin, overlapping by at least half."""
    if side >= length:
        return [0]
    count = int(np.ceil((length - side) / (side / 2))) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _resize(image: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1.0:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _back(landmarks: np.ndarray, scale: float, offset: np.ndarray) -> np.ndarray:
    """Landmarks of a view -> px of the whole picture."""
    marks = landmarks / np.float32(scale)
    marks[:, :2] += offset.astype(np.float32)
    return marks


def choose_face(faces: list[np.ndarray], which: str) -> np.ndarray:
    """One of several faces.

    Args:
        faces: (478, 3) px each, the largest first.
        which: as for :func:`analyze_portrait`.

    Raises:
        ImageError: if there is no such face.
    """
    check_face_name(which)
    if which == "largest":
        return faces[0]
    from_left = sorted(faces, key=lambda marks: float(marks[:, 0].mean()))
    if which in ("leftmost", "rightmost"):
        return from_left[0 if which == "leftmost" else -1]
    if int(which) <= len(faces):
        return from_left[int(which) - 1]
    raise ImageError(f"face {which} was asked for, but the picture shows {len(faces)}")


def check_face_name(which: str) -> None:
    """Refuse what can't name a face.

    Raises:
        ImageError: if it is neither a choice nor a number.
    """
    if which not in FACE_CHOICES and not (which.isdecimal() and int(which) > 0):
        raise ImageError(
            f"'{which}' names no face: use {', '.join(FACE_CHOICES)} or a number counted from the "
            "left"
        )


def _refine(image: np.ndarray, marks: np.ndarray, landmarker: FaceLandmarker) -> np.ndarray | None:
    """Landmarks found again in a close-up, where they are most exact; None if they are not."""
    low, high = marks[:, :2].min(axis=0), marks[:, :2].max(axis=0)
    close_up, scale, offset = _close_up(image, marks)
    again = [_back(found, scale, offset) for found in landmarker.detect(close_up)]
    if not again:
        return None
    nearest = min(again, key=lambda found: float(np.linalg.norm(found - marks, axis=1).mean()))
    off = float(np.linalg.norm((nearest - marks)[:, :2], axis=1).mean())
    return nearest if off < 0.15 * (high - low).max() else None


def _close_up(image: np.ndarray, marks: np.ndarray) -> View:
    """The face with some of what is around it, of the size in which landmarks are most exact."""
    low, high = marks[:, :2].min(axis=0), marks[:, :2].max(axis=0)
    centre, half = (low + high) / 2, (0.5 + _REFINE_MARGIN) * (high - low).max()
    left, top = np.floor(centre - half).clip(0).astype(int)
    right, bottom = np.ceil(centre + half).astype(int)
    close_up = image[top:bottom, left:right]
    scale = min(_REFINE_SIDE / max(close_up.shape[:2]), 4.0)
    return _resize(close_up, scale), scale, np.array([left, top], dtype=float)

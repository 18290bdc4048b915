"""Landmarks from elsewhere: a few points set by hand, ComfyUI's own landmarker, a box.

For drawings and animals that no detector finds, and for pictures with more faces than the wanted
one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator
from scipy.optimize import least_squares

from ..errors import FaceNotFoundError, ImageError
from .basis import FaceBasis
from .landmarker import NUM_LANDMARKS, FaceLandmarker
from .landmarker.crops import FACE_MARGIN, Square
from .pose import angles_to_rotation

Array = npt.NDArray[np.float32]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""left, top, width, height in px."""

POINTS: dict[str, tuple[int, ...]] = {
    "eyeRight": (33, 133, 159, 145),
    "eyeLeft": (362, 263, 386, 374),
    "nose": (4,),
    "mouthRight": (61,),
    "mouthLeft": (291,),
    "chin": (152,),
}
"""What can be set by hand -> the landmarks in whose middle it lies. Right and left are the
subject's; who has them the wrong way round is understood."""
NEEDED = ("eyeRight", "eyeLeft", "mouthRight", "mouthLeft")
MIN_DISTANCE = 8.0
"""Px between the eyes, and between eyes and mouth: the least that points can be told apart by."""

_SWAPPED = {"eyeRight": "eyeLeft", "mouthRight": "mouthLeft"}
_TURN = np.deg2rad([6.0, 12.0])  # pitch, yaw: usual turns of a portrait, standard deviations
_SHAPE = 0.06  # IOD by which the points of a usual face differ from the mean face's


def parse_points(text: str) -> dict[str, Point]:
    """Read points such as ``eyeRight 210,180; eyeLeft 290,178; mouthRight 220,260; ...``.

    Args:
        text: the names of :data:`POINTS`, each followed by x and y in px; between them spaces,
            commas, semicolons, colons, equals signs, brackets, quotes or new lines.

    Raises:
        ImageError: on a name that is unknown or has not two numbers.
    """
    words = re.split(r"[\s,;:=()\[\]{}\"']+", text.strip(" \t\r\n,;:=()[]{}\"'"))
    known = {name.lower(): name for name in POINTS}
    points: dict[str, Point] = {}
    for start in range(0, len(words), 3):
        name, *numbers = words[start : start + 3]
        try:
            x, y = (float(number) for number in numbers)
            points[known[name.lower()]] = (x, y)
        except (KeyError, ValueError):
            raise ImageError(
                f"'{' '.join([name, *numbers])}' is no point: write a name of "
                f"{', '.join(POINTS)} and its x and y in px, such as 'eyeRight 210,180'"
            ) from None
    return points


def same_person(frames: Sequence[Sequence[Array]]) -> list[Array | None]:
    """The same face in every frame: the largest of the first frame that has one, then the nearest.

    Args:
        frames: for each the faces, (478, 3) px, the largest first.

    Returns:
        Its landmarks in each frame, None where there is no face.
    """
    followed: list[Array | None] = []
    last: Array | None = None
    for faces in frames:
        if last is None:
            found = faces[0] if faces else None
        else:
            centre = last[:, :2].mean(axis=0)
            away = [float(np.linalg.norm(f[:, :2].mean(axis=0) - centre)) for f in faces]
            found = faces[int(np.argmin(away))] if faces else None
        followed.append(found)
        last = last if found is None else found
    return followed


def landmarks_from_points(points: Mapping[str, Point]) -> Array:
    """The mean face, bent so that it has the given points.

    It is turned first, by as little as explains the points, and then bent in the picture's plane by
    a thin-plate spline, which leaves the depth alone.

    Args:
        points: px, x right and y down, by their names in :data:`POINTS`; eyes and corners of the
            mouth are needed, the nose's tip and the chin make it better.

    Returns:
        (478, 3) float32: x right, y down in px; z in px, growing away from the camera.

    Raises:
        ImageError: if a point is missing or unknown, or if they lie too close together.
    """
    names, wanted = _checked(points)
    template = FaceBasis.load().template
    source = np.stack([template[list(POINTS[name])].mean(axis=0) for name in names])
    across, _ = _axes(dict(zip(names, wanted, strict=True)))
    # upright, around between the eyes, and of the mean face's size: then the angles are a turn of
    # the head whichever way the picture is turned, and all that is fitted is of the size of 1
    middle, length = wanted[:2].mean(axis=0), float(np.linalg.norm(across))
    unit = length / float(np.linalg.norm(source[1] - source[0]))
    upright = np.array([[across[0], across[1]], [-across[1], across[0]]]) / length
    level = (wanted - middle) @ upright.T / unit

    def misfit(pose: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        off = _placed(source, pose)[:, :2] - level
        return np.concatenate([off.ravel() / _SHAPE, pose[:2] / _TURN])

    face = _placed(template, least_squares(misfit, np.zeros(6)).x) * unit
    face[:, :2] = face[:, :2] @ upright + middle
    known = np.stack([face[list(POINTS[name]), :2].mean(axis=0) for name in names])
    face[:, :2] += RBFInterpolator(known, wanted - known)(face[:, :2])
    return face.astype(np.float32)


def _placed(
    face: npt.NDArray[np.float64], pose: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Points (K, 3) of the face frame -> x right, y down, z away from the camera, in IOD.

    Args:
        face: in IOD units.
        pose: (6,) pitch, yaw, roll in radians, the logarithm of the scale, x, y in IOD.
    """
    turned = face @ angles_to_rotation(pose[:3]).T * np.exp(pose[3]) * [1.0, -1.0, -1.0]
    turned[:, :2] += pose[4:]
    return turned


def _checked(points: Mapping[str, Point]) -> tuple[list[str], npt.NDArray[np.float64]]:
    """The names in the order of ``POINTS``, and their places (K, 2), right and left put right."""
    unknown, missing = set(points) - set(POINTS), [name for name in NEEDED if name not in points]
    if unknown or missing:
        problem = f"'{min(unknown)}' is no point" if unknown else f"{', '.join(missing)} is missing"
        raise ImageError(
            f"{problem}: set {', '.join(NEEDED)}, and if you can also "
            f"{', '.join(name for name in POINTS if name not in NEEDED)}"
        )
    places = {name: np.asarray(point, dtype=float) for name, point in points.items()}
    if not all(place.shape == (2,) and np.isfinite(place).all() for place in places.values()):
        raise ImageError("a point is x and y in px")
    across, down = _axes(places)
    if min(np.linalg.norm(across), np.linalg.norm(down)) < MIN_DISTANCE:
        raise ImageError(
            f"the points lie too close together: eyes and mouth must be {MIN_DISTANCE:.0f} px apart"
        )
    if across[0] * down[1] - across[1] * down[0] < 0:  # a face seen from inside
        for right, left in _SWAPPED.items():
            places[right], places[left] = places[left], places[right]
    names = [name for name in POINTS if name in places]
    wanted = np.stack([places[name] for name in names])
    gaps = np.linalg.norm(wanted[:, None] - wanted, axis=-1) + 1e9 * np.eye(len(wanted))
    if gaps.min() < 1.0:
        first = names[int(gaps.min(axis=1).argmin())]
        raise ImageError(f"{first} lies on another point: every point must be in its own place")
    return names, wanted


def _axes(places: Mapping[str, npt.NDArray[np.float64]]) -> tuple[np.ndarray, np.ndarray]:
    """From the right eye to the left, and from between the eyes to the middle of the mouth."""
    across = places["eyeLeft"] - places["eyeRight"]
    eyes, mouth = (places[f"{p}Right"] + places[f"{p}Left"] for p in ("eye", "mouth"))
    return across, (mouth - eyes) / 2


def landmarks_from_comfy(value: Any, size: tuple[int, int] | None = None) -> list[list[Array]]:
    """The faces in a FACE_LANDMARKS value, which ComfyUI's own landmarker gives.

    Args:
        value: a mapping with ``image_size`` (height, width) and ``frames``, for each a list of
            faces: mappings with ``landmarks_xy`` (478, 2) in px and ``landmarks_3d`` (478, 3) in px
            of the network's picture, of which only the depth is used.
        size: (height, width) of the picture they are wanted in; their own by default.

    Returns:
        For each frame the faces, (478, 3) float32 in px of that picture, the largest first.

    Raises:
        ImageError: if the value is something else.
    """
    try:
        own = np.array(value["image_size"], dtype=float)[::-1]
        scale = np.ones(2) if size is None else np.array(size, dtype=float)[::-1] / own
        frames = [[_comfy_face(face, scale) for face in faces] for faces in value["frames"]]
    except (KeyError, TypeError, ValueError) as error:
        why = f" ({error})" if isinstance(error, ValueError) else ""
        raise ImageError(
            f"the landmarks are not such as ComfyUI's face landmarker gives{why}: connect that one"
        ) from error
    return [
        sorted(faces, key=lambda face: -np.prod(np.ptp(face[:, :2], axis=0))) for faces in frames
    ]


def _comfy_face(face: Mapping[str, Any], scale: npt.NDArray[np.float64]) -> Array:
    flat = np.asarray(face["landmarks_xy"], dtype=float) * scale
    seen = np.asarray(face["landmarks_3d"], dtype=float)
    if flat.shape != (NUM_LANDMARKS, 2) or seen.shape != (NUM_LANDMARKS, 3):
        raise ValueError(f"{flat.shape} and {seen.shape} instead of {NUM_LANDMARKS} landmarks")
    # the network's picture is a square of the picture, turned and at another size
    spread = [np.sqrt(np.square(p - p.mean(axis=0)).sum()) for p in (flat, seen[:, :2])]
    return np.c_[flat, seen[:, 2] * spread[0] / spread[1]].astype(np.float32)


def face_in_box(
    picture: npt.NDArray[np.uint8],
    box: Box,
    landmarker: FaceLandmarker,
    faces: Sequence[Array] = (),
) -> Array:
    """The face that a box marks.

    Args:
        picture: (H, W, 3) uint8 RGB.
        box: px; roughly the face's.
        landmarker: looks into the box if no face is known there.
        faces: (478, 3) px each, the faces that were found in the picture.

    Returns:
        (478, 3) float32 px.

    Raises:
        ImageError: if the box is empty or outside of the picture.
        FaceNotFoundError: if there is no face in it.
    """
    left, top, width, height = box
    inside = left < picture.shape[1] and top < picture.shape[0] and left + width > 0
    if width < 1 or height < 1 or not inside or top + height <= 0:
        raise ImageError(
            f"the box {box} (left, top, width, height) holds nothing of the picture "
            f"({picture.shape[1]}x{picture.shape[0]} px)"
        )
    shares = [_share(face, box) for face in faces]
    if shares and max(shares) > 0.3:
        return faces[int(np.argmax(shares))]
    square = Square(left + width / 2, top + height / 2, FACE_MARGIN * max(width, height))
    (face,) = landmarker.find_at([picture], [square])
    if face is None:
        raise FaceNotFoundError(
            f"there is no face in the box {box} (left, top, width, height): draw it from the brows "
            "to the chin, or set the face's points by hand"
        )
    return face.landmarks


def _share(face: Array, box: Box) -> float:
    """Intersection over union of a face's landmarks' box and a box."""
    low, high = face[:, :2].min(axis=0), face[:, :2].max(axis=0)
    corner, size = np.array(box[:2]), np.array(box[2:])
    shared = np.prod((np.minimum(high, corner + size) - np.maximum(low, corner)).clip(0))
    return float(shared / (np.prod(high - low) + np.prod(size) - shared))

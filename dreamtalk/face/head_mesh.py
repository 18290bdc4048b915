"""A plain head around the mean face: what a motion is shown on outside of pictures.

The skin is the mean face of the face basis, its 468 landmarks joined by triangles; skull, neck,
eyeballs, teeth, tongue and the inside of the mouth are simple bodies around it. Lengths in IOD in
the face frame: x to the subject's left, y up, z out of the face.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import Delaunay

from ..curves.easing import smoothstep
from . import topology as t
from .basis import FaceBasis
from .channels import FACE_CHANNELS, measure_channels

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

SKIN, BORDER, LIP, MOUTH, TOOTH, TONGUE, WHITE, IRIS, PUPIL = range(9)
"""What a vertex is."""
COLOURS: tuple[tuple[float, float, float], ...] = (
    (0.74, 0.57, 0.48), (0.71, 0.52, 0.45), (0.62, 0.36, 0.34), (0.16, 0.05, 0.05),
    (0.86, 0.83, 0.76), (0.60, 0.28, 0.28), (0.90, 0.89, 0.87), (0.22, 0.30, 0.34),
    (0.02, 0.02, 0.02),
)  # fmt: skip
"""Linear RGB of each."""
EYE_RADIUS = 0.15
_EYE_RISE = 0.012  # how far the eyeball's front stands behind the lids
_SKULL = (0.0, -0.10, -0.72)  # centre of the skull's ellipsoid
_SKULL_BACK = (0.0, 0.25, -1.0)  # direction of its pole
_SKULL_SIZE = (0.88, 1.22, 1.08)
_RINGS = 9
_OPENED = {"lipAperture": 0.2, "lipLowerY": -0.18, "chinY": -0.14}


@dataclass(frozen=True)
class Part:
    """A piece of the head, N vertices.

    Attributes:
        points: (N, 3) at rest.
        triangles: (M, 3), counterclockwise from outside.
        kind: (N,) what each vertex is.
        follow: (N, 478) which landmarks carry a vertex, and how much.
        eye: (N,) 1 for the left eyeball, -1 for the right one, else 0.
    """

    points: Array
    triangles: Index
    kind: Index
    follow: Array
    eye: Index


def eye_openings() -> tuple[tuple[int, ...], ...]:
    """The rims of the right and the left eye, around the opening: clockwise in the picture."""
    return tuple(
        (eye["corners"][0], *eye["upper"], eye["corners"][1], *reversed(eye["lower"]))
        for eye in t.EYES
    )


MOUTH_OPENING = (t.INNER_RIGHT, *t.UPPER_INNER, t.INNER_LEFT, *reversed(t.LOWER_INNER))
"""The inner contour of the lips, clockwise in the picture."""


@lru_cache(maxsize=1)
def head_mesh() -> Part:
    """The head without its neck, in one piece."""
    basis = FaceBasis.load()
    face = resting_face(basis)
    parts = [_skin(face, basis), _skull(face), _mouth(face)]
    parts += [_rim(face, rim) for rim in eye_openings()]
    parts += [_eyeball(face, eye, side) for eye, side in ((t.EYE_LEFT, 1), (t.EYE_RIGHT, -1))]
    parts += [_teeth(face, True), _teeth(face, False), _tongue(face)]
    return _joined(parts)


def resting_face(basis: FaceBasis) -> Array:
    """(478, 3) the mean face with its lips together."""
    gap = measure_channels(basis.template)[FACE_CHANNELS.index("lipAperture")]
    return basis.template + _moved(basis, {"lipAperture": -gap})


def _moved(basis: FaceBasis, channels: dict[str, float]) -> Array:
    values = torch.zeros(1, len(FACE_CHANNELS))
    for name, value in channels.items():
        values[0, FACE_CHANNELS.index(name)] = value
    offsets: Array = basis.decode(values)[0].double().numpy()
    return offsets


def eye_centre(face: Array, eye: dict[str, tuple[int, ...]]) -> Array:
    """(3,) where an eyeball turns: behind the middle of the opening."""
    rim = face[list(eye["corners"] + eye["upper"] + eye["lower"])]
    middle = face[list(eye["corners"])].mean(0)
    front = max(rim[:, 2].max(), face[eye["iris"][0], 2]) - _EYE_RISE
    return np.array([middle[0], middle[1], front - EYE_RADIUS])


def neck_mesh() -> Part:
    """The neck: a tube that stands still while the head turns on it."""
    count, heights = 28, np.linspace(-0.75, -2.15, 6)
    angle = np.arange(count) / count * 2 * np.pi
    rings = []
    for height in heights:
        wide = 0.50 + 0.10 * smoothstep(-1.5, -2.2, height)
        lean = -0.86 + 0.086 * (height + 0.75)  # forward at the top
        rings.append(
            np.stack([wide * np.sin(angle), np.full(count, height), lean + wide * np.cos(angle)], 1)
        )
    return _lofted(np.stack(rings), SKIN)


def _skin(face: Array, basis: FaceBasis) -> Part:
    """The landmarks, joined where their neighbours are on the unrolled face with an open mouth."""
    opened = face + _moved(basis, _OPENED)
    flat = np.stack([np.arctan2(opened[:, 0], opened[:, 2] + 0.9), opened[:, 1]], 1)[:468]
    triangles = Delaunay(flat).simplices.astype(np.int64)
    middle = flat[triangles].mean(1)
    kept = _inside(middle, flat[list(t.OVAL)])
    for rim in (MOUTH_OPENING, *eye_openings()):
        kept &= ~_inside(middle, flat[list(rim)])
    triangles = triangles[kept]
    a, b, c = (flat[triangles[:, i]] for i in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    turned = ux * vy < uy * vx
    triangles[turned] = triangles[turned][:, ::-1]
    kind = np.full(468, SKIN)
    for ring in (*t.UPPER_RINGS, *t.LOWER_RINGS):
        kind[list(ring)] = LIP
    kind[list(t.MOUTH_CORNERS)] = LIP
    kind[[t.MOUTH_RIGHT, t.MOUTH_LEFT, *t.UPPER_RINGS[-1], *t.LOWER_RINGS[-1]]] = BORDER
    return Part(face[:468], triangles, kind, np.eye(468, t.NUM_LANDMARKS), np.zeros(468, np.int64))


def _inside(points: Array, outline: Array) -> npt.NDArray[np.bool_]:
    """(N,) whether points (N, 2) lie in an outline (K, 2): a ray to one side crosses it oddly."""
    (ax, ay), (bx, by) = outline.T, np.roll(outline, -1, axis=0).T
    x, y = points[:, :1], points[:, 1:]
    spans = (ay > y) != (by > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = x < ax + (y - ay) * (bx - ax) / (by - ay)
    odd: npt.NDArray[np.bool_] = (spans & beyond).sum(1) % 2 == 1
    return odd


def _skull(face: Array) -> Part:
    """From the outline of the face around the back of the head."""
    centre, size = np.array(_SKULL), np.array(_SKULL_SIZE)
    outline = face[list(t.OVAL)] - centre
    length = np.linalg.norm(outline, axis=1, keepdims=True)
    start = outline / length
    back = np.array(_SKULL_BACK) / np.linalg.norm(_SKULL_BACK)
    turn = np.arccos(np.clip(start @ back, -1, 1))[:, None]
    rings, shares = [], []
    for share in np.linspace(0, 1, _RINGS):
        way = (np.sin((1 - share) * turn) * start + np.sin(share * turn) * back) / np.sin(turn)
        shape = size * np.where(way[:, 1:2] < 0, [1.0, 0.82, 1.0], 1.0)
        shell = 1 / np.linalg.norm(way / shape, axis=1, keepdims=True)
        eased = smoothstep(0.0, 0.45, share)
        rings.append(centre + way * ((1 - eased) * length + eased * shell))
        shares.append(1 - smoothstep(0.0, 0.55, share))
    return _lofted(np.stack(rings), SKIN, t.OVAL, shares, pole=True)


def _mouth(face: Array) -> Part:
    """The bag behind the lips, open in front."""
    rim = face[list(MOUTH_OPENING)]
    middle = rim.mean(0)
    rings = [rim]
    for depth, wide, high in ((0.05, 1.0, 0.03), (0.16, 1.0, 0.12), (0.34, 0.85, 0.16)):
        ring = middle + (rim - middle) * [wide, 1.0, 0.6]
        sign = np.where(np.arange(len(rim)) % len(rim) <= 10, 1.0, -1.0)
        across = np.abs(rim[:, 0] - middle[0]) / np.abs(rim[:, 0] - middle[0]).max()
        ring[:, 1] += sign * high * np.sqrt(np.clip(1 - across**2, 0, 1))
        ring[:, 2] -= depth
        rings.append(ring)
    return _lofted(np.stack(rings), MOUTH, MOUTH_OPENING, [1.0, 1.0, 0.9, 0.7], True, inside=True)


def _rim(face: Array, opening: tuple[int, ...]) -> Part:
    """The inner side of the lids, towards the eyeball."""
    rim = face[list(opening)]
    behind = rim + (rim.mean(0) - rim) * [0.0, 0.05, 0.0] - [0.0, 0.0, 0.09]
    return _lofted(np.stack([rim, behind]), LIP, opening, [1.0, 0.8], inside=True)


def _eyeball(face: Array, eye: dict[str, tuple[int, ...]], side: int) -> Part:
    """A ball of rings around the line of sight, its front painted as iris and pupil."""
    iris = np.linalg.norm(face[list(eye["iris"][1:]), :2] - face[eye["iris"][0], :2], axis=1).mean()
    edge = np.arcsin(min(iris / EYE_RADIUS, 0.6))
    angles = np.array([0.001, 0.38, 0.4, 0.92, 1.0, 1.25, 1.7, 2.3, 3.2]) * edge
    angles = np.append(angles, np.pi * 0.6)
    around = np.arange(24) / 24 * 2 * np.pi
    rings = np.stack([
        EYE_RADIUS * np.stack([np.sin(a) * np.sin(around), np.sin(a) * np.cos(around),
                               np.full(24, np.cos(a))], 1)
        for a in angles
    ])  # fmt: skip
    part = _lofted(rings + eye_centre(face, eye), WHITE)
    kinds = np.repeat([PUPIL, PUPIL, IRIS, IRIS, *[WHITE] * (len(angles) - 4)], 24)
    return replace(part, kind=kinds, eye=np.full(len(part.points), side))


def _teeth(face: Array, upper: bool) -> Part:
    """A row of teeth: an arch behind a lip; the lower one goes with the chin."""
    rim = face[list(MOUTH_OPENING)]
    middle, angle = rim.mean(0), np.linspace(-1.15, 1.15, 17)
    wide, deep = 0.24, 0.26
    low, high = (-0.01, 0.12) if upper else (-0.15, -0.025)
    arch = np.stack([wide * np.sin(angle), np.zeros(17), deep * (np.cos(angle) - 1)], 1)
    front = middle[2] - (0.075 if upper else 0.10)
    rows = [arch + np.array([middle[0], middle[1] + height, front]) for height in (high, low)]
    part = _lofted(np.stack(rows), TOOTH, closed=False)
    return part if upper else replace(part, follow=_carried(len(part.points), t.CHIN_PATCH))


def _tongue(face: Array) -> Part:
    """Half an ellipsoid on the floor of the mouth; it goes with the chin."""
    middle = face[list(MOUTH_OPENING)].mean(0)
    around = np.arange(16) / 16 * 2 * np.pi
    rings = []
    for angle in np.linspace(0.02, 1.0, 6) * np.pi / 2:
        wide = np.sin(angle)
        rings.append(np.stack([0.15 * wide * np.sin(around), 0.045 * wide * np.cos(around),
                               np.full(16, 0.22 * (np.cos(angle) - 1))], 1))  # fmt: skip
    part = _lofted(np.stack(rings) + middle + [0.0, -0.075, -0.12], TONGUE)
    return replace(part, follow=_carried(len(part.points), t.CHIN_PATCH))


def _carried(count: int, marks: tuple[int, ...]) -> Array:
    follow = np.zeros((count, t.NUM_LANDMARKS))
    follow[:, list(marks)] = 1 / len(marks)
    return follow


def _lofted(
    rings: Array,
    kind: int,
    marks: tuple[int, ...] = (),
    shares: list[float] | None = None,
    pole: bool = False,
    closed: bool = True,
    inside: bool = False,
) -> Part:
    """A body over rings of as many points each.

    Args:
        rings: (R, K, 3).
        kind: of all its vertices.
        marks: landmarks that carry the points of a ring.
        shares: how much of that each ring takes.
        pole: whether the last ring shrinks to its middle.
        closed: whether the last point of a ring is joined with its first.
        inside: whether it is looked into rather than at.
    """
    count, around = rings.shape[:2]
    points = rings.reshape(-1, 3)
    follow = np.zeros((len(points), t.NUM_LANDMARKS))
    if shares is not None:
        rows = np.arange(len(points))
        follow[rows, np.tile(marks, count)] = np.repeat(shares, around)
    quads = []
    for ring in range(count - 1):
        for place in range(around if closed else around - 1):
            after = (place + 1) % around
            a, b = ring * around + place, ring * around + after
            quads += [(a, a + around, b), (b, a + around, b + around)]
    if pole:
        last = np.arange(around) + (count - 1) * around
        points = np.concatenate([points, points[last].mean(0, keepdims=True)])
        follow = np.concatenate([follow, follow[last].mean(0, keepdims=True)])
        quads += [(last[i], len(points) - 1, last[(i + 1) % around]) for i in range(around)]
    size, triangles = len(points), np.array(quads)
    a, b, c = (points[triangles[:, i]] for i in range(3))
    outward = (np.cross(b - a, c - a) * ((a + b + c) / 3 - points.mean(0))).sum()
    if (outward < 0) != inside:
        triangles = triangles[:, ::-1]
    return Part(points, triangles, np.full(size, kind), follow, np.zeros(size, np.int64))


def _joined(parts: list[Part]) -> Part:
    starts = np.cumsum([0, *(len(part.points) for part in parts)])
    return Part(
        np.concatenate([part.points for part in parts]),
        np.concatenate([p.triangles + s for p, s in zip(parts, starts[:-1], strict=True)]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.follow for part in parts]),
        np.concatenate([part.eye for part in parts]),
    )


def vertex_normals(points: Array, triangles: Index) -> Array:
    """Unit normals (N, 3) of vertices: the mean of their triangles', the larger counting more."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    across, summed = np.cross(b - a, c - a), np.zeros_like(points)
    for corner in range(3):
        np.add.at(summed, triangles[:, corner], across)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.where(length > 1e-12, summed / np.maximum(length, 1e-12), [0.0, 0.0, 1.0])

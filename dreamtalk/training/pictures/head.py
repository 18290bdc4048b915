"""The 3-D head: ICT-FaceKit's light model cut down to what a crop of the face can show.

Coordinates are cm: x to the subject's left, y up, z out of the face. The loops around the lips, the
distance of the skin from them, the tongue and the teeth are found here, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra, shortest_path

from ...curves.easing import smoothstep
from ...errors import DreamTalkError

Array = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]

SKIN, SOCKET, GUM, TOOTH = range(4)
"""What a vertex belongs to; the tongue is part of the gums' mesh."""
PARTS: dict[int, tuple[int, int]] = {
    SKIN: (0, 9409), SOCKET: (11248, 13294), GUM: (14062, 17039), TOOTH: (17039, 21451),
}  # fmt: skip
"""First and last vertex (exclusive) of each part in the file."""

# the model's vertices of the 68 usual landmarks, as ICT-FaceKit publishes them
LANDMARKS: tuple[int, ...] = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088,
    3443, 268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140,
    2075, 1147, 4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732,
    5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216,
    6207, 6470, 5517, 5966,
)  # fmt: skip
OUTER_LIPS, INNER_LIPS = range(48, 60), range(60, 68)
"""Among the 68, from the subject's right corner over the upper lip and back below."""
INNER_PAIRS = ((61, 67), (62, 66), (63, 65))
"""Among the 68: the inner lips above and below, whose mean distance is the aperture."""
EYES_OUTER = (36, 45)

_MOUTH_HOLE = 6632  # a vertex of the edge at which the skin ends inside the mouth
_TONGUE_FROM = 16380
_MOLARS_BEHIND = 7.3  # z in cm: second and third molars are out of sight


@dataclass(frozen=True)
class Head:
    """The model, N vertices.

    Attributes:
        neutral: (N, 3) the mean face.
        identity: (100, N, 3) modes of scanned people, one standard deviation each.
        expression: (57, N, 3), full weight each.
        names: (57,) of the expressions.
        triangles: (M, 3).
        kind: (N,) SKIN, SOCKET, GUM or TOOTH.
        landmarks: (68,) vertices.
        upper, lower: the inner contour of the lips from the subject's right corner to the left,
            both with the corners.
        outer: the outer contour.
        rim: (N,) cm along the skin to the inner contour, negative inside the mouth; 99 elsewhere.
        below: (N,) whether the nearest part of that contour is the lower lip.
        rides: (N,) 0..1: inner parts that move with the upper jaw have 0, with the lower 1.
        tongue: (N,) 0..1.
        across: (N,) teeth and gums: -1..1 over the tooth; tongue: x in cm.
        along: (N,) teeth: 0 at the root, 1 at the edge.
        tooth: (N,) number of the tooth, 0 for anything else.
        edges: (N, N) sparse, the mean of a vertex's neighbours.
        corners: (3 M -> N) sparse, sums faces into vertices, for normals.
    """

    neutral: Array
    identity: Array
    expression: Array
    names: tuple[str, ...]
    triangles: Index
    kind: Index
    landmarks: Index
    upper: Index
    lower: Index
    outer: Index
    rim: Array
    below: npt.NDArray[np.bool_]
    rides: Array
    tongue: Array
    across: Array
    along: Array
    tooth: Index
    edges: csr_matrix
    corners: csr_matrix

    def weight(self, name: str) -> int:
        """Row of an expression."""
        return self.names.index(name)

    def normals(self, points: Array) -> Array:
        """Unit normals (N, 3) of the vertices."""
        a, b, c = (points[self.triangles[:, i]] for i in range(3))
        summed = self.corners @ np.cross(b - a, c - a)
        return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-9)


def load_head(path: str | Path) -> Head:
    """Read ICT-FaceKit's light model.

    Args:
        path: an ``.npz`` with ``V`` (26719, 3), ``F`` (26384, 4), ``expr`` (57, 26719, 3),
            ``iden`` (100, 26719, 3) and ``names`` (57,).

    Raises:
        DreamTalkError: if it is not there or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            points, faces = data["V"].astype(np.float32), data["F"].astype(np.int64)
            names = tuple(str(name) for name in data["names"])
            expression, identity = data["expr"], data["iden"]
    except (OSError, KeyError, ValueError) as error:
        raise DreamTalkError(
            f"'{path}' is not the head (ICT-FaceKit's light model as .npz): {error}"
        ) from error
    if points.shape != (26719, 3) or faces.shape[1:] != (4,):
        raise DreamTalkError(f"'{path}' has {len(points)} vertices: ICT-FaceKit's has 26719")
    kind = np.full(len(points), -1)
    for part, (first, last) in PARTS.items():
        kind[first:last] = part
    quads = faces[faces[:, 3] >= 0]
    triangles = np.concatenate([faces[:, :3], quads[:, [0, 2, 3]]])
    triangles = triangles[_shown(points, triangles, kind)]
    kept = np.unique(np.r_[triangles.ravel(), LANDMARKS])
    number = np.full(len(points), -1)
    number[kept] = np.arange(len(kept))
    triangles = number[triangles]
    return _described(
        points[kept], identity[:, kept].astype(np.float32), expression[:, kept].astype(np.float32),
        names, triangles, kind[kept], number, kept,
    )  # fmt: skip


def _shown(points: Array, triangles: Index, kind: Index) -> npt.NDArray[np.bool_]:
    """Which triangles a crop of the lower face may show; the whole socket is kept, or the picture
    behind the head would shine through the throat."""
    kinds, at = kind[triangles], points[triangles]
    y, z = at[..., 1], at[..., 2]
    same = (kinds == kinds[:, :1]).all(axis=1) & (kinds[:, 0] >= 0)
    part = kinds[:, 0]
    away = (part == SKIN) & (
        (z.max(axis=1) < -1.5) | (y.min(axis=1) > 5.6) | (y.max(axis=1) < -14.0)
    )
    away |= (part == TOOTH) & (z.mean(axis=1) < _MOLARS_BEHIND)
    away |= (part == GUM) & (z.max(axis=1) < 0.0)
    return same & ~away


def _described(
    points: Array,
    identity: Array,
    expression: Array,
    names: tuple[str, ...],
    triangles: Index,
    kind: Index,
    number: Index,
    kept: Index,
) -> Head:
    landmarks = number[list(LANDMARKS)]
    skin = triangles[kind[triangles[:, 0]] == SKIN]
    graph = _graph(points, skin)
    inner = landmarks[list(INNER_LIPS)]
    upper, lower = _path(graph, inner[:5]), _path(graph, np.r_[inner[4:], inner[0]])[::-1]
    ring = landmarks[list(OUTER_LIPS)]
    rim, below = _rim(graph, upper, lower, int(number[_MOUTH_HOLE]), kind)
    jaw = expression[names.index("jawOpen"), :, 1]
    mean = _mean_of_neighbours(triangles, len(points))
    tongue = ((kind == GUM) & (kept >= _TONGUE_FROM) & (points[:, 2] > 3.4) & (jaw < -0.25)).astype(
        np.float32
    )
    tooth, across, along = _teeth(points, triangles, kind)
    across = np.where(tongue > 0, points[:, 0], across).astype(np.float32)
    rides = np.where(np.isin(kind, (GUM, TOOTH)), smoothstep(0.3, 1.2, -jaw), 0.0)
    count = len(triangles)
    corners = coo_matrix(
        (np.ones(3 * count, np.float32), (triangles.T.ravel(), np.tile(np.arange(count), 3))),
        shape=(len(points), count),
    )
    return Head(
        points, identity, expression, names, triangles, kind, landmarks, upper, lower,
        _path(graph, np.r_[ring, ring[0]])[:-1], rim, below, rides.astype(np.float32), tongue,
        across, along, tooth, mean, corners.tocsr(),
    )  # fmt: skip


def _graph(points: Array, triangles: Index) -> csr_matrix:
    """Edges of a mesh with their lengths."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    lengths = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    size = (len(points), len(points))
    graph = coo_matrix((lengths, (pairs[:, 0], pairs[:, 1])), shape=size)
    return (graph + graph.T).tocsr()


def _path(graph: csr_matrix, stops: Index) -> Index:
    """The shortest way along edges through vertices, both ends included."""
    _, before = shortest_path(graph, indices=stops[:-1], return_predecessors=True)
    way = [int(stops[0])]
    for row, end in enumerate(stops[1:]):
        back = [int(end)]
        while back[-1] != stops[row]:
            back.append(int(before[row, back[-1]]))
        way += back[-2::-1]
    return np.array(way)


def _rim(
    graph: csr_matrix, upper: Index, lower: Index, hole: int, kind: Index
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Signed distance along the skin to the inner contour, and which lip is the nearer."""
    near = [dijkstra(graph, indices=lip, min_only=True) for lip in (upper, lower)]
    loop = np.union1d(upper, lower)
    free = np.setdiff1d(np.arange(graph.shape[0]), loop)
    _, label = connected_components(graph[free][:, free], directed=False)
    inside = np.zeros(graph.shape[0], dtype=bool)
    inside[free] = label == label[np.searchsorted(free, hole)]
    distance = np.minimum(*near)
    rim = np.where(inside, -distance, distance)
    rim[(kind != SKIN) | ~np.isfinite(rim)] = 99.0
    return rim.astype(np.float32), near[1] < near[0]


def _mean_of_neighbours(triangles: Index, count: int) -> csr_matrix:
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    pairs = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    links = coo_matrix((np.ones(len(pairs), np.float32), pairs.T), shape=(count, count)).tocsr()
    degree = np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1)
    return csr_matrix(links.multiply(1 / degree[:, None]), dtype=np.float32)


def _teeth(points: Array, triangles: Index, kind: Index) -> tuple[Index, Array, Array]:
    """Number of the tooth of each vertex, position across it (-1..1) and along it (0..1)."""
    tooth = np.zeros(len(points), dtype=np.int64)
    across, along = np.zeros((2, len(points)), dtype=np.float32)
    graph = _graph(points, triangles[kind[triangles[:, 0]] == TOOTH])
    _, label = connected_components(graph, directed=False)
    for number, part in enumerate(np.unique(label[kind == TOOTH]), start=1):
        of_it = (label == part) & (kind == TOOTH)
        at = points[of_it]
        tooth[of_it] = number
        # the arch runs along x in front and along z at the sides
        middle = at.mean(axis=0)
        tangent = np.array([7.2 - middle[2], middle[0]]) / np.hypot(7.2 - middle[2], middle[0])
        place = (at[:, [0, 2]] - middle[[0, 2]]) @ tangent
        across[of_it] = place / max(float(np.abs(place).max()), 1e-6)
        low, high = at[:, 1].min(), at[:, 1].max()
        share = (at[:, 1] - low) / max(float(high - low), 1e-6)
        along[of_it] = 1 - share if middle[1] > -3.4 else share
    return tooth, across, along

"""Follow one face from picture to picture, also a small one in a large picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..errors import ImageError
from ..face.analysis import choose_face, find_faces
from ..face.landmarker import FaceLandmarker
from ..speed import run_parallel, split, worker_count

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

_WINDOW = 3.0  # times the face's size: what is looked at around a face that is known
_WHOLE = 0.75  # of the picture's longer side: a window larger than that is no gain
_DRIFT = 0.3  # of the face's size: as far as it may move before the window follows
_GROWTH = 1.25  # and as much as it may change in size
_SEARCH_EVERY = 0.5  # s between thorough searches while there is no face
_TOGETHER = 8  # pictures that a core looks at together, which is faster than one by one
_MOST_CORES = 8
_BATCH_BYTES = 1 << 26  # of pictures that are looked at together, at the most
_AHEAD = 1  # batches of pictures that wait to be looked at

PixelBox = tuple[int, int, int, int]
"""left, top, right, bottom in px."""


@dataclass(frozen=True)
class Detection:
    """What a landmarker saw in a part of a picture.

    Attributes:
        box: the part, or None for the whole picture.
        faces: their landmarks in px of the picture, the largest first.
    """

    box: PixelBox | None
    faces: list[Array]


class FaceFollower:
    """Finds the landmarks of the same face in one picture after the other.

    Every picture is looked at by itself: nothing is smoothed. The landmarker alone overlooks a face
    smaller than about a sixth of the picture, so it is shown a window around where the face was;
    the window stands still as long as the face stays well within, because moving it adds tremor.

    Args:
        landmarker: finds faces in single pictures.
        which: of several faces in the first picture that has any, as :func:`choose_face` takes it.
            A face that is not there then is waited for.
        leash: how far the face may have moved since it was seen last, in sizes of the face, and as
            much again for every second in between; what is further away is somebody else. None
            takes the nearest face however far it is.
    """

    def __init__(
        self, landmarker: FaceLandmarker, which: str = "largest", leash: float | None = None
    ) -> None:
        self._landmarker = landmarker
        self._which, self._leash = which, leash
        self._seen = -np.inf
        self._last: Array | None = None
        self._window: tuple[Array, float] | None = None  # centre, side
        self._searched = -np.inf

    def find_all(self, pictures: Sequence[tuple[float, Picture]]) -> list[Array | None]:
        """Landmarks of the face in pictures that follow each other, as :meth:`find` gives them.

        They are looked at together, each where the face was before the first of them. Windows
        stand still mostly, so that is nearly always where the face is looked for; from where it is
        not, the rest is looked at again.

        Args:
            pictures: times in s, rising, and (H, W, 3) uint8 RGB.
        """
        found: list[Array | None] = []
        while len(found) < len(pictures):
            rest = pictures[len(found) :]
            boxes = [self.expected(picture) for _, picture in rest]
            detections = look(self._landmarker, [picture for _, picture in rest], boxes)
            for (time, picture), seen in zip(rest, detections, strict=True):
                if self.expected(picture) != seen.box:
                    break
                found.append(self.find(picture, time, seen))
        return found

    def find(self, picture: Picture, time: float, seen: Detection | None = None) -> Array | None:
        """Landmarks of the face.

        Args:
            picture: (H, W, 3) uint8 RGB.
            time: s, rising.
            seen: what was seen in this picture before it was its turn; not used if it was looked
                at in another place than it would be now.

        Returns:
            (478, 3) float32 px, or None if the face is not there. The first face is the one that
            was chosen; afterwards the nearest to where it was last.
        """
        self._window = self._next_window()
        box = self._box(self._window, picture)
        if seen is None or seen.box != box:
            (seen,) = look(self._landmarker, [picture], [box])
        face = None
        if self._last is not None or self._which == "largest":
            face = self._mine(seen.faces, time)
            if face is None and box is not None:
                face = self._mine(self._landmarker.detect(picture), time)
        if face is None and time - self._searched >= _SEARCH_EVERY:
            self._searched = time
            face = self._mine(find_faces(picture, self._landmarker), time)
        if face is not None:
            self._last, self._seen = face, time
        return face

    def expected(self, picture: Picture) -> PixelBox | None:
        """Where :meth:`find` would look in the picture if it were the next one."""
        return self._box(self._next_window(), picture)

    def _mine(self, faces: list[Array], time: float) -> Array | None:
        """Which of the faces, the largest first, is the one that is followed."""
        if not faces:
            return None
        if self._last is None:
            try:
                return choose_face(faces, self._which)
            except ImageError:  # fewer faces than the number that was asked for
                return None
        centre = self._last[:, :2].mean(axis=0)
        away = [float(np.linalg.norm(face[:, :2].mean(axis=0) - centre)) for face in faces]
        nearest = int(np.argmin(away))
        if self._leash is not None:
            size = float(np.ptp(self._last[:, :2], axis=0).max())
            if away[nearest] > self._leash * size * (1 + time - self._seen):
                return None
        return faces[nearest]

    def _next_window(self) -> tuple[Array, float] | None:
        """Centre and side of the window around where the face was last."""
        if self._last is None:
            return None
        centre = self._last[:, :2].mean(axis=0)
        size = float(np.ptp(self._last[:, :2], axis=0).max())
        if self._window is None or self._left_window(centre, size):
            return centre, _WINDOW * size
        return self._window

    @staticmethod
    def _box(window: tuple[Array, float] | None, picture: Picture) -> PixelBox | None:
        """The window within a picture; None if it would be about all of the picture."""
        if window is None:
            return None
        middle, side = window
        height, width = picture.shape[:2]
        if side >= _WHOLE * max(height, width):
            return None
        left, top = (int(v) for v in np.floor(middle - side / 2).clip(0))
        right, bottom = (int(v) for v in np.ceil(middle + side / 2))
        right, bottom = min(right, width), min(bottom, height)
        return (left, top, right, bottom) if min(right - left, bottom - top) >= 8 else None

    def _left_window(self, centre: Array, size: float) -> bool:
        assert self._window is not None
        middle, side = self._window
        known = side / _WINDOW
        moved = float(np.linalg.norm(centre - middle)) > _DRIFT * known
        return moved or not 1 / _GROWTH < size / known < _GROWTH


def look(
    landmarker: FaceLandmarker, pictures: Sequence[Picture], boxes: Sequence[PixelBox | None]
) -> list[Detection]:
    """Faces in a part of each picture (H, W, 3) uint8; on a CPU with all its cores."""
    views = [
        p if b is None else p[b[1] : b[3], b[0] : b[2]]
        for p, b in zip(pictures, boxes, strict=True)
    ]
    workers = worker_count(landmarker.device, _MOST_CORES)
    faces: list[list[Array]] = [[] for _ in views]

    def work(part: slice) -> None:
        faces[part] = landmarker.landmarks(views[part])

    run_parallel(work, split(len(views), _TOGETHER, workers), workers)
    found = []
    for box, own in zip(boxes, faces, strict=True):
        corner = np.array([0, 0, 0] if box is None else [*box[:2], 0], dtype=np.float32)
        found.append(Detection(box, [face + corner for face in own]))
    return found


def _part(picture: Picture, box: PixelBox | None) -> Picture:
    if box is None:
        return picture
    left, top, right, bottom = box
    return picture[top:bottom, left:right]


def follow(
    pictures: Iterable[tuple[float, Picture]],
    device: str | torch.device = "cpu",
    follower: FaceFollower | None = None,
) -> Generator[tuple[float, Array | None], None, None]:
    """The landmarks of the same face in one picture after the other, constant in memory.

    They are found some pictures at a time in a thread of its own, while the next are made.

    Args:
        pictures: times in s, rising, and (H, W, 3) uint8 RGB.
        device: where the landmarker's networks run.
        follower: one with settings of its own; by default one that begins with the largest face.

    Yields:
        The time of each picture, and (478, 3) float32 px or None.
    """
    follower = follower or FaceFollower(FaceLandmarker(device=device))
    waiting: deque[tuple[list[tuple[float, Picture]], Future[list[Array | None]]]] = deque()
    together = _TOGETHER * worker_count(torch.device(device), _MOST_CORES)
    with ThreadPoolExecutor(1, "dreamtalk-track") as worker:
        for batch in _batches(pictures, together):
            waiting.append((batch, worker.submit(follower.find_all, batch)))
            if len(waiting) > _AHEAD:
                yield from _results(*waiting.popleft())
        while waiting:
            yield from _results(*waiting.popleft())


def _batches(
    pictures: Iterable[tuple[float, Picture]], most: int
) -> Iterator[list[tuple[float, Picture]]]:
    """The first picture, which shows where the face is, then as many as fit together."""
    batch: list[tuple[float, Picture]] = []
    size = 1
    for time, picture in pictures:
        batch.append((time, picture))
        if len(batch) >= size:
            yield batch
            size = max(1, min(most, _BATCH_BYTES // picture.nbytes))
            batch = []
    if batch:
        yield batch


def _results(
    batch: list[tuple[float, Picture]], found: Future[list[Array | None]]
) -> Iterator[tuple[float, Array | None]]:
    landmarks = found.result()
    yield from ((time, marks) for (time, _), marks in zip(batch, landmarks, strict=True))

"""Follow one face from picture to picture, also a small one in a large picture."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..face.analysis import find_faces
from ..face.landmarks import FaceLandmarker

Array = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

_WINDOW = 3.0  # times the face's size: what is looked at around a face that is known
_WHOLE = 0.75  # of the picture's longer side: a window larger than that is no gain
_DRIFT = 0.3  # of the face's size: as far as it may move before the window follows
_GROWTH = 1.25  # and as much as it may change in size
_SEARCH_EVERY = 0.5  # s between thorough searches while there is no face
_ALONE = 8  # pictures before a second landmarker is made, which costs as much as ten of them
_AHEAD = 2  # batches of pictures that wait for the landmarkers

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
    """

    def __init__(self, landmarker: FaceLandmarker) -> None:
        self._landmarker = landmarker
        self._last: Array | None = None
        self._window: tuple[Array, float] | None = None  # centre, side
        self._searched = -np.inf

    def find(self, picture: Picture, time: float, seen: Detection | None = None) -> Array | None:
        """Landmarks of the face.

        Args:
            picture: (H, W, 3) uint8 RGB.
            time: s, rising.
            seen: what was seen in this picture before it was its turn; not used if it was looked
                at in another place than it would be now.

        Returns:
            (478, 3) float32 px, or None if the face is not there. The first face is the largest;
            afterwards the nearest to where it was last.
        """
        self._window = self._next_window()
        box = self._box(self._window, picture)
        if seen is None or seen.box != box:
            seen = detect_in(self._landmarker, picture, box)
        faces = seen.faces
        if not faces and box is not None:
            faces = self._landmarker.detect(picture)
        if not faces and time - self._searched >= _SEARCH_EVERY:
            self._searched = time
            faces = find_faces(picture, self._landmarker)
        if not faces:
            return None
        self._last = face = self._nearest(faces)
        return face

    def expected(self, picture: Picture) -> PixelBox | None:
        """Where :meth:`find` would look in the picture if it were the next one."""
        return self._box(self._next_window(), picture)

    def _nearest(self, faces: list[Array]) -> Array:
        last = self._last
        if last is None:
            return faces[0]
        centre = last[:, :2].mean(axis=0)
        return min(faces, key=lambda face: float(np.linalg.norm(face[:, :2].mean(axis=0) - centre)))

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


def detect_in(landmarker: FaceLandmarker, picture: Picture, box: PixelBox | None) -> Detection:
    """Faces in a part of a picture (H, W, 3) uint8."""
    if box is None:
        return Detection(None, landmarker.detect(picture))
    left, top, right, bottom = box
    offset = np.array([left, top, 0], dtype=np.float32)
    faces = landmarker.detect(picture[top:bottom, left:right])
    return Detection(box, [face + offset for face in faces])


def usable_cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def follow(
    pictures: Iterable[tuple[float, Picture]],
    model: str | Path | None = None,
    two_landmarkers: bool | None = None,
) -> Generator[tuple[float, Array | None], None, None]:
    """The landmarks of the same face in one picture after the other, constant in memory.

    They are found in threads of their own, while the next pictures are made. With more than one
    core, pictures are looked at in pairs: a second landmarker begins with the later one where the
    face was before the earlier one. Windows stand still mostly, so that is nearly always where the
    face is looked for; otherwise the picture is looked at again. The result is the same.

    Args:
        pictures: times in s, rising, and (H, W, 3) uint8 RGB.
        model: path of MediaPipe's ``face_landmarker.task``; looked for by default.
        two_landmarkers: with a second one; by default where there is more than one core.

    Yields:
        The time of each picture, and (478, 3) float32 px or None.
    """
    two_landmarkers = usable_cores() > 1 if two_landmarkers is None else two_landmarkers
    waiting: deque[Future[list[tuple[float, Array | None]]]] = deque()
    batch: list[tuple[float, Picture]] = []
    seen = 0
    with ExitStack() as stack:
        landmarker = stack.enter_context(FaceLandmarker(model))
        second = stack.enter_context(_SecondLandmarker(model))
        worker = stack.enter_context(ThreadPoolExecutor(1, "dreamtalk-track"))
        follower = FaceFollower(landmarker)
        for time, picture in pictures:
            batch.append((time, picture))
            seen += 1
            if two_landmarkers and seen == _ALONE:
                second.start()
            if len(batch) < (2 if two_landmarkers and seen > _ALONE else 1):
                continue
            waiting.append(worker.submit(_find_all, follower, second, batch))
            batch = []
            if len(waiting) > _AHEAD:
                yield from waiting.popleft().result()
        if batch:
            waiting.append(worker.submit(_find_all, follower, second, batch))
        while waiting:
            yield from waiting.popleft().result()


class _SecondLandmarker:
    """A second landmarker in a thread of its own; a context manager.

    Args:
        model: path of the model file, or None to look for it.
    """

    def __init__(self, model: str | Path | None) -> None:
        self._model = model
        self._thread = ThreadPoolExecutor(1, "dreamtalk-detect")
        self._landmarker: Future[FaceLandmarker] | None = None

    def start(self) -> None:
        """Make the landmarker, beside what else is going on."""
        self._landmarker = self._thread.submit(FaceLandmarker, self._model)

    def detect_in(self, picture: Picture, box: PixelBox | None) -> Future[Detection] | None:
        """Begin to look at a picture; None if there is nobody to do so (yet)."""
        made = self._made()
        return None if made is None else self._thread.submit(detect_in, made, picture, box)

    def _made(self) -> FaceLandmarker | None:
        made = self._landmarker
        # one that can't be made isn't needed either: the first one does it all
        if made is None or not made.done() or made.cancelled() or made.exception() is not None:
            return None
        return made.result()

    def __enter__(self) -> _SecondLandmarker:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        made = self._made()
        if made is not None:
            made.close()


def _find_all(
    follower: FaceFollower, second: _SecondLandmarker, pictures: list[tuple[float, Picture]]
) -> list[tuple[float, Array | None]]:
    """Landmarks of one picture or two that follow each other."""
    later = None
    if len(pictures) > 1:
        later = second.detect_in(pictures[1][1], follower.expected(pictures[1][1]))
    found = []
    for index, (time, picture) in enumerate(pictures):
        seen = later.result() if index and later is not None else None
        found.append((time, follower.find(picture, time, seen)))
    return found

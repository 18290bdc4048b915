"""The first pass over a film: where the face is in every picture, and which pictures make a shot.

Kept in memory are a few dozen numbers and a tiny thumbnail of each picture; the landmarks lie in a
temporary file.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from ..errors import FaceNotFoundError
from ..face import topology as t
from ..face.analysis import MIN_IOD, check_face_name
from ..face.basis import FaceBasis
from ..face.channels import measure_channels
from ..face.landmarker import FaceLandmarker
from ..face.mouth_look import look_at_mouth, lower_face_sharpness
from ..face.pose import rotation_to_angles
from ..motion.spaces import FACE
from ..progress import Progress, silent
from ..tracking.cuts import Thumbnail, find_cuts, marked_cuts, thumbnail
from ..tracking.follow import FaceFollower, follow
from .film import Film, Picture

log = logging.getLogger("dreamtalk")

Array = npt.NDArray[np.float32]

LEASH = 0.7
"""Sizes of the face that it may move from one picture to the next, see :class:`FaceFollower`."""
MOST_YAW = 55.0
"""Degrees that a face may be turned away for its mouth to be painted."""
_BATCH = 32


class Landmarks:
    """Landmarks of all pictures in a temporary file, (478, 3) float32 px each."""

    _BYTES = t.NUM_LANDMARKS * 3 * 4

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="dreamtalk-")  # noqa: SIM115, closed with us
        self._count = 0

    def add(self, marks: Array | None) -> None:
        """The next picture's; None where there is no face."""
        values = np.full((t.NUM_LANDMARKS, 3), np.nan) if marks is None else marks
        self._file.seek(self._count * self._BYTES)
        self._file.write(np.ascontiguousarray(values, np.float32).tobytes())
        self._count += 1

    def part(self, start: int, stop: int) -> Array:
        """(stop - start, 478, 3), NaN where there is no face."""
        self._file.seek(start * self._BYTES)
        data = self._file.read((stop - start) * self._BYTES)
        return np.frombuffer(data, np.float32).reshape(-1, t.NUM_LANDMARKS, 3).copy()

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


@dataclass(frozen=True)
class Trace:
    """What the first pass found in the T pictures of a film.

    Attributes:
        size: (height, width) px.
        landmarks: of all pictures.
        found: (T,) bool, where there is a face whose mouth can be painted.
        channels: (T, 31) float32 absolute, 0 where there is no face.
        angles: (T, 3) float32 pitch, yaw, roll of the head in radians.
        looks: (T, 3) float32: sharpness of the lower face, only to compare pictures of one shot;
            then how far the lips look parted and how much teeth there are, see :class:`MouthLook`.
        shots: (first, last + 1) of every shot; together all pictures.
    """

    size: tuple[int, int]
    landmarks: Landmarks
    found: npt.NDArray[np.bool_]
    channels: Array
    angles: Array
    looks: Array
    shots: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.found)

    def missing(self, rate: float) -> list[tuple[float, float]]:
        """Stretches that pass untouched, (start, end) in s."""
        edges = np.flatnonzero(np.diff(np.r_[0, (~self.found).astype(np.int8), 0])).reshape(-1, 2)
        return [(float(a / rate), float(b / rate)) for a, b in edges]


@dataclass
class _Notes:
    """What is kept of each picture while they pass."""

    basis: FaceBasis
    landmarks: Landmarks
    found: list[bool] = field(default_factory=list)
    rows: list[Array] = field(default_factory=list)
    thumbnails: list[Thumbnail] = field(default_factory=list)
    pending: list[Array] = field(default_factory=list)

    def add(self, marks: Array | None) -> None:
        self.landmarks.add(marks)
        self.found.append(marks is not None)
        if marks is not None:
            self.pending.append(marks)
        if len(self.pending) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        if self.pending:
            points, pose = self.basis.align(np.stack(self.pending))
            angles = rotation_to_angles(pose.rotation)
            values = [measure_channels(points), angles, pose.scale[:, None]]
            self.rows.extend(np.concatenate(values, axis=1).astype(np.float32))
            self.pending.clear()


def trace(
    film: Film,
    which: str = "largest",
    device: str | torch.device = "cpu",
    progress: Progress = silent,
    name: str = "the video",
) -> Trace:
    """Follow one face through a film.

    Args:
        film: read once, in turn.
        which: of several faces, in the first picture of every shot that shows any; as
            :func:`choose_face` takes it.
        device: where the landmarker's networks run.
        progress: told the pictures done.
        name: of the film, for messages.

    Raises:
        ImageError: if ``which`` names no face.
        FaceNotFoundError: if there is no such face, or none whose mouth can be painted.
    """
    check_face_name(which)
    landmarks = Landmarks()
    try:
        return _trace(film, which, device, progress, name, landmarks)
    except BaseException:
        landmarks.close()
        raise


def _trace(
    film: Film, which: str, device: str | torch.device, progress: Progress, name: str,
    landmarks: Landmarks,
) -> Trace:  # fmt: skip
    notes = _Notes(FaceBasis.load(), landmarks)
    pictures = marked_cuts((n / float(film.rate), p) for n, p in enumerate(film.pictures()))
    landmarker = FaceLandmarker(device=device)
    seen: list[Picture] = []  # pictures whose landmarks are not there yet
    looks: list[tuple[float, ...]] = []
    size = (0, 0)
    waiting: list[tuple[float, Picture]] = []  # the first picture of the next shot

    def shot() -> Iterator[tuple[float, Picture]]:
        """Pictures up to where the next shot may begin."""
        while waiting:
            yield waiting.pop()
        for time, picture, begins in pictures:
            notes.thumbnails.append(thumbnail(picture))
            seen.append(picture)
            if begins:
                waiting.append((time, picture))
                return
            yield time, picture

    more = True
    while more:
        follower = FaceFollower(landmarker, which, LEASH)
        more = False
        with closing(follow(shot(), device, follower)) as found:
            for _, marks in found:
                more = True
                picture = seen.pop(0)
                size = picture.shape[:2]
                notes.add(marks)
                looks.append((0.0,) * 3 if marks is None else _look(picture, marks))
                progress(len(notes.found), max(len(notes.found), film.expected))
    notes.flush()
    if not notes.rows:
        what = "no face was found" if which == "largest" else f"the face '{which}' was not found"
        raise FaceNotFoundError(f"{what} in {name} ({len(notes.found)} pictures)")
    made = _assembled(notes, np.array(looks, np.float32), size)
    if not made.found.any():
        raise FaceNotFoundError(
            f"the face in {name} can't be painted in any of {len(made)} pictures: it is turned "
            f"away by more than {MOST_YAW:.0f} degrees, or has less than {MIN_IOD:.0f} px between "
            "the eyes. Take a film that shows the face from the front, and larger"
        )
    return made


def _assembled(notes: _Notes, looks: Array, size: tuple[int, int]) -> Trace:
    seen = np.array(notes.found)
    rows = np.zeros((len(seen), len(FACE) + 4), np.float32)
    rows[seen] = np.stack(notes.rows)
    angles = rows[:, len(FACE) : len(FACE) + 3]
    paintable = np.abs(np.degrees(angles[:, 1])) <= MOST_YAW
    found = seen & paintable & (rows[:, -1] >= MIN_IOD)
    cuts = find_cuts(notes.thumbnails, seen)
    return Trace(
        size=size,
        landmarks=notes.landmarks,
        found=found,
        channels=rows[:, : len(FACE)],
        angles=angles,
        looks=looks,
        shots=tuple(pairwise([0, *cuts, len(seen)])),
    )


def _look(picture: Picture, marks: Array) -> tuple[float, ...]:
    """Sharpness of the lower face, and what is seen between the lips."""
    sharp = lower_face_sharpness(picture, marks)
    if not sharp:
        return (0.0,) * 3
    mouth = look_at_mouth(picture, marks)
    return sharp, mouth.parted, mouth.teeth

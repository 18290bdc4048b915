"""Track the motion of a filmed face: video or pictures -> ``Motion`` in the ``face`` space.

Each frame is looked at by itself: following a face through a video, as MediaPipe's VIDEO mode does,
smooths, and loses a quarter of the lip closures. Memory doesn't grow with the
pictures: fewer than 40 numbers and a tiny thumbnail are kept of each frame.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import FaceNotFoundError, MotionError
from ..face.basis import FaceBasis
from ..face.channels import measure_channels
from ..face.pose import rotation_to_angles
from ..face.units import CAMERA_DISTANCE, NECK
from ..motion.edit import concat, resample_frames, smooth, trim
from ..motion.motion import Motion
from ..motion.neutral import neutral_channels
from ..motion.spaces import FACE
from ..options import checked, default
from ..progress import Progress, silent
from .cuts import Thumbnail, find_cuts, thumbnail
from .follow import follow
from .video import read_pictures

log = logging.getLogger("dreamtalk")

DEFAULT_SMOOTHING: float = default("track.smoothing")
"""s, standard deviation: half a frame at 25 fps, which takes the tracker's own jitter."""
MAX_GAP: float = default("max_gap")
"""s without a face that are bridged by interpolation."""
_CHUNK = 32


@dataclass(frozen=True)
class Tracked:
    """What tracking found.

    Attributes:
        motion: in the ``face`` space; the head as offsets from its median pose. It begins with
            the video's time line: what is before the first face looks like that.
        neutral: (31,) the absolute channels of the face that the motion counts from.
        source_fps: frame rate of the video itself.
        frames: frames looked at.
        missing: stretches without a face, (start, end) in s.
        cuts: where a new shot begins, s. Nothing is smoothed or interpolated across a cut, and
            the head of every shot is the offset from that shot's median pose: the camera moved
            there, not the head.
    """

    motion: Motion
    neutral: Tensor
    source_fps: float
    frames: int
    missing: tuple[tuple[float, float], ...] = ()
    cuts: tuple[float, ...] = ()

    @property
    def found(self) -> float:
        """Share of the time in which the face was found, 0..1."""
        lost = sum(end - start for start, end in self.missing)
        return 1.0 - min(1.0, lost / max(self.motion.duration, 1e-9))


@dataclass(frozen=True)
class _Settings:
    """What is made of a recording: see :func:`track_video`."""

    fps: float
    neutral: str | Tensor
    smoothing: float
    max_gap: float

    def __post_init__(self) -> None:
        if not isinstance(self.neutral, Tensor):
            checked(MotionError, neutral=self.neutral)
        limits = {"max_gap": self.max_gap, "track.smoothing": self.smoothing}
        checked(MotionError, frame_rate=self.fps, **limits)


@dataclass
class _Recording:
    """The numbers that are kept of each frame."""

    basis: FaceBasis
    times: list[float] = field(default_factory=list)
    rows: list[npt.NDArray[np.float64]] = field(default_factory=list)
    pending: list[npt.NDArray[np.float32]] = field(default_factory=list)
    pending_times: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)  # times of all frames, with and without face
    thumbnails: list[Thumbnail] = field(default_factory=list)  # of all frames, too

    def watched(
        self, pictures: Iterable[tuple[float, npt.NDArray[np.uint8]]]
    ) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
        """The same pictures; a thumbnail of each is kept."""
        for time, picture in pictures:
            self.thumbnails.append(thumbnail(picture))
            yield time, picture

    def add(self, time: float, landmarks: npt.NDArray[np.float32] | None) -> None:
        self.seen.append(time)
        if landmarks is not None:
            self.pending.append(landmarks)
            self.pending_times.append(time)
        if len(self.pending) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        if not self.pending:
            return
        points, pose = self.basis.align(np.stack(self.pending))
        self.rows.extend(
            np.concatenate(
                [
                    measure_channels(points),
                    rotation_to_angles(pose.rotation),
                    pose.position(NECK)[:, :2],
                    pose.scale[:, None],
                ],
                axis=1,
            )
        )
        self.times.extend(self.pending_times)
        self.pending.clear()
        self.pending_times.clear()


def track_video(
    path: str | Path,
    fps: float = 25.0,
    neutral: str | Tensor = "mean",
    smoothing: float = DEFAULT_SMOOTHING,
    max_gap: float = MAX_GAP,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
) -> Tracked:
    """Track the face in a video file.

    Args:
        path: anything that FFmpeg reads. Of several faces the largest of the first frame is
            followed. Variable frame rates are respected.
        fps: of the result, which is read off by time, not by dropping frames.
        neutral: the face that the motion counts from. ``"mean"``: the mean face with closed lips; a
            lasting smile stays in the motion, and so does some of the person's shape. ``"clip"``:
            the person's own, taken from the frames with closed lips; lasting expressions go with
            it. ``"none"``: absolute channels. Or (31,) absolute channels, such as the ``neutral``
            of another clip of the same person.
        smoothing: s, standard deviation; keeps closures of lips and lids. 0 = none.
        max_gap: s without a face that are interpolated; longer ones go to neutral in between.
        device: where the landmarker's networks run.
        progress: called with frames done and frames in all.

    Raises:
        MotionError: if the file is no video.
        FaceNotFoundError: if there is no face in it.
    """
    pictures, rate, count = read_pictures(Path(path))
    name = Path(path).name
    return track_pictures(
        pictures, rate, fps, neutral, smoothing, max_gap, device, progress, count, name
    )


def track_frames(
    frames: Tensor,
    source_fps: float,
    fps: float = 25.0,
    neutral: str | Tensor = "mean",
    smoothing: float = DEFAULT_SMOOTHING,
    max_gap: float = MAX_GAP,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
) -> Tracked:
    """Track a batch of pictures.

    Args:
        frames: (T, H, W, 3 or 4) float 0..1 or uint8.
        source_fps: their rate.
        fps, neutral, smoothing, max_gap, device, progress: as for :func:`track_video`.

    Raises:
        MotionError: if the batch has another shape.
        FaceNotFoundError: if there is no face in it.
    """
    if frames.ndim != 4 or frames.shape[-1] not in (3, 4) or 0 in frames.shape:
        raise MotionError(f"frames are (T, H, W, 3), not {tuple(frames.shape)}")
    checked(MotionError, frame_rate=source_fps)

    def pictures() -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
        for index, frame in enumerate(frames):
            picture = frame[..., :3]
            if picture.dtype != torch.uint8:
                picture = (picture.clamp(0, 1) * 255).round().to(torch.uint8)
            yield index / source_fps, picture.cpu().numpy()

    return track_pictures(
        pictures(), source_fps, fps, neutral, smoothing, max_gap, device, progress, len(frames),
        "the frames",
    )  # fmt: skip


def track_pictures(
    pictures: Iterable[tuple[float, npt.NDArray[np.uint8]]],
    source_fps: float,
    fps: float = 25.0,
    neutral: str | Tensor = "mean",
    smoothing: float = DEFAULT_SMOOTHING,
    max_gap: float = MAX_GAP,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
    count: int = 0,
    name: str = "the pictures",
) -> Tracked:
    """Track pictures that come one after the other.

    Args:
        pictures: times in s, rising, and (H, W, 3) uint8 RGB; one at a time is enough.
        source_fps: about how many a second there are.
        fps, neutral, smoothing, max_gap, device, progress: as for :func:`track_video`.
        count: how many there will be, for ``progress``; 0 if that is not known.
        name: of where they come from, for messages.

    Raises:
        MotionError: if ``fps``, ``neutral``, ``smoothing`` or ``max_gap`` can't be.
        FaceNotFoundError: if there is no face in them.
    """
    settings = _Settings(fps, neutral, smoothing, max_gap)
    recording = _Recording(FaceBasis.load())
    with closing(follow(recording.watched(pictures), device)) as found:
        return _measured(recording, found, source_fps, settings, progress, count, name)


def track_landmarks(
    landmarks: Sequence[npt.NDArray[np.float32] | None],
    source_fps: float,
    fps: float = 25.0,
    neutral: str | Tensor = "mean",
    smoothing: float = DEFAULT_SMOOTHING,
    max_gap: float = MAX_GAP,
    progress: Progress = silent,
) -> Tracked:
    """Measure a face whose landmarks are known already.

    Args:
        landmarks: (478, 3) px of each frame, or None where there is no face.
        source_fps: their rate.
        fps, neutral, smoothing, max_gap, progress: as for :func:`track_video`.

    Raises:
        MotionError: if a rate or ``neutral`` is none.
        FaceNotFoundError: if no frame has a face.
    """
    checked(MotionError, frame_rate=source_fps)
    settings = _Settings(fps, neutral, smoothing, max_gap)
    found = ((index / source_fps, marks) for index, marks in enumerate(landmarks))
    recording = _Recording(FaceBasis.load())
    return _measured(
        recording, found, source_fps, settings, progress, len(landmarks), "the landmarks"
    )


def _measured(
    recording: _Recording,
    found: Iterable[tuple[float, npt.NDArray[np.float32] | None]],
    source_fps: float,
    settings: _Settings,
    progress: Progress,
    count: int,
    name: str,
) -> Tracked:
    for done, (time, landmarks) in enumerate(found, start=1):
        recording.add(time, landmarks)
        progress(done, max(done, count))
    recording.flush()
    if not recording.rows:
        raise FaceNotFoundError(f"no face was found in {name} ({len(recording.seen)} frames)")
    return _assembled(recording, source_fps, name, settings)


def _assembled(recording: _Recording, rate: float, name: str, settings: _Settings) -> Tracked:
    fps, max_gap = settings.fps, settings.max_gap
    times, seen = np.array(recording.times), np.array(recording.seen)
    rows = np.stack(recording.rows)
    channels = rows[:, : len(FACE)]
    zero = _neutral(channels, settings.neutral, recording.basis)
    missing = _missing(times, seen, 1.0 / rate)
    for begin, end in missing:
        log.warning("%s: no face from %.2f to %.2f s", name, begin, end)
    found = np.isin(seen, times)
    at_cuts = find_cuts(recording.thumbnails, found) if recording.thumbnails else []
    cuts = [float(seen[at]) for at in at_cuts]
    if cuts:
        log.warning(
            "%s: cuts at %s: nothing is smoothed across them, and the head of every shot is its "
            "own", name, ", ".join(f"{cut:.2f} s" for cut in cuts),
        )  # fmt: skip
    frames = max(1, round((seen[-1] + 1.0 / rate) * fps))
    edges = [0, *(min(frames, int(np.ceil(cut * fps - 1e-6))) for cut in cuts), frames]
    motions: list[Motion] = []
    for (begin, end), (first, last) in zip(
        pairwise([0.0, *cuts, np.inf]), pairwise(edges), strict=True
    ):
        if first == last:
            continue
        own = (times >= begin) & (times < end)
        if own.any():
            head = _head_offsets(rows[own, len(FACE) :])
            values = np.concatenate([channels[own] - zero, head], axis=1)
            gaps = [(max(a, begin), min(b, end)) for a, b in missing if a < end and b > begin]
            steady = _steady(times[own], values, gaps, (first, last), fps, max_gap)
            motions.append(_smoothed(steady, fps, settings.smoothing))
        elif motions and (last - first) / fps <= max_gap:  # too short to come to rest
            still = trim(motions[-1], motions[-1].duration - 1.0 / fps)
            motions.append(concat([still] * (last - first)))
        else:
            motions.append(_smoothed(np.zeros((last - first, rows.shape[1])), fps, 0.0))
    neutral_tensor = torch.from_numpy(zero.astype(np.float32))
    return Tracked(concat(motions), neutral_tensor, rate, len(seen), tuple(missing), tuple(cuts))


def _steady(
    times: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    gaps: list[tuple[float, float]],
    frames: tuple[int, int],
    fps: float,
    max_gap: float,
) -> npt.NDArray[np.float64]:
    """The values (T, C) of one shot, read off at the frames from one number to another."""
    times, values = _bridged(times, values, gaps, max_gap)
    # the ends of a shot are ends of the motion, whether a face was there or not
    first, last = frames[0] / fps, (frames[1] - 1) / fps
    begin = [np.interp(first, times, column) for column in values.T]
    inside = times > first
    times, values = np.r_[first, times[inside]], np.concatenate([[begin], values[inside]])
    if times[-1] < last:
        times, values = np.r_[times, last], np.concatenate([values, values[-1:]])
    return resample_frames(values, times, fps)[: frames[1] - frames[0]]


def _smoothed(values: npt.NDArray[np.float64], fps: float, smoothing: float) -> Motion:
    tensor = torch.from_numpy(values.astype(np.float32))
    motion = Motion(tensor[:, : len(FACE)].contiguous(), tensor[:, len(FACE) :].contiguous(), fps)
    motion = smooth(motion, smoothing)
    # heads are slower than lips, and their jitter shows more: the whole picture shakes with it
    return motion.with_(head=smooth(motion, min(1.0, 1.5 * smoothing)).head)


def _head_offsets(pose: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Columns pitch, yaw, roll, neck x, neck y (px), scale (px) -> (T, 6) from the median pose."""
    scale = np.median(pose[:, 5])
    head = np.empty_like(pose)
    head[:, :3] = np.unwrap(pose[:, :3], axis=0)
    head[:, :3] -= np.median(head[:, :3], axis=0)
    head[:, 3:5] = (pose[:, 3:5] - np.median(pose[:, 3:5], axis=0)) / scale
    head[:, 5] = CAMERA_DISTANCE * np.log(pose[:, 5] / scale)
    return head


def _neutral(
    channels: npt.NDArray[np.float64], neutral: str | Tensor, basis: FaceBasis
) -> npt.NDArray[np.float64]:
    if isinstance(neutral, Tensor):
        if tuple(neutral.shape) != (len(FACE),):
            raise MotionError(f"a neutral face is ({len(FACE)},), not {tuple(neutral.shape)}")
        return neutral.double().cpu().numpy()
    if neutral == "none":
        return np.zeros(len(FACE))
    if neutral == "clip":
        return neutral_channels(channels)
    return basis.neutral.double().numpy()


def _missing(
    times: npt.NDArray[np.float64], seen: npt.NDArray[np.float64], step: float
) -> list[tuple[float, float]]:
    """Stretches of frames in which no face was found."""
    lost = ~np.isin(seen, times)
    edges = np.flatnonzero(np.diff(np.r_[0, lost.astype(np.int8), 0])).reshape(-1, 2)
    return [(float(seen[a]), float(seen[b - 1] + step)) for a, b in edges]


def _bridged(
    times: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    missing: list[tuple[float, float]],
    max_gap: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Neutral frames in the middle of gaps that are too long to interpolate."""
    extra = []
    for start, end in missing:
        if end - start > max_gap:
            extra += [t for t in (start + max_gap / 2, end - max_gap / 2) if t not in times]
    if not extra:
        return times, values
    joined = np.concatenate([times, extra])
    order = np.argsort(joined, kind="stable")
    rows = np.concatenate([values, np.zeros((len(extra), values.shape[1]))])
    return joined[order], rows[order]

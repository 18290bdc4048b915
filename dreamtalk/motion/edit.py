"""Editing: gain and offset by region or channel, smoothing, and everything that happens in time.

All functions return a new motion. Times are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from torch import Tensor

from ..curves.easing import smoothstep
from ..errors import MotionError, SpaceMismatchError
from ..options import OPTIONS, checked
from .bridges import add_head_to_pose
from .motion import HEAD_CHANNELS, Motion
from .regions import HEAD_REGIONS, region_channels
from .spaces import Closure


def adjust(
    motion: Motion,
    gains: Mapping[str, float] | None = None,
    offsets: Mapping[str, float] | None = None,
) -> Motion:
    """Scale and shift regions or single channels.

    The order is: all gains, then all offsets. A channel that several names cover gets all of their
    factors. Lips that are closed stay closed under any gain, because 0 is closed.

    Args:
        motion: in any space.
        gains: region or channel -> factor. Regions: see :mod:`.regions`.
        offsets: region or channel -> what is added, in the units of the channel.

    Raises:
        MotionError: if a name is neither a region nor a channel of the motion's space, or a
            number is out of its range.
    """
    expression, head = motion.expression.clone(), motion.head.clone()
    for table, is_gain in ((gains or {}, True), (offsets or {}, False)):
        for name, value in table.items():
            problem = OPTIONS["edit.gain" if is_gain else "edit.offset"].problem(value)
            if problem is not None:
                raise MotionError(f"'{name}' can't be set to {value}: {problem}")
            values, columns = _columns(motion, expression, head, name)
            if is_gain:
                values[:, columns] *= value
            else:
                values[:, columns] += value
    # to what faces can do: scores within 0..1, no lip aperture below 0
    expression = motion.motion_space.limited(expression)
    return motion.with_(expression=expression, head=head, pose=_posed(motion, head))


def _columns(
    motion: Motion, expression: Tensor, head: Tensor, name: str
) -> tuple[Tensor, list[int]]:
    if name in HEAD_REGIONS:
        return head, [HEAD_CHANNELS.index(c) for c in HEAD_REGIONS[name]]
    if name in HEAD_CHANNELS and name not in motion.motion_space.index:
        return head, [HEAD_CHANNELS.index(name)]
    channels = region_channels(motion.space, name)
    return expression, [motion.motion_space.index[c] for c in channels]


def _posed(motion: Motion, head: Tensor) -> Tensor | None:
    """Pose columns that go along with a changed head."""
    if motion.pose is None:
        return None
    return add_head_to_pose(motion.pose, head - motion.head)


def mixed(first: Motion, second: Motion, share: Tensor) -> Motion:
    """Between two motions, frame by frame: so that an edit comes and goes.

    Args:
        first, second: as long as each other, in one space.
        share: (T,) how much of the second counts, 0..1.

    Raises:
        SpaceMismatchError: if they are in different spaces.
        MotionError: if the lengths differ.
    """
    if first.space != second.space:
        raise SpaceMismatchError(
            f"can't mix a '{first.space}' motion with a '{second.space}' one: convert one of them"
        )
    if not len(first) == len(second) == len(share):
        raise MotionError(
            f"can't mix {len(first)} frames with {len(second)} by {len(share)} shares: as many of "
            "each are needed"
        )
    weight = share.to(first.expression)[:, None]
    head = torch.lerp(first.head, second.head, weight)
    expression = torch.lerp(first.expression, second.expression, weight)
    return first.with_(expression=expression, head=head, pose=_posed(first, head))


def smooth(motion: Motion, seconds: float, protect_closures: bool = True) -> Motion:
    """Gaussian smoothing over time.

    Closed lips and shut eyes last a frame or two, and smoothing opens them: two frames of it take
    away 60 % of the closures of p, b and m. With protection those frames keep what they had.

    Args:
        motion: in any space (in ``bfm`` closures can't be told, so nothing is protected).
        seconds: standard deviation of the filter; 0 changes nothing.
        protect_closures: see above.

    Raises:
        MotionError: if ``seconds`` is negative, above 1 or not a number.
    """
    checked(MotionError, **{"edit.smoothing": seconds})
    sigma = seconds * motion.fps
    if sigma < 0.05 or len(motion) < 2:
        return motion
    values = motion.expression.cpu().numpy().astype(np.float64)
    soft = gaussian_filter1d(values, sigma, axis=0, mode="nearest")
    if protect_closures:
        for channels, weight in _closures(motion):
            columns = [motion.motion_space.index[c] for c in channels]
            soft[:, columns] += weight[:, None] * (values - soft)[:, columns]
    head = torch.from_numpy(
        gaussian_filter1d(motion.head.cpu().numpy(), sigma, axis=0, mode="nearest")
    )
    expression = torch.from_numpy(soft.astype(np.float32))
    return motion.with_(expression=expression, head=head, pose=_posed(motion, head))


def _closures(motion: Motion) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """Groups of channels, and how closed (0..1) they are frame by frame, with soft edges."""

    def soft(amount: np.ndarray) -> np.ndarray:
        wide = maximum_filter1d(np.clip(amount, 0.0, 1.0), 3)
        return gaussian_filter1d(wide, 0.7, mode="nearest").clip(max=1.0)

    return [(channels, soft(share)) for channels, share in _closed_shares(motion)]


def _closed_shares(motion: Motion) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """Groups of channels, and how closed they are as :func:`_closed_share` counts it."""
    space = motion.motion_space
    if space.lips is None:
        return []
    eyes = np.maximum(*(_closed_share(motion, eye) for eye in space.eyes))
    return [
        (space.regions["mouth"], _closed_share(motion, space.lips)),
        (space.regions["lids"], eyes),
    ]


def _closed_share(motion: Motion, closure: Closure) -> np.ndarray:
    """(T,) 0 where lips or an eye are open, 1 where they are closed; beyond where they are more."""
    return ((closure.open - closure_sum(motion, closure)) / (closure.open - closure.closed)).numpy()


def closure_sum(motion: Motion, closure: Closure) -> Tensor:
    """(T,) the sum of channels on the CPU that tells how far lips or an eye are closed."""
    parts = [weight * motion.channel(name).cpu() for name, weight in closure.weights]
    return torch.stack(parts).sum(dim=0)


def resample_frames(values: np.ndarray, times: np.ndarray, fps: float) -> np.ndarray:
    """Values (T, C) at rising times (T,) -> the same at a steady rate, from the first to the last.

    Linear interpolation in time; where several frames fall into one they are averaged first.
    """
    count = max(1, round((times[-1] - times[0]) * fps) + 1)
    grid = times[0] + np.arange(count) / fps
    own = (len(times) - 1) / max(times[-1] - times[0], 1e-9) if len(times) > 1 else fps
    if own / fps > 1.5:
        values = gaussian_filter1d(values, 0.3 * own / fps, axis=0, mode="nearest")
    return np.stack([np.interp(grid, times, column) for column in values.T], axis=1)


def _at(motion: Motion, times: np.ndarray, fps: float | None = None) -> Motion:
    """The motion read off at given times; ends are held."""
    parts = [motion.expression, motion.head] + ([] if motion.pose is None else [motion.pose])
    joined = torch.cat(parts, dim=1).cpu().numpy()
    own = np.arange(len(motion)) / motion.fps
    read = np.stack([np.interp(times, own, column) for column in joined.T], axis=1)
    tensors = torch.from_numpy(read.astype(np.float32)).split([p.shape[1] for p in parts], dim=1)
    pose = None if motion.pose is None else tensors[2].contiguous()
    return motion.with_(
        expression=tensors[0].contiguous(),
        head=tensors[1].contiguous(),
        pose=pose,
        fps=fps or motion.fps,
    )


def resample(motion: Motion, fps: float) -> Motion:
    """The same motion at another frame rate, by time: nothing gets faster or slower.

    Lips that touch for a frame or two, between two frames of the new rate, would not touch in any:
    the frame that is nearest to such a closure takes the mouth as it was there, at most half a
    frame away; so with eyes. In ``bfm`` closures can't be told.

    Args:
        motion: in any space.
        fps: frames a second; of 29.97 and its kind best what :func:`exact_rate` makes of it.

    Raises:
        MotionError: if ``fps`` is not a frame rate.
    """
    checked(MotionError, frame_rate=fps)
    if abs(fps - motion.fps) < 1e-6 or len(motion) == 0:
        return motion
    if motion.fps / fps > 1.5:
        motion = smooth(motion, 0.3 / fps)
    count = max(1, round(len(motion) * fps / motion.fps))
    return _with_closures_of(motion, _at(motion, np.arange(count) / fps, fps))


def _with_closures_of(source: Motion, motion: Motion) -> Motion:
    """Put closures between two frames of a resampled motion into the nearest frame."""
    nearest = np.round(np.arange(len(source)) * (motion.fps / source.fps)).astype(int)
    nearest = nearest.clip(max=len(motion) - 1)
    values, read = source.expression.cpu().numpy(), motion.expression.numpy().copy()
    for channels, closed in _closed_shares(source):
        columns = [motion.motion_space.index[c] for c in channels]
        order = np.argsort(closed, kind="stable")  # of several frames the most closed comes last
        taken = np.full(len(motion), -1)
        taken[nearest[order]] = order
        frames = np.flatnonzero(taken >= 0)
        share = smoothstep(0.5, 1.0, closed[taken[frames]])[:, None]
        block = (frames[:, None], np.array(columns))
        read[block] += share * (values[taken[frames][:, None], block[1]] - read[block])
    return motion.with_(expression=torch.from_numpy(read))


def change_speed(motion: Motion, factor: float) -> Motion:
    """Play faster (above 1) or slower (below 1) at the same frame rate.

    Raises:
        MotionError: if the factor is not between 0.1 and 10.
    """
    checked(MotionError, **{"edit.speed": factor})
    count = max(1, round(len(motion) / factor))
    return _at(motion, np.arange(count) * factor / motion.fps)


def shift(motion: Motion, seconds: float) -> Motion:
    """Move in time within the same length: positive = later. The ends are held.

    Raises:
        MotionError: if it is more than a day.
    """
    checked(MotionError, **{"edit.shift": seconds})
    return _at(motion, np.arange(len(motion)) / motion.fps - seconds)


def trim(motion: Motion, start: float = 0.0, end: float | None = None) -> Motion:
    """Cut out a piece.

    Args:
        motion: in any space.
        start, end: s; a negative ``end`` counts from the end, None is the end.

    Raises:
        MotionError: if nothing is left, or a time is not one.
    """
    checked(MotionError, start=start, **({} if end is None else {"edit.shift": end}))
    stop = motion.duration if end is None else end if end >= 0 else motion.duration + end
    first, last = max(0, round(start * motion.fps)), min(len(motion), round(stop * motion.fps))
    if first >= last:
        raise MotionError(
            f"trimming {motion.duration:.2f} s to {start:g} .. {stop:g} s leaves nothing"
        )
    return _sliced(motion, slice(first, last))


def _sliced(motion: Motion, part: slice) -> Motion:
    return motion.with_(
        expression=motion.expression[part],
        head=motion.head[part],
        pose=None if motion.pose is None else motion.pose[part],
    )


def crossfade(first: Motion, second: Motion, seconds: float) -> Motion:
    """Join two motions, the end of one melting into the beginning of the next.

    Args:
        first, second: in the same space; the second is resampled to the first's rate.
        seconds: how long they overlap; limited to what both have.

    Raises:
        SpaceMismatchError: if they are in different spaces.
        MotionError: if ``seconds`` is out of its range.
    """
    checked(MotionError, crossfade=seconds)
    if first.space != second.space:
        raise SpaceMismatchError(
            f"can't join a '{first.space}' motion with a '{second.space}' one: convert one of them"
        )
    second = resample(second, first.fps)
    overlap = max(0, min(round(seconds * first.fps), len(first), len(second)))
    phase = (torch.arange(overlap, dtype=torch.float32) + 1.0) / (overlap + 1.0)
    weight = smoothstep(0.0, 1.0, phase)[:, None]

    def joined(a: Tensor, b: Tensor) -> Tensor:
        b = b.to(a)
        start = len(a) - overlap
        mixed = (1.0 - weight.to(a)) * a[start:] + weight.to(a) * b[:overlap]
        return torch.cat([a[:start], mixed, b[overlap:]])

    posed = first.pose is not None and second.pose is not None
    return first.with_(
        expression=joined(first.expression, second.expression),
        head=joined(first.head, second.head),
        pose=joined(first.pose, second.pose) if posed else None,  # type: ignore[arg-type]
    )


def concat(motions: Sequence[Motion], seconds: float = 0.0) -> Motion:
    """Join motions one after the other, with a crossfade of ``seconds`` at each joint.

    Raises:
        MotionError: if there are none.
        SpaceMismatchError: if they are in different spaces.
    """
    if not motions:
        raise MotionError("there are no motions to join")
    result = motions[0]
    for motion in motions[1:]:
        result = crossfade(result, motion, seconds)
    return result


def loop(motion: Motion, duration: float, seconds: float = 0.5) -> Motion:
    """Repeat seamlessly until a duration is filled, or cut to it.

    Args:
        motion: in any space.
        duration: s of the result.
        seconds: length of the crossfade at each seam; at most half of the motion.

    Raises:
        MotionError: if the motion is empty, or a time is out of its range.
    """
    checked(MotionError, duration=duration, crossfade=seconds)
    frames = round(duration * motion.fps)
    if len(motion) == 0 or frames < 1:
        raise MotionError(f"can't loop {motion.duration:.2f} s to {duration:g} s")
    overlap = min(seconds, motion.duration / 2.0)
    result = motion
    while len(result) < frames:
        # doubling keeps the number of joints small; each joint is the same seam
        result = crossfade(result, result if len(result) < frames / 2 else motion, overlap)
    return _sliced(result, slice(0, frames))


def with_head_of(motion: Motion, source: Motion, strength: float = 1.0) -> Motion:
    """Give a motion the head track of another one, looped seamlessly to its length.

    Args:
        motion: whose expression is kept.
        source: whose head is taken, in any space, against its own median pose.
        strength: scales it.

    Raises:
        MotionError: if the strength is out of its range.
    """
    checked(MotionError, **{"edit.gain": strength})
    timed = resample(source, motion.fps)
    head = loop(timed.with_(pose=None), len(motion) / motion.fps).head.to(motion.head)
    head = strength * (head - timed.head.to(head).contiguous().median(dim=0).values)
    return motion.with_(head=head, pose=_posed(motion, head))

"""Tracking: pictures and videos made from one public-domain portrait."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from torch import Tensor

from dreamtalk.errors import FaceNotFoundError, MotionError
from dreamtalk.face.landmarker import FaceLandmarker
from dreamtalk.motion.motion import Motion
from dreamtalk.motion.neutral import neutral_channels
from dreamtalk.motion.spaces import FACE
from dreamtalk.tracking.follow import FaceFollower, follow
from dreamtalk.tracking.track import track_frames, track_pictures, track_video


def moved(image: Tensor, x: float = 0.0, y: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """The picture shifted by px (x right, y down) and turned clockwise by radians; uint8."""
    centre = np.array([120.0, 130.0])
    c, s = np.cos(roll), np.sin(roll)
    matrix = np.array([[c, -s], [s, c]])  # rows, columns
    offset = centre - matrix @ (centre + np.array([y, x]))
    planes = [
        affine_transform(image[..., k].numpy(), matrix, offset, order=1, mode="nearest")
        for k in range(3)
    ]
    return (np.stack(planes, axis=-1).clip(0, 1) * 255).astype(np.uint8)


def write(path: Path, frames: list[np.ndarray], times: list[float]) -> Path:
    """A video with a time of its own for each frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "12"})
        stream.width, stream.height = frames[0].shape[1], frames[0].shape[0]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for picture, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def swaying(portrait_image: Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.5 s at uneven times around 30 fps: the picture goes to the right, then turns clockwise."""
    rng = np.random.default_rng(0)
    times = [float(t) for t in np.cumsum(np.r_[0.0, rng.uniform(0.024, 0.043, 44)])]
    frames = [
        moved(portrait_image, x=20 * min(t, 0.75), roll=0.2 * max(0.0, t - 0.75)) for t in times
    ]
    return write(tmp_path_factory.mktemp("video") / "sway.mp4", frames, times)


def test_a_video_becomes_motion_by_time(swaying: Path) -> None:
    calls: list[tuple[int, int]] = []
    tracked = track_video(swaying, progress=lambda *c: calls.append(c))
    motion = tracked.motion
    assert (motion.space, motion.fps) == ("face", 25.0)
    assert abs(motion.duration - 1.5) < 0.08
    assert tracked.frames == 45
    assert tracked.missing == ()
    assert tracked.found == 1.0
    assert [done for done, _ in calls] == list(range(1, 46))
    # 20 px a second for 0.75 s; the outer eye corners of the picture are about 58 px apart
    x = motion.head[:, 3]
    assert 0.15 < float(x[17] - x[0]) < 0.45
    speed = x[2:16].diff()
    assert float(speed.std()) < 0.35 * float(speed.mean())
    # clockwise in the picture: towards the subject's left shoulder
    assert float(motion.head[-1, 2] - motion.head[18, 2]) == pytest.approx(0.14, abs=0.05)
    assert float(motion.channel("lipAperture").std()) < 0.02


def test_other_rates(swaying: Path) -> None:
    assert abs(len(track_video(swaying, fps=10).motion) - 15) <= 1


def test_pictures_one_by_one_are_the_same_as_a_batch(portrait_image: Tensor) -> None:
    pictures = [moved(portrait_image, x=float(i)) for i in range(6)]
    batch = track_frames(torch.from_numpy(np.stack(pictures)), 25)
    single = track_pictures(((i / 25.0, p) for i, p in enumerate(pictures)), 25)
    assert torch.equal(single.motion.expression, batch.motion.expression)
    assert torch.equal(single.motion.head, batch.motion.head)
    assert (single.frames, single.source_fps, single.missing) == (6, 25, ())


def test_frames_with_a_gap(portrait_image: Tensor, caplog: pytest.LogCaptureFixture) -> None:
    pictures = [moved(portrait_image, x=float(i)) for i in range(12)]
    for index in (5, 6):
        pictures[index][:] = 90
    frames = torch.from_numpy(np.stack(pictures))
    tracked = track_frames(frames, source_fps=25, smoothing=0.0)
    assert len(tracked.motion) == 12
    assert tracked.missing == ((pytest.approx(0.2), pytest.approx(0.28)),)
    assert tracked.found == pytest.approx(1 - 2 / 12)
    assert "no face from 0.20 to 0.28 s" in caplog.text
    steps = tracked.motion.head[:, 3].diff()
    assert float(steps.std()) < 0.5 * float(steps.mean())  # goes on evenly through the gap


def test_long_gaps_come_to_rest(portrait_image: Tensor) -> None:
    pictures = [moved(portrait_image, x=3.0 * i) for i in range(6)]
    blank = [np.full_like(pictures[0], 90)] * 30
    frames = torch.from_numpy(np.stack([*pictures, *blank, *pictures])).float() / 255
    tracked = track_frames(frames, 25, neutral="none", smoothing=0.0)
    assert len(tracked.motion) == 42
    middle = tracked.motion.expression[20]
    assert not middle.any()
    assert tracked.motion.expression[2].any()


def test_neutral_by_choice(portrait_image: Tensor) -> None:
    frames = torch.from_numpy(np.stack([moved(portrait_image)] * 3))
    absolute = track_frames(frames, 25, neutral="none").motion.expression[0]
    mean = track_frames(frames, 25, neutral="mean")
    torch.testing.assert_close(mean.motion.expression[0], absolute - mean.neutral)
    own = track_frames(frames, 25, neutral="clip")
    others = [i for i in range(31) if i != FACE.index["lipAperture"]]
    assert float(own.motion.expression[0, others].abs().max()) < 1e-3
    again = track_frames(frames, 25, neutral=own.neutral)
    torch.testing.assert_close(again.motion.expression, own.motion.expression)
    for wrong in ("median", torch.zeros(5)):
        with pytest.raises(MotionError, match="neutral"):
            track_frames(frames, 25, neutral=wrong)


def test_neutral_channels_are_the_closed_mouth_and_the_open_eye() -> None:
    channels = np.zeros((100, len(FACE)))
    channels[:, FACE.index["lipAperture"]] = np.linspace(0, 0.2, 100)
    channels[:, FACE.index["mouthWidth"]] = np.linspace(0.5, 0.7, 100)
    channels[:, FACE.index["lidUpperLeftY"]] = 0.07
    channels[::4, FACE.index["lidUpperLeftY"]] = -0.02
    neutral = neutral_channels(channels)
    assert neutral[FACE.index["lipAperture"]] == 0
    assert neutral[FACE.index["mouthWidth"]] < 0.53
    assert neutral[FACE.index["lidUpperLeftY"]] == pytest.approx(0.07)


def test_a_small_face_in_a_large_picture(portrait_image: Tensor) -> None:
    """264 px of 1280, away from the middle, and gone for a while."""
    pictures = []
    for index in range(8):
        picture = np.full((720, 1280, 3), 110, np.uint8)
        if index not in (3, 4):
            picture[60:324, 900 - 9 * index : 1164 - 9 * index] = moved(portrait_image)
        pictures.append(picture)
    tracked = track_frames(torch.from_numpy(np.stack(pictures)), 5, fps=5, smoothing=0.0)
    assert tracked.missing == ((pytest.approx(0.6), pytest.approx(1.0)),)
    steps = tracked.motion.head[:, 3].diff()
    assert float(steps.max()) < -0.08
    assert float(steps.std()) < 0.03
    alone = track_frames(torch.from_numpy(moved(portrait_image))[None], 25, smoothing=0.0)
    difference = tracked.motion.expression[0] - alone.motion.expression[0]
    assert float(difference.abs().max()) < 0.02  # the surroundings don't matter


def darting(image: Tensor, count: int) -> list[tuple[float, np.ndarray]]:
    """A small face that stands, dashes off, is gone, and comes back elsewhere; with times."""
    pictures = []
    for index in range(count):
        picture = np.full((480, 960, 3), 110, np.uint8)
        left = 40 + 3 * index + (300 if index > count // 2 else 0)
        if index not in (count // 3, count // 3 + 1):
            picture[100:364, left : left + 264] = moved(image, roll=0.02 * index)
        pictures.append((index / 25.0, picture))
    return pictures


def test_together_they_are_found_as_one_by_one(portrait_image: Tensor) -> None:
    """Windows move, the face is gone, and it darts off: then the rest is looked at again."""
    pictures = darting(portrait_image, 24)
    alone = FaceFollower(FaceLandmarker())
    one_by_one = [alone.find(picture, time) for time, picture in pictures]
    together = list(follow(iter(pictures)))
    assert [time for time, _ in together] == [time for time, _ in pictures]
    assert 2 <= sum(marks is None for marks in one_by_one) < 12
    for one, (_, other) in zip(one_by_one, together, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_allclose(one, other, atol=0.02)


def test_large_pictures_are_not_gathered() -> None:
    """Few of them are taken before the first result is there."""
    taken = []

    def pictures():
        for index in range(12):
            taken.append(index)
            yield index / 25.0, np.zeros((3000, 4000, 3), np.uint8)

    found = follow(pictures())
    next(found)
    assert len(taken) <= 4
    found.close()


def test_stopping_in_the_middle_ends_the_threads(portrait_image: Tensor) -> None:
    found = follow(iter(darting(portrait_image, 30)))
    for _ in range(20):
        next(found)
    found.close()
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("dreamtalk-")]


def test_what_is_no_face_or_no_video(tmp_path: Path) -> None:
    with pytest.raises(FaceNotFoundError, match="no face"):
        track_frames(torch.zeros(2, 64, 64, 3), 25)
    with pytest.raises(MotionError, match="there is no video"):
        track_video(tmp_path / "missing.mp4")
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(MotionError, match=r"text\.mp4"):
        track_video(tmp_path / "text.mp4")
    with pytest.raises(MotionError, match="frames are"):
        track_frames(torch.zeros(64, 64, 3), 25)
    with pytest.raises(MotionError, match="frame_rate"):
        track_frames(torch.zeros(2, 64, 64, 3), 0)


def test_cancelling_stops_at_once(swaying: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        track_video(swaying, progress=stop)


def test_tracking_a_rendered_motion_returns_it(portrait) -> None:
    """What the mesh renderer shows is what was asked for."""
    from dreamtalk.render.mesh import MeshRenderer

    time = torch.arange(50) / 25.0
    expression = torch.zeros(50, len(FACE))
    gap = 0.06 * (1 - torch.cos(2 * torch.pi * 1.7 * time))
    for name, gain in (("lipAperture", 1.0), ("lipLowerY", -0.8), ("chinY", -0.7)):
        expression[:, FACE.index[name]] = gain * gap
    head = torch.zeros(50, 6)
    head[:, 1] = 0.1 * torch.sin(2 * torch.pi * 0.7 * time)
    head[:, 2] = 0.08 * torch.sin(2 * torch.pi * 0.5 * time)
    asked = Motion(expression, head)
    frames = torch.cat(list(MeshRenderer(portrait).frames(asked)))
    seen = track_frames(frames, 25).motion

    def r(a: Tensor, b: Tensor) -> float:
        return float(torch.corrcoef(torch.stack([a, b]))[0, 1])

    assert r(asked.channel("lipAperture"), seen.channel("lipAperture")) > 0.95
    assert r(asked.head[:, 1], seen.head[:, 1]) > 0.95
    assert r(asked.head[:, 2], seen.head[:, 2]) > 0.95

"""Editing: regions, smoothing that keeps closures, time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamtalk.errors import MotionError, SpaceMismatchError
from dreamtalk.face.channels import CLOSED_APERTURE
from dreamtalk.motion import SPACES, Motion, space
from dreamtalk.motion.bridges import head_to_pose
from dreamtalk.motion.edit import (
    adjust,
    change_speed,
    concat,
    crossfade,
    loop,
    resample,
    resample_frames,
    shift,
    smooth,
    trim,
    with_head_of,
)
from dreamtalk.motion.natural import eye_closure
from dreamtalk.motion.regions import region_channels


def talking(frames: int = 250, fps: float = 25.0) -> Motion:
    """Lips that open and close 3 times a second and a head that turns; with a little noise."""
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(frames) / fps
    expression = 0.003 * torch.randn(frames, 31, generator=generator)
    gap = 0.08 * (1 - torch.cos(2 * torch.pi * 3 * time)) + 0.002
    expression[:, 0] = gap + 0.002 * torch.randn(frames, generator=generator)
    expression[:, 1] = 0.05 * torch.sin(2 * torch.pi * time)
    expression[:, 0].clamp_(min=0)
    head = torch.zeros(frames, 6)
    head[:, 1] = 0.1 * torch.sin(2 * torch.pi * 0.3 * time)
    return Motion(expression, head, fps)


def test_gain_and_offset_by_region() -> None:
    motion = talking()
    louder = adjust(motion, {"mouth": 1.5, "head": 0.0}, {"browInnerLeftY": 0.02})
    torch.testing.assert_close(louder.channel("mouthWidth"), 1.5 * motion.channel("mouthWidth"))
    torch.testing.assert_close(louder.channel("lidUpperLeftY"), motion.channel("lidUpperLeftY"))
    assert not louder.head[:, :3].any()
    raised = louder.channel("browInnerLeftY") - motion.channel("browInnerLeftY")
    torch.testing.assert_close(raised, torch.full_like(raised, 0.02))
    assert motion.head.any()  # the original is as it was


def test_closed_lips_stay_closed_under_any_gain() -> None:
    motion = adjust(talking(), {"lipAperture": 0.0})
    assert not adjust(motion, {"mouth": 3.0}).channel("lipAperture").any()
    assert adjust(talking(), offsets={"lipAperture": -0.05}).channel("lipAperture").min() == 0


def test_single_head_channels_and_arkit_names() -> None:
    tilted = adjust(talking(), offsets={"roll": 0.1})
    assert float(tilted.head[:, 2].mean()) == pytest.approx(0.1)
    arkit = Motion(torch.full((5, 52), 0.5), torch.zeros(5, 6), space="arkit")
    moved = adjust(arkit, {"jawOpen": 3.0, "brows": 0.0})
    assert moved.channel("jawOpen").max() == 1.0
    assert not moved.channel("browInnerUp").any()


def test_pose_columns_follow_the_head() -> None:
    head = torch.zeros(10, 6)
    head[:, 1] = torch.linspace(-0.2, 0.2, 10)
    motion = Motion(torch.zeros(10, 64), head, 25.0, "bfm", head_to_pose(head))
    still = adjust(motion, {"head": 0.0})
    assert still.pose is not None
    assert still.pose[:, 1].abs().max() < 1e-6
    assert adjust(motion, {"mouth": 2.0}).pose is not None


def test_unknown_names() -> None:
    with pytest.raises(MotionError, match=r"no region or channel 'ears'.*brows"):
        adjust(talking(), {"ears": 2.0})
    with pytest.raises(MotionError, match="jawOpen"):
        adjust(talking(), {"jawOpen": 2.0})
    with pytest.raises(MotionError, match="nan"):
        adjust(talking(), {"mouth": float("nan")})


@pytest.mark.parametrize("name", ["face", "arkit"])
def test_regions_cover_every_channel_once(name: str) -> None:
    parts = ("lips", "jaw", "lids", "gaze", "brows", "cheeks", "nose")
    channels = [c for part in parts for c in region_channels(name, part)]
    assert sorted(channels) == sorted(space(name).channels)
    both = (*region_channels(name, "mouth"), *region_channels(name, "upper"))
    assert sorted(both) == sorted(space(name).channels)


def test_what_is_known_of_each_space() -> None:
    bounded = {name: members.bounded for name, members in SPACES.items()}
    assert bounded == {"face": False, "arkit": True, "bfm": False}
    assert space("arkit").limited(torch.tensor([[-1.0, 0.5] * 26])).unique().tolist() == [0, 0.5]
    gap = space("face").limited(torch.full((2, 31), -0.1))
    assert (gap[0] == 0).nonzero().flatten().tolist() == [space("face").index["lipAperture"]]
    free = torch.full((2, 64), -9.0)
    assert torch.equal(space("bfm").limited(free), free)
    for members in SPACES.values():
        named = {c for region in members.regions.values() for c in region}
        named |= set(members.limits) | set(members.closed_neutral)
        for closure in (*members.eyes, *([members.lips] if members.lips else [])):
            named |= {name for name, _ in closure.weights}
        assert named == set(members.channels)


@pytest.mark.parametrize("name", ["face", "arkit"])
def test_shut_eyes_are_told_in_every_space_that_can(name: str) -> None:
    motion = Motion(torch.zeros(3, len(space(name))), torch.zeros(3, 6), space=name)
    for eye in space(name).eyes:
        for channel, _ in eye.weights:
            motion.expression[1, space(name).index[channel]] = eye.shut
    assert eye_closure(motion).tolist() == [0, 1, 0]


def test_smoothing_keeps_closures() -> None:
    motion = talking()
    closed = motion.channel("lipAperture") < CLOSED_APERTURE / 2
    kept, lost = (smooth(motion, 0.08, protect_closures=p) for p in (True, False))
    assert (kept.channel("lipAperture")[closed] < CLOSED_APERTURE).float().mean() > 0.95
    assert (lost.channel("lipAperture")[closed] < CLOSED_APERTURE).float().mean() < 0.5
    column = space("face").index["cheekLeftY"]
    assert kept.expression[:, column].std() < 0.6 * motion.expression[:, column].std()
    assert smooth(motion, 0.0) is motion
    with pytest.raises(MotionError, match="-1"):
        smooth(motion, -1)


def test_resampling_is_by_time() -> None:
    motion = talking(300, 30.0)
    slower = resample(motion, 25.0)
    assert len(slower) == 250
    time = np.arange(250) / 25.0
    cheek = space("face").index["cheekLeftY"]
    expected = np.interp(time, np.arange(300) / 30.0, motion.expression[:, cheek].numpy())
    np.testing.assert_allclose(slower.expression[:, cheek], expected, atol=1e-6)
    assert abs(slower.duration - motion.duration) < 1 / 25
    back = resample(resample(motion, 60.0), 30.0)
    np.testing.assert_allclose(back.head[:-2], motion.head[:-2], atol=2e-3)
    assert resample(motion, 30.0) is motion
    with pytest.raises(MotionError, match="0"):
        resample(motion, 0)


@pytest.mark.parametrize("fps", [24000 / 1001, 24.0, 30000 / 1001, 30.0, 50.0, 60.0])
@pytest.mark.parametrize("closure", ["lips", "eyes"])
def test_what_closes_for_one_frame_closes_at_every_rate(fps: float, closure: str) -> None:
    face = space("face")
    channel, opened = ("lipAperture", 0.15) if closure == "lips" else ("lidUpperLeftY", 0.0)
    shut = 0.0 if closure == "lips" else face.eyes[0].shut
    motion = Motion(torch.zeros(250, 31), torch.zeros(250, 6))
    motion.expression[:, face.index[channel]] = opened
    closed = torch.arange(3, 250, 7)
    motion.expression[closed, face.index[channel]] = shut
    made = resample(motion, fps)
    assert len(made) == round(10 * fps)
    assert abs(made.duration - motion.duration) < 0.5 / fps
    values = made.channel(channel)
    times = torch.arange(len(made)) / fps
    for frame in closed.tolist():
        near = (times - frame / 25).abs() <= 0.5 / fps + 1e-6
        assert (values[near] - shut).abs().min() < 1e-6, frame
    still = (times[:, None] - closed / 25).abs().amin(1) > 0.041
    assert (values[still] - opened).abs().max() < 1e-6


def test_a_hand_full_of_frames_and_a_space_without_closures_resample_too() -> None:
    one = Motion(torch.zeros(1, 31), torch.zeros(1, 6))
    assert len(resample(one, 60.0)) == 2
    assert len(resample(one, 1.0)) == 1
    bfm = Motion(torch.rand(25, 64), torch.zeros(25, 6), space="bfm")
    half = np.interp(np.arange(24) / 24, np.arange(25) / 25, bfm.expression[:, 3].numpy())
    np.testing.assert_allclose(resample(bfm, 24.0).expression[:, 3], half, atol=1e-6)


def test_uneven_times() -> None:
    times = np.array([0.0, 0.1, 0.15, 0.4])
    values = resample_frames(times[:, None] * 2, times, 20.0)
    np.testing.assert_allclose(values[:, 0], np.arange(9) / 10, atol=1e-9)


def test_time_edits() -> None:
    motion = talking()
    assert len(change_speed(motion, 2.0)) == 125
    torch.testing.assert_close(change_speed(motion, 2.0).head[10], motion.head[20])
    later = shift(motion, 0.2)
    assert len(later) == len(motion)
    torch.testing.assert_close(later.head[30], motion.head[25], atol=1e-6, rtol=0)
    torch.testing.assert_close(later.head[0], motion.head[0])
    piece = trim(motion, 1.0, -1.0)
    assert len(piece) == 200
    torch.testing.assert_close(piece.expression, motion.expression[25:225])
    with pytest.raises(MotionError, match="nothing"):
        trim(motion, 5.0, 4.0)
    with pytest.raises(MotionError, match="99"):
        change_speed(motion, 99)


def test_joints_are_smooth() -> None:
    a, b = talking(), adjust(talking(), offsets={"yaw": 0.4})
    hard = crossfade(a, b, 0.0)
    soft = crossfade(a, b, 0.6)
    assert len(hard) == 500
    assert len(soft) == 485
    assert hard.head[:, 1].diff().abs().max() > 0.3
    assert soft.head[:, 1].diff().abs().max() < 0.08
    assert len(concat([a, b, a], 0.2)) == 750 - 2 * 5
    assert len(concat([a, resample(b, 50.0)])) == 500
    with pytest.raises(SpaceMismatchError, match=r"'face'.*'arkit'"):
        crossfade(a, Motion(torch.zeros(5, 52), torch.zeros(5, 6), space="arkit"), 0)
    with pytest.raises(MotionError):
        concat([])


@pytest.mark.parametrize("frames", [1, 2, 40, 250])
def test_loop(frames: int) -> None:
    looped = loop(talking(frames), 20.0)
    assert len(looped) == 500
    if frames == 40:
        assert looped.head[:, 1].diff().abs().max() < 0.03
    assert len(loop(talking(frames), 0.04)) == 1
    with pytest.raises(MotionError):
        loop(talking(frames), 0)


def test_head_of_another_motion() -> None:
    source = adjust(talking(60, 30.0), offsets={"pitch": 0.5})
    moved = with_head_of(talking(500), source, strength=0.5)
    assert len(moved) == 500
    torch.testing.assert_close(moved.expression, talking(500).expression)
    assert float(moved.head[:, 0].abs().max()) < 1e-5  # against the source's own rest
    assert 0.02 < float(moved.head[:, 1].abs().max()) < 0.11

"""Natural motion: statistics, seeds, strengths, spaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import welch

from dreamtalk.errors import MotionError
from dreamtalk.motion import Motion, space
from dreamtalk.motion.bridges import RESTING_POSE
from dreamtalk.motion.natural import CLOSED_UPPER_LID, add_natural_motion, eye_closure
from dreamtalk.motion.prosody import analyse
from dreamtalk.speech.speech import SAMPLE_RATE, Speech

MINUTE = 1500  # frames


def still(frames: int, name: str = "face", fps: float = 25.0) -> Motion:
    return Motion(torch.zeros(frames, len(space(name))), torch.zeros(frames, 6), fps, name)


def phrases(seconds: float, period: float = 3.0, seed: int = 0) -> Speech:
    """Noise in syllables of 4 a second, two seconds of it in every three."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    strength = 0.4 + 0.6 * (np.sin(2 * np.pi * 0.9 * time) > 0)
    envelope = np.clip(np.sin(2 * np.pi * 4 * time), 0, 1) * strength * (time % period < 2.0)
    wave = 0.3 * envelope * rng.normal(size=len(time))
    return Speech(torch.from_numpy(wave.astype(np.float32)).clamp(-1, 1))


def blink_starts(motion: Motion) -> np.ndarray:
    shut = (eye_closure(motion) > 0.4).numpy().astype(int)
    return np.flatnonzero(np.diff(np.r_[0, shut]) == 1) / motion.fps


@pytest.fixture(scope="module")
def ten_minutes() -> Motion:
    return add_natural_motion(still(10 * MINUTE), phrases(600), seed=4)


def test_no_strength_changes_nothing() -> None:
    motion = still(50)
    same = add_natural_motion(motion, phrases(2), blinks=0, gaze=0, head=0, breathing=0)
    assert torch.equal(same.expression, motion.expression)
    assert torch.equal(same.head, motion.head)


def test_parts_are_independent() -> None:
    speech = phrases(20)
    off = {"blinks": 0.0, "gaze": 0.0, "head": 0.0, "breathing": 0.0}
    alone = add_natural_motion(still(500), speech, seed=2, **(off | {"blinks": 1.0}))
    everything = add_natural_motion(still(500), speech, seed=2)
    np.testing.assert_allclose(blink_starts(alone), blink_starts(everything), atol=0.05)
    assert not alone.head.any()
    head = add_natural_motion(still(500), speech, seed=2, **(off | {"head": 1.0}))
    assert not head.channel("lidUpperLeftY").any()
    assert not head.channel("gazeLeftX").any()
    assert head.head.any()


def test_seeds(ten_minutes: Motion) -> None:
    again = add_natural_motion(still(10 * MINUTE), phrases(600), seed=4)
    other = add_natural_motion(still(10 * MINUTE), phrases(600), seed=5)
    assert torch.equal(again.expression, ten_minutes.expression)
    assert torch.equal(again.head, ten_minutes.head)
    assert not torch.allclose(other.head, ten_minutes.head)


def test_frame_rate_does_not_matter() -> None:
    slow = add_natural_motion(still(500), None, seed=1)
    fast = add_natural_motion(still(1000, fps=50.0), None, seed=1)
    torch.testing.assert_close(fast.head[::2], slow.head, atol=1e-4, rtol=0)


def test_a_longer_motion_begins_like_a_shorter_one() -> None:
    short = add_natural_motion(still(400), None, seed=1)
    long = add_natural_motion(still(900), None, seed=1)
    torch.testing.assert_close(long.head[:400], short.head)
    torch.testing.assert_close(long.expression[:350], short.expression[:350])


def test_blink_statistics(ten_minutes: Motion) -> None:
    starts = blink_starts(ten_minutes)
    assert 14 <= len(starts) / 10 <= 28
    closure = eye_closure(ten_minutes).numpy()
    lengths = np.diff(np.flatnonzero(np.diff(np.r_[0, closure > 0.44, 0]))) / 25.0
    assert 0.12 <= np.median(lengths[::2]) <= 0.32
    # most blinks are complete; nobody stares for half a minute
    peaks = [closure[int(25 * s) : int(25 * s) + 10].max() for s in starts]
    assert np.mean(np.array(peaks) > 0.9) > 0.75
    assert np.diff(starts).max() < 12


def test_lids_close_faster_than_they_open(ten_minutes: Motion) -> None:
    speed = np.diff(ten_minutes.channel("lidUpperLeftY").numpy())
    assert -speed.min() > 1.3 * speed.max()


def test_blinks_gather_at_the_ends_of_phrases(ten_minutes: Motion) -> None:
    after_end = (blink_starts(ten_minutes) - 2.0) % 3.0
    assert np.mean(after_end < 0.6) > 1.6 * 0.6 / 3.0


def test_head_is_calm_and_has_the_measured_spectrum(ten_minutes: Motion) -> None:
    angles = np.rad2deg(ten_minutes.head[:, :3].numpy())
    # within what people did who were filmed while they talked, and calm among them
    stretches = np.stack(np.array_split(angles, len(angles) // 500)).std(axis=1).mean(axis=0)
    for found, low, high in zip(stretches, (1.5, 1.1, 2.2), (3.3, 4.9, 4.4), strict=True):
        assert low < found < high
    speed = np.median(np.linalg.norm(np.diff(angles, axis=0), axis=1)) * 25
    assert 5 < speed < 11
    assert np.abs(angles).max() < 12
    for axis in range(3):
        frequency, power = welch(angles[:, axis], 25, nperseg=256)
        inside = (frequency >= 0.2) & (frequency < 1)
        assert power[inside].sum() > 0.6 * power[frequency >= 0.2].sum()
        assert power[frequency > 6].sum() < 0.01 * power.sum()


def test_the_head_rests_when_nobody_speaks(ten_minutes: Motion) -> None:
    silent = add_natural_motion(still(10 * MINUTE), None, seed=4)
    speed = [m.head[:, :3].diff(dim=0).norm(dim=1).mean() for m in (ten_minutes, silent)]
    assert speed[1] < 0.75 * speed[0]


def test_the_first_frame_is_the_portrait() -> None:
    motion = add_natural_motion(still(100), phrases(4), seed=9)
    assert motion.head[0].abs().max() < 1e-6


def test_eyes_stay_on_the_viewer_while_the_head_turns() -> None:
    calm = add_natural_motion(still(MINUTE), None, seed=3, blinks=0)
    gaze, yaw = calm.channel("gazeLeftX").numpy(), calm.head[:, 1].numpy()
    assert np.corrcoef(gaze, yaw)[0, 1] < -0.2


def test_a_blink_only_closes_what_is_open() -> None:
    squint = still(MINUTE)
    column = space("face").index["lidUpperLeftY"]
    squint.expression[:, column] = -0.04
    moved = add_natural_motion(squint, None, seed=0, gaze=0, head=0, breathing=0)
    assert moved.expression[:, column].min() >= CLOSED_UPPER_LID - 1e-6


def test_own_blinks_are_not_doubled() -> None:
    motion = add_natural_motion(still(MINUTE), None, seed=0, gaze=0, head=0, breathing=0)
    again = add_natural_motion(motion, None, seed=0, gaze=0, head=0, breathing=0)
    torch.testing.assert_close(again.expression, motion.expression)


@pytest.mark.parametrize("name", ["arkit", "bfm"])
def test_other_spaces(name: str) -> None:
    motion = still(500, name)
    if name == "bfm":
        motion = motion.with_(pose=torch.tensor(RESTING_POSE).repeat(500, 1))
    moved = add_natural_motion(motion, phrases(20), seed=1)
    assert eye_closure(moved).max() > 0.6
    assert moved.head[:, 1].std() > 0.003
    if name == "arkit":
        assert float(moved.expression.min()) >= 0
        assert float(moved.expression.max()) <= 1
    else:
        assert moved.pose is not None
        torch.testing.assert_close(moved.pose[:, 1], moved.head[:, 1])


def test_one_frame_and_silence() -> None:
    silence = Speech(torch.zeros(400))
    assert len(add_natural_motion(still(1), silence)) == 1
    assert len(analyse(silence, 0.025).phrases) == 0


@pytest.mark.parametrize("value", [-1.0, 99.0, float("nan")])
def test_impossible_strengths(value: float) -> None:
    with pytest.raises(MotionError, match="blinks"):
        add_natural_motion(still(10), blinks=value)


def test_prosody_finds_phrases_and_accents() -> None:
    prosody = analyse(phrases(12), 12.0)
    np.testing.assert_allclose(prosody.phrase_starts, [0, 3, 6, 9], atol=0.15)
    np.testing.assert_allclose(prosody.phrase_ends, [2, 5, 8, 11], atol=0.2)
    assert prosody.activity_at(np.array([1.0]))[0] > 0.9
    assert prosody.activity_at(np.array([2.6]))[0] < 0.2
    assert 2 <= len(prosody.accents) <= 24

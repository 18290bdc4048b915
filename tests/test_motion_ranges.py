"""Edits of a part of a motion."""

from __future__ import annotations

import pytest
import torch

from dreamtalk.errors import MotionError
from dreamtalk.motion import Motion
from dreamtalk.motion.bridges import head_to_pose
from dreamtalk.motion.edit import adjust, smooth, trim
from dreamtalk.motion.ranges import range_weights, within_range
from tests.comfy_pack import load_pack, run_node

load_pack()


def noise(frames: int = 100, channels: int = 31, space: str = "face") -> Motion:
    generator = torch.Generator().manual_seed(0)
    return Motion(
        0.05 * torch.randn(frames, channels, generator=generator).abs(),
        0.05 * torch.randn(frames, 6, generator=generator),
        25.0,
        space,
    )


def test_outside_of_the_range_every_bit_stays() -> None:
    before = noise()
    after = smooth(adjust(before, {"mouth": 2.0, "head": 0.5}, {"chinY": 0.1}), 0.1)
    mixed = within_range(before, after, 1.0, 3.0, 0.4)
    for name in ("expression", "head"):
        a, b, c = (getattr(m, name) for m in (before, after, mixed))
        assert torch.equal(c[:26], a[:26])  # at its very start the edit is still nothing
        assert torch.equal(c[75:], a[75:])
        assert torch.equal(c[35:66], b[35:66])
        share = ((c - a) / (b - a))[26:35]
        spread = share.nanquantile(0.5, dim=1)
        assert bool((spread.diff() > 0).all())
        assert 0 < float(spread[0]) < 0.1 < 0.9 < float(spread[-1]) < 1


def test_the_ends_of_the_motion_do_not_fade() -> None:
    motion = noise()
    assert torch.equal(range_weights(motion), torch.ones(100))
    assert range_weights(motion, 0.0, 2.0, 0.4)[0] == 1
    late = range_weights(motion, 2.0)
    assert (late[50], late[-1]) == (0, 1)
    short = range_weights(motion, 1.0, 1.4, 5.0)  # eases that would overlap share the range
    assert int((short > 0).sum()) == 9
    assert float(short.max()) == 1
    sharp = range_weights(motion, 1.0, 2.0, 0.0)
    assert torch.equal(sharp, ((torch.arange(100) >= 25) & (torch.arange(100) < 50)).float())


def test_pose_columns_go_along() -> None:
    motion = noise(channels=64, space="bfm")
    motion = motion.with_(pose=head_to_pose(motion.head))
    after = adjust(motion, {"head": 0.0})
    mixed = within_range(motion, after, 1.0, 2.0)
    assert mixed.pose is not None
    assert motion.pose is not None
    assert torch.equal(mixed.pose[:25], motion.pose[:25])
    assert not torch.equal(mixed.pose[37], motion.pose[37])


def test_what_can_not_be_limited_is_said() -> None:
    motion = noise()
    for wrong in ((3.0, 2.0), (5.0, 0.0), (-1.0, 0.0), (0.0, float("nan"))):
        with pytest.raises(MotionError, match=r"holds nothing|range_(start|end) can't be"):
            range_weights(motion, *wrong)
    with pytest.raises(MotionError, match="only gains, offsets and smoothing"):
        within_range(motion, trim(motion, 1.0), 1.0, 2.0)


def test_the_node_edits_a_part() -> None:
    motion = noise()
    settings = {"lips": 0.0, "channels": "chinY+0.1", "smoothing": 0.05}
    (everywhere,) = run_node("DreamTalkEditMotion", motion=motion, **settings)
    (partly,) = run_node(
        "DreamTalkEditMotion", motion=motion, **settings, range_start=1.0, range_end=3.0
    )
    assert torch.equal(partly.expression[:25], motion.expression[:25])
    assert torch.equal(partly.expression[40:60], everywhere.expression[40:60])
    (plain,) = run_node("DreamTalkEditMotion", motion=motion, **settings, ease=2.0)
    assert torch.equal(plain.expression, everywhere.expression)


@pytest.mark.parametrize(("start", "end"), [(0.2, 0.0), (0.0, 0.2), (0.2, 0.4)])
def test_an_ease_too_short_to_count_is_none(start: float, end: float) -> None:
    """Added to a time it changes nothing: the step would be 0 / 0 in the frame at that time."""
    motion = noise(20)
    sharp = range_weights(motion, start, end, 0.0)
    assert torch.equal(range_weights(motion, start, end, 1e-20), sharp)

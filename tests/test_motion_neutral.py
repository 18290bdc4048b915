"""The neutral face of a person: seeing it, and taking it off."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dreamtalk.cli import main
from dreamtalk.errors import MotionError
from dreamtalk.face import FaceBasis
from dreamtalk.motion import Motion, space
from dreamtalk.motion.bridges import convert
from dreamtalk.motion.files import load_motion, save_motion
from dreamtalk.motion.neutral import neutral_channels, neutral_expression, without_neutral


def talking(frames: int = 200, blinks: bool = True) -> Motion:
    """Lips that open and close, and eyes that shut now and then; in the ``face`` space."""
    time = torch.arange(frames) / 25.0
    expression = torch.zeros(frames, len(space("face")))
    gap = 0.06 * (1 - torch.cos(2 * torch.pi * 1.3 * time))
    for name, gain in (("lipAperture", 1.0), ("lipLowerY", -0.8), ("chinY", -0.7)):
        expression[:, space("face").index[name]] = gain * gap
    if blinks:
        shut = ((time % 1.7) < 0.16).float()
        for name in ("lidUpperLeftY", "lidUpperRightY"):
            expression[:, space("face").index[name]] = -0.09 * shut
    return Motion(expression, torch.zeros(frames, 6))


def with_face(motion: Motion, **channels: float) -> Motion:
    """A motion of the ``face`` space plus constant amounts."""
    expression = motion.expression.clone()
    for name, value in channels.items():
        expression[:, space("face").index[name]] += value
    return motion.with_(expression=expression)


def test_the_neutral_face_is_seen_at_closed_lips_and_open_eyes() -> None:
    neutral = with_face(talking(), mouthCornerLeftY=-0.03, browInnerLeftY=0.02, lipAperture=0.01)
    found = neutral_expression(neutral)
    face = space("face").index
    assert float(found[face["mouthCornerLeftY"]]) == pytest.approx(-0.03, abs=2e-3)
    assert float(found[face["browInnerLeftY"]]) == pytest.approx(0.02, abs=2e-3)
    assert abs(float(found[face["lidUpperLeftY"]])) < 2e-3
    assert float(found[face["lipAperture"]]) == 0.0
    assert abs(float(found[face["lipLowerY"]])) < 0.01


def test_the_tracker_and_the_editor_see_the_same_face() -> None:
    """Tracked against the person's own face, or against the mean face and taken off afterwards."""
    mean = FaceBasis.load().neutral
    clip = with_face(talking(), mouthCornerLeftY=-0.03, browInnerLeftY=0.02, lipAperture=0.01)
    absolute = clip.expression + mean
    own = neutral_channels(absolute.double().numpy())
    taken_off = without_neutral(clip, clip).expression
    torch.testing.assert_close(taken_off, absolute - torch.from_numpy(own).float())


def test_a_persons_features_go_and_the_expression_stays() -> None:
    """In BFM, where what a person looks like is added to what they do."""
    generator = torch.Generator().manual_seed(0)
    features = 0.3 * torch.randn(64, generator=generator)
    speech = convert(talking(), "bfm")
    smile = convert(with_face(talking(), mouthCornerLeftY=0.05, mouthCornerRightY=0.05), "bfm")
    neutral, acted = (m.with_(expression=m.expression + features) for m in (speech, smile))
    found = without_neutral(acted, neutral)
    left = (found.expression - smile.expression).mean(dim=0)
    assert float(left.norm()) < 0.3 * float(features.norm())
    assert torch.equal(found.head, acted.head)


def test_scores_and_gaps_keep_their_range() -> None:
    neutral = convert(with_face(talking(), browInnerLeftY=-0.02, browInnerRightY=-0.02), "arkit")
    scores = without_neutral(neutral, neutral).expression
    assert float(scores.min()) >= 0.0
    assert float(scores.max()) <= 1.0
    assert float(scores[:, space("arkit").index["browDownLeft"]].mean()) < 0.02
    other = without_neutral(talking(), neutral)  # a neutral face of another space
    assert other.space == "face"
    assert float(other.channel("lipAperture").min()) >= 0.0
    assert float(other.channel("browInnerLeftY").mean()) > 0.005


def test_a_motion_without_frames() -> None:
    with pytest.raises(MotionError, match="no frames"):
        neutral_expression(Motion(torch.zeros(0, 31), torch.zeros(0, 6)))


def test_loading_with_a_neutral(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    neutral = convert(with_face(talking(), mouthCornerLeftY=-0.04), "bfm")
    save_motion(neutral, tmp_path / "neutral.mat")
    loaded = load_motion(tmp_path / "neutral.mat", neutral=load_motion(tmp_path / "neutral.mat"))
    torch.testing.assert_close(loaded.expression, without_neutral(neutral, neutral).expression)
    assert loaded.pose is not None
    path = str(tmp_path / "neutral.mat")
    command = ["render", "--portrait", "p.png", "--out", str(tmp_path / "v.mp4"), "--motion", path]
    assert main([*command, "--motion", path, "--neutral", path]) == 1
    assert "--neutral 1 times" in capsys.readouterr().err

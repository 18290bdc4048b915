"""Bridges between face, ARKit and BFM."""

from __future__ import annotations

import pytest
import torch

from dreamtalk.errors import MotionError, SpaceMismatchError
from dreamtalk.motion import Motion, space
from dreamtalk.motion.bridges import (
    RESTING_POSE,
    add_head_to_pose,
    convert,
    head_to_pose,
    load_bridges,
    map_offsets,
    pose_to_head,
    to_face,
)
from dreamtalk.motion.scores import solve_scores


def one(name: str, **channels: float) -> Motion:
    """One frame with some channels set."""
    expression = torch.zeros(1, len(space(name)))
    for channel, value in channels.items():
        expression[0, space(name).index[channel]] = value
    return Motion(expression, torch.zeros(1, 6), space=name)


def test_neutral_stays_neutral() -> None:
    for source in ("face", "arkit", "bfm"):
        for target in ("face", "arkit", "bfm"):
            motion = convert(one(source), target)
            assert motion.space == target
            assert not motion.expression.any()


@pytest.mark.parametrize(
    ("shape", "channel", "sign"),
    [
        ("jawOpen", "lipAperture", 1),
        ("jawOpen", "chinY", -1),
        ("eyeBlinkLeft", "lidUpperLeftY", -1),
        ("eyeBlinkRight", "lidUpperRightY", -1),
        ("mouthSmileLeft", "mouthCornerLeftY", 1),
        ("mouthPucker", "mouthWidth", -1),
        ("browInnerUp", "browInnerLeftY", 1),
        ("browOuterUpRight", "browOuterRightY", 1),
        ("eyeLookOutLeft", "gazeLeftX", 1),
        ("eyeLookInLeft", "gazeLeftX", -1),
        ("eyeLookUpRight", "gazeRightY", 1),
        ("jawLeft", "jawX", 1),
        ("noseSneerLeft", "noseWingLeftY", 1),
    ],
)
def test_arkit_shapes_do_what_they_say(shape: str, channel: str, sign: int) -> None:
    face = convert(one("arkit", **{shape: 0.8}), "face")
    assert sign * float(face.channel(channel)) > 0.005


def test_left_and_right_are_mirrored() -> None:
    left = convert(one("arkit", mouthSmileLeft=0.7), "face")
    right = convert(one("arkit", mouthSmileRight=0.7), "face")
    for a, b in (("mouthCornerLeftY", "mouthCornerRightY"), ("cheekLeftY", "cheekRightY")):
        torch.testing.assert_close(left.channel(a), right.channel(b), atol=2e-3, rtol=0.05)


def test_face_to_arkit_and_back_keeps_the_lips() -> None:
    generator = torch.Generator().manual_seed(0)
    aperture = 0.15 * torch.rand(200, generator=generator)
    motion = Motion(torch.zeros(200, 31), torch.zeros(200, 6))
    opening = convert(one("arkit", jawOpen=1.0), "face").expression[0]
    expression = aperture[:, None] * opening / opening[0]
    back = to_face(convert(motion.with_(expression=expression), "arkit"))
    both = torch.stack([aperture, back.channel("lipAperture")])
    assert torch.corrcoef(both)[0, 1] > 0.97


def test_face_to_bfm_and_back_keeps_the_lips() -> None:
    weights = torch.linspace(0, 1, 20)[:, None]
    opening = convert(one("arkit", jawOpen=0.6), "face").expression
    motion = Motion(weights * opening, torch.zeros(20, 6))
    back = to_face(convert(motion, "bfm"))
    gain = back.channel("lipAperture")[-1] / motion.channel("lipAperture")[-1]
    assert 0.7 < float(gain) < 1.2


def test_ranges() -> None:
    generator = torch.Generator().manual_seed(1)
    wild = Motion(torch.randn(50, 64, generator=generator), torch.zeros(50, 6), space="bfm")
    scores = convert(wild, "arkit").expression
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert convert(wild, "face").channel("lipAperture").min() >= 0


def test_head_to_pose_and_back() -> None:
    generator = torch.Generator().manual_seed(2)
    head = 0.1 * torch.randn(40, 6, generator=generator)
    pose = head_to_pose(head)
    torch.testing.assert_close(pose[:, 0], head[:, 0])
    torch.testing.assert_close(pose[:, 2], -head[:, 2])
    back = pose_to_head(pose, torch.tensor(RESTING_POSE))
    torch.testing.assert_close(back, head, atol=2e-5, rtol=1e-4)


def test_turning_the_head_is_no_translation() -> None:
    head = torch.zeros(3, 6)
    head[:, 1] = torch.tensor([-0.3, 0.0, 0.3])
    pose = head_to_pose(head)
    assert pose[2, 7] > pose[1, 7] + 20  # the face swings to the image's right
    torch.testing.assert_close(pose_to_head(pose)[:, 3], torch.zeros(3), atol=1e-5, rtol=0)


def test_adding_nothing_to_a_pose() -> None:
    pose = torch.tensor(RESTING_POSE).expand(5, 9)
    torch.testing.assert_close(add_head_to_pose(pose, torch.zeros(5, 6)), pose)


def test_bfm_keeps_its_pose_columns_and_others_get_the_head() -> None:
    head = torch.zeros(10, 6)
    head[:, 0] = torch.linspace(-0.1, 0.1, 10)
    bfm = convert(Motion(torch.zeros(10, 31), head), "bfm")
    assert bfm.pose is not None
    torch.testing.assert_close(convert(bfm, "face").head, head)
    without = bfm.with_(head=torch.zeros(10, 6))
    torch.testing.assert_close(convert(without, "face").head[:, 0].diff(), head[:, 0].diff())


def test_wrong_spaces() -> None:
    with pytest.raises(MotionError, match="no motion space 'flame'"):
        convert(one("face"), "flame")
    with pytest.raises(SpaceMismatchError, match="31"):
        map_offsets(torch.zeros(2, 30), "face", "bfm")


def test_the_asset_says_where_it_comes_from(tmp_path) -> None:
    bridges = load_bridges()
    assert bridges.provenance["script"] == "scripts/fit_bridges.py"
    bridges.save(tmp_path / "copy.npz")
    again = load_bridges(tmp_path / "copy.npz")
    for pair, matrix in bridges.matrices.items():
        torch.testing.assert_close(again.matrices[pair], matrix)


@pytest.mark.parametrize(
    ("channels", "value", "shape", "least"),
    [
        (("gazeLeftX", "gazeRightX"), 0.02, "eyeLookOutLeft", 0.7),
        (("gazeLeftX", "gazeRightX"), -0.02, "eyeLookInLeft", 0.7),
        (("browInnerLeftY", "browInnerRightY"), -0.02, "browDownLeft", 0.3),
        (("browInnerLeftY", "browInnerRightY"), 0.02, "browInnerUp", 0.6),
        (("lidUpperLeftY", "lidUpperRightY"), -0.05, "eyeBlinkLeft", 0.5),
        (("lidUpperLeftY", "lidUpperRightY"), 0.02, "eyeWideLeft", 0.3),
    ],
)
def test_opposites_get_a_score_of_their_own(
    channels: tuple[str, ...], value: float, shape: str, least: float
) -> None:
    """What one score would have to say by being negative, another one says."""
    face = one("face", **dict.fromkeys(channels, value))
    scores = convert(face, "arkit")
    assert float(scores.channel(shape)) > 0.05
    assert float(to_face(scores).channel(channels[0])) / value > least


def test_scores_are_the_best_within_bounds() -> None:
    generator = torch.Generator().manual_seed(3)
    matrix = torch.randn(5, 7, generator=generator)
    inside = torch.rand(6, 5, generator=generator)
    weight, loose = torch.ones(7), 1e6 * torch.eye(5)
    solved = solve_scores(inside @ matrix, torch.zeros(6, 5), matrix, weight, loose)
    torch.testing.assert_close(solved, inside, atol=2e-3, rtol=0)
    # bound: no step within 0..1 makes it better
    wanted = (3 * torch.randn(1, 5, generator=generator)) @ matrix
    best = solve_scores(wanted, torch.zeros(1, 5), matrix, weight, loose)
    error = (best @ matrix - wanted).square().sum()
    for index in range(5):
        for step in (-0.01, 0.01):
            tried = best.clone()
            tried[0, index] = (tried[0, index] + step).clamp(0, 1)
            assert (tried @ matrix - wanted).square().sum() >= error - 1e-3
    assert solve_scores(torch.zeros(0, 7), torch.zeros(0, 5), matrix, weight, loose).shape == (
        0,
        5,
    )


def test_scores_stay_likely() -> None:
    """Of two scores that do the same to a face, the one that varies takes the change."""
    matrix, weight = torch.tensor([[1.0], [1.0]]), torch.tensor([10.0])
    scatter = torch.diag(torch.tensor([0.2, 0.001]) ** 2)
    scores = solve_scores(torch.tensor([[0.5]]), torch.zeros(1, 2), matrix, weight, scatter)
    assert scores[0, 0] > 0.35
    assert scores[0, 1] < 0.01
    # what varies together moves together
    together = torch.tensor([[0.04, 0.039], [0.039, 0.04]])
    scores = solve_scores(torch.tensor([[0.5]]), torch.zeros(1, 2), matrix, weight, together)
    torch.testing.assert_close(scores[0, 0], scores[0, 1], atol=1e-3, rtol=0)


def test_lips_that_nearly_meet_close() -> None:
    """From BFM: gaps near 0 shrink, in order; wider ones stay as the matrix gives them."""
    opening = convert(one("arkit", jawOpen=0.6), "face").expression
    bfm = map_offsets(opening, "face", "bfm")
    bfm = bfm / map_offsets(bfm, "bfm", "face")[0, space("face").index["lipAperture"]]
    gaps = torch.linspace(-0.01, 0.2, 43)
    motion = Motion(gaps[:, None] * bfm, torch.zeros(43, 6), space="bfm")
    closed = to_face(motion).channel("lipAperture")
    assert (closed.diff() >= 0).all()
    torch.testing.assert_close(closed[gaps > 0.06], gaps[gaps > 0.06], atol=1e-5, rtol=0)
    assert not closed[gaps < 0.005].any()
    assert (gaps - closed)[(gaps > 0.01) & (gaps < 0.035)].min() > 0.005

"""Landmarks of a portrait under a motion, without pixels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamtalk.errors import SpaceMismatchError
from dreamtalk.face import FaceBasis, Portrait
from dreamtalk.face import topology as t
from dreamtalk.face.channels import FACE_CHANNELS, measure_channels
from dreamtalk.face.pose import rotation_to_angles
from dreamtalk.face.projection import project_landmarks
from dreamtalk.face.units import CAMERA_DISTANCE, NECK


def moved(portrait: Portrait, head: Tensor | None = None, **channels: float) -> Tensor:
    """(478, 3) landmarks at the portrait's rest plus channels and a head offset (6,)."""
    expression = portrait.rest.clone()
    for name, value in channels.items():
        expression[FACE_CHANNELS.index(name)] += value
    head = torch.zeros(6) if head is None else head
    return project_landmarks(portrait, expression[None], head[None])[0]


def test_at_rest_they_are_the_portraits_own(portrait: Portrait) -> None:
    assert float((moved(portrait) - portrait.landmarks).abs().max()) < 1e-3


def test_a_motion_of_nothing_closes_the_lips(portrait: Portrait) -> None:
    basis = FaceBasis.load()
    still = project_landmarks(portrait, torch.zeros(1, 31), torch.zeros(1, 6))
    gap = [
        float(measure_channels(basis.align(marks[None].numpy())[0])[0, 0])
        for marks in (portrait.landmarks, still[0])
    ]
    assert gap[0] > 0.04
    assert gap[1] < 0.02


def test_the_aperture_that_is_asked_for_is_measured(portrait: Portrait) -> None:
    asked = torch.tensor([0.0, 0.05, 0.1, 0.15])
    expression = portrait.rest.repeat(4, 1)
    expression[:, FACE_CHANNELS.index("lipAperture")] += asked
    marks = project_landmarks(portrait, expression, torch.zeros(4, 6))
    channels = measure_channels(FaceBasis.load().align(marks.numpy())[0])
    opened = channels[:, 0] - channels[0, 0]
    assert opened == pytest.approx(asked.numpy(), abs=0.01)


@pytest.mark.parametrize(
    ("turn", "mark", "axis", "sign"),
    [
        ((0.2, 0, 0, 0, 0, 0), 4, 1, 1),  # a nod takes the tip of the nose down
        ((0, 0.2, 0, 0, 0, 0), 4, 0, 1),  # to the subject's left is to the picture's right
        ((0, 0, 0.2, 0, 0, 0), t.FOREHEAD, 0, 1),  # towards the left shoulder: the top goes right
        ((0, 0, 0, 0.1, 0, 0), 4, 0, 1),
        ((0, 0, 0, 0, 0.1, 0), 4, 1, -1),  # up
        ((0, 0, 0, 0, 0, 0.5), t.FOREHEAD, 1, -1),  # nearer is larger
    ],
)
def test_directions_of_the_head(
    portrait: Portrait, turn: tuple[float, ...], mark: int, axis: int, sign: int
) -> None:
    way = moved(portrait, torch.tensor(turn)) - moved(portrait)
    assert sign * float(way[mark, axis]) > 0.02 * portrait.iod


def test_what_is_projected_is_measured_again(portrait: Portrait) -> None:
    """Pose and channels that the tracker reads off the projected landmarks are those asked for."""
    basis = FaceBasis.load()
    head = torch.tensor([0.15, -0.2, 0.1, 0.2, -0.1, 0.4])
    marks = torch.stack([moved(portrait), moved(portrait, head)]).numpy()
    points, pose = basis.align(marks)
    angles = rotation_to_angles(pose.rotation)
    assert angles[1] - angles[0] == pytest.approx(head[:3].numpy(), abs=1e-3)
    scale = pose.scale[1] / pose.scale[0]
    assert scale == pytest.approx(float(torch.exp(head[5] / CAMERA_DISTANCE)), abs=1e-4)
    neck = pose.position(NECK)
    # the portrait's own proportions put its eyes a little beside those of the mean face
    way = (neck[1] - neck[0])[:2] / portrait.iod
    assert way == pytest.approx(head[3:5].numpy(), abs=0.03)
    channels = measure_channels(points)
    assert channels[1] == pytest.approx(channels[0], abs=1e-3)


def test_lengths_and_spaces_must_fit(portrait: Portrait) -> None:
    with pytest.raises(SpaceMismatchError, match="2 frames of expression and 3"):
        project_landmarks(portrait, torch.zeros(2, 31), torch.zeros(3, 6))
    with pytest.raises(SpaceMismatchError, match="31 channels"):
        project_landmarks(portrait, torch.zeros(2, 52), torch.zeros(2, 6))

"""DiffTalk as the painter of dubbed films."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dreamtalk.difftalk import DiffTalk, DiffTalkConfig, FirstStageConfig, save_difftalk
from dreamtalk.difftalk.config import UNetConfig
from dreamtalk.dubbing.painter import Reference, Take
from dreamtalk.dubbing.registry import load_painter
from dreamtalk.errors import CheckpointError
from dreamtalk.face import FaceBasis, Portrait
from dreamtalk.motion import FACE, Motion


def shot(portrait: Portrait, frames: int = 2) -> tuple[Reference, Take]:
    """Still frames of the portrait, whose lips shall open wider and wider."""
    picture = (portrait.image * 255).round().to(torch.uint8)
    basis = FaceBasis.load()
    reference = Reference(
        picture[None], portrait.landmarks[None], portrait.rest[None], basis.neutral
    )
    filmed = Motion(portrait.rest.expand(frames, -1).clone(), torch.zeros(frames, 6))
    wanted = filmed.expression.clone()
    wanted[:, FACE.index["lipAperture"]] += torch.linspace(0.06, 0.15, frames)
    wanted[:, FACE.index["lipLowerY"]] -= torch.linspace(0.04, 0.1, frames)
    take = Take(
        picture.expand(frames, -1, -1, -1).clone(),
        portrait.landmarks.expand(frames, -1, -1).clone(),
        filmed.with_(expression=wanted),
        filmed,
        0,
        torch.arange(frames).double() / 25,
    )
    return reference, take


def test_the_film_stays_outside_of_the_mask(portrait: Portrait) -> None:
    reference, take = shot(portrait)
    mesh = load_painter("mesh").on().prepare(reference).paint(take)
    painted = load_painter("difftalk", steps=1).on().prepare(reference).paint(take)
    assert painted.pictures.shape == take.pictures.shape
    assert painted.mask.shape == take.pictures.shape[:3]
    shows = painted.mask > 0
    assert torch.equal(painted.pictures[~shows], take.pictures[~shows])
    assert (painted.mask[mesh.mask > 0] == 1).all()
    lips = portrait.landmarks[14, :2].int()
    mouth = (slice(None), slice(lips[1] - 6, lips[1] + 12), slice(lips[0] - 10, lips[0] + 10))
    assert not torch.equal(painted.pictures[mouth], mesh.pictures[mouth])
    assert not torch.equal(painted.pictures[0][mouth[1:]], painted.pictures[1][mouth[1:]])
    eyes = int(portrait.landmarks[33, 1])
    assert not shows[:, : eyes + 4].any()


def test_takes_may_be_cut_anywhere(portrait: Portrait) -> None:
    reference, take = shot(portrait)
    painter = load_painter("difftalk", steps=1).on().prepare(reference)
    whole = painter.paint(take)
    second = Take(
        take.pictures[1:],
        take.landmarks[1:],
        Motion(take.wanted.expression[1:], take.wanted.head[1:]),
        Motion(take.filmed.expression[1:], take.filmed.head[1:]),
        1,
        take.times[1:],
    )
    # A convolution of one frame may be rounded otherwise than that of two.
    off = painter.paint(second).pictures[0].int() - whole.pictures[1].int()
    assert int(off.abs().max()) <= 1


def test_the_published_form_is_refused(tmp_path: Path) -> None:
    sizes = FirstStageConfig(16, (1, 1, 2), 1, 3, 16, groups=4)
    unet = UNetConfig(16, (1, 2), 1, (1,), 16, 4)
    model = DiffTalk(DiffTalkConfig(sizes, unet, image_size=64))
    save_difftalk(tmp_path / "published.safetensors", model)
    with pytest.raises(CheckpointError, match="whole squares"):
        load_painter(tmp_path / "published.safetensors").on()

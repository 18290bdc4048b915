"""Folds, brows and lids: what an expression does to the skin, at the size that people show."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from dreamtalk.face import Portrait
from dreamtalk.motion import FACE, Motion
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.render.mesh.eyes.textures import overhang
from dreamtalk.render.mesh.portrait.geometry import face_geometry
from dreamtalk.render.mesh.portrait.posture import lid_poses, lower_brows
from dreamtalk.render.mesh.skin.dynamics import (
    AGED,
    FOLD_GAINS,
    SMOOTHEST,
    STRONGEST,
    _aged,
    fold_gain,
)

ANGER = {
    "browInnerLeftY": -0.065,
    "browInnerRightY": -0.065,
    "browOuterLeftY": -0.035,
    "browOuterRightY": -0.035,
    "lidLowerLeftY": 0.02,
    "lidLowerRightY": 0.02,
    "lidUpperLeftY": -0.02,
    "lidUpperRightY": -0.02,
    "noseWingLeftY": 0.03,
    "noseWingRightY": 0.03,
}
"""What trackers see of filmed people who act anger or disgust."""


def channels(values: dict[str, float], scale: float = 1.0) -> Tensor:
    row = torch.zeros(1, len(FACE))
    for name, value in values.items():
        row[0, FACE.index[name]] = scale * value
    return row


@pytest.fixture(scope="module")
def renderer(portrait: Portrait) -> MeshRenderer:
    return MeshRenderer(portrait)


def amounts(renderer: MeshRenderer, values: Tensor) -> dict[str, float]:
    """How deep each fold is, as the share of its picture: read off the mixed gain."""
    maps = renderer.skin.maps
    gains = fold_gain(renderer.skin, values).reshape(1, -1).log()
    solved = torch.linalg.lstsq(maps.T.double(), gains.T.double()).solution[:, 0]
    return dict(zip(FOLD_GAINS, solved.tolist(), strict=True))


def test_no_fold_at_rest_nor_in_noise(renderer: MeshRenderer) -> None:
    noise = torch.randn(1, len(FACE), generator=torch.Generator().manual_seed(0)) * 0.002
    assert torch.equal(fold_gain(renderer.skin, channels({})), torch.ones(1, *renderer.skin.shape))
    assert float((fold_gain(renderer.skin, noise) - 1).abs().max()) < 0.03


def test_folds_are_there_at_the_size_people_show(renderer: MeshRenderer) -> None:
    anger = amounts(renderer, channels(ANGER))
    for name in ("furrowL", "furrowR", "socketL", "socketR", "procerus"):
        assert 0.6 < anger[name] < STRONGEST, name
    assert abs(anger["foreheadMiddle"]) < 0.05
    corners = {"mouthCornerLeftY": -0.07, "mouthCornerRightY": -0.07}
    assert amounts(renderer, channels(corners))["frownL"] > 0.6
    brows = {"browInnerLeftY": 0.05, "browInnerRightY": 0.05}
    assert amounts(renderer, channels(brows))["foreheadMiddle"] > 0.6


def test_folds_have_an_end(renderer: MeshRenderer) -> None:
    once = fold_gain(renderer.skin, channels(ANGER))
    thrice = fold_gain(renderer.skin, channels(ANGER, 3.0))
    assert 0.6 < float(once.min()) < 0.85
    assert float(thrice.min()) > 0.5


def test_one_side_frowns_alone(renderer: MeshRenderer) -> None:
    one = amounts(renderer, channels({"mouthCornerLeftY": 0.06, "cheekLeftY": 0.03}))
    assert one["nasolabialL"] > 0.3
    assert abs(one["nasolabialR"]) < 0.05


def test_brows_stay_above_the_eyes(renderer: MeshRenderer) -> None:
    room = renderer._rig.brow_room
    low = lower_brows(channels(ANGER, 10.0), room)
    assert float(low[0, FACE.index["browInnerLeftY"]]) >= -room - 1e-6
    little = lower_brows(channels(ANGER, 0.1), room)
    assert torch.allclose(little, channels(ANGER, 0.1), atol=2e-4)
    raised = channels({"browInnerLeftY": 0.1})
    assert torch.equal(lower_brows(raised, room), raised)


def test_brow_hair_moves_and_shades_the_eyes(renderer: MeshRenderer) -> None:
    still, angry = (
        next(renderer.frames(Motion(renderer.rest + channels(v), torch.zeros(1, 6))))[0].float()
        for v in ({}, ANGER)
    )
    crop, iod = renderer.face.crop, renderer.face.iod
    brows = renderer.face.points[[52, 65, 282, 295]] + [crop.x0, crop.y0]
    for x, y in brows.round().astype(int):
        r = int(0.08 * iod)
        patch = (slice(y - r, y + r), slice(x - r, x + r))
        assert float((angry[patch] - still[patch]).abs().mean()) > 8
    for mark in (133, 362):
        x, y = (renderer.face.points[mark] + [crop.x0, crop.y0]).round().astype(int)
        patch = (slice(y - 6, y), slice(x - 4, x + 4))
        assert float(angry[patch].mean()) < float(still[patch].mean())


def test_a_squint_closes_eyes_by_its_own_size(renderer: MeshRenderer) -> None:
    """Brows and cheeks move the lids' skin too: that is not added to what the lids do."""
    neutral, iod = renderer._rig.basis.neutral, renderer.face.iod
    nothing = torch.zeros(1, 2, 2)
    squint = channels({"lidUpperLeftY": -0.02, "lidLowerLeftY": 0.02})
    alone = lid_poses(renderer.eyes, squint, nothing, neutral, iod)[1]
    opening = renderer.eyes[1].opening
    dragged = nothing.clone()
    dragged[0, 1] = torch.tensor([0.15, -0.1]) * opening
    helped = lid_poses(renderer.eyes, squint, dragged, neutral, iod)[1]

    def gap(closure: Tensor, raised: Tensor, field: float) -> float:
        return float((1 - closure) * (1 - raised / opening)) * field

    assert gap(alone.closure, alone.raised, 1.0) == pytest.approx(
        gap(helped.closure, helped.raised, 0.75), abs=0.05
    )
    shut = channels({"lidUpperLeftY": -0.09})
    assert float(lid_poses(renderer.eyes, shut, dragged, neutral, iod)[1].closure) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_pictures_and_motions_in_half_precision(
    renderer: MeshRenderer, portrait: Portrait, dtype: torch.dtype
) -> None:
    halved = replace(
        portrait,
        image=portrait.image.to(dtype),
        mask=torch.ones(portrait.size, dtype=dtype),
        expression=portrait.expression.to(dtype),
        rotation=portrait.rotation.to(dtype),
    )
    motion = Motion(renderer.rest + channels(ANGER), torch.full((1, 6), 0.03))
    half = motion.with_(expression=motion.expression.to(dtype), head=motion.head.to(dtype))
    expected = next(MeshRenderer(replace(portrait, mask=torch.ones(portrait.size))).frames(motion))
    made = MeshRenderer(halved)
    # A picture of 8 or 11 bits is not the same picture, but near it.
    assert float((next(made.frames(half)).float() - expected.float()).abs().mean()) < 1.5
    offsets = torch.zeros(1, 478, 3, dtype=dtype)
    frames = next(made.frames_from_landmarks(offsets, half.expression, half.head))
    assert frames.dtype == torch.uint8


def test_drawn_eyes_are_found_to_their_end() -> None:
    """The white goes on below the landmarks' lid; a shaded eye under light skin does not."""
    width = 60.0
    y, x = np.mgrid[0:60, 0:70].astype(np.float32)
    below_lower, inside = y - 30, np.minimum(30 - y, y - 12)
    skin = np.array([0.85, 0.66, 0.52], np.float32)
    drawn = np.where((y < 34)[..., None] & (y > 10)[..., None], 0.72, skin).astype(np.float32)
    found = overhang(drawn, below_lower, x, width, inside)
    assert 3 <= found <= 5
    filmed = np.where((y < 34)[..., None], skin * 0.6, skin).astype(np.float32)
    assert overhang(filmed, below_lower, x, width, inside) == 0


def test_lines_of_age_are_faint_on_smooth_skin(portrait: Portrait) -> None:
    face = face_geometry(portrait)
    image = np.ascontiguousarray(portrait.image.numpy()[face.crop.slices].astype(np.float32))
    where = AGED["forehead"]
    smooth = np.full_like(image, 0.7)
    noise = np.random.default_rng(0).normal(0, 0.06, image.shape[:2]).astype(np.float32)
    lined = smooth * np.exp(cv2.GaussianBlur(noise, (0, 0), 0.6 * face.mm))[..., None]
    assert _aged(smooth, face, *where) == pytest.approx(SMOOTHEST)
    assert _aged(lined, face, *where) > 0.9

"""The dark line between closed lips, which must not become a black rim of the open mouth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamtalk.face import Portrait, analyze_portrait
from dreamtalk.motion import FACE, Motion
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.render.mesh.mouth.seam import Mouth
from dreamtalk.render.mesh.mouth.seam_light import SHARE, find_seam_light, seam_light
from dreamtalk.render.mesh.warp.textures import make_sampler

UPPER, LOWER, LINE = (0.6, 0.4, 0.4), (0.7, 0.45, 0.4), (0.2, 0.1, 0.1)
MM = 3.0


@pytest.fixture(scope="module")
def mouth() -> Mouth:
    ends = np.zeros(201, np.float32)
    across, down = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    origin = np.array([80.0, 40.0], np.float32)
    return Mouth(origin, across, down, 50.0, ends, ends, 85.0, is_open=False)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Two lips, and three rows of a dark line between them."""
    picture = np.empty((80, 160, 3), np.float32)
    picture[:40], picture[40:], picture[39:42] = UPPER, LOWER, LINE
    return picture


@pytest.mark.parametrize("backend", ["opencv", "torch"])
def test_lips_that_part_lose_the_line(image: np.ndarray, mouth: Mouth, backend: str) -> None:
    sampler = make_sampler(torch.device("cpu"), backend)
    light = find_seam_light(image, mouth, MM, sampler)
    y, x = torch.meshgrid(torch.arange(80.0), torch.arange(160.0), indexing="ij")
    everywhere = (x[None], y[None])
    lights = [
        seam_light(light, sampler, torch.full((1, 80, 160), gap * MM), everywhere, everywhere)
        for gap in (0.0, 1.5, 3.0)
    ]
    assert all(bool((part == 0).all()) for part in lights[0]), "closed lips stay as they are"
    for part, colour in zip(lights[2], (UPPER, LOWER), strict=True):
        wanted = SHARE * (torch.tensor(colour) - torch.tensor(LINE))
        assert torch.allclose(part[0, 40, 80], wanted, atol=0.01)
        assert float(part[0, :, :29].max()) == 0, "corners stay dark"
        assert float(part[0, [30, 50]].max()) == 0, "and the lips their colours"
    assert 0 < float(lights[1][0].max()) < float(lights[2][0].max())


def test_only_closed_portraits_have_one(portrait: Portrait) -> None:
    rest = Motion(torch.zeros(1, len(FACE)), torch.zeros(1, 6))
    smiling = MeshRenderer(portrait)
    assert smiling.mouth_layer.seam_light is None
    (frames,) = smiling.frames(rest)
    closed = MeshRenderer(analyze_portrait(frames[0].float() / 255))
    assert closed.mouth_layer.seam_light is not None
    (again,) = closed.frames(rest)
    assert torch.equal(again, frames), "a frame at rest is the portrait"

"""PIRenderer's face generator against numbers from the public research code."""

from __future__ import annotations

import pytest
import torch

from dreamtalk.render.pirenderer.generator import (
    FaceGenerator,
    is_dead,
    semantic_windows,
)
from tests.parity_weights import checks, fill, fill_module, manifest, numbers


def close(actual: torch.Tensor, expected: torch.Tensor, largest: float, mean: float = 1.0) -> None:
    assert actual.shape == expected.shape
    error = (actual.double() - expected.double()).abs()
    assert error.max() <= largest, f"off by {error.max():.2e}, allowed {largest:.0e}"
    assert error.mean() <= mean, f"off by {error.mean():.2e} on average, allowed {mean:.0e}"


@pytest.fixture(scope="module")
def generator() -> FaceGenerator:
    made = FaceGenerator()
    fill_module(made)
    return made


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def picture(image: torch.Tensor) -> torch.Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in -1..1."""
    return image.permute(2, 0, 1)[None].float() / 127.5 - 1


def test_rule_gives_the_reference_weights():
    for name, check in checks("pirenderer").items():
        values = fill(name, tuple(manifest("pirenderer")[name]))
        assert values.ravel()[:3] == pytest.approx(check["first"][:3], rel=1e-6)
        assert values.astype("f8").sum() == pytest.approx(check["sum"], rel=1e-9, abs=1e-9)


def test_state_dict_is_the_published_one_without_the_dead_weights(generator):
    ours = {k: list(v.shape) for k, v in generator.state_dict().items()}
    published = manifest("pirenderer")
    assert ours == {k: v for k, v in published.items() if not is_dead(k)}
    assert sum(is_dead(k) for k in published) == 6 * 8


def test_generator(generator):
    n = numbers("pirenderer")
    source = generator.encode_source(picture(n["image_u8"]))
    z, warp = generator.warp(source, n["windows"])
    close(z, n["descriptor"][..., 0], 1e-4)
    close(warp.flow, n["flow_field"], 1e-4)
    close(warp.deformation, n["deformation_64"], 1e-4)
    close(warp.image[0], n["warp_image_0"], 3e-4, 1e-5)
    close(warp.image[1:, :, ::4, ::4], n["warp_image_12_every4"], 3e-4, 1e-5)
    images = generator(source, n["windows"])
    close(images[0], n["fake_image_0"], 3e-4, 1e-5)
    close(images[1:, :, ::4, ::4], n["fake_image_12_every4"], 3e-4, 1e-5)


def test_windows():
    n = numbers("preprocessing")
    for frames in (40, 5):
        index = torch.arange(frames)[:, None].float()
        assert torch.equal(
            semantic_windows(index)[:, 0].long(), n[f"seq_index_n{frames}_r13"].long()
        )
    whole = semantic_windows(torch.randn(40, 73))
    assert whole.shape == (40, 73, 27)

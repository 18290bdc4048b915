"""A motion and a picture, made without ``cpu/``: ``python -m tests.without_cpu OUT``."""

from __future__ import annotations

import sys
from pathlib import Path

import torch


def small_model():
    """A denoiser of random weights with one preset."""
    from dreamtalk.model import DreamTalkModel
    from dreamtalk.networks.denoiser import Denoiser, DenoiserConfig

    torch.manual_seed(0)
    config = DenoiserConfig(
        feature_dim=12, expression_dim=31, lower=tuple(range(13)), d_model=16, heads=2, layers=2,
        ff=32, window=3, max_style_length=40, diffusion_steps=50,
    )  # fmt: skip
    presets = {"happy": torch.randn(16)}
    return DreamTalkModel(Denoiser(config), "face", "starter", presets=presets)


def sampled(model) -> torch.Tensor:
    """Its motion for some features, in chunks."""
    from dreamtalk.speech.speech import Features

    features = Features(torch.randn(40, 12, generator=torch.Generator().manual_seed(1)), "starter")
    return model.sample(features, model.preset("happy", 1.5), steps=3, chunk=8).expression


def rendered() -> torch.Tensor:
    """A picture by PIRenderer with random weights."""
    from dreamtalk.networks.pirenderer import FaceGenerator
    from dreamtalk.render.pirenderer.renderer import render_windows
    from dreamtalk.speed import speed_up

    torch.manual_seed(0)
    generator = speed_up(FaceGenerator().eval())
    with torch.no_grad():
        source = generator.encode_source(torch.rand(1, 3, 256, 256) * 2 - 1)
    return render_windows(generator, source, 0.2 * torch.randn(1, 73, 27))


def main(out: Path) -> None:
    """What Python finds where the folder is missing is None."""
    sys.modules["dreamtalk.cpu"] = None  # type: ignore[assignment]
    model = small_model()
    kinds = {type(part).__module__ for part in model.modules()}
    torch.save({"motion": sampled(model), "picture": rendered(), "modules": sorted(kinds)}, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

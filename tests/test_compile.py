"""``torch.compile`` gives the same results, on the CPU."""

from __future__ import annotations

import shutil

import pytest
import torch

from dreamtalk.checkpoints import PIRENDERER, save_checkpoint
from dreamtalk.model import DreamTalkModel, load_model, save_model
from dreamtalk.networks.denoiser import Denoiser
from dreamtalk.render.pirenderer import FaceGenerator, load_pirenderer
from dreamtalk.speech.speech import Features
from tests.parity_weights import DENOISER_PREFIX, fill_module

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler"),
]


def test_denoiser(tmp_path):
    net = Denoiser()
    fill_module(net, DENOISER_PREFIX)
    save_model(DreamTalkModel(net), tmp_path / "denoiser.safetensors")
    rows = torch.randn(36, 1024, generator=torch.Generator().manual_seed(0))
    results = []
    for compiled in (False, True):
        model = load_model(tmp_path / "denoiser.safetensors", compile=compiled)
        features = Features(rows, model.feature_kind)
        # chunks of 12 and 6 frames: a second size must not change anything
        motion = model.sample(features, model.null_style(), 5, guidance=1.0, chunk=12)
        results.append(motion.expression)
    difference = (results[0] - results[1]).abs().max().item()
    print(f"denoiser, compiled: differs by at most {difference:.1e}")
    assert difference < 1e-5


def test_renderer(tmp_path):
    net = FaceGenerator()
    fill_module(net)
    save_checkpoint(tmp_path / "renderer.safetensors", PIRENDERER, net.state_dict(), {})
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 256, 256, generator=draw) * 2 - 1
    windows = 0.2 * torch.randn(1, 73, 27, generator=draw)
    results = []
    for compiled in (False, True):
        generator = load_pirenderer(tmp_path / "renderer.safetensors", compile=compiled)
        with torch.no_grad():
            results.append(generator(generator.encode_source(image), windows))
    difference = (results[0] - results[1]).abs().max().item()
    print(f"renderer, compiled: differs by at most {difference:.1e}")
    assert difference < 3e-4

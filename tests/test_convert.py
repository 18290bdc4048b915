"""Official files into ours."""

from __future__ import annotations

import pytest
import torch

from dreamtalk.checkpoints import convert, read_checkpoint
from dreamtalk.diffusion.schedule import VarianceSchedule
from dreamtalk.errors import CheckpointError, ModelNotFoundError
from dreamtalk.model import load_model
from dreamtalk.networks.denoiser import Denoiser
from dreamtalk.render.pirenderer import FaceGenerator, load_pirenderer


@pytest.mark.parametrize(("dtype", "tolerance"), [("fp32", 0.0), ("fp16", 1e-3), ("bf16", 1e-2)])
def test_denoiser(tmp_path, dtype, tolerance):
    torch.manual_seed(0)
    state = {f"diff_net.{k}": v for k, v in Denoiser().state_dict().items()}
    state |= {f"diff_net.var_sched.{k}": v for k, v in VarianceSchedule().state_dict().items()}
    torch.save({"model_state_dict": state}, tmp_path / "denoising_network.pth")
    said = convert(tmp_path / "denoising_network.pth", tmp_path / "d.safetensors", dtype)
    assert "bfm" in said
    before, after = (
        load_model(tmp_path / name) for name in ("denoising_network.pth", "d.safetensors")
    )
    assert before.fingerprint == after.fingerprint
    for (_, a), (_, b) in zip(
        before.denoiser.named_parameters(), after.denoiser.named_parameters(), strict=True
    ):
        assert (a - b).abs().max() <= tolerance * a.abs().max()
    convert(tmp_path / "d.safetensors", tmp_path / "again.safetensors", dtype)
    assert load_model(tmp_path / "again.safetensors").fingerprint == before.fingerprint


def test_renderer(tmp_path):
    torch.manual_seed(0)
    state = FaceGenerator().state_dict()
    state["editing_net.decoder.res2.res0.conv1.bias"] = torch.zeros(256)
    torch.save({"net_G_ema": state}, tmp_path / "renderer.pt")
    convert(tmp_path / "renderer.pt", tmp_path / "r.safetensors", "fp16")
    checkpoint = read_checkpoint(tmp_path / "r.safetensors")
    assert checkpoint.kind == "pirenderer"
    assert not checkpoint.official
    loaded = load_pirenderer(tmp_path / "r.safetensors").state_dict()
    for key, value in loaded.items():
        torch.testing.assert_close(value, state[key], atol=1e-3, rtol=1e-3)


def test_bad_requests(tmp_path):
    with pytest.raises(CheckpointError, match="fp8"):
        convert(tmp_path / "a.pth", tmp_path / "b.safetensors", "fp8")
    with pytest.raises(CheckpointError, match=r"\.safetensors"):
        convert(tmp_path / "a.pth", tmp_path / "b.pth")
    with pytest.raises(ModelNotFoundError):
        convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert not list(tmp_path.iterdir())

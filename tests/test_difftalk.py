"""DiffTalk at small sizes: networks, files, sampling, painting."""

from __future__ import annotations

import os
import sys
import types
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dreamtalk.checkpoints import read_checkpoint
from dreamtalk.difftalk import (
    DiffTalk,
    DiffTalkConfig,
    FirstStageConfig,
    UNetConfig,
    load_difftalk,
    load_first_stage,
    save_difftalk,
)
from dreamtalk.difftalk.conditioning import kept_latents
from dreamtalk.difftalk.config import FIRST_STAGE_F8
from dreamtalk.difftalk.ema import averaged_name
from dreamtalk.difftalk.file import official_state
from dreamtalk.difftalk.first_stage import FirstStage
from dreamtalk.difftalk.paint import MaskedFrames, PaintOptions, paint
from dreamtalk.difftalk.sampling import sample_ddim, sample_dpm
from dreamtalk.difftalk.schedule import Schedule
from dreamtalk.difftalk.unet import TokenAttention
from dreamtalk.errors import CheckpointError, DreamTalkError
from dreamtalk.networks.latent_layers import Conv3x3, GroupNorm
from dreamtalk.speed import speed_up
from tests.trap import Trap

SMALL = DiffTalkConfig(
    FirstStageConfig(32, (1, 1, 2), 1, codes=64), UNetConfig(32, (1, 2), 1, (1,)), image_size=32
)


def made_up(config: DiffTalkConfig = SMALL, seed: int = 0) -> DiffTalk:
    torch.manual_seed(seed)
    model = DiffTalk(config).eval()
    model.first_stage_model.quantize.embedding.weight.data.normal_()
    return model


@pytest.fixture(scope="module")
def model() -> DiffTalk:
    return made_up()


def clip(frames: int, seed: int = 1) -> MaskedFrames:
    draw = torch.Generator().manual_seed(seed)
    images = (torch.rand(frames, 32, 32, 3, generator=draw) * 255).to(torch.uint8)
    hidden = torch.zeros(frames, 32, 32, dtype=torch.bool)
    hidden[:, 16:] = True
    windows = torch.randn(frames, 8, 16, 29, generator=draw)
    landmarks = 32 * torch.rand(frames, 39, 2, generator=draw)
    return MaskedFrames(images, hidden, windows, landmarks)


QUICK = PaintOptions(steps=2)


def painted(model: DiffTalk, frames: MaskedFrames, options: PaintOptions = QUICK, **more) -> Tensor:
    reference = clip(1, seed=2).images[0]
    return torch.cat(list(paint(model, frames, reference, options, **more)))


# --- networks


@pytest.mark.parametrize("shape", [(1, 64, 8, 8), (2, 48, 12, 8), (1, 32, 16, 16), (3, 32, 8, 16)])
def test_fast_convolutions_equal_the_plain_ones(shape):
    torch.manual_seed(0)
    conv, x = speed_up(Conv3x3(shape[1], 40)), torch.randn(shape)
    with torch.no_grad():
        fast = conv(x)
    assert (fast - nn.Conv2d.forward(conv, x)).abs().max() < 1e-4


@pytest.mark.parametrize("shape", [(2, 64, 12, 20), (1, 96, 64, 64)])
def test_group_norm_is_exact_in_both_layouts(shape):
    torch.manual_seed(0)
    norm, x = speed_up(GroupNorm(32, shape[1])), torch.randn(shape)
    x[:, :, shape[2] // 2 :] = 1.7  # half constant, as masked pictures are
    x += 5
    norm.weight.data.normal_()
    norm.bias.data.normal_()
    weights = norm.weight.double(), norm.bias.double()
    expected = F.group_norm(x.double(), 32, *weights)
    for layout in (torch.contiguous_format, torch.channels_last):
        with torch.no_grad():
            made = norm(x.contiguous(memory_format=layout))
        assert made.is_contiguous(memory_format=layout)
        assert (made - expected).abs().max() < 3e-5


def test_attention_to_one_token_needs_no_queries():
    torch.manual_seed(0)
    layer = TokenAttention(64, 16)
    x, token = torch.randn(2, 10, 64), torch.randn(2, 16)
    q, k, v = layer.to_q(x), layer.to_k(token[:, None]), layer.to_v(token[:, None])
    attended = F.scaled_dot_product_attention(q, k, v)
    assert (layer.to_out(attended) - layer(token)[:, None]).abs().max() < 1e-6


def test_a_batch_is_its_items(model):
    torch.manual_seed(0)
    x, t, context = torch.randn(2, 9, 8, 8), torch.tensor([3, 700]), torch.randn(2, 128)
    with torch.no_grad():
        both = model.unet(x, t, context)
        single = [model.unet(x[i : i + 1], t[i : i + 1], context[i : i + 1]) for i in range(2)]
    assert (both - torch.cat(single)).abs().max() < 1e-5


def test_all_that_reaches_the_output_can_be_trained(model):
    x, t = torch.randn(1, 9, 8, 8), torch.tensor([5])
    model.unet(x, t, torch.randn(1, 128)).square().mean().backward()
    idle = [name for name, weight in model.unet.named_parameters() if weight.grad is None]
    assert idle
    assert all("attn2.to_q" in n or "attn2.to_k" in n or ".norm2." in n for n in idle)
    latent = model.first_stage_model(torch.randn(1, 3, 32, 32))[0]
    latent.mean().backward()
    assert model.first_stage_model.encoder.conv_in.weight.grad is not None
    model.zero_grad()


def test_factor_8_and_512_pixels():
    config = DiffTalkConfig(FIRST_STAGE_F8, image_size=512)
    assert config.first_stage.factor == 8
    assert config.latent_size == 64
    small = replace(FIRST_STAGE_F8, channels=32, codes=64)
    stage = FirstStage(small).eval()
    with torch.no_grad():
        latent = stage.encode(torch.zeros(1, 3, 64, 64))
        assert latent.shape == (1, 4, 8, 8)
        assert stage.decode(latent).shape == (1, 3, 64, 64)


# --- files


def test_our_files(model, tmp_path):
    path = tmp_path / "small.safetensors"
    save_difftalk(path, model)
    again = load_difftalk(path)
    assert again.config == model.config
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value)
    assert torch.equal(painted(again, clip(1)), painted(model, clip(1)))
    for key, value in load_first_stage(path).state_dict().items():
        assert torch.equal(value, model.first_stage_model.state_dict()[key])
    save_difftalk(path, model, torch.float16)
    state = read_checkpoint(path).state
    assert state["first_stage_model.quant_conv.weight"].dtype == torch.float16
    assert torch.equal(load_difftalk(path).schedule.betas, model.schedule.betas)


def test_official_files_give_the_averaged_weights(model, tmp_path):
    state = official_state(model)
    assert len(state) == 12 + 2 + len(model.state_dict()) + len(model.unet.state_dict())
    raw = "model.diffusion_model.out.2.weight"
    state[raw] = torch.ones_like(state[raw])
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "difftalk.ckpt")
    loaded = load_difftalk(tmp_path / "difftalk.ckpt")
    assert replace(loaded.config, image_size=32) == model.config
    assert torch.equal(loaded.unet.out[2].weight, model.unet.out[2].weight)
    trained = load_difftalk(tmp_path / "difftalk.ckpt", averaged=False)
    assert torch.equal(trained.unet.out[2].weight, state[raw])
    for key, value in load_first_stage(tmp_path / "difftalk.ckpt").state_dict().items():
        assert torch.equal(value, model.first_stage_model.state_dict()[key])
    del state["cond_stage_model_for_ldm.encoder_fc1.0.bias"]
    torch.save({"state_dict": state}, tmp_path / "less.ckpt")
    with pytest.raises(CheckpointError, match="1 missing: cond_stage_model_for_ldm"):
        load_difftalk(tmp_path / "less.ckpt")


def test_names_of_averages():
    assert averaged_name("model.diffusion_model.out.0.bias") == "model_ema.diffusion_modelout0bias"


def test_another_schedule_is_refused(model, tmp_path):
    state = official_state(model) | {"betas": torch.linspace(1e-4, 0.02, 1000)}
    torch.save({"state_dict": state}, tmp_path / "linear.ckpt")
    with pytest.raises(CheckpointError, match="schedule"):
        load_difftalk(tmp_path / "linear.ckpt")


def lightning_file(path, state, monkeypatch) -> None:
    """As PyTorch Lightning wrote them: what callbacks remember is filed under their classes."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    module = types.ModuleType(name)
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})
    parts = name.split(".")
    with monkeypatch.context() as patch:
        for end in range(1, len(parts)):
            package = ".".join(parts[:end])
            patch.setitem(sys.modules, package, types.ModuleType(package))
        patch.setitem(sys.modules, name, module)
        callbacks = {module.ModelCheckpoint: {"best_model_score": torch.tensor(0.5)}}
        torch.save({"state_dict": state, "callbacks": callbacks, "global_step": 7}, path)


@pytest.mark.skipif(
    not hasattr(torch.serialization, "safe_globals"), reason="torch 2.5 can name safe classes"
)
def test_lightning_files(model, tmp_path, monkeypatch):
    stage = model.first_stage_model
    state = stage.state_dict() | {"loss.discriminator.main.0.weight": torch.ones(2)}
    path = tmp_path / "vq-f4.ckpt"
    lightning_file(path, state, monkeypatch)
    loaded = load_first_stage(path)
    assert loaded.config == stage.config
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, stage.state_dict()[key])
    assert "pytorch_lightning" not in sys.modules
    lightning_file(path, official_state(model), monkeypatch)
    assert torch.equal(load_difftalk(path).unet.out[2].weight, model.unet.out[2].weight)


def test_files_with_code_are_refused(model, tmp_path):
    state = official_state(model)
    trap = Trap(os.mkdir, str(tmp_path / "ran"))
    torch.save({"state_dict": state, "more": trap}, tmp_path / "bad.ckpt")
    for load in (load_difftalk, load_first_stage):
        with pytest.raises(CheckpointError, match=r"bad\.ckpt"):
            load(tmp_path / "bad.ckpt")
    assert not (tmp_path / "ran").exists()
    torch.save({"state_dict": {"a": torch.ones(1)}}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="VQ autoencoder"):
        load_first_stage(tmp_path / "other.ckpt")


# --- sampling


def test_times_stay_within_the_table():
    schedule = Schedule.of()
    for steps in (1, 3, 9, 37, 101, 333, 999):
        times = schedule.times(steps)
        assert max(times) < 1000
        assert times == sorted(set(times), reverse=True)
        assert times[-1] == 1
    even = schedule.even_times(15)
    assert (len(even), even[0]) == (15, 999)
    for choose in (schedule.times, schedule.even_times):
        with pytest.raises(DreamTalkError, match="1000 steps"):
            choose(1000)


def test_samplers_on_data_whose_noise_is_known():
    """Data spread by 0.5 around 2: the noise in x_t is known, and so is where paths end."""
    schedule = Schedule.of()
    bars = schedule.alphas_cumprod.double()
    mean, spread = 2.0, 0.5

    def predict(x: Tensor, t: Tensor) -> Tensor:
        bar = bars[t][:, None]
        power = bar * spread**2 + 1 - bar
        return (1 - bar).sqrt() * (x - bar.sqrt() * mean) / power

    x = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    full = sample_ddim(predict, x, schedule, schedule.times(999))
    end = bars[0]
    assert full.mean() == pytest.approx(float(end.sqrt()) * mean, abs=0.03)
    assert full.std() == pytest.approx(float(end * spread**2 + 1 - end) ** 0.5, rel=0.03)
    errors = {
        sampler.__name__: (
            (sampler(predict, x, schedule, schedule.even_times(10)) - full).abs().mean()
        )
        for sampler in (sample_ddim, sample_dpm)
    }
    assert errors["sample_dpm"] < 0.02
    assert errors["sample_dpm"] < errors["sample_ddim"] / 3


# --- painting


def test_painting_does_not_depend_on_chunks(model):
    frames = clip(3)
    whole = painted(model, frames, chunk=3)
    assert whole.shape == (3, 32, 32, 3)
    assert whole.dtype == torch.uint8
    assert (whole[0] != whole[1]).any()
    assert torch.equal(whole, painted(model, frames, chunk=2))
    assert torch.equal(whole, painted(model, [frames[:1], frames[1:]], total=3))
    assert torch.equal(whole[1], painted(model, frames[1:2])[0])  # one noise for all
    own = replace(QUICK, one_noise=False)
    assert torch.equal(painted(model, frames, own, chunk=3), painted(model, frames, own, chunk=1))
    assert (painted(model, frames[1:2], own)[0] != painted(model, frames, own)[1]).any()


def test_only_what_is_shown_matters(model):
    frames = clip(1)
    other = frames.images.clone()
    other[:, 16:] = 77
    assert torch.equal(painted(model, frames), painted(model, replace(frames, images=other)))
    other[:, :16] = 77
    assert (painted(model, frames) != painted(model, replace(frames, images=other))).any()


def test_seeds(model):
    frames = clip(1)
    assert torch.equal(painted(model, frames), painted(model, frames))
    assert (painted(model, frames) != painted(model, frames, replace(QUICK, seed=1))).any()


def test_progressive_reference(model):
    frames = clip(3)
    fixed = painted(model, frames)
    carried = painted(model, frames, replace(QUICK, reference="progressive"))
    assert torch.equal(fixed[0], carried[0])
    assert (fixed[1] != carried[1]).any()
    last = painted(model, frames[1:2], QUICK)
    assert torch.equal(last[0], fixed[1])
    back = painted(model, frames, replace(QUICK, reference="progressive", restart=2))
    assert torch.equal(back[:2], carried[:2])
    assert torch.equal(back[2], fixed[2])


def test_kept_latents_hold_the_picture(model):
    frames = clip(1)
    kept = replace(frames, kept=kept_latents(frames.hidden, 8))
    assert kept.kept is not None
    assert kept.kept.mean() == 0.5
    assert (painted(model, kept) != painted(model, frames)).any()


def test_progress_and_cancel(model):
    seen: list[tuple[int, int]] = []
    painted(model, clip(2), chunk=1, progress=lambda *s: seen.append(s))
    assert seen == [(k, 4) for k in range(5)]

    class Cancelled(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        painted(model, clip(2), progress=cancel)


def test_half_precision(model):
    half = made_up().to(torch.bfloat16)
    difference = painted(half, clip(1)).float() - painted(model, clip(1)).float()
    assert difference.abs().mean() < 20  # made-up weights: a code that flips changes its place


def test_what_does_not_fit_is_named(model):
    frames = clip(2)
    with pytest.raises(DreamTalkError, match=r"\[2, 2, 1, 2\]"):
        replace(frames, windows=frames.windows[:1])
    with pytest.raises(DreamTalkError, match=r"\(16, 32, 3\).*32 px"):
        painted(model, replace(frames, images=frames.images[:, :16]))
    with pytest.raises(DreamTalkError, match=r"'euler'.*ddim"):
        PaintOptions(sampler="euler")

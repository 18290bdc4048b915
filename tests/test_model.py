"""Checkpoint files and the model that they make."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamtalk.checkpoints import describe, read_checkpoint, save_checkpoint
from dreamtalk.diffusion.samplers import FrameNoise
from dreamtalk.diffusion.schedule import VarianceSchedule
from dreamtalk.errors import (
    CheckpointError,
    DreamTalkError,
    ModelNotFoundError,
    OutputError,
    SpaceMismatchError,
)
from dreamtalk.model import (
    Calibration,
    DreamTalkModel,
    load_model,
    save_model,
    speech_features,
)
from dreamtalk.motion.motion import Motion
from dreamtalk.networks.denoiser import Denoiser, DenoiserConfig
from dreamtalk.speech.speech import Features, Speech
from tests.trap import Trap

SMALL = DenoiserConfig(
    feature_dim=12, expression_dim=31, lower=tuple(range(13)), d_model=16, heads=2, layers=2,
    ff=32, window=3, max_style_length=40, diffusion_steps=50,
)  # fmt: skip


def small_model(seed: int = 0, **changes) -> DreamTalkModel:
    torch.manual_seed(seed)
    settings = {
        "space": "face",
        "feature_kind": "starter",
        "motion_mean": torch.linspace(-0.1, 0.1, 31),
        "motion_std": torch.linspace(0.5, 2, 31),
        "presets": {"happy": torch.randn(16), "sad": torch.randn(16)},
        "calibration": Calibration(noise_smoothing=2.0),
        "name": "small",
        **changes,
    }
    return DreamTalkModel(Denoiser(SMALL), **settings)


def speech(rows: int = 41, kind: str = "starter", width: int = 12) -> Features:
    return Features(torch.randn(rows, width, generator=torch.Generator().manual_seed(5)), kind)


def clip(frames: int = 30, fps: float = 25.0, space: str = "face") -> Motion:
    channels = 31 if space == "face" else 64
    t = torch.arange(frames)[:, None] / fps
    return Motion(torch.sin(t * torch.arange(1, channels + 1)), torch.zeros(frames, 6), fps, space)


def official_file(path: Path, denoiser: Denoiser | None = None) -> Path:
    """The official container with weights of ours."""
    torch.manual_seed(1)
    state = (denoiser or Denoiser()).state_dict()
    state |= {f"var_sched.{k}": v for k, v in VarianceSchedule().state_dict().items()}
    torch.save({"model_state_dict": {f"diff_net.{k}": v for k, v in state.items()}}, path)
    return path


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> Path:
    return official_file(tmp_path_factory.mktemp("official") / "denoising_network.pth")


# ------------------------------------------------------------------------------------------- files


def test_ours_survives_the_file(tmp_path):
    model = small_model()
    save_model(model, tmp_path / "m.safetensors", metrics={"loss": 0.5})
    again = load_model(tmp_path / "m.safetensors")
    assert again.fingerprint == model.fingerprint
    assert (again.space, again.feature_kind, again.name) == ("face", "starter", "small")
    assert again.calibration.noise_smoothing == 2.0
    assert again.config == SMALL
    torch.testing.assert_close(again.presets, model.presets)
    style = model.preset("happy")
    a, b = (m.sample(speech(), style, steps=5) for m in (model, again))
    assert torch.equal(a.expression, b.expression)
    assert read_checkpoint(tmp_path / "m.safetensors").config["metrics"] == {"loss": 0.5}
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_styles_fit_the_same_weights_in_lower_precision(tmp_path, dtype):
    model = small_model()
    save_model(model, tmp_path / "half.safetensors", dtype)
    half = load_model(tmp_path / "half.safetensors")
    assert half.fingerprint == model.fingerprint
    a, b = (m.sample(speech(), model.preset("sad")).expression for m in (model, half))
    assert 0 < (a - b).abs().max() < 0.2


def test_official_container(official):
    model = load_model(official)
    assert (model.space, model.feature_kind) == ("bfm", "wav2vec2-xlsr-53")
    assert model.config == DenoiserConfig()
    style = model.encode_style(clip(space="bfm"))
    motion = model.sample(speech(12, "wav2vec2-xlsr-53", 1024), style, steps=2)
    assert motion.expression.shape == (6, 64)
    assert motion.space == "bfm"
    with pytest.raises(DreamTalkError, match=r"no presets.*style of a clip"):
        model.preset("happy")


def test_official_container_with_other_things_beside(tmp_path):
    path = official_file(tmp_path / "x.pth", Denoiser())
    content = torch.load(path)
    content["model_state_dict"]["lip_expert.weight"] = torch.zeros(3)
    content["epoch"] = 7
    torch.save(content, path)
    assert load_model(path).config == DenoiserConfig()
    torch.save(content, path, _use_new_zipfile_serialization=False)
    assert load_model(path).config == DenoiserConfig()


def test_missing_extra_and_misshapen_keys_are_listed(tmp_path, official):
    content = torch.load(official)["model_state_dict"]
    content.pop("diff_net.net.time_embed_net.0.weight")
    content["diff_net.net.odd"] = torch.zeros(1)
    content["diff_net.net.time_embed_net.2.bias"] = torch.zeros(7)
    torch.save({"model_state_dict": content}, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path / "odd.pth")
    text = str(caught.value)
    assert "1 missing: net.time_embed_net.0.weight" in text
    assert "1 unknown: net.odd" in text
    assert "net.time_embed_net.2.bias is (7,), not (256,)" in text
    assert "\n" not in text


def test_nan_weights(tmp_path, official):
    content = torch.load(official)["model_state_dict"]
    content["diff_net.net.time_embed_net.2.bias"][0] = float("nan")
    torch.save({"model_state_dict": content}, tmp_path / "nan.pth")
    with pytest.raises(CheckpointError, match=r"NaN.*time_embed_net\.2\.bias"):
        load_model(tmp_path / "nan.pth")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("container", ["zip", "legacy", "pickle"])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, container):
    trap, path = tmp_path / "executed", tmp_path / "trap.pth"
    content = {"model_state_dict": {"diff_net.a": torch.zeros(1)}, "x": Trap(Path.touch, trap)}
    if container == "pickle":
        path.write_bytes(pickle.dumps(content["x"]))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=container == "zip")
    with pytest.raises(CheckpointError, match=r"could run any code|no weights file"):
        load_model(path)
    assert not trap.exists()


def test_a_pickle_that_calls_the_system_is_named(tmp_path):
    trap, path = tmp_path / "executed", tmp_path / "trap.pth"
    torch.save({"model_state_dict": {}, "x": Trap(os.mkdir, str(trap))}, path)
    with pytest.raises(CheckpointError, match=r"mkdir.*could run any code"):
        load_model(path)
    assert not trap.exists()


def weights_file(path: Path, kind: str, values: int) -> Path:
    """A checkpoint in a container: ours, or a pickle with one tensor of so many values."""
    if kind == "safetensors":
        save_model(small_model(), path)
    else:
        state = {"model_state_dict": {"diff_net.net.content_encoder.x": torch.randn(values)}}
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    return path


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_truncated_files(tmp_path, kind, share):
    path = weights_file(tmp_path / "cut.bin", kind, 2000)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match=r"damaged|cut off"):
        load_model(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_damaged_bytes_give_our_errors_only(tmp_path, kind):
    path, draw = weights_file(tmp_path / "damaged.bin", kind, 50), np.random.default_rng(0)
    whole = path.read_bytes()
    messages = []
    for _ in range(80):
        content = bytearray(whole)
        for place in draw.integers(0, min(len(whole), 600), 4):
            content[place] = draw.integers(256)
        path.write_bytes(content)
        try:
            read_checkpoint(path)
        except DreamTalkError as error:
            messages.append(str(error))
    assert messages
    assert not any("\n" in message for message in messages)


def test_files_that_are_something_else(tmp_path):
    def refused(name: str, match: str) -> None:
        with pytest.raises(CheckpointError, match=match) as caught:
            load_model(tmp_path / name)
        assert "\n" not in str(caught.value)

    (tmp_path / "page.pth").write_text("\n<!DOCTYPE html><html><body>Sign in</body></html>")
    refused("page.pth", "web page")
    (tmp_path / "empty.pth").write_bytes(b"")
    refused("empty.pth", "empty")
    (tmp_path / "pointer.pth").write_text("version https://git-lfs.github.com/spec/v1\noid x")
    refused("pointer.pth", "git lfs pull")
    (tmp_path / "notes.pth").write_text("remember the milk")
    refused("notes.pth", "not a weights file")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    refused("tensor.pt", "holds a Tensor")
    lora = {"lora_unet_down.lora_up.weight": torch.zeros(2, 2)}
    save_checkpoint(tmp_path / "lora.safetensors", "x", lora, {})
    refused("lora.safetensors", "'x' file")
    from safetensors.torch import save_file

    save_file(lora, tmp_path / "lora.safetensors")
    refused("lora.safetensors", "is a LoRA")
    sd = {"state_dict": {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2)}}
    torch.save(sd, tmp_path / "sd.ckpt")
    refused("sd.ckpt", "Stable Diffusion")
    torch.save({"net_G_ema": {"mapping_net.first.0.weight": torch.zeros(2)}}, tmp_path / "r.pt")
    refused("r.pt", "PIRenderer")
    with pytest.raises(ModelNotFoundError):
        load_model(tmp_path / "nowhere.pth")
    with pytest.raises(ModelNotFoundError):
        load_model(tmp_path)


def test_renderer_containers(tmp_path):
    weights = OrderedDict({"warpping_net.x": torch.ones(2), "mapping_net.y": torch.ones(1)})
    raw = {f"module.{k}": -v for k, v in weights.items()}
    torch.save({"net_G": raw, "net_G_ema": weights, "current_epoch": 3}, tmp_path / "a.pt")
    checkpoint = read_checkpoint(tmp_path / "a.pt")
    assert checkpoint.kind == "pirenderer"
    assert torch.equal(checkpoint.state["warpping_net.x"], torch.ones(2))
    torch.save({"net_G": raw}, tmp_path / "b.pt")
    assert "mapping_net.y" in read_checkpoint(tmp_path / "b.pt").state


def test_damaged_metadata(tmp_path):
    from safetensors.torch import save_file

    path, metadata = tmp_path / "m.safetensors", {"format": "dreamtalk", "kind": "denoiser"}
    save_file({"a": torch.zeros(1)}, path, metadata)
    with pytest.raises(CheckpointError, match="metadata"):
        load_model(path)
    for config in ("{", "{}", '{"denoiser": {"depth": 3}}'):
        save_file({"a": torch.zeros(1)}, path, {**metadata, "config": config})
        with pytest.raises(CheckpointError, match=r"metadata|config"):
            load_model(path)


def test_unwritable_output(tmp_path):
    with pytest.raises(OutputError, match="can't write"):
        save_model(small_model(), tmp_path / "no" / "where.safetensors")


def test_describe():
    assert describe(["transformer_blocks.0.lora_A.weight"]) == "a LoRA"
    assert "foo, bar" in describe(["foo", "bar"])


# ------------------------------------------------------------------------------------------- model


def test_mismatches_name_both_sides():
    model, other = small_model(0), small_model(1)
    style = model.preset("happy")
    with pytest.raises(SpaceMismatchError) as caught:
        other.sample(speech(), style)
    assert model.fingerprint in str(caught.value)
    assert other.fingerprint in str(caught.value)
    with pytest.raises(SpaceMismatchError, match=r"wav2vec2-xlsr-53.*starter"):
        model.sample(speech(kind="wav2vec2-xlsr-53"), style)
    with pytest.raises(SpaceMismatchError, match="width 9"):
        model.sample(speech(width=9), style)
    with pytest.raises(SpaceMismatchError, match=r"'bfm' motion.*'face'"):
        model.encode_style(clip(space="bfm"))
    with pytest.raises(DreamTalkError, match="euler"):
        model.sample(speech(), style, sampler="euler")
    with pytest.raises(DreamTalkError, match="51 steps"):
        model.sample(speech(), style, steps=51)
    with pytest.raises(DreamTalkError, match="noise"):
        model.sample(speech(), style, noise=torch.zeros(3, 31))
    with pytest.raises(DreamTalkError, match=r"happy, sad.*angry"):
        model.preset("angry")
    with pytest.raises(DreamTalkError, match="no emotion 'hungry'"):
        model.preset("hungry")


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
@pytest.mark.parametrize("guidance", [1.0, 0.0, 1.7])
def test_chunks_do_not_show(sampler, guidance):
    model = small_model()
    style = model.preset("happy", 1.3)
    one, many = (
        model.sample(speech(), style, 5, sampler, guidance, seed=3, chunk=chunk).expression
        for chunk in (100, 7)
    )
    assert one.shape == (20, 31)
    torch.testing.assert_close(one, many, atol=2e-5, rtol=0)
    other = model.sample(speech(), style, 5, sampler, guidance, seed=4).expression
    assert (one - other).abs().max() > 5e-5


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
@pytest.mark.parametrize("inference", [False, True])
def test_threads_do_not_show(sampler, inference):
    model = small_model()
    style, threads, made = model.preset("happy", 1.3), torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            with torch.inference_mode(inference):
                motion = model.sample(speech(), style, 5, sampler, seed=3, chunk=3)
            assert torch.get_num_threads() == count
            made.append(motion.expression)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


def test_style_may_change_over_time():
    model = small_model()
    happy, sad = model.preset("happy"), model.preset("sad")
    codes = torch.cat([happy.code.expand(5, -1), sad.code.expand(3, -1)])
    track = type(happy)(codes, model.fingerprint)
    mixed, a, b = (model.sample(speech(), s, chunk=4).expression for s in (track, happy, sad))
    torch.testing.assert_close(mixed[:5], a[:5], atol=2e-5, rtol=0)
    torch.testing.assert_close(mixed[5:], b[5:], atol=2e-5, rtol=0)  # the last code holds


def test_style_clips_are_resampled_and_cut():
    model = small_model()
    at_25 = model.encode_style(clip(40)).code
    assert at_25.shape == (16,)
    torch.testing.assert_close(model.encode_style(clip(90)).code, at_25, atol=1e-5, rtol=0)
    fast = model.encode_style(clip(160, fps=100.0)).code
    slow = model.encode_style(Motion(clip(40).expression, torch.zeros(40, 6), 6.0, "face")).code
    assert (fast - at_25).norm() < 0.2 * (slow - at_25).norm()
    assert model.encode_style(clip(1)).code.isfinite().all()


def test_progress_counts_up_and_can_cancel():
    model, seen = small_model(), []
    model.sample(speech(), model.preset("sad"), 5, chunk=8, progress=lambda *s: seen.append(s))
    assert seen == [(i, 15) for i in range(16)]

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.sample(speech(), model.preset("sad"), progress=stop)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_short_speech(rows):
    model = small_model()
    assert len(model.sample(speech(rows), model.null_style(), steps=3)) == 1


@pytest.mark.parametrize("samples", [1, 479, 481])
def test_the_starter_speaks_less_than_a_frame(samples):
    starter, said = load_model(), Speech(torch.full((samples,), 0.1))
    motion = starter.sample(speech_features(said, starter), starter.preset("happy"), steps=2)
    assert motion.expression.shape == (1, 31)


@pytest.mark.parametrize("smoothing", [0.0, 4.0])
def test_frame_noise(smoothing):
    noise = FrameNoise(31, seed=7, smoothing=smoothing)
    whole = noise.draw(0, 4000)
    assert torch.equal(whole, FrameNoise(31, 7, smoothing).draw(0, 4000))
    torch.testing.assert_close(noise.draw(100, 350), whole[100:350], atol=1e-6, rtol=0)
    assert whole.mean().abs() < 0.02
    assert abs(whole.std() - 1) < 0.02
    neighbours = (whole[1:] * whole[:-1]).mean().item()
    expected = np.exp(-1 / (4 * smoothing**2)) if smoothing else 0.0
    assert neighbours == pytest.approx(expected, abs=0.03)
    assert (noise.draw(0, 50, step=1) - whole[:50]).abs().mean() > 0.3
    assert FrameNoise(3, seed=-1).draw(0, 2).isfinite().all()

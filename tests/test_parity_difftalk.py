"""DiffTalk's networks and sampler against numbers from the public research code."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dreamtalk.difftalk import Conditions, DiffTalk
from dreamtalk.difftalk.audio import AudioAttention, AudioNet
from dreamtalk.difftalk.conditioning import (
    hide,
    lower_half,
    official_kept_latents,
    shown_landmarks,
)
from dreamtalk.difftalk.file import official_state
from dreamtalk.difftalk.first_stage import FirstStage
from dreamtalk.difftalk.landmark import LandmarkNet
from dreamtalk.difftalk.sampling import Kept, sample_ddim
from dreamtalk.difftalk.schedule import Schedule
from dreamtalk.difftalk.unet import time_sinusoid
from tests.parity_weights import checks, fill, fill_module, manifest, numbers

FIRST_STAGE = "first_stage_model."
UNET = "model.diffusion_model."


def close(actual: Tensor, expected: Tensor, largest: float = 1e-4) -> None:
    assert actual.shape == expected.shape
    error = (actual.double() - expected.double()).abs().max()
    assert error <= largest, f"off by {error:.2e}, allowed {largest:.0e}"


def empty_model() -> DiffTalk:
    """The official model, its weights not set yet: that would only take time."""
    with torch.device("meta"):
        model = DiffTalk()
    return model.to_empty(device="cpu")


@pytest.fixture(scope="module")
def first_stage() -> FirstStage:
    stage = FirstStage()
    fill_module(stage, FIRST_STAGE)
    return stage


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def picture(image: Tensor) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in -1..1."""
    return (image.permute(2, 0, 1)[None].float() / 127.5 - 1).contiguous()


def test_rule_gives_the_reference_weights():
    for name, check in checks("difftalk").items():
        values = fill(name, tuple(manifest("difftalk")[name]))
        assert values.ravel()[:3] == pytest.approx(check["first"][:3], rel=1e-6)
        assert values.astype("f8").sum() == pytest.approx(check["sum"], rel=1e-9, abs=1e-9)


def test_state_dict_is_the_published_one():
    with torch.device("meta"):
        model = DiffTalk()
    state = official_state(model)
    published = manifest("difftalk")
    assert {k: list(v.shape) for k, v in state.items()} == published
    assert list(state) == list(published)  # the order of the file
    assert len(published) == 1625
    sizes = [sum(p.numel() for p in part.parameters()) for part in model.children()]
    assert sizes == [530152963, 55322782, 32800, 2149, 22528]


def test_schedule():
    tables = numbers("difftalk_schedule")
    ours = Schedule.of().tables()
    for name, table in ours.items():
        assert torch.equal(table, tables[name]), name
    assert set(tables) - set(ours) == {"lvlb_weights"}  # of training; not in checkpoints
    n = numbers("difftalk_ddim")
    for steps in (5, 7, 10, 50, 200):
        assert Schedule.of().times(steps)[::-1] == n[f"timesteps_{steps}"].tolist()
    bars = Schedule.of().alphas_cumprod
    assert torch.equal(bars[n["timesteps"]], n["alphas"])
    assert torch.equal(bars[[0, *n["timesteps"][:-1].tolist()]], n["alphas_prev"])


def test_first_stage(first_stage):
    n = numbers("difftalk_vq")
    close(first_stage.encode(picture(n["image_u8"])), n["prequant"])
    assert torch.equal(first_stage.quantize.indices(n["prequant"]).flatten(), n["indices"])
    close(first_stage.quantize(n["prequant"]), n["quantized"], 1e-7)
    close(first_stage.decode(n["prequant"]), n["decoded"])
    close(first_stage.decode(n["prequant"], quantize=False), n["decoded_not_quantized"])
    close(first_stage.decode(n["z_in"]), n["z_decoded"])
    assert torch.equal(first_stage.quantize.indices(n["z_in"]).flatten(), n["z_indices"])


def test_conditioning_networks():
    n = numbers("difftalk_conditioning")
    audio, smooth, landmark = AudioNet(), AudioAttention(), LandmarkNet()
    fill_module(audio, "cond_stage_model_for_audio.")
    fill_module(smooth, "cond_stage_model_for_audio_smooth.")
    fill_module(landmark, "cond_stage_model_for_ldm.")
    codes = audio(n["audio_windows"].flatten(0, 1))
    close(codes, n["audio_net"], 1e-6)
    codes = codes.view(2, 8, 64)
    close(smooth.weights(codes), n["attention_weights"][:, 0], 1e-6)
    close(smooth(codes), n["audio_code"], 1e-6)
    close(landmark(n["landmarks_39_px"]), n["landmark_code"])
    close(landmark(n["landmarks_39_unit"]), n["landmark_code_unit"], 1e-6)


def test_unet_and_sampler():
    model = empty_model()
    fill_module(model.unet, UNET)
    n = numbers("difftalk_unet")
    close(time_sinusoid(n["t_values"], 256), n["t_sinusoid"])
    close(model.unet.embed_time(n["t_values"]), n["t_embed"])
    close(model.unet(n["x16"], n["t16"], n["context"][:, 0]), n["out16"])
    context = torch.cat([n["wrap_audio"], n["wrap_landmark"]], dim=-1)
    conditions = Conditions(context, n["wrap_masked"], n["wrap_ref"])
    close(model(n["wrap_x"], n["wrap_t"], conditions), n["wrap_out"])

    n = numbers("difftalk_ddim")
    times = model.schedule.times(5)
    noise = dict(zip(times, n["q_noise_per_step"].split(1), strict=True))
    context = torch.cat([n["audio"], n["landmark"]], dim=-1)
    predict = model.predictor(Conditions(context, n["masked"], n["reference"]))
    seen: list[tuple[Tensor, Tensor]] = []

    def watched(x: Tensor, t: Tensor) -> Tensor:
        seen.append((x, predict(x, t)))
        return seen[-1][1]

    kept = Kept(n["mask"], n["x0"], noise.__getitem__)
    for name, known in (("masked", kept), ("plain", None)):
        seen.clear()
        made = sample_ddim(watched, n["x_T"], model.schedule, times, known)
        close(made, n[f"out_{name}"], 1e-4 * float(n[f"out_{name}"].std()))
        for part, key in zip(zip(*seen, strict=True), ("unet_in_x", "eps"), strict=True):
            expected = n[f"{key}_{name}"]
            close(torch.cat(part), expected, 1e-4 * float(expected.std()))


def test_preparation_of_a_frame():
    n = numbers("difftalk_full")
    small = Image.fromarray(n["source_image_u8"].numpy()).resize((256, 256), Image.BICUBIC)
    assert np.array_equal(np.array(small), n["image_256_u8"].numpy())
    scaler = float(n["scaler"])
    close(shown_landmarks(n["landmarks_68"] / scaler)[None][0], n["landmarks_39"], 1e-4)
    kept = official_kept_latents(n["landmarks_68"], 320, 320, 64)
    assert torch.equal(kept[0].byte(), n["inference_mask"])
    scaled = n["landmarks_68"][None] / scaler
    for point, key in ((33, "masked_256_u8"), (30, "masked_training")):
        rows = lower_half(scaled, 256, point)[0].all(-1)
        assert int(rows.int().argmax()) == int(n[f"{key}_first_zero_row"])
        assert rows[int(rows.int().argmax()) :].all()


@pytest.mark.slow
def test_full_size():
    """A frame at full size, from the made-up face to the picture; prints time and memory."""
    resource = pytest.importorskip("resource", reason="memory is measured the Unix way")
    n = numbers("difftalk_full")
    model = empty_model()
    fill_module(model)
    unet = numbers("difftalk_unet")
    close(model.unet(unet["x64"], unet["t64"], unet["context64"][:, 0]), unet["out64"])

    began = time.perf_counter(), time.process_time()
    image = picture(n["image_256_u8"])
    latent = model.encode(image)
    close(latent, n["z"])
    landmarks = n["landmarks_39"][None]
    hidden = lower_half((n["landmarks_68"] / n["scaler"])[None], 256)
    masked = model.encode(hide(image, hidden))
    close(masked, n["masked_latent"])
    reference = model.encode(picture(n["reference_256_u8"]))
    close(reference, n["ref_latent"])
    context = model.encode_context(n["audio_windows"][None], landmarks)
    close(context, torch.cat([n["audio_code"], n["landmark_code"]], dim=-1))
    times = model.schedule.times(2)
    assert times[::-1] == n["timesteps"].tolist()
    noise = dict(zip(times, n["q_noise_per_step"].split(1), strict=True))
    kept = Kept(n["inference_mask"][None, None].float(), latent, noise.__getitem__)
    predict = model.predictor(Conditions(context, masked, reference))
    made = sample_ddim(predict, n["x_T"], model.schedule, times, kept)
    close(made, n["latent_out"], 1e-4 * max(1.0, float(n["latent_out"].std())))
    codes = model.first_stage_model.quantize.indices(made).flatten()
    assert (codes != n["codes_of_latent_out"]).sum() <= 4
    # from the stored codes, since a code that flips changes the picture around it
    chosen = model.first_stage_model.quantize.look_up(n["codes_of_latent_out"].view(1, 64, 64))
    decoded = model.first_stage_model.decode(chosen, quantize=False)
    close(((decoded + 1) / 2).clamp(0, 1)[..., ::4, ::4], n["image_out_every4"])
    close(model.first_stage_model.decode(n["z"])[..., ::8, ::8], n["xrec_every8"])
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    print(
        f"\nframe of 2 steps, 3 encodings, 2 decodings: {wall:.1f} s wall, {cpu:.1f} s CPU", end=""
    )
    print(f"; memory at most {peak:.1f} GB")

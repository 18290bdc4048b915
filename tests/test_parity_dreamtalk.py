"""DreamTalk's denoiser against numbers from the public research code."""

from __future__ import annotations

import itertools

import pytest
import torch

from dreamtalk.cpu.arranged import ArrangedDenoiser
from dreamtalk.diffusion.guidance import guided
from dreamtalk.diffusion.samplers import sample_ddim, sample_ddpm
from dreamtalk.diffusion.schedule import VarianceSchedule
from dreamtalk.model import DreamTalkModel
from dreamtalk.motion.motion import Motion
from dreamtalk.networks.denoiser import Denoiser, DenoiserConfig, SamplingNetwork
from dreamtalk.networks.transformer import position_table, time_sinusoid
from dreamtalk.speech.speech import Features
from tests.parity_weights import DENOISER_PREFIX, checks, fill, fill_module, manifest, numbers

TOLERANCE = 1e-5


def close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float = TOLERANCE) -> None:
    assert actual.shape == expected.shape
    error = (actual.double() - expected.double()).abs().max().item()
    assert error <= tolerance, f"off by {error:.2e}, allowed {tolerance:.0e}"


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    model = Denoiser()
    fill_module(model, DENOISER_PREFIX)
    return model


@pytest.fixture(params=["plain", "arranged"])
def network(denoiser: Denoiser, request) -> SamplingNetwork:
    """What samples: the denoiser itself, and its arrangement for CPUs."""
    return denoiser if request.param == "plain" else ArrangedDenoiser(denoiser)


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def test_rule_gives_the_reference_weights():
    for name, check in checks("denoiser").items():
        values = fill(name, tuple(manifest("denoiser")[name]))
        assert values.ravel()[:3] == pytest.approx(check["first"][:3], rel=1e-6)
        assert values.ravel()[-1] == pytest.approx(check["last"], rel=1e-6)
        assert values.astype("f8").sum() == pytest.approx(check["sum"], rel=1e-9, abs=1e-9)


def test_state_dict_is_the_official_one(denoiser):
    ours = {f"{DENOISER_PREFIX}{k}": list(v.shape) for k, v in denoiser.state_dict().items()}
    schedule = VarianceSchedule().state_dict()
    ours |= {f"{DENOISER_PREFIX}var_sched.{k}": list(v.shape) for k, v in schedule.items()}
    assert ours == manifest("denoiser")
    assert sum(p.numel() for p in denoiser.parameters()) == 11_857_729


def test_content_encoder(denoiser):
    n = numbers("denoiser_modules")
    close(denoiser.net.content_encoder(n["content_in"]), n["content_out"])


def test_style_encoder(denoiser):
    n = numbers("denoiser_modules")
    encoder = denoiser.net.style_encoder
    clips, mask = n["style_in"], n["style_mask"]
    close(encoder(clips, mask), n["style_out_masked"])
    length = n["style_lengths"].tolist()
    at = length.index(100)
    masked = encoder.encode_frames(clips[at : at + 1], mask[at : at + 1])[0, :100]
    close(masked, n["style_enc_masked_len100"])
    close(encoder(clips[at : at + 1, :100]), n["style_out_unpadded_100"])
    close(encoder(clips[at : at + 1]), n["style_out_zeros_as_frames"])
    short = length.index(37)
    close(encoder(clips[short : short + 1, :37]), n["style_out_unpadded_37"])
    whole = length.index(256)
    close(encoder(clips[whole : whole + 1]), n["style_out_nomask_256"])
    close(denoiser.encode_null_style(), n["style_out_null"])


def test_pooling(denoiser):
    n = numbers("denoiser_modules")
    pool = denoiser.net.style_encoder.aggregate_method
    close(pool(n["pool_in"], n["pool_mask"]), n["pool_out_masked"])
    close(pool(n["pool_in"]), n["pool_out_nomask"])


def test_decoder(denoiser):
    n = numbers("denoiser_modules")
    close(denoiser.net.decoder(n["dec_content"], n["dec_style"]), n["dec_out"])


def test_decoder_takes_one_style_per_frame(denoiser):
    n = numbers("denoiser_modules")
    frames = n["dec_content"].shape[1]
    constant = n["dec_style"][:, None].expand(-1, frames, -1)
    close(denoiser.net.decoder(n["dec_content"], constant), n["dec_out"])
    mixed = constant.clone()
    mixed[0, 2] = n["dec_style"][1]
    out = denoiser.net.decoder(n["dec_content"], mixed)
    close(out[0, [0, 1, 3, 4]], n["dec_out"][0, [0, 1, 3, 4]])
    other = denoiser.net.decoder(n["dec_content"][:1], n["dec_style"][1:])
    close(out[0, 2], other[0, 2])


def test_time_and_positions(denoiser):
    n = numbers("denoiser_modules")
    close(time_sinusoid(n["t_values"], 256), n["t_sinusoid"], 1e-4)  # float32 angles near 1000
    close(denoiser.net.time_embed_net(n["t_sinusoid"]), n["t_mlp"])
    close(position_table(11, 256), n["pos_table_11"])
    rows = position_table(256, 256)[0, [0, 1, 100, 255]]
    close(rows, n["pos_table_256_rows_0_1_100_255"])


def test_whole_network(denoiser):
    n = numbers("denoiser_forward")
    for t, expected in zip(n["t_pairs"], n["out"], strict=True):
        out = denoiser(n["x_t"], t, n["audio"], n["style_clip"], n["style_pad_mask"])
        close(out, expected)
    close(denoiser.encode_style(n["style_clip"], n["style_pad_mask"]), n["style_code"])


def test_schedule():
    schedule, n = VarianceSchedule(), numbers("denoiser_schedule")
    for name, expected in n.items():
        close(getattr(schedule, name), expected, 1e-6)
    assert schedule.ddim_times(10) == [901, 801, 701, 601, 501, 401, 301, 201, 101, 1]


@pytest.mark.parametrize(("name", "scale"), [("cfg1", 1.0), ("cfg2", 2.0), ("noguide", None)])
def test_sampling(denoiser, network, name, scale):
    n = numbers("denoiser_sampling")
    content = denoiser.encode_rows(n["wav2vec"][None])
    style = denoiser.encode_style(n["style_frames"][None])
    denoise = guide(network, content, style, denoiser.encode_null_style(), scale or 1.0)
    close(sample_ddim(denoise, n["x_T"], VarianceSchedule(), 10), n[f"out_{name}"])


def guide(network, content, style, null, scale):
    """A denoise function, guided as the model does it."""
    return guided(
        lambda x, t, style: network.predict(x, t, content, style),
        network.prepare(style),
        network.prepare(null),
        scale,
        both=lambda x, t, *styles: network.predict_both(x, t, content, *styles),
    )


def test_rows_and_windows_give_the_same_codes(denoiser):
    rows = numbers("denoiser_sampling")["wav2vec"]
    whole = denoiser.encode_content(Features(rows, "wav2vec2-xlsr-53").windows()[None])
    close(denoiser.encode_rows(rows[None]), whole)
    parts = [denoiser.encode_rows(rows[None], a, min(a + 27, 64)) for a in range(0, 64, 27)]
    close(torch.cat(parts, dim=1), whole)


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_short_recordings(denoiser, rows):
    features = Features(numbers("denoiser_sampling")["wav2vec"][:rows], "wav2vec2-xlsr-53")
    codes = denoiser.encode_rows(features.rows[None])
    assert codes.shape[1] == features.num_frames
    close(codes, denoiser.encode_content(features.windows()[None]))


def test_windows():
    n = numbers("preprocessing")
    features = Features(n["win_feats"], "wav2vec2-xlsr-53")
    for start, count in ((0, 11), (3, 4), (0, 14)):
        expected = n[f"win_start{start}_n{count}_w5"]
        close(features.windows(5, start, start + count), expected, 0)


def test_sampling_network(denoiser, network):
    """As the whole network, each batch item by itself, and both at once where inputs allow it."""
    n = numbers("denoiser_forward")
    codes = n["style_code"]
    content = denoiser.encode_content(n["audio"])
    for times, expected in zip(n["t_pairs"], n["out"], strict=True):
        for i in range(len(times)):
            style = network.prepare(codes[i : i + 1])
            for _ in range(2):  # nothing may change in between
                out = network.predict(n["x_t"][i : i + 1], times[i : i + 1], content[[i]], style)
                close(out[0], expected[i])


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_sampling_networks_of_other_sizes(layers):
    """Two styles at once against one by one: one style, another, and one per frame."""
    torch.manual_seed(0)
    model = Denoiser(DenoiserConfig(24, 31, tuple(range(13)), 32, 4, layers, 64, 3, 50)).eval()
    for p in model.parameters():  # biases start at zero
        p.add_(0.1 * torch.randn_like(p))
    content = model.encode_content(torch.randn(1, 6, 7, 24))
    styles = [torch.randn(1, 32), torch.randn(1, 6, 32), torch.randn(1, 32)]
    x, t = torch.randn(1, 6, 31), torch.tensor([7])
    for network in (model, ArrangedDenoiser(model)):
        prepared = [network.prepare(style) for style in styles]
        for a, b in itertools.product(range(3), repeat=2):
            both = network.predict_both(x, t, content, prepared[a], prepared[b])
            for index, out in zip((a, b), both, strict=True):
                close(out, model.predict(x, t, content, styles[index]))


def test_guidance_at_the_ends(denoiser, network):
    n = numbers("denoiser_forward")
    x, t = n["x_t"][:1], n["t_pairs"][0, :1]
    content = denoiser.encode_content(n["audio"][:1])
    style, null = n["style_code"][:1], denoiser.encode_null_style()
    close(guide(network, content, style, null, 0.0)(x, t), denoiser.predict(x, t, content, null))
    per_frame = torch.tensor([0.0, 1.0] * 4)[:, None]
    mixed = guide(network, content, style, null, per_frame)(x, t)
    close(mixed[:, ::2], denoiser.predict(x, t, content, null)[:, ::2])
    close(mixed[:, 1::2], denoiser.predict(x, t, content, style)[:, 1::2])
    track = style[:, None].expand(-1, 8, -1)
    close(guide(network, content, track, null, 0.5)(x, t),
          guide(network, content, style, null, 0.5)(x, t))  # fmt: skip


def test_guidance_of_any_denoise_function():
    """Each half is computed only where it counts, and both at once where that is offered."""
    asked = []

    def denoise(x: torch.Tensor, t: torch.Tensor, condition: str) -> torch.Tensor:
        asked.append(condition)
        return x + {"loud": 1.0, "none": 3.0}[condition]

    x, t = torch.zeros(1, 2, 4, 4), torch.tensor([5])
    for scale, value, calls in [
        (0.0, 3, ["none"]),
        (1.0, 1, ["loud"]),
        (2.0, -1, ["loud", "none"]),
    ]:
        asked.clear()
        assert torch.equal(guided(denoise, "loud", "none", scale)(x, t), x + value)
        assert asked == calls
    mask = torch.tensor([0.0, 2.0]).view(2, 1, 1)
    assert guided(denoise, "loud", "none", mask)(x, t)[0, :, 0, 0].tolist() == [3, -1]
    assert torch.equal(guided(denoise, "loud")(x, t), x + 1)
    asked.clear()
    shared = guided(denoise, "loud", "none", 2.0, both=lambda x, t, a, b: (x + 5, x))
    assert torch.equal(shared(x, t), x + 10)
    assert not asked
    with pytest.raises(ValueError, match="null condition"):
        guided(denoise, "loud", scale=0.5)


def test_ddpm_recovers_a_known_value():
    """With a perfect prediction the chain ends in the clean value."""
    schedule = VarianceSchedule(50, 1e-3, 0.2)
    clean = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))
    noise = torch.Generator().manual_seed(1)
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    out = sample_ddpm(
        lambda x, t: clean.expand_as(x), torch.randn(1, 4, 3, generator=noise), schedule,
        lambda t: torch.randn(1, 4, 3, generator=noise), count,
    )  # fmt: skip
    close(out, clean, 1e-6)
    assert steps == 50


def test_config_survives_json():
    import json

    config = DenoiserConfig(feature_dim=64, expression_dim=31, lower=tuple(range(13)), d_model=96)
    assert DenoiserConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ValueError, match="unknown"):
        DenoiserConfig.from_dict({"depth": 3})


def test_small_sizes_train():
    with torch.enable_grad():
        config = DenoiserConfig(24, 31, tuple(range(13)), 32, 4, 2, 64, 3, 50)
        model = Denoiser(config)
        out = model(
            torch.randn(2, 6, 31), torch.tensor([3, 900]), torch.randn(2, 6, 7, 24),
            torch.randn(2, 20, 31), torch.zeros(2, 20, dtype=torch.bool),
        )  # fmt: skip
        assert out.shape == (2, 6, 31)
        out.square().mean().backward()
        unused = [n for n, p in model.named_parameters() if p.grad is None]
        assert not unused


@pytest.mark.parametrize(("name", "rows"), [("out", None), ("out_max_audio_len_1", 50)])
def test_official_routine(denoiser, name, rows):
    """From features, style and pose coefficients and x_T to the (T, 73) of the official script."""
    n = numbers("end_to_end")
    model = DreamTalkModel(denoiser)
    coeff, head = n["coeff"], torch.zeros(len(n["coeff"]), 6)
    style = model.encode_style(Motion(coeff[:, 80:144], head, space="bfm"))
    features = Features(n["wav2vec"][:rows], "wav2vec2-xlsr-53")
    frames = features.num_frames
    motion = model.sample(features, style, steps=10, guidance=1.0, noise=n["x_T"][0, :frames])
    pose = torch.cat([coeff[:, 224:227], coeff[:, 254:257], n["transform_params"][:, 2:]], dim=1)
    close(torch.cat([motion.expression, pose[:frames]], dim=1), n[name])

"""Speed is optional: faster twins compute the same, leave nothing behind, and may be missing."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn

from dreamtalk.cpu.arranged import ArrangedDenoiser
from dreamtalk.cpu.denoiser import FastDenoiser
from dreamtalk.cpu.frame import FrameDenoiser
from dreamtalk.cpu.winograd import WinogradConv2d
from dreamtalk.speed import speed_up
from tests.without_cpu import rendered, sampled, small_model


def test_parts_become_their_twins_and_keep_everything_else() -> None:
    net = nn.Sequential(nn.Conv2d(32, 8, 3, 1, 1), nn.Conv2d(32, 8, 3, 2, 1), nn.Linear(2, 2))
    parameters, seen = list(net.named_parameters()), []
    net[0].register_forward_hook(lambda *_: seen.append(1))
    assert speed_up(speed_up(net)) is net
    assert [type(part) for part in net] == [WinogradConv2d, nn.Conv2d, nn.Linear]
    after = list(net.named_parameters())
    assert [name for name, _ in after] == [name for name, _ in parameters]
    assert all(a is b for (_, a), (_, b) in zip(parameters, after, strict=True))
    with torch.no_grad():
        net[0](torch.randn(1, 32, 8, 8))
    assert seen == [1]
    assert net[0]._kernel is not None
    net.double()
    assert net[0]._kernel is None


@pytest.mark.parametrize(
    "move",
    [
        lambda model: model.to("meta"),  # a device that is on every machine and not the CPU
        lambda model: model.denoiser.to("meta"),
        lambda model: model.denoiser.to(torch.bfloat16),
    ],
)
def test_no_copy_of_the_weights_stays_behind(move) -> None:
    model = small_model()
    sampled(model)
    copy = model.denoiser.for_sampling()
    assert isinstance(copy, ArrangedDenoiser)
    assert model.denoiser.for_sampling() is copy  # one for all recordings
    gone = weakref.ref(copy)
    del copy
    move(model)
    gc.collect()
    assert gone() is None


def test_the_plain_network_samples_off_the_cpu() -> None:
    denoiser = small_model().denoiser.to("meta")
    assert isinstance(denoiser, FastDenoiser)
    assert denoiser.for_sampling() is denoiser


def test_changed_weights_are_noticed() -> None:
    model, other = small_model(), small_model()
    before = sampled(model)
    with torch.no_grad():
        for net in (model.denoiser, other.denoiser):
            net.net.decoder.lower_decoder.layers[0].linear1.weight.mul_(3)
    assert not torch.equal(sampled(model), before)
    assert torch.equal(sampled(model), sampled(other))


def test_one_frame_after_the_other_is_the_same() -> None:
    model = small_model()
    denoiser = model.denoiser
    arranged, single = denoiser.for_sampling(), denoiser.for_frames()
    assert isinstance(single, FrameDenoiser)
    styles = [model.presets["happy"][None], denoiser.encode_null_style()]
    window = torch.randn(1, 1, 7, 12)
    with torch.no_grad():
        content = single.encode_content(window)
        torch.testing.assert_close(content, denoiser.encode_content(window), atol=1e-5, rtol=1e-5)
        for time in (50.0, 3.0, 50.0):
            x, t = torch.randn(1, 1, 31), torch.tensor([time])
            wanted = arranged.predict_both(x, t, content, *map(arranged.prepare, styles))
            found = single.predict_both(x, t, content, *map(single.prepare, styles))
            torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
            alone = single.predict(x, t, content, single.prepare(styles[0]))
            assert torch.equal(alone, found[0])


def test_what_numpy_can_not_compute_torch_does() -> None:
    half = small_model().denoiser.to(torch.bfloat16)
    assert half.for_frames() is half.for_sampling()
    away = small_model().denoiser.to("meta")
    assert away.for_frames() is away


def test_everything_works_without_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "plain.pt"
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-m", "tests.without_cpu", out], check=True, cwd=root)
    plain = torch.load(out)
    assert not any(name.startswith("dreamtalk.cpu") for name in plain["modules"])
    motion, picture = sampled(small_model()), rendered()
    assert 0 < (plain["motion"] - motion).abs().max() < 1e-5
    assert 0 < (plain["picture"] - picture).abs().max() < 3e-4

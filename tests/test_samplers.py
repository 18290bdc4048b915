"""Samplers on data whose denoiser is known exactly: a mixture of two narrow Gaussians."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dreamtalk.diffusion.samplers import Denoise, sample_ddim, sample_dpm
from dreamtalk.diffusion.schedule import VarianceSchedule
from dreamtalk.errors import DreamTalkError
from dreamtalk.model import load_model
from dreamtalk.speech.speech import Features

Sampler = Callable[..., Tensor]


@pytest.fixture(scope="module")
def schedule() -> VarianceSchedule:
    return VarianceSchedule()


def exact(schedule: VarianceSchedule, width: float = 0.3) -> Denoise:
    """E[x_0 | x_t] where data are Gaussians around -1 and 1."""

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        bar = schedule.alpha_bars[t.long()][:, None]
        spread = bar * width**2 + 1 - bar
        centre = torch.tanh(bar.sqrt() * x / spread)
        return centre + width**2 * bar.sqrt() / spread * (x - bar.sqrt() * centre)

    return denoise


def test_dpm_is_of_second_order_and_ddim_of_first(schedule: VarianceSchedule) -> None:
    start = torch.randn(256, 4, generator=torch.Generator().manual_seed(0))
    full = sample_ddim(exact(schedule), start, schedule, 1000)
    calls: list[None] = []

    def error(sample: Sampler, steps: int) -> float:
        made = sample(exact(schedule), start, schedule, steps, lambda: calls.append(None))
        return float((made - full).square().mean().sqrt())

    few, more = ([error(s, n) for s in (sample_ddim, sample_dpm)] for n in (10, 30))
    assert len(calls) == 80
    assert few[1] < 0.8 * few[0]
    assert more[1] < 0.4 * more[0]
    assert few[0] / more[0] < 4.5 < few[1] / more[1]


def test_any_number_of_steps(schedule: VarianceSchedule) -> None:
    start = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
    seen: list[float] = []

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        seen.append(float(t[0]))
        return exact(schedule)(x, t)

    for steps in (1, 2, 7, 600, 1000):
        seen.clear()
        assert torch.isfinite(sample_dpm(denoise, start, schedule, steps)).all()
        assert len(set(seen)) == steps
        assert seen == sorted(seen, reverse=True)
        assert seen[0] == 1000
        assert seen[-1] >= 1
    for steps in (0, 1001):
        with pytest.raises(DreamTalkError, match=f"{steps} steps"):
            sample_dpm(denoise, start, schedule, steps)


def test_the_starter_by_dpm() -> None:
    model = load_model()
    rows = torch.randn(40, model.denoiser.config.feature_dim) * 0.1
    features, style = Features(rows, model.feature_kind), model.preset("happy")
    full, dpm, ddim = (
        model.sample(features, style, steps, sampler).expression
        for steps, sampler in ((50, "ddim"), (10, "dpm"), (10, "ddim"))
    )
    size = full[:, :13].square().mean().sqrt()
    for few in (dpm, ddim):
        assert 0 < (few - full)[:, :13].square().mean().sqrt() < 0.1 * size

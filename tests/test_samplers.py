"""Samplers on data whose denoiser is known exactly: a mixture of two narrow Gaussians."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamtalk.diffusion.samplers import Denoise, sample_ddim, sample_dpm
from dreamtalk.diffusion.schedule import VarianceSchedule
from dreamtalk.model import load_model
from dreamtalk.speech.speech import Features


@pytest.fixture(scope="module")
def schedule() -> VarianceSchedule:
    return VarianceSchedule()


def exact(schedule: VarianceSchedule, width: float = 0.3) -> Denoise:
    """E[x_0 | x_t] where data are Gaussians around -1 and 1."""

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        bar = schedule.alpha_bars[t][:, None]
        spread = bar * width**2 + 1 - bar
        centre = torch.tanh(bar.sqrt() * x / spread)
        return centre + width**2 * bar.sqrt() / spread * (x - bar.sqrt() * centre)

    return denoise


@pytest.mark.parametrize("steps", [8, 10, 20])
def test_dpm_is_nearer_to_the_end_than_ddim(schedule: VarianceSchedule, steps: int) -> None:
    start = torch.randn(256, 4, generator=torch.Generator().manual_seed(0))
    full = sample_ddim(exact(schedule), start, schedule, 1000)
    calls: list[None] = []
    made = sample_dpm(exact(schedule), start, schedule, steps, lambda: calls.append(None))
    error = (made - full).square().mean().sqrt()
    plain = (sample_ddim(exact(schedule), start, schedule, steps) - full).square().mean().sqrt()
    assert len(calls) == steps
    assert error < 0.6 * plain


def test_one_and_two_steps_of_dpm_are_those_of_ddim(schedule: VarianceSchedule) -> None:
    """Second order begins with the third call: the last step ends at x_0 in both."""
    start = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))
    for steps in (1, 2):
        ours, ddim = (
            sample(exact(schedule), start, schedule, steps) for sample in (sample_dpm, sample_ddim)
        )
        torch.testing.assert_close(ours, ddim, atol=1e-4, rtol=1e-4)


def test_the_starter_by_dpm() -> None:
    model = load_model()
    rows = torch.randn(40, model.denoiser.config.feature_dim) * 0.1
    features, style = Features(rows, model.feature_kind), model.preset("happy")
    full, dpm, ddim = (
        model.sample(features, style, steps, sampler).expression
        for steps, sampler in ((50, "ddim"), (10, "dpm"), (10, "ddim"))
    )
    assert (dpm - full).square().mean() < (ddim - full).square().mean()

"""Samplers of a network that predicts the noise, with a part of the picture kept in place.

Each is a plain function of a denoise function. All end at t = 0, where the schedule has a little
noise left, as the published sampler does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .schedule import Schedule

PredictNoise = Callable[[Tensor, Tensor], Tensor]
"""``predict(x_t (B, ...), t (B,) int64) -> noise (B, ...)``"""
StepNoise = Callable[[int], Tensor]
"""``noise(t)``: standard normal values like x, for the step at time t."""
StepCallback = Callable[[], None]
"""Called after each step; may raise to cancel."""


def _ignore() -> None:
    pass


@dataclass(frozen=True)
class Kept:
    """What is known of the result: put back, with fresh noise, before every step.

    There is no such step after the last, so kept regions come out of the network too.

    Attributes:
        mask: (B or 1, 1, h, w), 1 where the latent is kept.
        latent: (B, C, h, w) of the real picture.
        noise: draws the noise of a step.
    """

    mask: Tensor
    latent: Tensor
    noise: StepNoise

    def blend(self, x: Tensor, t: int, bar: float) -> Tensor:
        """x_t with the known part replaced; ``bar`` is the schedule's alphas_cumprod at t."""
        known = math.sqrt(bar) * self.latent + math.sqrt(1 - bar) * self.noise(t)
        return self.mask * known + (1 - self.mask) * x


@torch.no_grad()
def sample_ddim(
    predict: PredictNoise,
    x: Tensor,
    schedule: Schedule,
    times: Sequence[int],
    kept: Kept | None = None,
    callback: StepCallback = _ignore,
) -> Tensor:
    """Deterministic sampling (Song et al. 2021, equation 12 with eta = 0), the published way.

    Args:
        predict: the noise in x_t.
        x: (B, ...) noise x_T.
        times: of the network calls, falling; officially ``schedule.times(200)``.
        kept: what is known of the result.

    Returns:
        (B, ...)
    """
    bars = schedule.alphas_cumprod.tolist()
    for t, following in zip(times, [*times[1:], 0], strict=True):
        bar, after = bars[t], bars[following]
        if kept is not None:
            x = kept.blend(x, t, bar)
        noise = predict(x, _times_like(x, t))
        clean = (x - math.sqrt(1 - bar) * noise) / math.sqrt(bar)
        x = math.sqrt(after) * clean + math.sqrt(1 - after) * noise
        callback()
    return x


@torch.no_grad()
def sample_dpm(
    predict: PredictNoise,
    x: Tensor,
    schedule: Schedule,
    times: Sequence[int],
    kept: Kept | None = None,
    callback: StepCallback = _ignore,
) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): second order at one network call a step.

    Arguments and result as in ``sample_ddim``.
    """
    bars = schedule.alphas_cumprod.tolist()
    earlier: tuple[Tensor, float] | None = None  # x_0 and the stride of the step before
    for t, following in zip(times, [*times[1:], 0], strict=True):
        bar, after = bars[t], bars[following]
        if kept is not None:
            x = kept.blend(x, t, bar)
        noise = predict(x, _times_like(x, t))
        clean = (x - math.sqrt(1 - bar) * noise) / math.sqrt(bar)
        stride = _log_ratio(after) - _log_ratio(bar)
        aim = clean
        if earlier is not None:
            aim = clean + (clean - earlier[0]) * (stride / (2 * earlier[1]))
        earlier = clean, stride
        x = math.sqrt((1 - after) / (1 - bar)) * x - math.sqrt(after) * math.expm1(-stride) * aim
        callback()
    return x


def _times_like(x: Tensor, t: int) -> Tensor:
    return torch.full((len(x),), t, device=x.device)


def _log_ratio(bar: float) -> float:
    """log of signal over noise: lambda of Lu et al."""
    return 0.5 * math.log(bar / (1 - bar))

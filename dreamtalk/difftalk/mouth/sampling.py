"""Sampling of a network that predicts the clean latent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..schedule import Schedule

PredictClean = Callable[[Tensor, Tensor], Tensor]
"""``predict(x_t (B, ...), t (B,) int64) -> x_0 (B, ...)``"""


@torch.no_grad()
def sample_clean(
    predict: PredictClean, x: Tensor, schedule: Schedule, times: Sequence[int]
) -> Tensor:
    """DDIM (Song et al. 2021, equation 12 with eta = 0) on predictions of x_0.

    Ends with what the network takes for clean at the last of the times, without the noise that the
    schedule still has at t = 0.

    Args:
        predict: the clean latent.
        x: (B, ...) noise x_T.
        times: of the network calls, falling, such as ``schedule.even_times(4)``.

    Returns:
        (B, ...)
    """
    bars = schedule.alphas_cumprod.tolist()
    clean = x
    for index, t in enumerate(times):
        if index > 0:
            before, bar = bars[times[index - 1]], bars[t]
            noise = (x - math.sqrt(before) * clean) / math.sqrt(1 - before)
            x = math.sqrt(bar) * clean + math.sqrt(1 - bar) * noise
        clean = predict(x, torch.full((len(x),), t, device=x.device)).to(x.dtype)
    return clean

"""Samplers: from noise to clean values through a network that predicts the clean value.

Each is a plain function of a denoise function. Denoising looks at one frame at a time, so long
sequences are sampled chunk by chunk in constant memory; ``FrameNoise`` gives every frame its own
draws whatever the chunks are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DreamTalkError
from .schedule import VarianceSchedule

Denoise = Callable[[Tensor, Tensor], Tensor]
"""``denoise(x_t (B, ...), t (B,)) -> x_0 (B, ...)``"""
StepNoise = Callable[[int], Tensor]
"""``noise(t)``: standard normal values like x, for the step that leaves time t."""
StepCallback = Callable[[], None]
"""Called after each step; may raise to cancel."""


def _ignore() -> None:
    pass


@torch.no_grad()
def sample_ddim(
    denoise: Denoise,
    x: Tensor,
    schedule: VarianceSchedule,
    steps: int = 10,
    callback: StepCallback = _ignore,
) -> Tensor:
    """Deterministic sampling in few steps (Song et al. 2021, equation 12 with eta = 0).

    Args:
        denoise: predicts x_0.
        x: (B, ...) noise x_T.
        steps: network calls.

    Returns:
        (B, ...) x_0
    """
    times = schedule.ddim_times(steps)
    bars = schedule.alpha_bars
    for t, previous in zip(times, [*times[1:], 0], strict=True):
        x0 = denoise(x, x.new_full((x.shape[0],), t))
        eps = (x - bars[t].sqrt() * x0) / (1 - bars[t]).sqrt()
        x = bars[previous].sqrt() * x0 + (1 - bars[previous]).sqrt() * eps
        callback()
    return x


@torch.no_grad()
def sample_dpm(
    denoise: Denoise,
    x: Tensor,
    schedule: VarianceSchedule,
    steps: int = 10,
    callback: StepCallback = _ignore,
) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): second order at one network call a step.

    The calls lie evenly in lambda, half the logarithm of signal to noise, where second order is
    exact for straight lines. After the last of them, at t = 1, lambda has no end: there the result
    is the network's x_0. Arguments and result as in :func:`sample_ddim`.
    """
    bars = schedule.alpha_bars.double()
    half_log = 0.5 * (bars.log() - (1 - bars).log())
    times = _even_times(half_log, steps)
    earlier: tuple[Tensor, float] | None = None  # x_0 and the stride of the step before
    for t, following in zip(times, [*times[1:], 0], strict=True):
        x0 = denoise(x, x.new_full((x.shape[0],), t))
        if following == 0:
            x = x0
        else:
            stride = float(half_log[following] - half_log[t])
            aim = x0
            if earlier is not None:
                aim = x0 + (x0 - earlier[0]) * (stride / (2 * earlier[1]))
            earlier = x0, stride
            keep = math.sqrt(float((1 - bars[following]) / (1 - bars[t])))
            x = keep * x - math.sqrt(float(bars[following])) * math.expm1(-stride) * aim
        callback()
    return x


def _even_times(half_log: Tensor, steps: int) -> list[int]:
    """So many different times from T to 1, even in lambda (T + 1,) as far as integers allow."""
    last = len(half_log) - 1
    if not 1 <= steps <= last:
        raise DreamTalkError(f"{steps} steps: choose between 1 and {last}")
    falling = half_log[1:].flip(0)  # rises with the place: t = T first
    wanted = torch.linspace(float(falling[0]), float(falling[-1]), steps, dtype=falling.dtype)
    places = torch.searchsorted(falling, wanted).clamp(max=last - 1).tolist()
    for i in range(1, steps):  # different: each after the one before
        places[i] = max(places[i], places[i - 1] + 1)
    for i in range(steps - 1, -1, -1):  # and none beyond the end
        places[i] = min(places[i], last - steps + i)
    return [last - place for place in places]


@torch.no_grad()
def sample_ddpm(
    denoise: Denoise,
    x: Tensor,
    schedule: VarianceSchedule,
    noise: StepNoise,
    callback: StepCallback = _ignore,
) -> Tensor:
    """Ancestral sampling through all T steps (Ho et al. 2020, equations 6 and 7).

    Args:
        denoise: predicts x_0.
        x: (B, ...) noise x_T.
        noise: fresh noise for each step; not called for the last.

    Returns:
        (B, ...) x_0
    """
    bars, alphas = schedule.alpha_bars, schedule.alphas
    for t in range(schedule.num_steps, 0, -1):
        x0 = denoise(x, x.new_full((x.shape[0],), t))
        keep = alphas[t].sqrt() * (1 - bars[t - 1]) / (1 - bars[t])
        pull = bars[t - 1].sqrt() * (1 - alphas[t]) / (1 - bars[t])
        x = keep * x + pull * x0
        if t > 1:
            x = x + schedule.sigmas_inflex[t] * noise(t)
        callback()
    return x


class FrameNoise:
    """Standard normal noise that can be drawn for any range of frames.

    Drawn on the CPU from a counter-based generator: the same seed gives the same noise on every
    machine, however the sequence is cut into chunks.

    Since frames don't see each other, white noise makes each frame land somewhere else within what
    the network considers possible. Smooth noise makes neighbouring frames land close together; its
    variance stays 1, so each frame by itself is an ordinary sample.

    Args:
        channels: C.
        seed: any integer.
        smoothing: standard deviation in frames of the Gaussian that smooths the noise over time; 0
            gives white noise.
    """

    _BLOCK = 64
    _ORIGIN = 1 << 32  # keeps block numbers positive where smoothing reaches before frame 0

    def __init__(self, channels: int, seed: int = 0, smoothing: float = 0.0) -> None:
        self.channels = channels
        self.seed = seed % (1 << 64)
        self.smoothing = smoothing

    def draw(self, start: int, stop: int, step: int = 0) -> Tensor:
        """Noise of frames ``start..stop`` for a step: (stop - start, channels) float32."""
        if self.smoothing <= 0:
            return torch.from_numpy(self._white(start, stop, step))
        radius = math.ceil(3 * self.smoothing)
        offset = torch.arange(-radius, radius + 1, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (offset / self.smoothing) ** 2)
        kernel = kernel / kernel.square().sum().sqrt()
        white = torch.from_numpy(self._white(start - radius, stop + radius, step))
        return F.conv1d(white.T[:, None], kernel[None, None])[:, 0].T.contiguous()

    def _white(self, start: int, stop: int, step: int) -> np.ndarray:
        first = start // self._BLOCK
        blocks = []
        for block in range(first, (stop - 1) // self._BLOCK + 1):
            key = np.array([self.seed, step], dtype=np.uint64)
            counter = np.array([0, 0, 0, block + self._ORIGIN], dtype=np.uint64)
            bits = np.random.Philox(key=key, counter=counter)
            blocks.append(np.random.Generator(bits).standard_normal((self._BLOCK, self.channels)))
        inside = start - first * self._BLOCK
        return np.concatenate(blocks)[inside : inside + stop - start].astype(np.float32)

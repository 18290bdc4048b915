"""The variance schedule of the diffusion process."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import DreamTalkError


class VarianceSchedule(nn.Module):
    """Linear betas (Ho et al. 2020, section 4), indexed by t = 0 (clean) .. ``num_steps``.

    The buffers have the official names and are (num_steps + 1,) float32.

    Args:
        num_steps: T.
        beta_first, beta_last: beta at t = 1 and t = T.
    """

    betas: Tensor
    alphas: Tensor
    alpha_bars: Tensor
    sigmas_flex: Tensor
    sigmas_inflex: Tensor

    def __init__(
        self, num_steps: int = 1000, beta_first: float = 1e-4, beta_last: float = 0.02
    ) -> None:
        super().__init__()
        self.num_steps = num_steps
        betas = torch.cat([torch.zeros(1), torch.linspace(beta_first, beta_last, num_steps)])
        alphas = 1 - betas
        bars = alphas.log().cumsum(0).exp()
        inflex = torch.zeros_like(betas)
        inflex[1:] = ((1 - bars[:-1]) / (1 - bars[1:]) * betas[1:]).sqrt()
        self.register_buffer("betas", betas)
        self.register_buffer("alphas", alphas)
        self.register_buffer("alpha_bars", bars)
        self.register_buffer("sigmas_flex", betas.sqrt())
        self.register_buffer("sigmas_inflex", inflex)

    def ddim_times(self, steps: int) -> list[int]:
        """Times that ``steps`` network calls are made at, from the noisiest to the last.

        Where ``steps`` divides T these are the official 1, 1 + c, 1 + 2c, ... with c = T / steps;
        other counts are spread as evenly as integers allow.

        Raises:
            DreamTalkError: unless 1 <= steps <= T.
        """
        if not 1 <= steps <= self.num_steps:
            raise DreamTalkError(f"{steps} steps: choose between 1 and {self.num_steps}")
        return [1 + k * self.num_steps // steps for k in reversed(range(steps))]

    def add_noise(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Forward process q(x_t | x_0): x0 (B, ...), t (B,) integer, noise like x0."""
        bars = self.alpha_bars[t].reshape(-1, *[1] * (x0.ndim - 1)).to(x0.dtype)
        return bars.sqrt() * x0 + (1 - bars).sqrt() * noise

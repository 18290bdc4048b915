"""The variance schedule of DiffTalk and the times at which its samplers work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError, DreamTalkError
from .config import ScheduleConfig


@dataclass(frozen=True)
class Schedule:
    """Betas whose square roots rise linearly, indexed by t = 0 (least noise) .. steps - 1.

    Unlike in DreamTalk's schedule no time is free of noise: at t = 0 there is beta_first of it.

    Attributes:
        config: length and ends.
        betas: (steps,) float64.
    """

    config: ScheduleConfig
    betas: Tensor

    @classmethod
    def of(cls, config: ScheduleConfig | None = None) -> Schedule:
        """The schedule with these ends."""
        config = config or ScheduleConfig()
        ends = config.beta_first**0.5, config.beta_last**0.5
        return cls(config, torch.from_numpy(np.linspace(*ends, config.steps) ** 2))

    @classmethod
    def from_tables(cls, tables: Mapping[str, Tensor]) -> Schedule:
        """The schedule of a checkpoint.

        Raises:
            CheckpointError: if it is of another form, which the samplers here can't know.
        """
        betas = tables["betas"].double()
        config = ScheduleConfig(len(betas), float(f"{betas[0]:.7g}"), float(f"{betas[-1]:.7g}"))
        made = cls.of(config)
        if (made.betas - betas).abs().max() > 1e-6:
            raise CheckpointError(
                f"the schedule in the file, {len(betas)} betas from {betas[0]:.4g} to "
                f"{betas[-1]:.4g}, is not DiffTalk's, whose square roots rise linearly"
            )
        return made

    @property
    def alphas_cumprod(self) -> Tensor:
        """(steps,) float32: share of the clean signal's power at each time."""
        return (1 - self.betas).cumprod(0).float()

    def tables(self) -> dict[str, Tensor]:
        """What the official checkpoints hold of the schedule, (steps,) float32 each."""
        betas = self.betas
        bars = (1 - betas).cumprod(0)
        before = torch.cat([torch.ones(1, dtype=torch.float64), bars[:-1]])
        variance = betas * (1 - before) / (1 - bars)
        tables = {
            "betas": betas,
            "alphas_cumprod": bars,
            "alphas_cumprod_prev": before,
            "sqrt_alphas_cumprod": bars.sqrt(),
            "sqrt_one_minus_alphas_cumprod": (1 - bars).sqrt(),
            "log_one_minus_alphas_cumprod": (1 - bars).log(),
            "sqrt_recip_alphas_cumprod": (1 / bars).sqrt(),
            "sqrt_recipm1_alphas_cumprod": (1 / bars - 1).sqrt(),
            "posterior_variance": variance,
            "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
            "posterior_mean_coef1": betas * before.sqrt() / (1 - bars),
            "posterior_mean_coef2": (1 - before) * (1 - betas).sqrt() / (1 - bars),
        }
        return {name: table.float() for name, table in tables.items()}

    def times(self, steps: int) -> list[int]:
        """The official times of the network's calls, from the noisiest to the last.

        1, 1 + c, 1 + 2c, ... with c = T // steps, so their number may exceed ``steps`` (7 gives 8).
        Where c divides T - 1 the published code reaches past its table and stops with an error;
        that time is left out here.

        Raises:
            DreamTalkError: unless 1 <= steps < T.
        """
        total = self.config.steps
        if not 1 <= steps < total:
            raise DreamTalkError(f"{steps} steps: choose between 1 and {total - 1}")
        times = range(1, total + 1, total // steps)
        return [t for t in reversed(times) if t < total]

    def even_times(self, steps: int) -> list[int]:
        """Times of about ``steps`` network calls, even in the logarithm of signal to noise.

        From T - 1 down; times that round to the same integer are merged.

        Raises:
            DreamTalkError: unless 1 <= steps < T.
        """
        total = self.config.steps
        if not 1 <= steps < total:
            raise DreamTalkError(f"{steps} steps: choose between 1 and {total - 1}")
        bars = (1 - self.betas).cumprod(0)
        ratio = (bars / (1 - bars)).log()
        wanted = torch.linspace(float(ratio[-1]), float(ratio[0]), steps + 1)[:-1]
        nearest = (ratio[None] - wanted[:, None]).abs().argmin(-1)
        return sorted({max(1, t) for t in nearest.tolist()}, reverse=True)

    def add_noise(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Forward process q(x_t | x_0): x0 (B, ...), t (B,) integer, noise like x0."""
        bars = self.alphas_cumprod.to(x0.device)[t].reshape(-1, *[1] * (x0.ndim - 1))
        return bars.sqrt().to(x0) * x0 + (1 - bars).sqrt().to(x0) * noise

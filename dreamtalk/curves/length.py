"""Values over time brought to a length."""

from __future__ import annotations

import torch
from torch import Tensor


def hold_last(values: Tensor, frames: int) -> Tensor:
    """The first ``frames`` of (T, ...) values; where there are fewer the last one holds.

    Args:
        values: T >= 1.
        frames: of the result.
    """
    index = torch.arange(frames, device=values.device).clamp(max=len(values) - 1)
    return values[index]

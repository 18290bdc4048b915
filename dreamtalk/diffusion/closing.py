"""Lips are shut where p, b or m are heard.

What a denoiser predicts is a mean over what it considers possible, and strong styles are
extrapolated: both leave lips apart that should meet. The speech encoder's posteriors say where.

This is done once, to what was sampled: inside the sampler every step adds to the last, which shuts
too much (p, b, m of prompts .97 closed, but .50 at random times, against .91 and .28) and flickers.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LipClosing:
    """How the lips of a motion are shut.

    Attributes:
        share: (N,) how sure it is that the lips are shut in a frame, 0..1.
        channel: the channel of the aperture.
        shut: its value when the lips are shut.
        shape: (C,) change of all channels for 1 of that channel.
    """

    share: Tensor
    channel: int
    shut: float
    shape: Tensor


def close_lips(values: Tensor, closing: LipClosing, scale: float) -> Tensor:
    """Motion (N, C) whose lips are shut where they should be.

    At scale 1 the share of the opening that the frame is sure of is taken away, at scale w what is
    left after w such steps. The other channels follow as they do when lips meet.
    """
    part = 1 - (1 - closing.share) ** scale
    excess = part * (values[:, closing.channel] - closing.shut).clamp(min=0)
    moved: Tensor = values - excess[:, None] * closing.shape
    return moved

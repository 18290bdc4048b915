"""Closing guidance: lips are shut where p, b or m are heard, in every prediction of the clean
motion.

What a denoiser predicts is a mean over what it considers possible, and strong styles are
extrapolated: both leave lips apart that should meet. The speech encoder's posteriors say where.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .samplers import Denoise


@dataclass(frozen=True)
class LipClosing:
    """How the lips of a checkpoint are shut.

    Attributes:
        share: (N,) how sure it is that the lips are shut in a frame, 0..1.
        channel: the channel of the aperture.
        shut: its standardized value when the lips are shut.
        shape: (C,) standardized change of all channels for 1 of that channel.
    """

    share: Tensor
    channel: int
    shut: float
    shape: Tensor


def closing_guided(denoise: Denoise, closing: LipClosing, scale: float) -> Denoise:
    """A denoise function whose lips are shut where they should be.

    At scale 1 the share of the opening that the frame is sure of is taken away, at scale w what is
    left after w such steps. The other channels follow as they do when lips meet.

    Args:
        denoise: predicts x_0 (1, N, C).
        scale: 0 changes nothing.

    Returns:
        ``denoise(x_t (1, N, C), t (1,)) -> x_0 (1, N, C)``
    """
    if scale == 0:
        return denoise
    part = (1 - (1 - closing.share) ** scale)[:, None]

    def guided(x: Tensor, t: Tensor) -> Tensor:
        clean = denoise(x, t)
        excess = (clean[..., closing.channel, None] - closing.shut).clamp(min=0)
        moved: Tensor = clean - part.to(clean) * excess * closing.shape.to(clean)
        return moved

    return guided

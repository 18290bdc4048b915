"""What was measured on a checkpoint after its training."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Calibration:
    """What was measured on a checkpoint after its training, and makes its motion come out right.

    Attributes:
        noise_scale: factor on the noise that sampling starts from: below 1 the motion keeps nearer
            to the mean of what the network considers possible; seeds differ by less.
        noise_smoothing: of that noise over time, frames; see :class:`FrameNoise`.
        settling: share of its two neighbours that each sampled frame takes on, 0 for none; against
            flicker at the edge of what 25 frames a second show, too little to open a closure.
        closing: strength of :func:`~dreamtalk.diffusion.closing.close_lips` that always holds;
            a larger scale of lip-sync guidance takes its place.
        style_center, style_gain: (C,) each, or None; what a style clip shows on average is drawn
            away from the center (an average neutral speaker) by the gain, channel by channel,
            because a style encoder that can't tell a face from its expression takes over too
            little of it.
    """

    noise_scale: float = 1.0
    noise_smoothing: float = 0.0
    settling: float = 0.0
    closing: float = 0.0
    style_center: Tensor | None = None
    style_gain: Tensor | None = None

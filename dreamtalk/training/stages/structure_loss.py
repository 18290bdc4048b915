"""How unlike two pictures are in structure: 1 - SSIM as a loss.

Wang et al. 2004; as a loss Zhao et al. 2017. Absolute and squared errors are least for a picture
that is softer than any true one. SSIM compares local contrast too, and so asks for edges where the
others settle for grey.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIGMA, REACH = 1.5, 5
"""px of the Gaussian window, and how far it goes to each side."""
_C1, _C2 = 0.01**2, 0.03**2
_GREY = (0.299, 0.587, 0.114)


def structure_loss(made: Tensor, true: Tensor, weight: Tensor) -> Tensor:
    """Mean of 1 - SSIM of the grey values.

    Args:
        made, true: (B, 3, H, W) in -1..1.
        weight: (B, 1, H, W) how much places count, 1 on average.
    """
    grey = made.new_tensor(_GREY)[:, None, None]
    a, b = (((x + 1) / 2 * grey).sum(1, keepdim=True) for x in (made, true))
    means = _smooth(torch.cat([a, b, a * a, b * b, a * b], 1))
    mean_a, mean_b, square_a, square_b, product = means.split(1, 1)
    both, squares = mean_a * mean_b, mean_a.square() + mean_b.square()
    variances, covariance = square_a + square_b - squares, product - both
    ssim = (2 * both + _C1) * (2 * covariance + _C2) / ((squares + _C1) * (variances + _C2))
    return ((1 - ssim) * weight).mean()


def _smooth(x: Tensor) -> Tensor:
    """(B, C, H, W) through the window, one direction after the other."""
    channels = x.shape[1]
    at = torch.arange(-REACH, REACH + 1, device=x.device, dtype=x.dtype)
    window = (-at.square() / (2 * SIGMA**2)).exp()
    window = (window / window.sum()).expand(channels, 1, 1, -1)
    x = F.pad(x, (REACH, REACH, REACH, REACH), mode="reflect")
    x = F.conv2d(x, window, groups=channels)
    return F.conv2d(x, window.transpose(2, 3), groups=channels)

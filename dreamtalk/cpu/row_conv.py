"""Large convolutions to very few channels, for the CPU."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F


def is_large_to_few(conv: nn.Conv2d) -> bool:
    """Whether this is a large convolution to so few channels that :class:`RowConv2d` is faster."""
    kernel, half = conv.kernel_size[0], conv.kernel_size[0] // 2
    settings = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)
    fits = settings == ((kernel, kernel), (1, 1), (half, half), (1, 1), 1)
    return fits and conv.padding_mode == "zeros" and kernel in (5, 7) and conv.out_channels <= 4


class RowConv2d(nn.Conv2d):
    """A square convolution with few output channels, columns first and then rows.

    torch's CPU convolutions fill their vector registers with output channels, so a 7x7 convolution
    to 3 channels leaves most of them empty. Here each column of the kernel becomes some output
    channels of a 7x1 convolution, and the 7 results are added up, each shifted by its place.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H, W)."""
        if x.device.type != "cpu" or torch.is_grad_enabled():
            return super().forward(x)
        kernel, half, width = self.kernel_size[1], self.kernel_size[1] // 2, x.shape[-1]
        columns = rearrange(self.weight, "o c y x -> (x o) c y 1")
        made = F.pad(F.conv2d(x, columns, padding=(half, 0)), (half, half))
        made = rearrange(made, "b (x o) h w -> x b o h w", x=kernel)
        total = made[0, ..., :width].clone()
        for place in range(1, kernel):
            total += made[place, ..., place : place + width]
        return total if self.bias is None else total.add_(self.bias[:, None, None])

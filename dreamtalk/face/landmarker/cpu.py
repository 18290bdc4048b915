"""The same layers, faster on a CPU: exact, and optional. Without this file everything works."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_FEW = 512  # pixels
_LARGE_BLOCK = 31 << 20  # bytes; of 32 glibc takes no notice
_ROW = 512
"""Values that an activation takes in one go."""


class OneDnnConv(nn.Module):
    """A convolution by oneDNN; one of 1x1 on few pixels as a matrix product, which begins sooner.

    Left alone, torch computes 1x1 convolutions of few pictures on one thread in a general way,
    which takes the whole network half as long again.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert not isinstance(conv.padding, str)
        self.weight, self.bias = conv.weight, conv.bias
        self.padding, self.stride = conv.padding, conv.stride
        self.dilation, self.groups = conv.dilation, conv.groups
        self.pointwise = conv.kernel_size == (1, 1) and conv.groups == 1

    def forward(self, x: Tensor) -> Tensor:
        if self.pointwise and x.shape[0] * x.shape[2] * x.shape[3] <= _FEW:
            pixels = F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
            return pixels.permute(0, 3, 1, 2)
        return torch.mkldnn_convolution(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups
        )


class RowPReLU(nn.Module):
    """A PReLU that takes many pixels for one with many channels.

    In channels-last memory the channels are the innermost loop, and 8 or 16 of them are too few.
    """

    def __init__(self, prelu: nn.PReLU) -> None:
        super().__init__()
        self.weight = prelu.weight
        self.row = prelu.weight.repeat(_ROW // len(prelu.weight))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)
        if pixels[0].numel() % _ROW or not pixels.is_contiguous():
            return F.prelu(x, self.weight)
        return F.prelu(pixels.view(-1, _ROW), self.row).view(pixels.shape).permute(0, 3, 1, 2)


def keep_freed_memory() -> None:
    """Have the C library keep what a layer frees for the next one.

    glibc gives free memory back to the system beyond twice the size of the largest block that was
    freed so far (at most 64 MB). Getting it back page by page took a tenth of the time.
    """
    block = torch.empty(_LARGE_BLOCK, dtype=torch.uint8)  # never written to, so it costs nothing
    del block


def speed_up(net: nn.Module) -> None:
    """Replace layers of a network whose weights are float32 on a CPU and are not trained."""
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and torch.backends.mkldnn.is_available():
                setattr(module, name, OneDnnConv(child))
            elif isinstance(child, nn.PReLU):
                setattr(module, name, RowPReLU(child))

"""The mapping network: a window of coefficients -> a motion descriptor."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .layers import SLOPE


class MappingNet(nn.Module):
    """1-D convolutions over the frames of a window, without padding."""

    def __init__(self, coefficients: int = 73, descriptor: int = 256, layers: int = 3) -> None:
        super().__init__()
        self.layers = layers
        self.first = nn.Sequential(nn.Conv1d(coefficients, descriptor, 7))
        for i in range(layers):
            conv = nn.Conv1d(descriptor, descriptor, 3, dilation=3)
            self.add_module(f"encoder{i}", nn.Sequential(nn.LeakyReLU(SLOPE), conv))

    def forward(self, windows: Tensor) -> Tensor:
        """(B, coefficients, 27) -> (B, descriptor)."""
        x = self.first(windows)
        for i in range(self.layers):
            conv = self.get_submodule(f"encoder{i}.1")
            x = conv(F.leaky_relu(x, SLOPE)) + x[..., 3:-3]
        return x.mean(dim=-1)

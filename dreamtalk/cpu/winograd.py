"""3x3 convolutions with less arithmetic, for the CPU.

Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016): tiles of 6x6 pixels are transformed,
multiplied by the transformed kernel as 36 matrix products, and transformed back to 4x4 pixels. That
is a quarter of the multiplications; the errors are a few 1e-5 of the values. torch's CPU
convolutions work directly, so on a CPU this nearly halves the time of the generator. Elsewhere, and
where gradients are needed, the layers below are plain convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.pirenderer import UpConv2d

_TILE = 4
_POINTS = 6
_STRIP_FLOATS = 5 << 18  # of transformed input at a time: stays in the cache

_KERNEL = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)


def transform_kernel(weight: Tensor) -> Tensor:
    """Kernels (O, C, 3, 3) -> (36, C, O), columns before rows; once per network."""
    points = torch.einsum("ai,bj,ocij->baco", _KERNEL, _KERNEL, weight.detach().double())
    return points.reshape(_POINTS * _POINTS, *points.shape[2:]).float().contiguous()


def convolve(x: Tensor, kernel: Tensor, bias: Tensor | None, upscale: int = 1) -> Tensor:
    """3x3 convolution with padding 1.

    Args:
        x: (B, C, H, W) float32, H and W multiples of 4; fastest in channels-last layout.
        kernel: (36, C, O) from :func:`transform_kernel`.
        bias: (O,), ordered as the output channels.
        upscale: r > 1 spreads groups of r * r output channels, ordered (row, column, channel), over
            r times the resolution.

    Returns:
        (B, O / r^2, r H, r W) in channels-last layout.
    """
    batch, channels, height, width = x.shape
    rows, columns = height // _TILE, width // _TILE
    depth = kernel.shape[-1] // upscale**2
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    result = x.new_empty(batch, rows, _TILE, upscale, columns, _TILE, upscale, depth)
    strip = _STRIP_FLOATS // (_POINTS**2 * columns * channels)
    strip = min(rows, 1 << max(0, strip.bit_length() - 1))
    for item in range(batch):
        for start in range(0, rows, strip):
            stop = min(start + strip, rows)
            band = padded[item, start * _TILE : stop * _TILE + _POINTS - _TILE]
            points = _to_points(band, stop - start, columns)
            made = torch.bmm(points.view(_POINTS**2, -1, channels), kernel)
            made = made.view(_POINTS, _POINTS, stop - start, columns, upscale, upscale, depth)
            target = result[item, start:stop].permute(4, 1, 0, 3, 2, 5, 6)
            _from_points(made, target)
            if bias is not None:
                result[item, start:stop].add_(bias.view(upscale, 1, 1, upscale, depth))
    result = result.view(batch, height * upscale, width * upscale, depth)
    return result.permute(0, 3, 1, 2)


def _to_points(band: Tensor, rows: int, columns: int) -> Tensor:
    """Padded pixels (4 rows + 2, 4 columns + 2, C) -> (6, 6, rows, columns, C)."""
    down = band.new_empty(_POINTS, rows, *band.shape[1:])
    reach = _TILE * (rows - 1) + 1
    _input_line([band[k : k + reach : _TILE] for k in range(_POINTS)], down)
    points = band.new_empty(_POINTS, _POINTS, rows, columns, band.shape[-1])
    reach = _TILE * (columns - 1) + 1
    _input_line([down[:, :, k : k + reach : _TILE] for k in range(_POINTS)], points)
    return points


def _from_points(points: Tensor, target: Tensor) -> None:
    """(6, 6, ...) -> (4, 4, ...)."""
    down = points.new_empty(_TILE, _POINTS, *points.shape[2:])
    _output_line(points.unbind(1), down)
    _output_line(down.unbind(1), target)


def _input_line(x: Sequence[Tensor], out: Tensor) -> None:
    """One dimension of the input transform: 6 values -> 6, written to ``out[0]`` .. ``out[5]``.

    Row by row the matrix is (4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1).
    """
    even, odd = torch.sub(x[4], x[2], alpha=4), torch.sub(x[3], x[1], alpha=4)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.add(even, x[0], alpha=4, out=out[0]).sub_(x[2])
    torch.sub(x[4], x[2], out=even)
    torch.sub(x[3], x[1], out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])
    torch.sub(x[5], x[3], out=out[5]).sub_(odd, alpha=4)


def _output_line(x: Sequence[Tensor], out: Tensor) -> None:
    """One dimension of the output transform: 6 values -> 4.

    Row by row the matrix is (1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1).
    """
    near, far = torch.add(x[1], x[2]), torch.add(x[3], x[4])
    torch.add(near, far, alpha=4, out=out[2])
    torch.add(near, far, out=out[0]).add_(x[0])
    torch.sub(x[1], x[2], out=near)
    torch.sub(x[3], x[4], out=far)
    torch.add(near, far, alpha=2, out=out[1])
    torch.add(near, far, alpha=8, out=out[3]).add_(x[5])


def is_conv3x3(conv: nn.Conv2d) -> bool:
    """Whether :func:`convolve` does what this convolution does."""
    settings = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)
    return settings == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and conv.padding_mode == "zeros"


class WinogradConv2d(nn.Conv2d):
    """A 3x3 convolution that uses Winograd's method where that is faster.

    The transformed kernel is made when it is needed first and again when the weights have changed.
    It goes when the module moves to another device or dtype.
    """

    _kernel: tuple[tuple[int, int], Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H, W)."""
        if not _worth_it(x):
            return super().forward(x)
        return convolve(x, self._transformed(transform_kernel), self.bias)

    def _transformed(self, transform: Callable[[Tensor], Tensor]) -> Tensor:
        # weights loaded under inference mode count no versions: they can't change either
        version = 0 if self.weight.is_inference() else self.weight._version
        stamp = (self.weight.data_ptr(), version)
        kept = self._kernel
        if kept is None or kept[0] != stamp:
            kept = self._kernel = (stamp, transform(self.weight))
        return kept[1]

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> WinogradConv2d:
        self._kernel = None  # torch calls this for every move and every change of dtype
        super()._apply(fn, *args, **kwargs)
        return self


class WinogradUpConv2d(WinogradConv2d, UpConv2d):
    """Enlargement by 2 and a 3x3 convolution in one.

    Each output pixel sees only 2x2 pixels of the small picture, so the same result is four small
    convolutions there, one for each place within an enlarged pixel.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, 2H, 2W)."""
        if not _worth_it(x):
            return UpConv2d.forward(self, x)
        bias = None if self.bias is None else self.bias.repeat(4)
        return convolve(x, self._transformed(_transform_four), bias, upscale=2)


def _transform_four(weight: Tensor) -> Tensor:
    """Kernels (O, C, 3, 3) for the enlarged picture -> (36, C, 4 O) for the small one."""
    first = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 0]], dtype=torch.float64)
    second = torch.tensor([[0, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.float64)
    kernels = [
        torch.einsum("ai,bj,ocij->ocab", row, column, weight.detach().double())
        for row in (first, second)
        for column in (first, second)
    ]
    return transform_kernel(torch.cat(kernels))


def _worth_it(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and not torch.compiler.is_compiling()  # it can't follow how results share their memory
        and x.dtype == torch.float32
        and not torch.is_grad_enabled()
        and x.shape[1] >= 32
        and x.shape[-2] % _TILE == 0
        and x.shape[-1] % _TILE == 0
        and x.shape[-2] >= 2 * _TILE
    )

"""Texture look-ups: the one thing that OpenCV and torch do differently.

Positions are pixels: (0, 0) is the centre of the first pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...box import Box
from .inverse import count_up, sample_grid

SUPERSAMPLING = 2
"""Textures are enlarged once with a cubic kernel: bilinear look-ups then come close to bicubic."""

BAND_PIXELS = 65_536
"""Pixels of the person that are laid over the plate together."""


@dataclass(frozen=True)
class Texture:
    """A picture to look things up in.

    Attributes:
        array: (H, W, C) float32.
        tensor: the same as (1, C, H, W) on the device, or None on the CPU.
        factor: texels per pixel.
    """

    array: np.ndarray
    tensor: Tensor | None
    factor: int


class Sampler(Protocol):
    """Looks up pixels at fractional positions."""

    device: torch.device

    def texture(self, image: np.ndarray, factor: int = SUPERSAMPLING) -> Texture:
        """Prepare a picture (H, W, C) float32 for look-ups."""
        ...

    def sample(self, texture: Texture, x: Tensor, y: Tensor) -> Tensor:
        """Values (n, h, w, C) at positions x, y (n, h, w), clamped at the border."""
        ...

    def sample_planes(self, planes: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Values (n, h, w) of one plane (n, H, W) per frame at positions x, y (n, h, w)."""
        ...

    def tinted(self, plane: Tensor, tint: tuple[float, float, float]) -> Tensor:
        """A plane (h, w) times a colour: (h, w, 3)."""
        ...

    def compose(self, person: Texture, plate: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """The premultiplied person at x, y (n, h, w) over the plate (h, w, 3): (n, h, w, 3)."""
        ...

    def grow(self, planes: Tensor, reach: int) -> Tensor:
        """The largest value of planes (n, h, w) within so many px."""
        ...

    def blur(self, pictures: Tensor, kernel: Tensor) -> Tensor:
        """Pictures (n, h, w, C) filtered in both directions with a kernel (2 k + 1,)."""
        ...

    def to_bytes(self, frames: Tensor, out: Tensor | None = None) -> Tensor:
        """(n, h, w, 3) in 0..1 -> uint8 on the CPU, into ``out`` where that is given."""
        ...

    def expand(
        self, nodes: Tensor, cell: float, first: tuple[int, int], box: Box
    ) -> tuple[Tensor, Tensor]:
        """Grid values (n, 2, rows, columns) in cells -> two (n, h, w) in px over a box of pixels.

        Node (0, 0) is at pixel first * cell; beyond the grid its border goes on.
        """
        ...


def enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    """Cubic enlargement that keeps the original samples at every ``factor``-th texel.

    Args:
        image: (H, W, C) float32.
        factor: texels per pixel.

    Returns:
        ((H-1) * factor + 1, (W-1) * factor + 1, C) float32.
    """
    if factor == 1:
        return np.ascontiguousarray(image)
    height, width = ((s - 1) * factor + 1 for s in image.shape[:2])
    matrix = np.array([[1 / factor, 0, 0], [0, 1 / factor, 0]])
    return cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    ).reshape(height, width, -1)


class OpenCVSampler:
    """Look-ups with ``cv2.remap`` on the CPU."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")

    def texture(self, image: np.ndarray, factor: int = SUPERSAMPLING) -> Texture:
        return Texture(enlarge(image.astype(np.float32), factor), None, factor)

    def sample(self, texture: Texture, x: Tensor, y: Tensor) -> Tensor:
        out = np.empty((*x.shape, texture.array.shape[2]), np.float32)
        xs, ys = _texels(texture, x), _texels(texture, y)
        for i, target in enumerate(out):
            _remap(texture.array, xs[i], ys[i], target)
        return torch.from_numpy(out)

    def sample_planes(self, planes: Tensor, x: Tensor, y: Tensor) -> Tensor:
        out = np.empty(x.shape, np.float32)
        arrays = (planes.numpy(), x.contiguous().numpy(), y.contiguous().numpy())
        for target, plane, xs, ys in zip(out, *arrays, strict=True):
            _remap(plane, xs, ys, target)
        return torch.from_numpy(out)

    def tinted(self, plane: Tensor, tint: tuple[float, float, float]) -> Tensor:
        # Repeated first, and the colour along a row too: rows of three are a long way round.
        wide = torch.from_numpy(cv2.cvtColor(plane.numpy(), cv2.COLOR_GRAY2RGB))
        wide.view(len(plane), -1).mul_(torch.tensor(tint).repeat(plane.shape[1]))
        return wide

    def compose(self, person: Texture, plate: Tensor, x: Tensor, y: Tensor) -> Tensor:
        out = torch.empty((*x.shape, 3))
        # In bands, all in the same few arrays, so that the work stays in the processor's cache.
        height = max(1, BAND_PIXELS // x.shape[2])
        room = np.empty(10 * height * x.shape[2], np.float32)
        for frame, xs, ys in zip(out, x, y, strict=True):
            for start in range(0, len(plate), height):
                rows = slice(start, start + height)
                _lay_over(person, plate[rows], xs[rows], ys[rows], frame[rows], room)
        return out

    def grow(self, planes: Tensor, reach: int) -> Tensor:
        out = np.empty(planes.shape, np.float32)
        around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        for source, target in zip(planes.contiguous().numpy(), out, strict=True):
            cv2.dilate(source, around, dst=target)
        return torch.from_numpy(out)

    def blur(self, pictures: Tensor, kernel: Tensor) -> Tensor:
        out, weights = np.empty(pictures.shape, np.float32), kernel.numpy()
        for source, target in zip(pictures.contiguous().numpy(), out, strict=True):
            border = cv2.BORDER_REPLICATE
            cv2.sepFilter2D(source, cv2.CV_32F, weights, weights, dst=target, borderType=border)
        return torch.from_numpy(out)

    def to_bytes(self, frames: Tensor, out: Tensor | None = None) -> Tensor:
        out = torch.empty(frames.shape, dtype=torch.uint8) if out is None else out
        for source, target in zip(frames, out, strict=True):
            # Colours as columns: of pictures with three channels OpenCV does this tenfold slower.
            flat, bytes_ = (picture.view(len(picture), -1).numpy() for picture in (source, target))
            cv2.multiply(flat, 1.0, dst=bytes_, scale=255.0, dtype=cv2.CV_8U)
        return out

    def expand(
        self, nodes: Tensor, cell: float, first: tuple[int, int], box: Box
    ) -> tuple[Tensor, Tensor]:
        matrix = np.array(
            [[1 / cell, 0, box.x0 / cell - first[0]], [0, 1 / cell, box.y0 / cell - first[1]]]
        )
        pairs = (nodes * cell).numpy()
        out = np.empty((2, len(pairs), box.height, box.width), np.float32)
        for i, pair in enumerate(pairs):
            for k in range(2):
                cv2.warpAffine(
                    pair[k],
                    matrix,
                    (box.width, box.height),
                    dst=out[k, i],
                    flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                    borderMode=cv2.BORDER_REPLICATE,
                )
        return torch.from_numpy(out[0]), torch.from_numpy(out[1])


def _lay_over(
    person: Texture, plate: Tensor, x: Tensor, y: Tensor, out: Tensor, room: np.ndarray
) -> None:
    """The person at x, y (h, w) over the plate (h, w, 3) into ``out``, by way of ``room``."""
    size = tuple(x.shape)
    count = x.numel()
    xs, ys, clear = (room[k * count : (k + 1) * count].reshape(size) for k in range(3))
    layer = room[3 * count : 7 * count].reshape(*size, 4)
    wide = room[7 * count : 10 * count].reshape(*size, 3)
    for at, texels in ((x, xs), (y, ys)):
        np.multiply(at.numpy(), np.float32(person.factor), out=texels)
    _remap(person.array, xs, ys, layer)
    cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB, dst=out.numpy())
    # A share repeated for every colour: three times as fast as one that is broadcast.
    np.subtract(1, layer[..., 3], out=clear)
    cv2.cvtColor(clear, cv2.COLOR_GRAY2RGB, dst=wide)
    out.addcmul_(torch.from_numpy(wide), plate)


def _texels(texture: Texture, at: Tensor) -> np.ndarray:
    """Positions in px as positions in the texture."""
    if texture.factor == 1:
        return at.contiguous().numpy()
    return (at * texture.factor).numpy()


def _remap(picture: np.ndarray, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    """Bilinear look-ups into ``out``, clamped at the border."""
    cv2.remap(picture, x, y, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REPLICATE)


class TorchSampler:
    """Look-ups with ``grid_sample`` on any torch device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def texture(self, image: np.ndarray, factor: int = SUPERSAMPLING) -> Texture:
        array = enlarge(image.astype(np.float32), factor)
        tensor = torch.from_numpy(array).permute(2, 0, 1)[None].to(self.device)
        return Texture(array, tensor.contiguous(), factor)

    def sample(self, texture: Texture, x: Tensor, y: Tensor) -> Tensor:
        assert texture.tensor is not None
        height, width = texture.tensor.shape[-2:]
        # Positions stay float32 even where colours are half precision.
        gx = x.float() * (2 * texture.factor / max(width - 1, 1)) - 1
        gy = y.float() * (2 * texture.factor / max(height - 1, 1)) - 1
        values = F.grid_sample(
            texture.tensor.expand(len(x), -1, -1, -1),
            torch.stack([gx, gy], -1),
            mode="bilinear",
            padding_mode="border",
            align_corners=True,
        )
        return values.permute(0, 2, 3, 1)

    def sample_planes(self, planes: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return sample_grid(planes[:, None], x, y)[:, 0]

    def tinted(self, plane: Tensor, tint: tuple[float, float, float]) -> Tensor:
        return plane[..., None] * torch.tensor(tint, device=plane.device)

    def compose(self, person: Texture, plate: Tensor, x: Tensor, y: Tensor) -> Tensor:
        layer = self.sample(person, x, y)
        return layer[..., :3] + (1 - layer[..., 3:]) * plate

    def grow(self, planes: Tensor, reach: int) -> Tensor:
        return F.max_pool2d(planes[:, None], 2 * reach + 1, 1, reach)[:, 0]

    def blur(self, pictures: Tensor, kernel: Tensor) -> Tensor:
        n, height, width, channels = pictures.shape
        planes = pictures.permute(0, 3, 1, 2)
        padded = F.pad(planes, (len(kernel) // 2,) * 4, mode="replicate")
        flat = padded.reshape(n * channels, 1, *padded.shape[2:])
        line = kernel.to(pictures)[None, None, None]
        flat = F.conv2d(F.conv2d(flat, line), line.mT)
        return flat.reshape(n, channels, height, width).permute(0, 2, 3, 1)

    def to_bytes(self, frames: Tensor, out: Tensor | None = None) -> Tensor:
        made = (frames * 255).round_().clamp_(0, 255).to(torch.uint8)
        return made.cpu() if out is None else out.copy_(made)

    def expand(
        self, nodes: Tensor, cell: float, first: tuple[int, int], box: Box
    ) -> tuple[Tensor, Tensor]:
        px = count_up(box.x0, box.x1, self.device)
        py = count_up(box.y0, box.y1, self.device)
        shape = (len(nodes), box.height, box.width)
        x = (px / cell - first[0]).expand(shape)
        y = (py / cell - first[1])[:, None].expand(shape)
        values = sample_grid(nodes * cell, x, y)
        return values[:, 0], values[:, 1]


def make_sampler(device: torch.device, backend: str) -> Sampler:
    """``"opencv"``, ``"torch"`` or ``"auto"``: OpenCV on the CPU, torch elsewhere."""
    if backend == "opencv" or (backend == "auto" and device.type == "cpu"):
        return OpenCVSampler()
    return TorchSampler(device)

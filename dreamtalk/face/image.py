"""Pictures from files and arrays: any depth, any channels, upright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import ImageError, OutputError
from ..files.atomic import atomic_write

BACKDROP = 1.0
"""What transparent pixels become: white, as viewers show them."""


def load_image(path: str | Path) -> Tensor:
    """Read a picture.

    Rotated as its EXIF says; 16-bit pictures keep their depth; transparency is laid over white.

    Returns:
        (H, W, 3) float32 in 0..1.

    Raises:
        ImageError: if the file is missing or is not a picture.
    """
    path = Path(path)
    if not path.is_file():
        raise ImageError(f"there is no picture '{path}'")
    try:
        with Image.open(path) as picture:
            picture.load()
            return _to_tensor(ImageOps.exif_transpose(picture))
    except UnidentifiedImageError:
        raise ImageError(f"'{path}' is not a picture that can be read") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"'{path}' can't be read as a picture: {error}") from error


def save_image(image: Tensor, path: str | Path) -> None:
    """Write (H, W, 3) float 0..1 or uint8 in the format that the file name says.

    Raises:
        OutputError: if it can't be written.
    """
    with atomic_write(path, "the picture") as part:
        try:
            Image.fromarray(to_uint8(image)).save(part)
        except ValueError as error:  # a suffix that names no format
            raise OutputError(f"can't write the picture '{path}': {error}") from error


def to_uint8(image: Tensor) -> np.ndarray:
    """(H, W, 3) float 0..1 -> uint8, rounded; uint8 passes."""
    if image.dtype == torch.uint8:
        return image.cpu().numpy()
    return (image.detach().float().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def as_rgb(image: Tensor) -> Tensor:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) float 0..1 -> (H, W, 3) float32.

    Raises:
        ImageError: for other shapes, or if a value is not finite.
    """
    pixels = image.detach().float().cpu()
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 2, 3, 4):
        raise ImageError(f"a picture is (H, W, 3), not {tuple(image.shape)}")
    if not torch.isfinite(pixels).all():
        raise ImageError("the picture holds NaN or infinite values")
    if pixels.shape[-1] in (2, 4):
        alpha = pixels[..., -1:]
        pixels = pixels[..., :-1] * alpha + BACKDROP * (1 - alpha)
    return pixels.expand(-1, -1, 3).clamp(0, 1).contiguous()


def _to_tensor(picture: Image.Image) -> Tensor:
    if picture.mode == "F" or picture.mode.startswith("I"):  # 16 and 32 bits a channel, grey
        depth = np.asarray(picture, dtype=np.float32)
        return as_rgb(torch.from_numpy(depth / (65535.0 if depth.max() > 1 else 1.0)))
    transparent = "A" in picture.getbands() or "transparency" in picture.info
    pixels = np.asarray(picture.convert("RGBA" if transparent else "RGB"), dtype=np.float32)
    return as_rgb(torch.from_numpy(pixels / 255.0))

"""Pictures from files and arrays: any depth, any channels, upright."""

from __future__ import annotations

import logging
import math
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import ImageError, OutputError
from ..files.atomic import atomic_write
from ..files.bounded import BoundedReader
from ..files.names import is_there
from ..options import checked

log = logging.getLogger("dreamtalk")

BACKDROP = 1.0
"""What transparent pixels become: white, as viewers show them."""
VIDEO_PIXELS = 4_194_304
"""Of the largest picture that is made into a video as it is: 2048 x 2048."""
PICTURES = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2")
)
"""Suffixes of files that hold one picture; a .gif is a clip."""
_BLOCK = 1 << 24
_PLAUSIBLE = 1 << 24  # pixels that no file is too small for
_PER_BYTE = 1000  # pixels of larger ones a byte; photographs have 2 to 20, one flat colour some 300
_PROFILED = ("RGB", "RGBA", "CMYK", "L", "LA", "LAB")


def load_image(path: str | Path, most_pixels: int | None = None) -> Tensor:
    """Read a picture.

    Rotated as its EXIF says and in sRGB, whatever colour space its profile names; 16-bit pictures
    keep their depth; transparency is laid over white.

    Args:
        path: anything that Pillow reads, and what OpenCV reads of TIFF.
        most_pixels: larger pictures are scaled down to that, with a warning.

    Returns:
        (H, W, 3) float32 in 0..1.

    Raises:
        ImageError: if the file is missing or is not a picture.
    """
    path = Path(path)
    if not is_there(path):
        raise ImageError(f"there is no picture '{path}'")
    try:
        with BoundedReader(path) as file, Image.open(file) as picture:
            _check_size(picture, path)
            return _to_tensor(_in_srgb(_scaled(picture, path, most_pixels), path))
    except UnidentifiedImageError:
        return _read_other(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"'{path}' can't be read as a picture: {error}") from error


def is_picture(path: str | Path) -> bool:
    """Whether a file holds one picture, by its suffix."""
    return Path(path).suffix.lower() in PICTURES


def check_picture_name(path: str | Path) -> None:
    """Find out before the work whether :func:`save_image` knows the suffix.

    Raises:
        OutputError: if not.
    """
    kind = Image.registered_extensions().get(Path(path).suffix.lower())
    if kind is None or kind not in Image.SAVE:
        raise OutputError(
            f"'{Path(path).name}' has no suffix of a picture that can be written: choose .png"
        )


def _check_size(picture: Image.Image, path: Path) -> None:
    """Refuse a picture that claims far more pixels than its file can hold of a photograph."""
    width, height = picture.size
    size = path.stat().st_size
    if width * height > max(_PLAUSIBLE, _PER_BYTE * size):
        raise ImageError(
            f"'{path.name}' claims {width}x{height} px in {size} bytes: it is damaged, or made to "
            "fill the memory"
        )


def _scaled(picture: Image.Image, path: Path, most_pixels: int | None) -> Image.Image:
    """Upright, and not larger than wanted."""
    width, height = picture.size
    if most_pixels is not None and width * height > most_pixels:
        scale = math.sqrt(most_pixels / (width * height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        log.warning(
            "'%s' has %.0f megapixels: it is worked with at %dx%d px",
            path.name, width * height / 1e6, *size,
        )  # fmt: skip
        profile = picture.info.get("icc_profile")
        picture.draft(None, size)  # a JPEG is decoded smaller
        if picture.mode in ("P", "1"):
            picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
        picture = picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        picture.info["icc_profile"] = profile
    picture.load()
    return ImageOps.exif_transpose(picture)


def _in_srgb(picture: Image.Image, path: Path) -> Image.Image:
    """Colours as the picture's profile means them."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in _PROFILED:
        return picture
    colours, alpha = picture, None
    if picture.mode in ("RGBA", "LA"):
        alpha = picture.getchannel("A")
        colours = picture.convert(picture.mode[:-1])
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        mapped = ImageCms.profileToProfile(
            colours, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.warning("'%s': its colour profile can't be used (%s)", path.name, error)
        return picture
    if mapped is None:
        return picture
    if alpha is not None:
        mapped.putalpha(alpha)
    return mapped


def _read_other(path: Path) -> Tensor:
    """A picture that Pillow does not know."""
    if path.suffix.lower() in (".heic", ".heif", ".hif") or _is_heif(path):
        return _read_heif(path)
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)  # TIFF with three float channels
    if pixels is None or pixels.ndim not in (2, 3) or pixels.dtype.kind not in "fu":
        raise ImageError(f"'{path}' is not a picture that can be read")
    if pixels.ndim == 3 and pixels.shape[-1] >= 3:
        pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[-1])]]
    return as_rgb(torch.from_numpy(_unit_range(pixels)))


def _is_heif(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc")


def _read_heif(path: Path) -> Tensor:
    try:
        import pillow_heif  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise ImageError(
            f"'{path}' is a HEIC picture, as iPhones take them: install pillow-heif to read it "
            "(pip install pillow-heif), or save it as JPEG or PNG"
        ) from None
    try:
        picture = pillow_heif.read_heif(path).to_pillow()
        picture.load()
    except (OSError, ValueError, RuntimeError) as error:
        raise ImageError(f"'{path}' can't be read as a picture: {error}") from error
    return _to_tensor(_in_srgb(picture, path))


def _unit_range(values: np.ndarray) -> np.ndarray:
    """Pixels of any range, 0..1, 0..255 or 0..65535, as float32 in 0..1."""
    most = float(np.nanmax(values, initial=0.0))
    if values.dtype.kind == "f":
        full = next((full for full in (1.0, 255.0, 65535.0) if most <= 1.05 * full), most)
    else:
        full = 255.0 if values.dtype.itemsize == 1 or most <= 255 else 65535.0
    return (values / np.float32(full)).astype(np.float32)


def save_image(image: Tensor, path: str | Path) -> None:
    """Write (H, W, 3) float 0..1 or uint8 in the format that the file name says.

    Raises:
        OutputError: if it can't be written.
    """
    check_picture_name(path)
    kind = Image.registered_extensions()[Path(path).suffix.lower()]
    with atomic_write(path, "the picture") as part:
        # Into memory first: Pillow writes past Python, and a disk that fills goes unnoticed.
        data = BytesIO()
        Image.fromarray(to_uint8(image)).save(data, kind)
        part.write_bytes(data.getvalue())


def fit(image: Tensor, longest: int) -> Tensor:
    """Scale (H, W, C) float 0..1 down to at most ``longest`` px on the longer side; 0 keeps it."""
    height, width = image.shape[:2]
    checked(max_size=longest)
    scale = longest / max(height, width)
    if longest <= 0 or scale >= 1:
        return image
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    batch = image.permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(batch, size, mode="bicubic", antialias=True)
    return small[0].permute(1, 2, 0).clamp(0, 1).contiguous()


def to_uint8(image: Tensor) -> np.ndarray:
    """(H, W, 3) float 0..1 -> uint8, rounded; uint8 passes."""
    if image.dtype == torch.uint8:
        return image.cpu().numpy()
    if image.numel() > _BLOCK and len(image) > 1:  # intermediate values of large pictures
        rows = max(1, _BLOCK // max(1, image[0].numel()))
        return np.concatenate([to_uint8(part) for part in image.split(rows)])
    return (image.detach().float().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def as_rgb(image: Tensor) -> Tensor:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4), float 0..1 or uint8 -> (H, W, 3) float32.

    Raises:
        ImageError: for other shapes, or if a value is not finite.
    """
    pixels = image.detach().float().cpu()
    if image.dtype == torch.uint8:
        pixels = pixels / 255
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
        return as_rgb(torch.from_numpy(_unit_range(np.asarray(picture))))
    transparent = "A" in picture.getbands() or "transparency" in picture.info
    pixels = np.asarray(picture.convert("RGBA" if transparent else "RGB"), dtype=np.float32)
    return as_rgb(torch.from_numpy(pixels / 255.0))

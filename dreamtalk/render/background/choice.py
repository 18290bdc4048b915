"""What people say of the background, read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import ImageColor
from torch import Tensor

from ...errors import ImageError
from ...face.image import VIDEO_PIXELS, as_rgb, load_image, to_uint8
from ...files.names import is_there
from ...options import default

KEEP: str = default("background")
TRANSPARENT = "transparent"
_LONG = 8.0  # times as long as what is shown: of such a strip only the middle is scaled


@dataclass(frozen=True)
class Background:
    """What is put behind the person: pictures, a colour, or nothing.

    Attributes:
        pictures: (H, W, 3) in 0..1 each: one that stays, or one a frame, again from the first.
        colour: red, green, blue, 0..255. With neither the frames are transparent.
    """

    pictures: Sequence[Tensor] = ()
    colour: tuple[int, int, int] | None = None

    @property
    def transparent(self) -> bool:
        """Whether frames have an alpha channel."""
        return not self.pictures and self.colour is None

    def frame(self, index: int, height: int, width: int) -> np.ndarray:
        """(H, W, 3) uint8, or what broadcasts to it: behind a frame of that size."""
        if not self.pictures:
            return np.array(self.colour or (0, 0, 0), np.uint8)
        return covering(to_uint8(as_rgb(self.pictures[index % len(self.pictures)])), height, width)


def background_of(
    choice: str | Path | None = None, pictures: Tensor | None = None, files: bool = True
) -> Background | None:
    """Read a choice of background.

    Args:
        choice: ``"keep"`` (as None and an empty text), ``"transparent"``, a colour (``"#00b140"``,
            a name that CSS knows, ``"rgb(0, 177, 64)"``), or the file of a picture.
        pictures: (N, H, W, C) in 0..1 in place of a file, with ``"keep"``.
        files: whether a choice may name a file.

    Returns:
        None for the picture's own background.

    Raises:
        ImageError: if it is none of these, or the picture can't be read.
    """
    said = str(choice or "").strip() or KEEP
    word = said.lower()
    if pictures is not None:
        if word != KEEP:
            raise ImageError(
                f"the background can't be '{said[:80]}' and a picture: disconnect the picture, or "
                "write keep"
            )
        if pictures.ndim != 4 or 0 in pictures.shape:
            raise ImageError(
                f"pictures for the background are (N, H, W, 3), not {tuple(pictures.shape)}"
            )
        return Background(list(pictures))
    if word == KEEP:
        return None
    if word == TRANSPARENT:
        return Background()
    colour = _colour(said)
    if colour is not None:
        return Background(colour=colour)
    if files and is_there(said):
        return Background([load_image(said, VIDEO_PIXELS)])
    picture = "give the file of a picture" if files else "connect a picture"
    raise ImageError(
        f"the background can't be '{said[:80]}': write keep, transparent, a colour such as #00b140 "
        f"or white, or {picture}"
    )


def needs_file(choice: str) -> bool:
    """Whether a choice of background is the name of a file."""
    word = choice.strip().lower()
    return word not in ("", KEEP, TRANSPARENT) and _colour(choice.strip()) is None


def _colour(text: str) -> tuple[int, int, int] | None:
    try:
        colour = ImageColor.getrgb(text)
    except ValueError:
        return None
    if max(colour) > 255 or min(colour) < 0:
        raise ImageError(
            f"'{text[:80]}' is no colour: red, green and blue go from 0 to 255, or from 0% to 100%"
        )
    if len(colour) != 3:
        raise ImageError(
            f"'{text}' is a colour with an alpha of its own: write #rrggbb, or transparent"
        )
    return colour


def covering(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture (h, w, 3) uint8 scaled until it covers (height, width), its middle cut out."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    if max(scale * picture.shape[0] / height, scale * picture.shape[1] / width) > _LONG:
        picture = _middle(picture, math.ceil(height / scale) + 2, math.ceil(width / scale) + 2)
    size = (
        max(width, round(picture.shape[1] * scale)),
        max(height, round(picture.shape[0] * scale)),
    )
    if size != picture.shape[1::-1]:
        flag = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        picture = cv2.resize(picture, size, interpolation=flag)
    return np.ascontiguousarray(_middle(picture, height, width))


def _middle(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """At most so many rows and columns."""
    top = max(0, (picture.shape[0] - height) // 2)
    left = max(0, (picture.shape[1] - width) // 2)
    return picture[top : top + height, left : left + width]

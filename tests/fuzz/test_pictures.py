"""Pictures whose bytes are damaged, and masks and pictures of any shape and value."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from dreamtalk.errors import ImageError
from dreamtalk.face import Portrait, analyze_portrait
from dreamtalk.face.image import as_rgb, load_image
from tests.comfy_pack import run_node
from tests.fuzz.cases import damaged, limits, unused, works_or_says


def drawn(kind: str, mode: str) -> bytes:
    picture = Image.linear_gradient("L").resize((60, 48)).convert(mode.removesuffix(";16"))
    picture = picture.convert(mode) if mode.endswith(";16") else picture
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


PICTURES = {
    "rgb.png": drawn("PNG", "RGB"), "alpha.png": drawn("PNG", "RGBA"),
    "i.png": drawn("PNG", "I;16"),
    "palette.gif": drawn("GIF", "P"), "rgb.jpg": drawn("JPEG", "RGB"),
    "cmyk.jpg": drawn("JPEG", "CMYK"), "rgb.webp": drawn("WEBP", "RGB"),
    "f.tif": drawn("TIFF", "F"), "rgb.bmp": drawn("BMP", "RGB"), "grey.ppm": drawn("PPM", "L"),
}  # fmt: skip
NUMBERS = st.floats(width=32) | st.sampled_from([0.0, 1.0, 255.0, -1.0, 3e38])


@given(case=damaged(PICTURES))
def test_picture_files(tmp_path_factory: pytest.TempPathFactory, case: tuple[str, bytes]) -> None:
    path = unused(tmp_path_factory.getbasetemp(), Path(case[0]).suffix)
    path.write_bytes(case[1])
    image = works_or_says(lambda: load_image(path))
    if image is not None:
        assert image.dtype == torch.float32
        assert image.shape[2] == 3
        assert 0 <= float(image.min()) <= float(image.max()) <= 1


@given(
    shape=st.lists(st.integers(0, 6), max_size=5),
    kind=st.sampled_from([torch.float32, torch.float16, torch.uint8, torch.int64, torch.bool]),
    value=NUMBERS,
)
def test_pictures_of_any_shape(shape: list[int], kind: torch.dtype, value: float) -> None:
    image = torch.full(shape, value).to(kind)
    works_or_says(lambda: as_rgb(image))
    works_or_says(lambda: analyze_portrait(image))


@given(
    mask=arrays.arrays(
        np.float32, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
        elements=NUMBERS,
    ),
    spread=st.booleans(),
)  # fmt: skip
def test_masks(portrait: Portrait, mask: np.ndarray, spread: bool) -> None:
    given_mask = torch.from_numpy(mask)
    if spread and mask.ndim == 2 and mask.size:
        given_mask = torch.nn.functional.interpolate(given_mask[None, None], portrait.size)[0, 0]
    made = works_or_says(
        lambda: analyze_portrait(
            portrait.image, mask=given_mask, landmarks=portrait.landmarks.numpy()
        )
    )
    if made is not None and made.mask is not None:
        assert torch.isfinite(made.mask).all()


@given(
    shape=st.lists(st.integers(0, 3) | st.just(70), min_size=3, max_size=5),
    max_size=st.sampled_from([0, 1, 64, 1024, -1, 1 << 40, float("nan"), None, "big"]),
)
def test_pictures_in_the_portrait_node(shape: list[int], max_size: object) -> None:
    image = torch.zeros(shape)
    works_or_says(lambda: run_node("DreamTalkPortrait", image=image, max_size=max_size))


@pytest.mark.parametrize("side", [4097, 12_000])
def test_pictures_that_claim_more_than_there_is(tmp_path: Path, side: int) -> None:
    """A GIF of some bytes; a flat picture that really is as large is read."""
    data = bytearray(PICTURES["palette.gif"])
    data[6:10] = struct.pack("<HH", side, side)
    at = data.index(b",", 13 + 3 * 256)  # the frame's own size
    data[at + 5 : at + 9] = struct.pack("<HH", side, side)
    (tmp_path / "p.gif").write_bytes(data)
    with limits(room=100 << 20), pytest.raises(ImageError, match=r"claims .* in .* bytes"):
        load_image(tmp_path / "p.gif")
    Image.new("RGB", (4097, 4097), (200, 150, 120)).save(tmp_path / "flat.png")
    assert load_image(tmp_path / "flat.png", 1 << 16).shape == (256, 256, 3)


@pytest.mark.parametrize("kind", [b"IDAT", b"iCCP", b"eXIf", b"tEXt"])
def test_chunks_that_claim_more_than_there_is(tmp_path: Path, kind: bytes) -> None:
    """Python makes room for what is to be read before it reads: here 2 GB for a file of 200."""
    path, data = tmp_path / "p.png", PICTURES["rgb.png"]
    at = data.index(b"IDAT") - 4
    path.write_bytes(data[:at] + struct.pack(">I", 0x7FFFFFF0) + kind + data[at + 8 :])
    works_or_says(lambda: load_image(path))

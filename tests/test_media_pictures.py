"""Pictures as people have them: turned, profiled, of odd depths, huge, cropped close, masked."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch import Tensor

from dreamtalk.errors import FaceNotFoundError, ImageError
from dreamtalk.face import analyze_portrait, load_image
from dreamtalk.face.portrait import Portrait
from dreamtalk.render.mesh import MeshRenderer


@pytest.fixture(scope="module")
def pixels(portrait_image: Tensor) -> np.ndarray:
    """(264, 264, 3) uint8"""
    return (portrait_image * 255).round().to(torch.uint8).numpy()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_pictures_are_worked_with_upright(
    turns: int, portrait_image: Tensor, portrait: Portrait, caplog: pytest.LogCaptureFixture
) -> None:
    mask = torch.zeros(264, 264)
    mask[:132] = 1
    found = analyze_portrait(
        torch.rot90(portrait_image, turns), mask=torch.rot90(mask, turns).contiguous()
    )
    assert found.turned == (-90 * turns) % 360
    assert torch.equal(found.image, portrait.image)
    assert found.mask is not None
    assert torch.equal(found.mask, mask)
    assert float((found.landmarks - portrait.landmarks).abs().max()) < 0.02 * portrait.iod
    assert "turned" in caplog.text


def test_a_head_that_leans_stays_as_it_is(pixels: np.ndarray, portrait_image: Tensor) -> None:
    leaning = Image.fromarray(pixels).rotate(35, fillcolor=(120, 120, 120))
    found = analyze_portrait(torch.from_numpy(np.array(leaning)).float() / 255)
    assert found.turned == 0
    assert analyze_portrait(portrait_image).turned == 0


def test_no_face_whichever_way_it_is_turned() -> None:
    noise = torch.rand(96, 128, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(FaceNotFoundError):
        analyze_portrait(noise)


def test_colour_profiles_are_followed(pixels: np.ndarray, tmp_path: Path) -> None:
    """From CIELAB, whose profile Pillow makes itself."""
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    picture = ImageCms.profileToProfile(Image.fromarray(pixels), srgb, lab, outputMode="LAB")
    assert picture is not None
    profile = ImageCms.ImageCmsProfile(lab).tobytes()
    picture.save(tmp_path / "lab.tif", icc_profile=profile)
    error = (load_image(tmp_path / "lab.tif") * 255 - torch.from_numpy(pixels)).abs()
    assert float(error.mean()) < 2
    # one that is broken or does not fit is no reason to fail
    Image.fromarray(pixels).save(tmp_path / "broken.png", icc_profile=b"nothing of the kind" * 20)
    assert torch.equal(load_image(tmp_path / "broken.png") * 255, torch.from_numpy(pixels).float())


def _wide_gamut() -> bytes:
    """A matrix profile, ICC.1:2010, with the primaries of ProPhoto RGB and a gamma of 1.8."""
    import struct

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    text = b"wide\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ \0\0\0\0" + fixed(0.7977, 0.2880, 0.0),
        b"gXYZ": b"XYZ \0\0\0\0" + fixed(0.1352, 0.7119, 0.0),
        b"bXYZ": b"XYZ \0\0\0\0" + fixed(0.0313, 0.0001, 0.8249),
    }
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(1.8 * 256))
    tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, data = b"", b""
    at = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", at + len(data), len(value))
        data += value
    size = at + len(data)
    header = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += fixed(0.9642, 1.0, 0.8249)
    header += bytes(128 - len(header))
    return header + struct.pack(">I", len(tags)) + table + data


def test_wide_gamuts_become_srgb(pixels: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(pixels).save(tmp_path / "wide.png", icc_profile=_wide_gamut())
    wide = load_image(tmp_path / "wide.png") * 255
    plain = torch.from_numpy(pixels).float()

    def colourful(image: Tensor) -> float:
        return float((image.amax(-1) - image.amin(-1)).mean())

    assert colourful(wide) > 1.3 * colourful(plain)


def test_depths(pixels: np.ndarray, tmp_path: Path) -> None:
    grey = pixels.mean(-1)
    wanted = torch.from_numpy(pixels).float() / 255
    cases = {
        "f.tif": pixels[..., ::-1].astype(np.float32),
        "unit.tif": pixels[..., ::-1].astype(np.float32) / 255,
        "sixteen.tif": pixels[..., ::-1].astype(np.uint16) * 257,
        "sixteen.png": pixels[..., ::-1].astype(np.uint16) * 257,
    }
    for name, values in cases.items():
        assert cv2.imwrite(str(tmp_path / name), values)
        assert float((load_image(tmp_path / name) - wanted).abs().max()) < 0.01, name
    for scale in (1.0, 1 / 255):
        Image.fromarray((grey * scale).astype(np.float32)).save(tmp_path / "grey.tif")
        read = load_image(tmp_path / "grey.tif")
        assert float((read[..., 0] * 255 - torch.from_numpy(grey)).abs().max()) < 1
    for mode in ("CMYK", "P", "L", "LA", "YCbCr"):
        picture = Image.fromarray(pixels)
        picture = picture.quantize(128) if mode == "P" else picture.convert(mode)
        picture.save(tmp_path / "m.tif")
        reference = wanted if mode not in ("L", "LA") else wanted.mean(-1, keepdim=True)
        assert float((load_image(tmp_path / "m.tif") - reference).abs().mean()) < 0.05, mode


def test_heic_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.jpg"  # whatever it is called
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(ImageError, match="can't be read"):  # it is there, but the file is damaged
        load_image(path)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match="pip install pillow-heif"):
        load_image(path)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_of_a_phone_that_was_turned(
    tmp_path: Path, pixels: np.ndarray, orientation: int
) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = np.rot90(pixels, {1: 0, 3: 2, 6: 1, 8: 3}[orientation]).copy()
    stored = pillow_heif.from_pillow(Image.fromarray(turned))
    stored.save(tmp_path / "photo.heic", quality=95, exif=exif.tobytes())
    read = load_image(tmp_path / "photo.heic")
    assert read.shape == pixels.shape
    assert float((read * 255 - torch.from_numpy(pixels)).abs().mean()) < 3


@pytest.mark.parametrize("where", [60, 5000])
def test_a_face_as_high_as_a_panorama(pixels: np.ndarray, where: int) -> None:
    face = cv2.resize(pixels[75:190, 83:188], None, fx=3, fy=3)
    panorama = np.full((face.shape[0], 9000, 3), 140, np.uint8)
    panorama[:, where : where + face.shape[1]] = face
    marks = analyze_portrait(torch.from_numpy(panorama).float() / 255).landmarks
    assert where < float(marks[:, 0].min()) < float(marks[:, 0].max()) < where + face.shape[1]
    assert float(marks[152, 1] - marks[10, 1]) > 0.75 * len(face)


def test_huge_pictures_are_made_smaller(
    pixels: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "huge.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).resize((2400, 1600)).save(path, exif=exif)
    with caplog.at_level(logging.WARNING, logger="dreamtalk"):
        small = load_image(path, most_pixels=600_000)
    assert small.shape[0] / small.shape[1] == pytest.approx(1.5, abs=0.01)
    assert 0.9 * 600_000 < small.shape[0] * small.shape[1] <= 601_000
    assert "megapixels" in caplog.text
    assert load_image(path, most_pixels=4_000_000).shape[:2] == (2400, 1600)


def test_masks_that_leave_the_mouth_out(portrait: Portrait) -> None:
    from dataclasses import replace

    x, y = (int(v) for v in portrait.landmarks[13, :2])
    mask = torch.ones(portrait.size)
    assert not any("mask" in note for note in MeshRenderer(replace(portrait, mask=mask)).notes)
    mask[y - 18 : y + 18, x - 30 : x + 30] = 0
    notes = MeshRenderer(replace(portrait, mask=mask)).notes
    assert any("leaves the mouth out" in note for note in notes)

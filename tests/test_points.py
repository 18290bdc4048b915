"""Landmarks from a few points, from ComfyUI's landmarker, and by a box."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dreamtalk.errors import FaceNotFoundError, ImageError
from dreamtalk.face import FaceBasis, FaceLandmarker, Portrait, analyze_portrait
from dreamtalk.face.image import to_uint8
from dreamtalk.face.points import (
    NEEDED,
    POINTS,
    face_in_box,
    landmarks_from_comfy,
    landmarks_from_points,
    parse_points,
)
from dreamtalk.face.pose import rotation_to_angles

FACE_POINTS = {
    "eyeRight": (200.0, 210.0),
    "eyeLeft": (300.0, 205.0),
    "nose": (252.0, 260.0),
    "mouthRight": (215.0, 310.0),
    "mouthLeft": (292.0, 306.0),
    "chin": (258.0, 372.0),
}


def read_off(landmarks: np.ndarray) -> dict[str, tuple[float, float]]:
    return {name: tuple(landmarks[list(m), :2].mean(axis=0)) for name, m in POINTS.items()}


def test_points_of_a_photograph_give_its_landmarks(portrait: Portrait) -> None:
    landmarks = portrait.landmarks.numpy()
    fitted = landmarks_from_points(read_off(landmarks))
    off = np.linalg.norm((fitted - landmarks)[:, :2], axis=1) / portrait.iod
    assert off.mean() < 0.06
    assert off.max() < 0.2
    few = landmarks_from_points({n: p for n, p in read_off(landmarks).items() if n in NEEDED})
    assert np.linalg.norm((few - landmarks)[:, :2], axis=1).mean() / portrait.iod < 0.1
    # nearer to the camera is smaller: the nose, not the cheeks beside the ears
    assert fitted[4, 2] < fitted[[234, 454], 2].min()


def test_the_given_points_are_met() -> None:
    fitted = landmarks_from_points(FACE_POINTS)
    for name, point in read_off(fitted).items():
        assert np.linalg.norm(np.subtract(point, FACE_POINTS[name])) < 1.5
    assert fitted.shape == (478, 3)
    assert fitted.dtype == np.float32


def test_a_turned_face_is_turned() -> None:
    angle = np.deg2rad(35)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = {name: tuple(turn @ np.array(p)) for name, p in FACE_POINTS.items()}
    upright, tilted = landmarks_from_points(FACE_POINTS), landmarks_from_points(turned)
    np.testing.assert_allclose(tilted[:, :2], upright[:, :2] @ turn.T, atol=0.1)
    poses = FaceBasis.load().align(np.stack([upright, tilted]))[1]
    rolls = np.degrees(rotation_to_angles(poses.rotation)[:, 2])
    assert rolls[1] - rolls[0] == pytest.approx(35, abs=1)  # clockwise as seen
    aside = landmarks_from_points({**FACE_POINTS, "nose": (270.0, 260.0)})
    yaw = rotation_to_angles(FaceBasis.load().align(aside[None])[1].rotation)[0, 1]
    assert yaw > 0.05  # the nose to the image's right: to the subject's left


def test_right_and_left_may_be_confused() -> None:
    swapped = {
        **FACE_POINTS,
        "eyeRight": FACE_POINTS["eyeLeft"],
        "eyeLeft": FACE_POINTS["eyeRight"],
        "mouthRight": FACE_POINTS["mouthLeft"],
        "mouthLeft": FACE_POINTS["mouthRight"],
    }
    np.testing.assert_allclose(
        landmarks_from_points(swapped), landmarks_from_points(FACE_POINTS), atol=1e-3
    )


def test_a_portrait_of_points(portrait_image: Tensor, portrait: Portrait) -> None:
    marks = landmarks_from_points(read_off(portrait.landmarks.numpy()))
    made = analyze_portrait(portrait_image, landmarks=marks)
    np.testing.assert_array_equal(made.landmarks.numpy(), marks)
    assert float((made.rotation - portrait.rotation).abs().max()) < 0.15


@pytest.mark.parametrize("places", [{"eyeRight": (1e9, 100.0)}, {}, {"chin": (150.0, 90_000.0)}])
def test_a_face_beside_the_picture(
    portrait_image: Tensor, places: dict[str, tuple[float, float]]
) -> None:
    """A digit too many asked for petabytes; px of the picture before it was made smaller."""
    marks = landmarks_from_points({**FACE_POINTS, **places})
    small = portrait_image[:160, :160] if not places else portrait_image
    with pytest.raises(ImageError, match="don't lie in the picture"):
        analyze_portrait(small, landmarks=marks)


@pytest.mark.parametrize(
    "text",
    [
        "eyeRight 200,210; eyeLeft 300,205; mouthRight 215 310; mouthLeft 292,306",
        "EYERIGHT=200 210\neyeleft=300 205\nmouthRight: 215, 310\nmouthLeft: 292 306\n",
        '{"eyeRight": [200, 210], "eyeLeft": [300, 205], "mouthRight": [215, 310], '
        '"mouthLeft": [292, 306]}',
    ],
)
def test_points_as_text(text: str) -> None:
    assert parse_points(text) == {name: FACE_POINTS[name] for name in NEEDED}


def test_what_is_wrong_with_points() -> None:
    with pytest.raises(ImageError, match="'ear 3 4' is no point"):
        parse_points("eyeRight 1 2; ear 3 4")
    with pytest.raises(ImageError, match="'nose 1' is no point"):
        parse_points("nose 1")
    with pytest.raises(ImageError, match="mouthLeft is missing"):
        landmarks_from_points({n: p for n, p in FACE_POINTS.items() if n != "mouthLeft"})
    with pytest.raises(ImageError, match="'ear' is no point"):
        landmarks_from_points({**FACE_POINTS, "ear": (1.0, 2.0)})
    with pytest.raises(ImageError, match="too close together"):
        landmarks_from_points({**FACE_POINTS, "eyeLeft": (201.0, 210.0)})
    with pytest.raises(ImageError, match="on another point"):
        landmarks_from_points({**FACE_POINTS, "nose": FACE_POINTS["chin"]})
    with pytest.raises(ImageError, match="x and y"):
        landmarks_from_points({**FACE_POINTS, "nose": (float("nan"), 2.0)})


def comfy_value(landmarks: np.ndarray, size: tuple[int, int]) -> dict:
    """As the core's landmarker gives it: flat px, and px of the network's turned square."""
    angle, scale = 0.3, 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    seen = np.c_[(landmarks[:, :2] - 40) @ turn * scale, landmarks[:, 2] * scale]
    face = {"landmarks_xy": landmarks[:, :2], "landmarks_3d": seen, "presence": 9.0, "score": 0.9}
    small = {**face, "landmarks_xy": 20 + landmarks[:, :2] / 4}
    return {"image_size": size, "frames": [[small, face], []], "connection_sets": {}}


def test_the_cores_landmarks(portrait: Portrait) -> None:
    landmarks = portrait.landmarks.numpy()
    first, second = landmarks_from_comfy(comfy_value(landmarks, portrait.size), portrait.size)
    assert second == []
    np.testing.assert_allclose(first[0], landmarks, atol=1e-3)
    height, width = portrait.size
    twice = landmarks_from_comfy(comfy_value(landmarks, portrait.size), (2 * height, 2 * width))
    np.testing.assert_allclose(twice[0][0], 2 * landmarks, atol=2e-3)
    for value in ({"frames": []}, "no landmarks", None, {"image_size": (9, 9), "frames": 5}):
        with pytest.raises(ImageError, match="face landmarker gives: connect that one"):
            landmarks_from_comfy(value, portrait.size)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="instead of 478"):
        landmarks_from_comfy(comfy_value(landmarks[:68], portrait.size), portrait.size)


def test_the_face_in_a_box(portrait_image: Tensor, portrait: Portrait) -> None:
    picture = to_uint8(torch.cat([portrait_image, portrait_image.flip(1)], dim=1))
    landmarker = FaceLandmarker()
    faces = landmarker.detect(picture)
    assert len(faces) == 2
    low, high = (f(portrait.landmarks[:, :2].numpy(), axis=0) for f in (np.min, np.max))
    box = (*low, *(high - low))
    chosen = face_in_box(picture, box, landmarker, faces)
    assert np.abs(chosen - portrait.landmarks.numpy())[:, :2].mean() < 1.5
    unseen = face_in_box(picture, box, landmarker)
    assert np.abs(unseen - portrait.landmarks.numpy())[:, :2].mean() < 1.5
    with pytest.raises(FaceNotFoundError, match="no face in the box"):
        face_in_box(picture, (0, 0, 30, 30), landmarker, faces)
    with pytest.raises(ImageError, match="holds nothing"):
        face_in_box(picture, (900, 0, 30, 30), landmarker)
    with pytest.raises(ImageError, match="holds nothing"):
        face_in_box(picture, (10, 10, 0, 30), landmarker)

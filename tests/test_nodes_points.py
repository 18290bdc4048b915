"""Faces that somebody else has found: points by hand, a box, ComfyUI's own landmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dreamtalk.cli import main
from dreamtalk.face import Portrait, save_image
from dreamtalk.face.points import POINTS
from dreamtalk.motion import FACE
from tests.comfy_pack import load_pack, run_node

load_pack()
CHIN = 152


def places(portrait: Portrait, scale: float = 1.0) -> str:
    """The text that a person would write for this face."""
    marks = portrait.landmarks.numpy()
    middles = {name: scale * marks[list(ids), :2].mean(0) for name, ids in POINTS.items()}
    return "; ".join(f"{name} {x:.0f},{y:.0f}" for name, (x, y) in middles.items())


def comfys(faces: list[np.ndarray], size: tuple[int, int]) -> dict[str, Any]:
    """A FACE_LANDMARKS with these faces, one a frame."""
    frames = [[{"landmarks_xy": face[:, :2], "landmarks_3d": face * 0.5}] for face in faces]
    return {"frames": frames, "image_size": size}


def test_points_by_hand_in_a_picture_without_a_face(portrait: Portrait) -> None:
    blank = torch.full((1, *portrait.size, 3), 0.5)
    with pytest.raises(Exception, match="points by hand"):
        run_node("DreamTalkPortrait", image=blank)
    made, _ = run_node("DreamTalkPortrait", image=blank, points=places(portrait))
    apart = (made.landmarks - portrait.landmarks)[:, :2].norm(dim=1)
    assert float(apart[[33, 263, 61, 291, CHIN]].max()) < 0.06 * portrait.iod


def test_points_follow_the_scale(portrait: Portrait) -> None:
    large = torch.full((1, 4 * portrait.size[0], 4 * portrait.size[1], 3), 0.5)
    half = 2 * max(portrait.size)
    made, _ = run_node(
        "DreamTalkPortrait", image=large, points=places(portrait, 4.0), max_size=half
    )
    assert max(made.size) == half
    apart = (made.landmarks - 2 * portrait.landmarks)[:, :2].norm(dim=1)
    assert float(apart[[33, 263, 61, 291, CHIN]].max()) < 0.12 * portrait.iod


def test_a_box_chooses_the_face(portrait: Portrait) -> None:
    two = torch.cat([portrait.image, portrait.image], 1)[None]
    left, top = (portrait.landmarks[:, i].min().item() for i in (0, 1))
    wide, high = (portrait.landmarks[:, i].max().item() - v for i, v in ((0, left), (1, top)))
    box = {"x": left + portrait.size[1], "y": top, "width": wide, "height": high}
    for value in (box, [[box]]):  # as the primitive gives it, and as detectors do
        made, _ = run_node("DreamTalkPortrait", image=two, bounding_box=value)
        assert float(made.landmarks[4, 0]) > portrait.size[1]
    with pytest.raises(Exception, match="x, y, width and height"):
        run_node("DreamTalkPortrait", image=two, bounding_box={"x": 1})


def test_landmarks_of_comfyui_are_taken(portrait: Portrait) -> None:
    marks = portrait.landmarks.numpy()
    blank = torch.full((1, *portrait.size, 3), 0.5)
    value = comfys([marks], portrait.size)
    made, _ = run_node("DreamTalkPortrait", image=blank, face_landmarks=value)
    assert float((made.landmarks - portrait.landmarks).abs().max()) < 0.05
    with pytest.raises(Exception, match="hold no face"):
        run_node(
            "DreamTalkPortrait", image=blank,
            face_landmarks={"frames": [[]], "image_size": portrait.size},
        )  # fmt: skip


def test_motion_from_the_landmarks_of_comfyui(portrait: Portrait) -> None:
    marks = portrait.landmarks.numpy()
    faces = []
    for step in range(10):
        face = marks.copy()
        face[[14, 87, 317], 1] += 0.02 * step * portrait.iod  # the lower lip goes down
        faces.append(face)
    (motion,) = run_node(
        "DreamTalkTrackMotion", images_fps=25.0, smoothing=0.0,
        face_landmarks=comfys(faces, portrait.size),
    )  # fmt: skip
    aperture = motion.expression[:, FACE.index["lipAperture"]]
    assert len(motion) == 10
    assert float(aperture[-1] - aperture[0]) > 0.1
    assert (aperture.diff() > 0).all()


def test_points_in_the_command(portrait: Portrait, tmp_path: Path) -> None:
    from dreamtalk.motion import Motion

    save_image(torch.full((*portrait.size, 3), 0.5), tmp_path / "p.png")
    Motion(torch.zeros(2, len(FACE)), torch.zeros(2, 6)).save(tmp_path / "m.npz")
    command = ["render", "--portrait", tmp_path / "p.png", "--motion", tmp_path / "m.npz"]
    command += ["--out", tmp_path / "v.mp4", "--points", places(portrait)]
    assert main([str(word) for word in command]) == 0
    assert (tmp_path / "v.mp4").stat().st_size > 1000

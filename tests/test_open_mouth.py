"""The inside of a mouth that another picture of the same person shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamtalk.errors import DreamTalkError, FaceNotFoundError, ImageError
from dreamtalk.face import Portrait, add_open_mouth, analyze_portrait, save_image
from dreamtalk.face import topology as t
from dreamtalk.face.landmarker import FaceLandmarker
from dreamtalk.face.open_mouth import choose_picture, lips_apart, open_mouth_notes
from dreamtalk.motion import FACE, Motion
from dreamtalk.pipeline.jobs import Shot
from dreamtalk.render.mesh import MeshRenderer


def closed_motion() -> Motion:
    """One frame in which the portrait's lips are together."""
    return Motion(torch.zeros(1, len(FACE)), torch.zeros(1, 6))


@pytest.fixture(scope="module")
def closed(portrait: Portrait) -> Portrait:
    """The astronaut, who smiles with her teeth, with her lips closed."""
    (frames,) = MeshRenderer(portrait).frames(closed_motion())
    found = analyze_portrait(frames[0].float() / 255)
    assert lips_apart(found.landmarks.numpy()) < 0.03
    return found


@pytest.fixture(scope="module")
def with_teeth(closed: Portrait, portrait_image: torch.Tensor) -> Portrait:
    return add_open_mouth(closed, portrait_image)


def smile(portrait: Portrait) -> Motion:
    """One frame in which closed lips are as far apart as the portrait's."""
    return Motion(portrait.rest[None], torch.zeros(1, 6))


def inside(portrait: Portrait) -> tuple[slice, slice]:
    """Rows and columns between the portrait's lips."""
    inner = portrait.landmarks[[*t.UPPER_INNER, *t.LOWER_INNER], :2].numpy()
    (x0, y0), (x1, y1) = inner.min(0).astype(int), inner.max(0).astype(int) + 1
    third = (x1 - x0) // 6
    return slice(y0 + 1, y1 - 1), slice(x0 + third, x1 - third)


def test_teeth_of_the_other_picture_are_shown(
    portrait: Portrait, closed: Portrait, with_teeth: Portrait
) -> None:
    truth = portrait.image[inside(portrait)].numpy()
    off = {}
    for name, given in (("drawn", closed), ("borrowed", with_teeth)):
        (frames,) = MeshRenderer(given).frames(smile(portrait))
        off[name] = float(np.abs(frames[0].numpy()[inside(portrait)] / 255 - truth).mean())
    assert off["borrowed"] < 0.75 * off["drawn"]


def test_nothing_is_painted_over_it(
    portrait: Portrait, closed: Portrait, with_teeth: Portrait
) -> None:
    drawn, painted = (MeshRenderer(with_teeth, mouth=kind) for kind in ("drawn", "painted"))
    (a,), (b,) = (r.frames(smile(portrait)) for r in (drawn, painted))
    assert torch.equal(a, b)
    assert not any("is painted" in note for note in drawn.notes)
    assert any("no mouth is painted over them" in note for note in painted.notes)
    without = [MeshRenderer(closed, mouth=kind) for kind in ("drawn", "painted")]
    (a,), (b,) = (r.frames(smile(portrait)) for r in without)
    assert not torch.equal(a, b)
    hardly = replace(with_teeth, open_mouth=replace(closed, open_mouth=None))  # shows no teeth
    assert not any("is painted" in n for n in MeshRenderer(hardly, mouth="painted").notes)


def test_a_closed_portrait_at_rest_stays_as_it_is(with_teeth: Portrait) -> None:
    renderer = MeshRenderer(with_teeth)
    assert renderer.mouth_layer.interior.borrowed
    (frames,) = renderer.frames(Motion(with_teeth.rest[None], torch.zeros(1, 6)))
    assert torch.equal(frames[0], (with_teeth.image * 255).round().byte())


def test_the_jaw_of_the_other_picture_hangs_lower(with_teeth: Portrait) -> None:
    interior = MeshRenderer(with_teeth).mouth_layer.interior
    down = interior.jaw_rest @ interior.y_mm / interior.mm**2
    assert 0 < float(down) < 12  # mm


def test_it_takes_the_place_of_the_portraits_own(
    portrait: Portrait, portrait_image: torch.Tensor
) -> None:
    blue = portrait_image.clone()
    blue[inside(portrait)] = torch.tensor([0.55, 0.75, 0.95])
    given = add_open_mouth(portrait, blue)
    (own,) = MeshRenderer(portrait).frames(smile(portrait))
    (other,) = MeshRenderer(given).frames(smile(portrait))
    assert torch.equal(own[0], (portrait.image * 255).round().byte())
    blueness = [
        float((f[0, ..., 2].float() - f[0, ..., 0].float())[inside(portrait)].mean())
        for f in (own, other)
    ]
    assert blueness[1] > blueness[0] + 20


def test_it_is_cut_out_and_no_larger_than_the_portrait(
    closed: Portrait, portrait_image: torch.Tensor
) -> None:
    large = torch.nn.functional.interpolate(
        portrait_image.permute(2, 0, 1)[None], scale_factor=2.0, mode="bilinear"
    )[0].permute(1, 2, 0)
    other = add_open_mouth(closed, large).open_mouth
    assert other is not None
    assert other.iod == pytest.approx(closed.iod, rel=0.02)
    assert other.size < closed.size
    again = analyze_portrait(other.image)
    away = (again.landmarks - other.landmarks)[:, :2].norm(dim=1).mean()
    assert float(away) < 0.02 * closed.iod


def test_of_several_pictures_the_one_with_teeth_is_taken(
    closed: Portrait, portrait_image: torch.Tensor
) -> None:
    blank = torch.full_like(portrait_image, 0.5)
    pictures = torch.stack([blank, closed.image, portrait_image, closed.image])
    assert choose_picture(closed, pictures, FaceLandmarker()) == 2
    assert choose_picture(closed, blank[None].repeat(3, 1, 1, 1), FaceLandmarker()) == 0


def test_pictures_that_show_no_open_mouth_are_refused(
    closed: Portrait, portrait_image: torch.Tensor
) -> None:
    with pytest.raises(ImageError, match="are closed"):
        add_open_mouth(closed, closed.image)
    with pytest.raises(FaceNotFoundError, match="picture of the open mouth: no face"):
        add_open_mouth(closed, torch.full_like(portrait_image, 0.5))
    with pytest.raises(ImageError, match="N, H, W, C"):
        add_open_mouth(closed, portrait_image[..., 0])


def test_what_will_not_fit_is_said(with_teeth: Portrait) -> None:
    assert open_mouth_notes(with_teeth) == []
    other = with_teeth.open_mouth
    assert other is not None
    angle = np.radians(25.0)
    turn = torch.tensor(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    ).float()
    turned = replace(with_teeth, open_mouth=replace(other, rotation=turn @ other.rotation))
    assert any("25 degrees" in note for note in open_mouth_notes(turned))


def test_it_is_stored_with_the_portrait(
    with_teeth: Portrait, closed: Portrait, tmp_path: Path
) -> None:
    with_teeth.save(tmp_path / "both.npz")
    both = Portrait.load(tmp_path / "both.npz")
    assert both.open_mouth is not None
    assert with_teeth.open_mouth is not None
    for name in ("image", "landmarks", "rotation", "expression"):
        assert torch.equal(getattr(both.open_mouth, name), getattr(with_teeth.open_mouth, name))
    closed.save(tmp_path / "one.npz")
    assert Portrait.load(tmp_path / "one.npz").open_mouth is None
    with pytest.raises(ImageError, match="another one's"):
        replace(closed, open_mouth=with_teeth)


def test_a_shot_reads_it_from_a_file(
    closed: Portrait, portrait_image: torch.Tensor, tmp_path: Path
) -> None:
    from dreamtalk.pipeline.loaders import Loaders
    from dreamtalk.pipeline.run import _open_scene
    from dreamtalk.progress import silent_stages

    save_image(closed.image, tmp_path / "closed.png")
    save_image(portrait_image, tmp_path / "smile.png")
    shot = Shot(tmp_path / "closed.png", tmp_path / "out.mp4", open_mouth=tmp_path / "smile.png")
    (found,), _ = _open_scene(shot, silent_stages, Loaders())
    assert found.open_mouth is not None
    with pytest.raises(DreamTalkError, match="one face"):
        replace(shot, faces=("1", "2"))

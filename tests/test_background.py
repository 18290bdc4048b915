"""Another background, or none: the matte, the colours at its edge, and how both follow the head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from dreamtalk.errors import DreamTalkError, ImageError, OutputError
from dreamtalk.face.portrait import Portrait
from dreamtalk.motion import FACE, Motion
from dreamtalk.networks.pirenderer import FaceGenerator
from dreamtalk.pipeline import render_video
from dreamtalk.pipeline.check import check_shot
from dreamtalk.pipeline.jobs import Shot
from dreamtalk.render.background import (
    Background,
    background_of,
    cut_out,
    over_background,
    with_mattes,
)
from dreamtalk.render.background.choice import covering, needs_file
from dreamtalk.render.background.matting import foreground_colours, plain_backdrop, solve_alpha
from dreamtalk.render.group import together
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.render.pirenderer import PIRenderer, PIRendererOptions
from dreamtalk.render.square import cut as cut_square
from tests.parity_weights import fill_module

GREEN = (0, 177, 64)


@pytest.fixture(scope="module")
def cut(portrait: Portrait) -> Portrait:
    """The astronaut with a fine matte."""
    return with_mattes([portrait])[0]


@pytest.fixture(scope="module")
def renderer(cut: Portrait) -> MeshRenderer:
    return MeshRenderer(cut)


def turning(frames: int = 3) -> Motion:
    """A face that speaks, and a head that turns and nods."""
    expression = torch.zeros(frames, len(FACE))
    expression[:, FACE.index["lipAperture"]] = torch.linspace(0, 0.1, frames)
    head = torch.zeros(frames, 6)
    head[:, 1] = torch.linspace(0, 0.2, frames)
    head[:, 2] = torch.linspace(0, 0.1, frames)
    return Motion(expression, head)


def placed(
    renderer: Any, portraits: list[Portrait], motion: Motion, background: Background | None
) -> Tensor:
    frames = renderer.frames(motion)
    return torch.cat(list(over_background(frames, renderer, portraits, motion, background)))


# --------------------------------------------------------------------------------------- matting


def hairy(size: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """Colours of a disc with hair, and its alpha (H, W): known, because they are drawn."""
    canvas = np.zeros((4 * size, 4 * size), np.uint8)
    middle = 2 * size
    cv2.circle(canvas, (middle, middle), round(1.1 * size), 255, -1, cv2.LINE_AA)
    for angle in np.linspace(0, 2 * np.pi, 90, endpoint=False):
        end = middle + 1.45 * size * np.array([np.cos(angle), np.sin(angle + 0.05)])
        cv2.line(canvas, (middle, middle), tuple(end.astype(int).tolist()), 255, 3, cv2.LINE_AA)
    alpha = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA) / np.float32(255)
    y, x = np.mgrid[:1:size * 1j, :1:size * 1j]  # fmt: skip
    colours = np.stack([0.35 + 0.1 * np.sin(20 * x), 0.2 + 0.1 * y, 0.1 + 0.05 * x], -1)
    return colours.astype(np.float32), alpha.astype(np.float32)


def test_hair_is_told_from_a_wall() -> None:
    colours, alpha = hairy()
    ramp = np.linspace(0.6, 0.8, 160, dtype=np.float32)[None, :, None]
    wall = ramp * np.array([0.9, 1.0, 1.1], np.float32) * np.ones((160, 1, 1), np.float32)
    image = colours * alpha[..., None] + wall * (1 - alpha[..., None])
    y, x = np.mgrid[:160, :160]
    radius = np.hypot(x - 80, y - 80)
    unknown, guess = (radius > 40) & (radius < 66), (radius < 50).astype(np.float32)
    backdrop = plain_backdrop(image, radius > 66, radius > 66)
    assert backdrop is not None
    assert np.abs(backdrop.colours - wall).max() < 0.01
    solved = solve_alpha(image, guess, unknown, 160, backdrop)
    coarse, fine = (np.abs(a - alpha)[unknown].mean() for a in (guess, solved))
    assert fine < 0.05 < 0.25 * coarse + 0.05
    own = foreground_colours(image, solved, 8)
    edge = (alpha > 0.2) & (alpha < 0.9)
    assert np.abs(own - colours)[edge].mean() < 0.3 * np.abs(image - colours)[edge].mean()
    # solved on half the pixels, the lines of colour give back what was lost
    half = solve_alpha(image, guess, unknown, 80, backdrop)
    assert np.abs(half - alpha)[unknown].mean() < 0.1


def test_a_pattern_is_no_plain_backdrop() -> None:
    y, x = np.mgrid[:64, :64]
    checks = np.repeat((((x // 8 + y // 8) % 2) * 0.6)[..., None], 3, -1).astype(np.float32)
    everywhere = np.ones((64, 64), bool)
    assert plain_backdrop(checks, everywhere, everywhere) is None
    assert plain_backdrop(checks, ~everywhere, everywhere) is None
    ones = np.ones((64, 64), np.float32)
    assert np.array_equal(solve_alpha(checks, ones, ~everywhere, 64), ones)


def test_nothing_of_the_old_background_stays(cut: Portrait) -> None:
    layer = cut_out([cut])
    own = cut.image.numpy() + layer.repair
    results = []
    for wall in ([0.75, 0.7, 0.8], [0.2, 0.45, 0.35]):
        image = own * layer.alpha[..., None] + np.array(wall) * (1 - layer.alpha[..., None])
        picture = torch.from_numpy(image.astype(np.float32)).clamp(0, 1)
        [found] = with_mattes([replace(cut, image=picture, mask=None)])
        made = MeshRenderer(found)
        results.append(placed(made, [found], turning(), Background(colour=(0, 0, 0))).float())
    apart = (results[0] - results[1]).abs().mean(-1)
    assert float(apart.mean()) < 1.5
    assert float((apart > 40).float().mean()) < 0.005


# --------------------------------------------------------------------------------------- in frames


def test_the_person_keeps_its_bytes_and_the_rest_is_the_colour(
    cut: Portrait, renderer: MeshRenderer
) -> None:
    motion = turning()
    plain = torch.cat(list(renderer.frames(motion)))
    clear = placed(renderer, [cut], motion, Background())
    green = placed(renderer, [cut], motion, Background(colour=GREEN))
    assert clear.shape == (3, 264, 264, 4)
    assert clear.dtype == green.dtype == torch.uint8
    alpha = clear[..., 3]
    sure = (alpha == 255) & (clear[..., :3] == plain).all(-1)
    assert float(sure.float().mean()) > 0.3
    assert torch.equal(green[sure], plain[sure])
    assert bool((green[alpha == 0] == torch.tensor(GREEN)).all())
    assert placed(renderer, [cut], motion, None).equal(plain)
    # far from the person nothing is left to see for whoever ignores alpha
    far = cv2.dilate((alpha[0] > 0).numpy().astype(np.uint8), np.ones((25, 25))) == 0
    assert int(clear[0, ..., :3][torch.from_numpy(far)].max()) == 0


def test_the_matte_follows_the_head(cut: Portrait, renderer: MeshRenderer) -> None:
    motion = turning()
    tilted = torch.zeros(3, 6)
    tilted[:, 2] = torch.linspace(0, 0.15, 3)
    motion = motion.with_(head=tilted)
    alpha = placed(renderer, [cut], motion, Background())[..., 3].float() / 255
    rest = motion.with_(expression=renderer.rest.expand(3, -1), head=torch.zeros(3, 6))
    alpha[0] = placed(renderer, [cut], rest, Background())[0, ..., 3].float() / 255
    assert float((alpha[0] - cut.mask).abs().max()) < 0.01  # type: ignore[operator]
    marks = renderer.landmarks(motion)
    columns = torch.arange(264)
    rows = slice(int(marks[0, 10, 1]) - 20, int(marks[0, 10, 1]))  # across the hair
    middle = (alpha[:, rows].sum(1) * columns).sum(1) / alpha[:, rows].sum((1, 2))
    moved = float(marks[2, 10, 0] - marks[0, 10, 0])
    assert abs(moved) > 4
    assert float(middle[2] - middle[0]) == pytest.approx(moved, rel=0.5)


class Silent:
    """A renderer that does not say where its pixels come from."""

    def __init__(self, renderer: MeshRenderer) -> None:
        self.space, self.size, self.notes = renderer.space, renderer.size, renderer.notes
        self.mask, self.frames = renderer.mask, renderer.frames


def test_any_renderer_is_followed_by_what_is_seen(cut: Portrait, renderer: MeshRenderer) -> None:
    motion = turning()
    known, seen = (
        placed(made, [cut], motion, Background())[..., 3].float() / 255
        for made in (renderer, Silent(renderer))
    )
    still = (known - known[:1])[2].abs().mean()
    assert float((seen - known)[2].abs().mean()) < 0.3 * float(still)


PAD = 140


@pytest.fixture(scope="module")
def pirenderer(cut: Portrait) -> tuple[PIRenderer, Portrait]:
    """With made-up weights, and a picture that is wider than the square that it renders."""
    assert cut.mask is not None
    image = np.pad(cut.image.numpy(), ((0, 0), (PAD, PAD), (0, 0)), "edge")
    mask = np.pad(cut.mask.numpy(), ((0, 0), (PAD, PAD)))
    landmarks = cut.landmarks + torch.tensor([float(PAD), 0.0, 0.0])
    wide = replace(
        cut, image=torch.from_numpy(image), mask=torch.from_numpy(mask), landmarks=landmarks
    )
    generator = FaceGenerator()
    fill_module(generator)
    return PIRenderer(generator, wide), wide


def test_pirenderer_gets_another_background(pirenderer: tuple[PIRenderer, Portrait]) -> None:
    """Motion of the face goes over into its own space, and its frames are followed as they come."""
    renderer, portrait = pirenderer
    motion = turning(2)
    plain = torch.cat(list(renderer.frames(motion)))
    green = placed(renderer, [portrait], motion, Background(colour=GREEN))
    clear = placed(renderer, [portrait], motion, Background())
    assert green.shape == plain.shape == (2, 264, 264 + 2 * PAD, 3)
    untouched = renderer.mask() == 0
    assert 0.1 < float(untouched.float().mean()) < 0.9
    alpha = clear[..., 3]
    assert bool((green[alpha == 0] == torch.tensor(GREEN)).all())
    assert bool((alpha[:, :, : PAD // 2] == 0).all())
    opaque = (alpha == 255) & untouched  # shoulders beside the square, as in the portrait
    assert torch.equal(green[opaque], plain[opaque])
    square = PIRenderer(renderer.generator, portrait, PIRendererOptions(paste_back=False))
    with pytest.raises(ImageError, match="not the whole picture"):
        over_background([], square, [portrait], motion, Background(colour=GREEN))


def test_the_matte_follows_pirenderers_squares(
    pirenderer: tuple[PIRenderer, Portrait], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if its weights moved the whole picture to the right."""
    generator, portrait = pirenderer[0].generator, pirenderer[1]
    renderer = PIRenderer(generator, portrait, PIRendererOptions(crop=False))
    shifts = iter((0, 10))  # of the square's 256 px

    def moved(network: Any, source: Any, windows: Tensor) -> Tensor:
        return torch.cat([cut_square(portrait.image, renderer._box).roll(next(shifts), -1)
                          for _ in windows])  # fmt: skip

    monkeypatch.setattr("dreamtalk.render.pirenderer.renderer.render_windows", moved)
    alpha = placed(renderer, [portrait], turning(2), Background())[..., 3].float() / 255
    assert portrait.mask is not None
    assert float((alpha[0] - portrait.mask).abs().mean()) < 0.02
    rows = slice(0, int(portrait.landmarks[1, 1]))  # down to the nose: hair and ears
    columns = torch.arange(alpha.shape[2])
    centre = (alpha[:, rows].sum(1) * columns).sum(1) / alpha[:, rows].sum((1, 2))
    assert float(centre[1] - centre[0]) == pytest.approx(10 * alpha.shape[2] / 256, rel=0.3)


def test_several_faces_and_their_background(cut: Portrait) -> None:
    image = torch.cat([cut.image, cut.image], 1)
    mask = torch.cat([cut.mask, cut.mask], 1)  # type: ignore[list-item]
    faces = [
        replace(cut, image=image, mask=mask, landmarks=cut.landmarks + torch.tensor([x, 0.0, 0.0]))
        for x in (0.0, 264.0)
    ]
    motion = turning()
    renderers = [MeshRenderer(face) for face in faces]
    still = motion.with_(expression=renderers[0].rest.expand(3, -1), head=torch.zeros(3, 6))
    group, _ = together(faces, renderers, [still, motion])
    alpha = placed(group, faces, still, Background())[..., 3].float() / 255
    assert float((alpha[2, :, :200] - mask[:, :200]).abs().max()) < 0.01
    assert float((alpha[2, :, 330:] - mask[:, 330:]).abs().mean()) > 0.01


def test_pictures_behind_come_in_turn(cut: Portrait, renderer: MeshRenderer) -> None:
    red, blue = (torch.tensor([c]).expand(40, 90, 3) for c in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]))
    frames = placed(renderer, [cut], turning(), background_of(None, torch.stack([red, blue])))
    assert frames[:, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255], [255, 0, 0]]


def test_what_can_not_be_cut_out_is_said(portrait: Portrait) -> None:
    with pytest.raises(ImageError, match="no background is found"):
        cut_out([replace(portrait, mask=torch.ones(portrait.size))])

    class Square(Silent):
        def __init__(self, renderer: MeshRenderer) -> None:
            super().__init__(renderer)
            self.size = (256, 256)

    made = Square(MeshRenderer(portrait))
    with pytest.raises(ImageError, match="paste_back"):
        placed(made, [portrait], turning(), Background())


# --------------------------------------------------------------------------------------- choices


def test_choices_of_a_background(tmp_path: Path) -> None:
    assert background_of("keep") is background_of(None) is background_of(" ") is None
    assert background_of("Transparent") == Background()
    assert background_of("#00b140") == background_of("rgb(0,177,64)") == Background(colour=GREEN)
    assert background_of("white") == Background(colour=(255, 255, 255))
    for beyond in ("rgb(300,0,0)", "rgb(0%,101%,0%)", "hsl(0,500%,50%)"):
        with pytest.raises(ImageError, match="is no colour"):
            background_of(beyond)
    for wrong in ("#12345", "#00b14080", "no such thing", str(tmp_path)):
        with pytest.raises(ImageError, match=r"background can't be|alpha of its own"):
            background_of(wrong)
    assert [needs_file(c) for c in ("keep", "transparent", "#fff", "room.jpg")] == [0, 0, 0, 1]
    from dreamtalk.face.image import save_image

    save_image(torch.full((8, 8, 3), 0.5), tmp_path / "room.png")
    found = background_of(tmp_path / "room.png")
    assert found is not None
    assert found.frame(5, 30, 20).shape == (30, 20, 3)
    with pytest.raises(ImageError, match="connect a picture"):
        background_of(tmp_path / "room.png", files=False)
    with pytest.raises(ImageError, match="and a picture"):
        background_of("white", torch.zeros(1, 8, 8, 3))


def test_pictures_cover_the_frame() -> None:
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[:, 15:25] = 200
    assert covering(wide, 20, 20).shape == (20, 20, 3)
    assert covering(wide, 20, 20).min() >= 150  # the middle of it
    assert covering(wide, 7, 90).shape == (7, 90, 3)


# --------------------------------------------------------------------------------------- files


def test_a_transparent_video_needs_a_file_that_can(
    cut: Portrait, renderer: MeshRenderer, tmp_path: Path
) -> None:
    import av

    render_video(
        renderer, turning(), tmp_path / "v.mov", behind=Background(), portraits=[cut],
        visible_mark=True,
    )  # fmt: skip
    with av.open(str(tmp_path / "v.mov")) as file:
        frames = np.stack([f.to_ndarray(format="rgba") for f in file.decode(video=0)])
    wanted = placed(renderer, [cut], turning(), Background()).numpy()
    above = slice(0, 220)  # of the mark
    apart = np.abs(frames[:, above, :, 3].astype(int) - wanted[:, above, :, 3])
    assert apart.mean() < 1
    assert frames[0, 240:, 180:, 3].max() > 200  # the mark is seen over nothing, too
    with pytest.raises(OutputError, match="no transparency"):
        render_video(renderer, turning(), tmp_path / "v.mp4", behind=Background(), portraits=[cut])
    assert not (tmp_path / "v.mp4").exists()


@pytest.mark.parametrize(
    ("name", "background", "problem"),
    [
        ("v.mp4", "transparent", "no transparency"), ("v.webm", "nothing", "background can't be"),
        ("v.mkv", "#00b140", None), ("v.gif", "transparent", None),
    ],
)  # fmt: skip
def test_a_shot_is_refused_before_the_work(
    tmp_path: Path, name: str, background: str, problem: str | None
) -> None:
    def check() -> None:
        check_shot(Shot(tmp_path / "p.png", tmp_path / name, background=background))

    if problem is None:
        check()
        return
    with pytest.raises(DreamTalkError, match=problem):
        check()


def fading() -> Iterator[Tensor]:
    """Twelve RGBA frames: a disc with soft edges that moves."""
    y, x = np.mgrid[:96, :128]
    for t in range(12):
        away = np.hypot(x - 40 - 3 * t, y - 48)
        alpha = 255 * np.clip((30 - away) / 8, 0, 1)
        frame = np.stack([np.full_like(alpha, 200), 2.0 * x, np.full_like(alpha, 40), alpha], -1)
        yield torch.from_numpy(frame.clip(0, 255).astype(np.uint8))[None]


@pytest.mark.parametrize(
    ("suffix", "decoder", "most"), [(".webm", "libvpx-vp9", 8), (".mov", "", 3), (".gif", "", 128)]
)
def test_alpha_comes_back_from_the_file(
    tmp_path: Path, suffix: str, decoder: str, most: int
) -> None:
    import av

    from dreamtalk.render.video import write_video

    path = tmp_path / f"v{suffix}"
    assert write_video(path, fading(), quality=10) == 12
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        if decoder:  # FFmpeg's own decoder of VP9 leaves alpha out
            context = av.CodecContext.create(decoder, "r")
            packets = [p if p.size else None for p in file.demux(stream)]
            found = [frame for packet in packets for frame in context.decode(packet)]
        else:
            found = list(file.decode(stream))
    frames = np.stack([frame.to_ndarray(format="rgba") for frame in found]).astype(int)
    wanted = torch.cat(list(fading())).numpy().astype(int)
    assert frames.shape == wanted.shape
    assert np.abs(frames - wanted)[..., 3].max() <= most
    inside = wanted[..., 3] > 250
    assert np.abs(frames - wanted)[inside].mean() < 4

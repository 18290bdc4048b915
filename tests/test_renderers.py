"""The render contract: renderers by name, by file, from other packages, in groups."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from torch import Tensor

from dreamtalk.cli import main
from dreamtalk.difftalk import DiffTalk, DiffTalkConfig, FirstStageConfig, save_difftalk
from dreamtalk.difftalk.config import UNetConfig
from dreamtalk.errors import DreamTalkError, ModelNotFoundError
from dreamtalk.face import Portrait, save_image
from dreamtalk.motion import FACE, Motion
from dreamtalk.render import registry
from dreamtalk.render.registry import (
    RendererKind,
    known_renderers,
    load_renderer,
    open_renderer,
    register_renderer,
)
from dreamtalk.render.renderer import Renderer
from dreamtalk.speech.speech import Features
from tests.comfy_pack import load_pack, run_node


# A renderer as another package would write it: the picture, brighter as the lips part.
@dataclass(frozen=True)
class GlowOptions:
    strength: float = 2.0


class Glow:
    space, notes = "face", ()

    def __init__(self, portrait: Portrait, options: GlowOptions) -> None:
        self.image, self.size, self.strength = portrait.image, portrait.size, options.strength

    def mask(self) -> Tensor:
        return torch.ones(self.size)

    def frames(
        self, motion: Motion, features: Any = None, progress: Any = lambda *_: None
    ) -> Generator[Tensor, None, None]:
        for i, aperture in enumerate(motion.channel("lipAperture").tolist(), 1):
            bright = (self.image * (1 + self.strength * aperture)).clamp(0, 1)
            yield (255 * bright)[None].round().to(torch.uint8)
            progress(i, len(motion))


GLOW = RendererKind(
    "glow", "glows", lambda portrait, _, device, options: Glow(portrait, options),
    options=GlowOptions,
)  # fmt: skip


@pytest.fixture
def glow(monkeypatch: pytest.MonkeyPatch) -> RendererKind:
    """The toy renderer, registered for one test in both copies of the library."""
    load_pack()
    from dreamtalk_pack.dreamtalk.render import registry as pack  # type: ignore[import-not-found]

    for known in (registry, pack):
        monkeypatch.setattr(known, "RENDERERS", dict(known.RENDERERS))
        known.register_renderer(GLOW)
    return GLOW


def talking(frames: int = 5) -> Motion:
    expression = torch.zeros(frames, len(FACE))
    expression[:, 0] = torch.linspace(0, 0.2, frames)
    return Motion(expression, torch.zeros(frames, 6))


def test_a_renderer_from_outside_works_in_command_and_node(
    glow: RendererKind, portrait: Portrait, tmp_path: Path
) -> None:
    save_image(portrait.image, tmp_path / "p.png")
    talking().save(tmp_path / "m.npz")
    out = tmp_path / "v.mp4"
    command = ["render", "--portrait", tmp_path / "p.png", "--motion", tmp_path / "m.npz"]
    command += ["--out", out, "--renderer", "glow", "--renderer-option", "strength=4"]
    assert main([str(word) for word in command]) == 0
    with av.open(str(out)) as container:
        pictures = [f.to_ndarray(format="rgb24").mean() for f in container.decode(video=0)]
    assert len(pictures) == 5
    assert pictures[-1] > pictures[0] + 15

    (loaded,) = run_node("DreamTalkLoadRenderer", renderer="glow")
    images, mask, fps = run_node(
        "DreamTalkRender", portrait=portrait, motion=talking(), renderer=loaded
    )
    assert images.shape == (5, *portrait.size, 3)
    assert images[-1].mean() > images[0].mean() + 0.02
    assert (float(mask.min()), fps) == (1.0, 25.0)


def test_a_name_is_taken_once(glow: RendererKind) -> None:
    register_renderer(glow)
    with pytest.raises(DreamTalkError, match="a renderer 'glow' already"):
        register_renderer(RendererKind("glow", "another", GLOW.make))


def test_a_package_offers_its_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    class EntryPoint:
        name = "glow"

        def load(self) -> RendererKind:
            return GLOW

    def entry_points(group: str) -> list[EntryPoint]:
        return [EntryPoint()] if group == registry.ENTRY_POINTS else []

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert known_renderers()["glow"] is GLOW
    assert load_renderer("glow", strength=3.0).options == GlowOptions(3.0)


def test_options_are_checked(glow: RendererKind, portrait: Portrait) -> None:
    made = load_renderer("glow", strength="0.5").for_portrait(portrait)
    assert isinstance(made, Glow)
    assert made.strength == 0.5
    with pytest.raises(DreamTalkError, match="strength can't be 'strong'"):
        load_renderer("glow", strength="strong")
    with pytest.raises(DreamTalkError, match="no option 'glitter': it has strength"):
        load_renderer("glow", glitter=1)
    with pytest.raises(DreamTalkError, match="no option 'feather': it has mouth"):
        load_renderer("mesh", feather=0.1)


def test_unknown_and_unfit_renderers(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no renderer 'nosuch'.*mesh"):
        load_renderer("nosuch")
    with pytest.raises(ModelNotFoundError, match="needs its weights"):
        load_renderer("pirenderer")
    from dreamtalk.model import STARTER_FILE

    with pytest.raises(DreamTalkError, match="weights of no renderer, but of kind 'denoiser'"):
        load_renderer(STARTER_FILE)


def test_the_mesh_renderer_keeps_the_contract(portrait: Portrait) -> None:
    made: Renderer = open_renderer("mesh", portrait)
    assert made.space == "face"
    assert made.size == portrait.size == tuple(made.mask().shape)
    assert all(isinstance(note, str) for note in made.notes)
    seen: list[tuple[int, int]] = []
    motion = talking()
    frames = torch.cat(list(made.frames(motion, progress=lambda *step: seen.append(step))))
    assert frames.shape == (5, *portrait.size, 3)
    assert frames.dtype == torch.uint8
    assert seen[-1] == (5, 5)
    # two runs of one renderer, one step each in turn, give what one by one gives
    turns = zip(made.frames(motion), made.frames(motion), strict=True)
    first, second = (torch.cat(parts) for parts in zip(*turns, strict=True))
    assert torch.equal(first, frames)
    assert torch.equal(second, frames)


def test_difftalk_comes_with_weights_and_paints_the_mouth_alone(portrait: Portrait) -> None:
    motion = talking(3)
    painted = open_renderer("difftalk", portrait, steps=1)
    assert painted.size == portrait.size
    mesh = torch.cat(list(open_renderer("mesh", portrait).frames(motion)))
    heard: list[int] = []
    made = torch.cat(list(painted.frames(motion, None, lambda done, _: heard.append(done))))
    assert made.shape == mesh.shape
    assert heard[-1] == 3
    changed = (made != mesh).any(-1)
    eyes, lips = portrait.landmarks[33, :2].int(), portrait.landmarks[14, :2].int()
    assert changed[2].any()
    assert not changed[:, : int(eyes[1]) + 10].any()
    rows, columns = changed[2].nonzero().T
    assert rows.min() < lips[1] < rows.max()
    assert columns.min() < lips[0] < columns.max()
    assert not changed[(painted.mask() == 0).expand(3, -1, -1)].any()
    again = torch.cat(list(painted.frames(motion)))
    assert torch.equal(made, again)


def test_difftalk_options(portrait: Portrait) -> None:
    loaded = load_renderer("difftalk", placed="reference", strength="0.5", from_speech="true")
    assert loaded.name == "difftalk"
    assert loaded.options.placed == "reference"
    assert loaded.options.mouth().strength == 0.5
    with pytest.raises(DreamTalkError, match="speech"):
        next(iter(loaded.for_portrait(portrait).frames(talking(2))))
    with pytest.raises(DreamTalkError, match="placed"):
        load_renderer("difftalk", placed="elsewhere")
    with pytest.raises(DreamTalkError, match="no option"):
        load_renderer("difftalk", glow=1)


def test_difftalk_paints_what_it_hears(portrait: Portrait) -> None:
    renderer = open_renderer("difftalk", portrait, from_speech=True, steps=1)
    motion = talking(3)
    voices = torch.full((2, 6, 96), -1.0)
    voices[0, :, 1] = 0  # AA
    voices[1, :, 19] = 0  # B
    one, two = (
        torch.cat(list(renderer.frames(motion, Features(rows, "starter")))) for rows in voices
    )
    assert not torch.equal(one, two)


def test_published_difftalk_paints_a_square(portrait: Portrait, tmp_path: Path) -> None:
    sizes = FirstStageConfig(16, (1, 1, 2), 1, 3, 16, groups=4)
    torch.manual_seed(0)
    network = DiffTalk(DiffTalkConfig(sizes, UNetConfig(16, (1, 2), 1, (1,), 16, 4), image_size=64))
    save_difftalk(tmp_path / "published.safetensors", network)
    renderer = open_renderer(tmp_path / "published.safetensors", portrait, steps=2)
    motion = talking(3)
    heard = Features(torch.randn(6, 29), "deepspeech")
    frames = torch.cat(list(renderer.frames(motion, heard)))
    assert frames.shape == (3, *portrait.size, 3)
    mesh = torch.cat(list(open_renderer("mesh", portrait).frames(motion)))
    changed = (frames != mesh).any(-1)
    assert changed.any()
    assert not changed[(renderer.mask() == 0).expand(3, -1, -1)].any()
    with pytest.raises(DreamTalkError, match="speech"):
        next(iter(renderer.frames(motion)))

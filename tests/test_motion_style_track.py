"""Style over time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dreamtalk.errors import DreamTalkError, SpaceMismatchError
from dreamtalk.style import Style
from dreamtalk.style.track import StyleMark, parse_style_track, style_track

CODES = {"neutral": [0.0, 0.0], "happy": [1.0, 0.0], "sad": [0.0, 1.0]}


def preset(name: str, intensity: float) -> Style:
    if name not in CODES:
        raise DreamTalkError(f"no emotion '{name}'")
    return Style(torch.tensor(CODES[name]), "model", intensity, name)


def test_parsing() -> None:
    marks = parse_style_track("0:neutral 2.5:happy@1.2,\n 1:02.5:sad")
    assert marks == (
        StyleMark(0.0, "neutral"), StyleMark(2.5, "happy", 1.2), StyleMark(62.5, "sad"),
    )  # fmt: skip
    assert [m.name for m in parse_style_track("3:sad 1:happy")] == ["happy", "sad"]


def test_markers_of_an_audio_editor() -> None:
    labels = "0.000000\t0.000000\tneutral\n2.500000\t4.1\thappy@1.2\n6,25\tsad\n"
    marks = parse_style_track(labels)
    assert marks == (
        StyleMark(0.0, "neutral"), StyleMark(2.5, "happy", 1.2), StyleMark(6.25, "sad"),
    )  # fmt: skip
    with pytest.raises(DreamTalkError, match="can't read"):
        parse_style_track("0.0\t0.0\tneutral\n2.5\t4.1\tvery happy")


def test_ready_made_markers() -> None:
    text = style_track("0:neutral 2:happy@1.5", preset, duration=4.0)
    for marks in (
        [StyleMark(2.0, "happy", 1.5), StyleMark(0.0, "neutral")],
        [(0.0, "neutral"), (2.0, "happy", 1.5)],
    ):
        torch.testing.assert_close(style_track(marks, preset, duration=4.0).code, text.code)


@pytest.mark.parametrize(
    "text", ["", "happy", "0:happy@", "x:happy", "-1:happy", "0:", "0:happy@x", "1:sad 1:happy"]
)
def test_what_cant_be_read(text: str) -> None:
    with pytest.raises(DreamTalkError):
        parse_style_track(text)


def test_codes_change_smoothly() -> None:
    style = style_track("0:neutral 2:happy 4:sad", preset, duration=6.0)
    assert style.code.shape == (150, 2)
    assert style.intensity == 1.0
    code: Tensor = style.code
    torch.testing.assert_close(code[0], torch.tensor([0.0, 0.0]))
    torch.testing.assert_close(code[50], torch.tensor([0.5, 0.0]))
    torch.testing.assert_close(code[75], torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(code[-1], torch.tensor([0.0, 1.0]))
    assert float(code.diff(dim=0).abs().max()) < 0.11
    assert float(code.diff(dim=0).diff(dim=0).abs().max()) < 0.03  # no pop in speed either


def test_close_marks_shorten_the_transition() -> None:
    style = style_track("0:neutral 1:happy 1.2:sad", preset, duration=3.0, transition=2.0)
    assert (style.code >= -1e-6).all()
    assert (style.code.sum(dim=1) <= 1 + 1e-5).all()
    torch.testing.assert_close(style.code[-1], torch.tensor([0.0, 1.0]))


def test_a_jump_if_asked_for() -> None:
    style = style_track("0:neutral 1:happy", preset, duration=2.0, transition=0.0)
    assert sorted(set(style.code[:, 0].round(decimals=3).tolist())) in ([0.0, 1.0], [0.0, 0.5, 1.0])


def test_intensity_follows() -> None:
    style = style_track("0:neutral@0.5 2:happy@1.5", preset, duration=4.0)
    assert isinstance(style.intensity, Tensor)
    assert style.intensity.shape == (100,)
    assert float(style.intensity[0]) == pytest.approx(0.5)
    assert float(style.intensity[50]) == pytest.approx(1.0)
    assert float(style.intensity[-1]) == pytest.approx(1.5)


def test_the_first_style_holds_from_the_start() -> None:
    style = style_track([StyleMark(3.0, "sad")], preset)
    torch.testing.assert_close(style.code[0], torch.tensor([0.0, 1.0]))


def test_what_does_not_fit() -> None:
    with pytest.raises(DreamTalkError, match="no emotion 'bored'"):
        style_track("0:bored", preset)

    def mixed(name: str, intensity: float) -> Style:
        return Style(torch.zeros(2), name, intensity, name)

    with pytest.raises(SpaceMismatchError, match="different checkpoints"):
        style_track("0:happy 1:sad", mixed)
    with pytest.raises(DreamTalkError, match="transition"):
        style_track("0:happy", preset, transition=-1)
    with pytest.raises(DreamTalkError, match="intensity"):
        StyleMark(0.0, "happy", -1.0)


def test_a_track_can_be_sampled() -> None:
    """Codes and intensities that change, held beyond their end."""
    from dreamtalk.model import DreamTalkModel
    from dreamtalk.networks.denoiser import Denoiser, DenoiserConfig
    from dreamtalk.speech.speech import Features

    config = DenoiserConfig(feature_dim=16, d_model=32, heads=4, layers=1, ff=32)
    model = DreamTalkModel(Denoiser(config))
    codes = {name: torch.randn(config.d_model) for name in ("happy", "sad")}

    def style_of(name: str, intensity: float) -> Style:
        return Style(codes[name], model.fingerprint, intensity, name)

    style = style_track("0:happy 0.2:sad@1.5", style_of, duration=0.4)
    features = Features(torch.randn(40, config.feature_dim), model.feature_kind)
    motion = model.sample(features, style, steps=2)
    assert len(motion) == 20


def test_the_face_does_not_jump_where_the_style_changes() -> None:
    """Of the shipped model: with a change from neutral to happy no channel moves faster than it
    does with either style alone, by more than a little."""
    from dreamtalk.model import load_model, speech_features
    from dreamtalk.speech.speech import Speech

    model = load_model()
    generator = torch.Generator().manual_seed(0)
    times = torch.arange(64_000) / 16_000
    syllables = (torch.sin(2 * torch.pi * 3.5 * times).clamp(min=0) * 0.3).square()
    features = speech_features(Speech(syllables * torch.randn(64_000, generator=generator)), model)

    def speed(style: Style) -> Tensor:
        moved = model.sample(features, style, seed=1).expression.diff(dim=0)
        return moved.abs().amax(dim=0)

    still = torch.maximum(speed(model.preset("neutral")), speed(model.preset("happy")))
    changing = speed(style_track("0:neutral 2:happy", model.preset, duration=4.0))
    # a change of 0.1 IOD eased over 0.8 s is 0.009 a frame at its middle, a jump would be 0.1
    assert (changing - still).max() < 0.02


@pytest.mark.parametrize("marks", ["0:happy", "0:happy 2:sad", "0:happy@1 2:sad"])
def test_an_intensity_may_be_a_whole_number(marks: str) -> None:
    whole, number = (style_track(marks, preset, 4.0, intensity=one) for one in (1, 1.0))
    assert torch.equal(whole.code, number.code)
    assert whole.intensity == number.intensity

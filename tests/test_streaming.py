"""Streaming: the pieces make no difference, look-ahead, barge-in, idle, memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dreamtalk.errors import AudioError, DreamTalkError, SpaceMismatchError
from dreamtalk.model import DreamTalkModel, load_model
from dreamtalk.motion import Motion
from dreamtalk.motion.natural import add_natural_motion
from dreamtalk.motion.noise import NoiseStream, band_noise
from dreamtalk.networks.denoiser import Denoiser, DenoiserConfig
from dreamtalk.pipeline import animate
from dreamtalk.speech.speech import Speech
from dreamtalk.streaming.level import RunningLevel
from dreamtalk.streaming.life import Life
from dreamtalk.streaming.stream import MotionStream, StreamSettings
from dreamtalk.streaming.talker import Talker
from tests.conftest import babble

SECOND = 16_000


@pytest.fixture(scope="module")
def model() -> DreamTalkModel:
    return load_model()


def speech(seconds: float) -> torch.Tensor:
    return torch.from_numpy(babble(seconds).astype(np.float32))


def stream(model: DreamTalkModel, **settings: object) -> MotionStream:
    return MotionStream(model, model.preset("happy"), StreamSettings(**settings))  # type: ignore[arg-type]


def joined(parts: list[Motion]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([p.expression for p in parts]), torch.cat([p.head for p in parts])


def test_pieces_of_any_size_give_what_one_piece_gives(model: DreamTalkModel) -> None:
    said = speech(1.6)
    whole = stream(model)
    expected = joined([whole.push(said), whole.flush()])
    assert len(expected[0]) == 40
    for sizes in ([1, 333, 2000], [640], [5000]):
        pieces, parts, at, turn = stream(model), [], 0, 0
        while at < len(said):
            size = sizes[turn % len(sizes)]
            parts.append(pieces.push(said[at : at + size]))
            at, turn = at + size, turn + 1
        parts.append(pieces.flush())
        for found, wanted in zip(joined(parts), expected, strict=True):
            assert torch.equal(found, wanted)


@pytest.mark.parametrize("lookahead", [0.02, 0.16])
def test_the_sound_of_the_frames_is_what_was_said(model: DreamTalkModel, lookahead: float) -> None:
    said = speech(1.0)
    talking, heard, count = stream(model, lookahead=lookahead, steps=1), [], 0
    for piece in said.split(700):
        count += len(talking.push(piece))
        heard.append(talking.sound)
        assert sum(map(len, heard)) in (640 * count, 640 * count - 320)
    talking.flush()
    heard.append(talking.sound)
    found = torch.cat(heard)
    assert torch.equal(found, said[: len(found)])
    assert len(found) >= len(said) - 320
    talking.push(said[:5000])
    talking.cancel()
    assert not talking.sound[320:].any()
    assert len(talking.sound) in (6400, 6400 - 320)


def test_a_frame_waits_for_its_look_ahead_and_no_longer(model: DreamTalkModel) -> None:
    talking = stream(model, lookahead=0.2)
    assert len(talking.push(torch.zeros(SECOND // 5 - 1))) == 0
    assert len(talking.push(torch.zeros(1))) == 1
    assert len(talking.push(torch.zeros(639))) == 0
    assert len(talking.push(torch.zeros(1))) == 1


def test_what_comes_later_changes_nothing(model: DreamTalkModel) -> None:
    said = speech(1.0)
    other = torch.cat([said[: SECOND // 2], torch.zeros(SECOND // 2)])
    first, second = (stream(model, lookahead=0.1).push(s).expression for s in (said, other))
    same = (SECOND // 2 - SECOND // 10) // 640 + 1
    assert torch.equal(first[:same], second[:same])
    assert not torch.equal(first[same:], second[same:])


def test_with_a_long_look_ahead_it_is_the_offline_motion(model: DreamTalkModel) -> None:
    """But for the settling, which takes the frame before alone."""
    said = speech(2.0)
    offline = animate(Speech(said), model, model.preset("happy"), steps=4, liveliness=0)
    errors = []
    for lookahead in (0.04, 0.16, 0.44):
        talking = stream(model, lookahead=lookahead, liveliness=0, gain=1.0, steps=4)
        found = torch.cat([talking.push(said).expression, talking.flush().expression])
        assert found.shape == offline.expression.shape
        # the level of this recording by itself
        errors.append(float((found - offline.expression)[:, :13].square().mean().sqrt()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.1 * float(offline.expression[:, :13].square().mean().sqrt())


def test_life_of_a_listener_is_that_of_a_silent_recording() -> None:
    still = Motion(torch.zeros(600, 31), torch.zeros(600, 6))
    offline = add_natural_motion(still, None, seed=3)
    from dreamtalk.streaming.cues import Cues

    life, cues = Life(3, 1.0, 25.0), Cues()
    frame = Motion(torch.zeros(1, 31), torch.zeros(1, 6))
    live = [life.add(frame, cues) for _ in range(600)]
    expression, head = joined(live)
    before = slice(0, 550)  # offline a blink that would not end within the film is left out
    assert torch.allclose(head[before], offline.head[before], atol=1e-6)
    assert torch.allclose(expression[before], offline.expression[before], atol=1e-6)


def test_noise_streams() -> None:
    bands = [(0.04, 0.36, 0.9), (1.0, 2.0, 0.1)]
    whole = band_noise(np.random.default_rng(1), np.arange(200) / 25, bands)
    source = NoiseStream(np.random.default_rng(1), 25.0, bands)
    np.testing.assert_allclose(np.stack([source.next() for _ in range(200)], 1), whole, atol=1e-9)


def test_cancel_brings_the_face_to_rest_smoothly(model: DreamTalkModel) -> None:
    talking = stream(model, liveliness=0)
    before = talking.push(speech(1.1)).expression
    way = talking.cancel().expression
    after = talking.idle(0.6).expression
    assert len(way) == 10
    rest = stream(model, liveliness=0).idle(1.0).expression[-1]
    moved = torch.cat([before[-1:], way, after])
    jumps = (moved[1:] - moved[:-1])[:, :13].abs().amax(1)
    usual = (before[1:] - before[:-1])[:, :13].abs().amax()
    assert jumps.max() <= usual
    assert (after[-1] - rest)[:13].abs().max() < 0.02


def test_life_goes_on_after_flush_and_cancel(model: DreamTalkModel) -> None:
    talking = stream(model)
    talking.push(speech(0.5))
    talking.flush()
    assert talking.frame == 12
    assert len(talking.flush()) == 0
    talking.cancel(0.2)
    assert talking.frame == 17
    assert len(talking.idle(1.0)) >= 21


def test_style_changes_on_the_way(model: DreamTalkModel) -> None:
    talking = stream(model, liveliness=0)
    happy = talking.idle(1.0).expression[-1]
    talking.change_style(model.preset("sad", 1.4), transition=0.4)
    way = talking.idle(1.0).expression
    sad = MotionStream(model, model.preset("sad", 1.4), StreamSettings(liveliness=0))
    expected = sad.idle(2.0).expression[-1]
    assert (way[-1] - expected).abs().max() < 0.02
    assert (way[0] - happy).abs().max() < 0.5 * (expected - happy).abs().max()


def test_level_comes_to_what_is_heard() -> None:
    said = speech(6.0)
    said = said[: len(said) // 320 * 320]
    gains = []
    for factor in (0.1, 1.0):
        level = RunningLevel()
        level.hear(factor * said)
        gains.append(level.gain)
    assert 5 < gains[0] / gains[1] < 10
    hiss = RunningLevel()
    hiss.hear(torch.from_numpy(np.random.default_rng(0).normal(0, 0.003, SECOND * 20)).float())
    assert hiss.gain < 3  # a quiet room is not brought to the level of speech


def test_memory_is_constant(model: DreamTalkModel) -> None:
    talking = stream(model, liveliness=1)
    sizes = []
    for _ in range(3):
        talking.idle(2.0)
        life = talking._life
        sizes.append(
            (
                talking._listener._samples.numel(),
                len(life._blinks._under_way) <= 4,
                len(life._head._ways) <= 4,
            )
        )
    assert len({size[0] for size in sizes}) == 1
    assert all(size[1] and size[2] for size in sizes)


def test_frames_of_a_portrait(model: DreamTalkModel, portrait) -> None:
    from dreamtalk.render.mesh import MeshRenderer

    renderer = MeshRenderer(portrait)
    said = speech(0.6)
    made = []
    for together in (1, 2):
        options = {"seed": 1, "lookahead": 0.1, "together": together}
        talkers = [Talker(model, renderer, **options) for _ in range(2)]
        at_once = torch.cat([talkers[0].push(said), talkers[0].flush()])
        parts = [talkers[1].push(p) for p in said.split(1111)]
        pieces = torch.cat([*parts, talkers[1].flush()])
        assert at_once.shape == (15, 264, 264, 3)
        assert torch.equal(at_once, pieces)
        assert all(len(part) % together == 0 for part in parts)
        assert not torch.equal(at_once[0], at_once[-1])
        made.append(at_once.int())
    assert ((made[0] - made[1]).abs() > 1).float().mean() < 1e-3


def test_what_can_not_be_streamed(model: DreamTalkModel) -> None:
    official = DreamTalkModel(Denoiser(DenoiserConfig(d_model=16, ff=16, heads=2, layers=1)))
    with pytest.raises(SpaceMismatchError, match="whole recordings"):
        MotionStream(official, model.preset("happy"))
    talking = stream(model)
    with pytest.raises(AudioError, match="float"):
        talking.push(torch.zeros(10, dtype=torch.int16))
    for seconds in (-1.0, float("nan")):
        with pytest.raises(AudioError, match=f"duration can't be {seconds}"):
            talking.idle(seconds)
    with pytest.raises(AudioError, match="NaN"):
        talking.push(torch.full((10,), float("nan")))
    with pytest.raises(DreamTalkError, match="lookahead"):
        StreamSettings(lookahead=5.0)

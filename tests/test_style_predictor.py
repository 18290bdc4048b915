"""The style predictor: what is heard of a voice, the network, its file, and styles over time."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamtalk.errors import CheckpointError, MissingDependencyError, SpaceMismatchError
from dreamtalk.face.basis import FaceBasis
from dreamtalk.face.shape import FaceShapes, face_shape
from dreamtalk.model import DreamTalkModel, load_model, speech_features
from dreamtalk.model.heard_plot import plot_heard
from dreamtalk.model.listening import (
    Heard,
    placed_changes,
    predict_style,
    steady_path,
)
from dreamtalk.model.picture_style import picture_expression, picture_style
from dreamtalk.model.style_predictor import (
    PREDICTOR_FILE,
    LoadedPredictor,
    load_style_predictor,
    predict_code,
    save_style_predictor,
)
from dreamtalk.motion.spaces import FACE
from dreamtalk.networks.style_predictor import StylePredictor, StylePredictorConfig
from dreamtalk.speech.loading import load_speech
from dreamtalk.speech.speech import SAMPLE_RATE, Features, Speech
from dreamtalk.speech.tokens import speech_tokens, token_dim
from dreamtalk.speech.voice import VOICE_CHANNELS, voice_rows
from dreamtalk.style import EMOTIONS

ROOT = Path(__file__).resolve().parents[1]
SMALL = StylePredictorConfig(token_dim=6, shape_dim=4, code_dim=5, d_model=16, heads=2, layers=1,
                             ff=16, max_tokens=12, dropout=0.0)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> DreamTalkModel:
    return load_model()


@pytest.fixture(scope="module")
def predictor(model: DreamTalkModel) -> LoadedPredictor:
    return load_style_predictor(model)


@pytest.fixture(scope="module")
def speech() -> Speech:
    return load_speech(ROOT / "samples" / "speech.wav", duration=6.0)


@pytest.fixture(scope="module")
def features(model: DreamTalkModel, speech: Speech) -> Features:
    return speech_features(speech, model)


def buzz(pitch: float, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return sum(np.sin(2 * np.pi * k * pitch * time) / k for k in range(1, 12)).astype(np.float32)


# ----------------------------------------------------------------------------------------- hearing


@pytest.mark.parametrize("pitch", [90.0, 160.0, 320.0])
def test_the_pitch_of_a_voice(pitch: float) -> None:
    rows = voice_rows(Speech(torch.from_numpy(0.1 * buzz(pitch))))[5:-5]
    assert rows[:, VOICE_CHANNELS.index("voiced")].mean() > 0.95
    found = rows[:, VOICE_CHANNELS.index("pitch")]
    assert np.abs(found - np.log2(pitch / 160)).max() < 0.03


def test_noise_has_no_pitch() -> None:
    noise = torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(0)) * 0.1
    assert voice_rows(Speech(noise))[:, VOICE_CHANNELS.index("voiced")].mean() < 0.1


def test_nothing_is_learned_from_the_level(speech: Speech, features: Features) -> None:
    loud = speech_tokens(features, speech)
    quiet = speech_tokens(features, Speech(speech.waveform * 0.01))
    torch.testing.assert_close(loud, quiet, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("samples", [1, 200, 16_000])
def test_silence_and_very_short_speech(samples: int) -> None:
    rows = voice_rows(Speech(torch.zeros(samples)))
    assert rows.shape == (max(1, round(samples / 320)), len(VOICE_CHANNELS))
    assert np.isfinite(rows).all()


def test_tokens_are_two_a_second(speech: Speech, features: Features) -> None:
    tokens = speech_tokens(features, speech)
    assert tokens.shape[1] == token_dim(features.rows.shape[1])
    assert len(tokens) == pytest.approx(2 * speech.duration, abs=1.5)
    assert torch.isfinite(tokens).all()


def test_without_librosa_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(MissingDependencyError, match="pip install librosa"):
        voice_rows(Speech(torch.from_numpy(buzz(100.0))))


# ------------------------------------------------------------------------------------- the network


def test_padding_is_not_heard() -> None:
    torch.manual_seed(0)
    network = StylePredictor(SMALL).eval()
    speech, noisy, t = torch.randn(2, 5, 6), torch.randn(2, 5), torch.tensor([3, 700])
    padding = torch.zeros(2, 9, dtype=torch.bool)
    padding[:, 5:] = True
    padded = torch.cat([speech, 100 * torch.randn(2, 4, 6)], 1)
    for a, b in zip(network(noisy, t, speech), network(noisy, t, padded, None, padding),
                    strict=True):  # fmt: skip
        torch.testing.assert_close(a, b)


def test_a_speaker_that_is_not_known_is_no_speaker() -> None:
    torch.manual_seed(0)
    network = StylePredictor(SMALL).eval()
    speech, noisy, t = torch.randn(2, 5, 6), torch.randn(2, 5), torch.tensor([3, 700])
    face = torch.randn(2, 4)
    seen = network(noisy, t, speech, face)
    hidden = network(noisy, t, speech, face, None, torch.tensor([False, True]))
    nobody = network(noisy, t, speech)
    torch.testing.assert_close(hidden.code[0], nobody.code[0])
    torch.testing.assert_close(hidden.code[1], seen.code[1])
    assert not torch.allclose(seen.code[0], nobody.code[0])


def test_a_regression_sees_neither_noise_nor_time() -> None:
    network = StylePredictor(replace(SMALL, diffuses=False)).eval()
    speech = torch.randn(1, 5, 6)
    one = network(torch.randn(1, 5), torch.tensor([3]), speech)
    other = network(torch.randn(1, 5), torch.tensor([900]), speech)
    torch.testing.assert_close(one.code, other.code)


def test_settings_survive_and_nonsense_does_not() -> None:
    assert StylePredictorConfig.from_dict(SMALL.to_dict()) == SMALL
    for wrong in ({"layers": 0}, {"d_model": "64"}, {"width": 3}, {"dropout": 1.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            StylePredictorConfig.from_dict({**SMALL.to_dict(), **wrong})


# ---------------------------------------------------------------------------------------- the file


def test_the_file_is_small_and_for_the_starter(
    predictor: LoadedPredictor, model: DreamTalkModel, tmp_path: Path
) -> None:
    assert PREDICTOR_FILE.stat().st_size < 1_500_000
    save_style_predictor(predictor, tmp_path / "again.safetensors")
    again = load_style_predictor(model, tmp_path / "again.safetensors")
    for a, b in zip(predictor.network.state_dict().values(), again.network.state_dict().values(),
                    strict=True):  # fmt: skip
        torch.testing.assert_close(a, b)
    save_style_predictor(replace(predictor, model="0" * 12), tmp_path / "other.safetensors")
    with pytest.raises(SpaceMismatchError, match="was trained for the checkpoint 000000000000"):
        load_style_predictor(model, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="style predictor is needed"):
        load_style_predictor(model, PREDICTOR_FILE.with_name("starter.safetensors"))


# -------------------------------------------------------------------------------------- prediction


def test_the_same_seed_gives_the_same_style(
    predictor: LoadedPredictor, features: Features, speech: Speech
) -> None:
    first, heard = predict_style(predictor, features, speech, seed=4)
    again, _ = predict_style(predictor, features, speech, seed=4)
    other, _ = predict_style(predictor, features, speech, seed=5)
    torch.testing.assert_close(first.code, again.code)
    assert not torch.allclose(first.code, other.code)
    assert float(heard.probabilities.sum()) == pytest.approx(1, abs=1e-4)
    assert heard.track.shape == (len(heard.times), len(EMOTIONS))
    assert heard.words().startswith(heard.emotion)


def test_other_faces_speak_otherwise(
    predictor: LoadedPredictor, features: Features, speech: Speech
) -> None:
    tokens = predictor.tokens(features, speech)
    width = predictor.network.config.shape_dim
    faces = [None, torch.zeros(width), 2 * torch.ones(width)]
    codes = [predict_code(predictor, tokens, face, seed=1) for face in faces]
    assert not torch.allclose(codes[0], codes[1])
    assert not torch.allclose(codes[1], codes[2])


def test_calm_speech_comes_out_neutral(
    predictor: LoadedPredictor, features: Features, speech: Speech
) -> None:
    _, heard = predict_style(predictor, features, speech)
    assert heard.emotion == "neutral"


def test_speech_of_any_length(predictor: LoadedPredictor, model: DreamTalkModel) -> None:
    for seconds in (0.05, 0.7, 45.0):
        noise = 0.05 * torch.randn(int(seconds * SAMPLE_RATE))
        speech = Speech(noise)
        features = speech_features(speech, model)
        style, _ = predict_style(predictor, features, speech)
        track, heard = predict_style(predictor, features, speech, over_time=True)
        assert style.code.shape == (model.config.d_model,)
        assert track.code.shape[0] == int(np.ceil(seconds * 25))
        assert plot_heard(heard, speech, 400).ndim == 3


def test_silence_is_neutral_and_said_to_be_silent(
    predictor: LoadedPredictor, model: DreamTalkModel, caplog: pytest.LogCaptureFixture
) -> None:
    speech = Speech(1e-6 * torch.randn(3 * SAMPLE_RATE))
    features = speech_features(speech, model)
    for over_time in (False, True):
        caplog.clear()
        style, heard = predict_style(predictor, features, speech, over_time=over_time)
        assert heard.words().startswith("neutral 100%")
        assert "neutral" in style.name
        assert "silent" in caplog.text


def test_features_of_another_kind_are_refused(predictor: LoadedPredictor, speech: Speech) -> None:
    with pytest.raises(SpaceMismatchError, match="wav2vec2"):
        predict_style(predictor, Features(torch.zeros(10, 1024), "wav2vec2-xlsr-53"), speech)


def track_of(*stretches: tuple[str, int, float]) -> np.ndarray:
    rows = []
    for emotion, count, sure in stretches:
        row = np.full(len(EMOTIONS), (1 - sure) / (len(EMOTIONS) - 1))
        row[EMOTIONS.index(emotion)] = sure
        rows += [row] * count
    return np.stack(rows)


def test_a_style_turns_where_the_voice_does_and_does_not_flicker() -> None:
    turned = steady_path(track_of(("neutral", 20, 0.8), ("angry", 20, 0.8)), 1.0)
    assert [EMOTIONS[i] for i in (turned[0], turned[-1])] == ["neutral", "angry"]
    assert turned.index(EMOTIONS.index("angry")) == 20
    doubts = [("neutral", 7, 0.6), ("sad", 1, 0.5)] * 30
    assert set(steady_path(track_of(*doubts), 1.0)) == {EMOTIONS.index("neutral")}


def test_a_change_is_put_where_the_near_evidence_has_it() -> None:
    near = np.full((40, 8), 0.05)
    near[:17, 0] = near[17:, 3] = 0.65
    for began in (12, 17, 22):
        placed = placed_changes([0] * began + [3] * (40 - began), near)
        assert placed == [0] * 17 + [3] * 23
    assert placed_changes([0, 3, 0], near[:3]) == [0, 3, 0]  # no stretch is lost
    assert placed_changes([2] * 5, near[:5]) == [2] * 5


def test_what_was_heard_in_words() -> None:
    chances = torch.tensor([0.6, 0.0, 0.3, 0.1, 0, 0, 0, 0])
    heard = Heard(chances, torch.tensor([0.5]), chances[None])
    assert heard.words().startswith("neutral 60%, sad 30%, angry 10%")


# ------------------------------------------------------------------------------ faces and pictures


def test_a_face_shape_knows_neither_pose_nor_expression(portrait) -> None:
    shapes, basis = FaceShapes.load(), FaceBasis.load()
    own = face_shape(portrait.landmarks)
    assert own.shape == (len(shapes.spread),)
    turned = portrait.landmarks.clone()
    turned[:, 0], turned[:, 1] = 50 - 2 * portrait.landmarks[:, 1], 2 * portrait.landmarks[:, 0]
    turned[:, 2] *= 2
    torch.testing.assert_close(face_shape(turned), own, atol=0.02, rtol=0.02)
    points, pose = basis.align(portrait.landmarks.numpy()[None])
    smile = torch.zeros(1, len(FACE))
    smile[0, [FACE.index["mouthWidth"], FACE.index["mouthCornerLeftY"]]] = 0.1
    moved = pose.to_camera(points + basis.decode(smile).numpy())[0] * [1, -1, -1]
    smiling = face_shape(torch.from_numpy(moved.astype(np.float32)))
    assert float((smiling - own).abs().max()) < 0.25


def test_a_smile_in_a_picture_is_smiled_while_speaking(
    model: DreamTalkModel, features: Features, portrait
) -> None:
    """The astronaut smiles; against her face with the smile taken off she smiles."""
    basis = FaceBasis.load()
    points, pose = basis.align(portrait.landmarks.numpy()[None])
    frown = torch.zeros(1, len(FACE))
    for name, value in (("mouthCornerLeftY", -0.08), ("mouthCornerRightY", -0.08),
                        ("mouthWidth", -0.12), ("mouthInnerWidth", -0.12)):  # fmt: skip
        frown[0, FACE.index[name]] = value
    rest = pose.to_camera(points + basis.decode(frown).numpy())[0] * [1, -1, -1]
    resting = torch.from_numpy(rest.astype(np.float32))
    shown = picture_expression(portrait.landmarks, resting)
    assert float(shown[FACE.index["mouthCornerLeftY"]]) == pytest.approx(0.08, abs=0.02)
    assert float(shown[FACE.index["lipAperture"]]) == pytest.approx(0, abs=1e-5)
    style = picture_style(model, portrait.landmarks, resting)
    smiled = model.sample(features, style, steps=4).expression.mean(0)
    plain = model.sample(features, model.preset("neutral"), steps=4).expression.mean(0)
    assert float((smiled - plain)[FACE.index["mouthCornerLeftY"]]) > 0.02

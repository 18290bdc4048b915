"""The starter weights as shipped: what anyone would notice if it were wrong."""

from __future__ import annotations

import pytest
import torch

from dreamtalk.model import STARTER_FILE, DreamTalkModel, load_model, speech_features
from dreamtalk.model.sample import settle
from dreamtalk.motion.spaces import FACE
from dreamtalk.speech.speech import Features, Speech
from dreamtalk.style import EMOTIONS
from dreamtalk.training.corpus.voices.formant import synthesize


@pytest.fixture(scope="module")
def model() -> DreamTalkModel:
    return load_model()


@pytest.fixture(scope="module")
def features(model: DreamTalkModel) -> Features:
    phones = ["sil", "sil", "sil", *["AA", "M", "AA", "B", "IY", "P", "AE", "UW"] * 4, "sil", "sil"]
    waveform = torch.from_numpy(synthesize(phones, rate=1.2)[0]) * 0.3
    return speech_features(Speech(waveform), model)


def channel(values: torch.Tensor, name: str) -> torch.Tensor:
    return values[:, FACE.index[name]]


def test_file_is_small_and_complete(model: DreamTalkModel) -> None:
    assert STARTER_FILE.stat().st_size < 10_000_000
    assert set(model.presets) == set(EMOTIONS)
    assert model.speech_encoder is not None
    assert model.lip_expert is not None


def test_silence_keeps_the_lips_at_rest(model: DreamTalkModel) -> None:
    for waveform in (torch.zeros(32_000), 1e-3 * torch.randn(32_000)):
        rows = speech_features(Speech(waveform), model)
        aperture = channel(model.sample(rows, model.preset("neutral")).expression, "lipAperture")
        assert aperture.abs().mean() < 0.02


def test_lips_open_and_rest(model: DreamTalkModel, features: Features) -> None:
    motion = model.sample(features, model.preset("neutral"))
    aperture = channel(motion.expression, "lipAperture")
    assert aperture.max() > 0.08
    assert aperture.max() < 0.45
    assert aperture[2:8].mean() < 0.03
    assert torch.isfinite(motion.expression).all()


def test_quiet_speech_moves_the_lips_as_much(model: DreamTalkModel) -> None:
    waveform = torch.from_numpy(synthesize(["sil", *["AA", "M", "IY", "B"] * 4, "sil"])[0]) * 0.3
    loud, quiet = (
        model.sample(speech_features(Speech(w), model), model.preset("neutral")).expression
        for w in (waveform, waveform * 0.003)
    )
    assert torch.allclose(loud, quiet, atol=5e-3)


def test_emotions_show_in_their_channels(model: DreamTalkModel, features: Features) -> None:
    mean = {
        e: model.sample(features, model.preset(e)).expression.mean(0, keepdim=True)
        for e in EMOTIONS
    }

    def change(emotion: str, name: str) -> float:
        return float(channel(mean[emotion], name) - channel(mean["neutral"], name))

    assert change("happy", "mouthWidth") > 0.05
    assert change("happy", "mouthCornerLeftY") > 0.02
    assert change("sad", "mouthCornerLeftY") < -0.02
    assert change("angry", "browInnerLeftY") < -0.03
    assert change("surprised", "browInnerLeftY") > 0.03
    assert change("surprised", "lidUpperLeftY") > 0.01
    assert change("fear", "browInnerLeftY") > 0.02
    assert change("disgusted", "noseWingLeftY") > 0.02
    assert change("contempt", "mouthCornerLeftY") > change("contempt", "mouthCornerRightY") + 0.03


def test_intensity_is_graded(model: DreamTalkModel, features: Features) -> None:
    brows = [
        float(
            channel(
                model.sample(features, model.preset("surprised", w)).expression, "browInnerLeftY"
            ).mean()
        )
        for w in (0.0, 0.5, 1.0, 1.5)
    ]
    assert brows == sorted(brows)
    assert abs(brows[0]) < 0.01


def test_same_seed_same_motion_whatever_the_chunks(
    model: DreamTalkModel, features: Features
) -> None:
    style = model.preset("happy")
    first = model.sample(features, style, seed=3).expression
    assert torch.allclose(
        first, model.sample(features, style, seed=3, chunk=17).expression, atol=1e-4
    )
    assert not torch.allclose(first, model.sample(features, style, seed=4).expression, atol=1e-3)


def test_settling_keeps_constants_and_ends() -> None:
    assert torch.allclose(settle(torch.full((5, 2), 3.0), 0.1), torch.full((5, 2), 3.0))
    assert settle(torch.tensor([[0.0], [1.0], [0.0]]), 0.1)[:, 0].tolist() == pytest.approx(
        [0.1, 0.8, 0.1]
    )
    assert settle(torch.ones(1, 2), 0.1).shape == (1, 2)


def test_lasting_expressions_of_clips_are_enlarged(model: DreamTalkModel) -> None:
    assert (model.style_gain >= 1).all()
    assert model.style_gain[FACE.index["mouthWidth"]] > 1.2
    for name in ("lipAperture", "gazeLeftX", "lidUpperLeftY"):
        assert model.style_gain[FACE.index[name]] == 1


def test_a_style_clip_is_understood(model: DreamTalkModel, features: Features) -> None:
    clip = model.sample(features, model.preset("angry"), seed=9)
    style = model.encode_style(clip)
    near = {
        e: torch.nn.functional.cosine_similarity(style.code, code, dim=0)
        for e, code in model.presets.items()
    }
    assert max(near, key=lambda e: float(near[e])) == "angry"

"""The starter's training: corpus, motion by rule, the stages on a tiny scale."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dreamtalk.diffusion.schedule import VarianceSchedule
from dreamtalk.errors import DreamTalkError, MissingDependencyError
from dreamtalk.model import load_model
from dreamtalk.motion.spaces import FACE
from dreamtalk.networks.denoiser import Denoiser, DenoiserConfig
from dreamtalk.networks.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from dreamtalk.style import EMOTIONS
from dreamtalk.training.corpus.augment import augment, resample_window
from dreamtalk.training.corpus.phones import (
    BILABIALS,
    PHONES,
    Segment,
    from_arpabet,
    from_ipa,
    from_italian,
)
from dreamtalk.training.corpus.recordings import (
    Recording,
    build_corpus,
    make_recording,
    read_corpus,
)
from dreamtalk.training.corpus.texts.texts import random_text
from dreamtalk.training.corpus.utterance import Voice
from dreamtalk.training.corpus.voices.engines import available, random_voice, speak
from dreamtalk.training.corpus.voices.formant import synthesize
from dreamtalk.training.data.motions import MotionData
from dreamtalk.training.measure.conditions import CONDITIONS
from dreamtalk.training.measure.emotions import EmotionClassifier, evaluate_presets
from dreamtalk.training.measure.figures import best_lag, closure_rate, compare
from dreamtalk.training.recipe import DEFAULT, Recipe, load_recipe
from dreamtalk.training.rules.compose import SpeakingStyle, random_style, rule_motion
from dreamtalk.training.rules.expressions import EXPRESSIONS
from dreamtalk.training.rules.visemes import DIPHTHONGS, VISEMES
from dreamtalk.training.stages.denoiser import denoiser_loss
from dreamtalk.training.stages.loops import LoopSettings, train
from dreamtalk.training.stages.run import export
from dreamtalk.training.stages.speech import SpeechData, speech_loss

APERTURE = FACE.index["lipAperture"]
TINY = {"width": 24, "dilations": (1, 2), "hidden": 8}


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return [make_recording(0, i, ("formant",), "train", seconds=4.0) for i in range(4)]


def spoken(*phones: str, length: float = 0.09) -> tuple[Segment, ...]:
    return tuple(Segment(p, i * length, (i + 1) * length) for i, p in enumerate(phones))


def test_inventory_maps() -> None:
    assert set(VISEMES) | set(DIPHTHONGS) == {*PHONES, "pau"}
    assert set(EXPRESSIONS) == set(EMOTIONS)
    assert from_arpabet("pau") == "sil"
    assert from_arpabet("ah0") == "AH"
    assert from_italian("a1") == "AA"
    assert from_ipa("tʃ") == ["CH"]
    assert from_ipa("aɪ") == ["AY"]
    assert from_ipa("ˈyː") == ["UE"]


def test_texts_are_deterministic_and_split() -> None:
    assert random_text(random.Random(3)) == random_text(random.Random(3))
    train_texts = {random_text(random.Random(i)) for i in range(300)}
    test_texts = {random_text(random.Random(i), split="test") for i in range(300)}
    assert not {t for t in train_texts & test_texts if t.startswith("Please bring")}
    assert all(random_text(random.Random(i), "de") for i in range(5))


def test_formant_synthesis_is_exact_about_times() -> None:
    waveform, segments = synthesize(["sil", "AA", "P", "IY", "sil"])
    assert segments[-1].end == pytest.approx(len(waveform) / 16000)
    level = {
        s.phone: np.abs(waveform[int(s.start * 16000) : int(s.end * 16000)]).mean()
        for s in segments
    }
    assert level["AA"] > 10 * level["sil"]


@pytest.mark.parametrize("engine", available())
def test_engines_cover_the_waveform(engine: str) -> None:
    voice = random_voice(random.Random(1), (engine,))
    utterance = speak(voice, "My mother made a pumpkin pie.")
    assert utterance.waveform.dtype == np.float32
    assert np.abs(utterance.waveform).max() <= 1.01
    ends = [s.end for s in utterance.segments]
    starts = [s.start for s in utterance.segments]
    assert starts[1:] == pytest.approx(ends[:-1], abs=1e-3)
    assert ends[-1] == pytest.approx(len(utterance.waveform) / 16000, abs=0.1)
    assert {"M", "P"} & {s.phone for s in utterance.segments}


def test_unknown_engine() -> None:
    with pytest.raises(MissingDependencyError, match="no speech engine"):
        speak(Voice("gramophone", "x"), "hello")


def test_corpus_is_deterministic_and_resumes(tmp_path: Path) -> None:
    build_corpus(tmp_path, hours=0.01, engines=("formant",), seconds=1.0)
    shard = next((tmp_path / "train").glob("*.npz"))
    before = shard.stat().st_mtime_ns
    build_corpus(tmp_path, hours=0.01, engines=("formant",), seconds=1.0)
    assert shard.stat().st_mtime_ns == before
    found = list(read_corpus(tmp_path))
    again = make_recording(0, 3, ("formant",), "train", seconds=1.0)
    assert np.abs(found[3].waveform - again.waveform).max() < 1e-4
    assert [s.phone for s in found[3].segments] == [s.phone for s in again.segments]
    with pytest.raises(DreamTalkError, match="other settings"):
        build_corpus(tmp_path, hours=0.01, seed=5, engines=("formant",), seconds=1.0)
    with pytest.raises(DreamTalkError, match="no corpus"):
        list(read_corpus(tmp_path, "test"))


def test_augmentation_keeps_length_and_range(recordings: list[Recording]) -> None:
    waveform = recordings[0].waveform[:20000]
    for seed in range(30):
        rng = np.random.Generator(np.random.PCG64(seed))
        out = augment(waveform, rng, waveform[::-1].copy())
        assert out.shape == waveform.shape
        assert np.isfinite(out).all()
        assert np.abs(out).max() <= 1
    silent = augment(np.zeros(8000, np.float32), np.random.Generator(np.random.PCG64(0)))
    assert np.isfinite(silent).all()
    assert len(resample_window(waveform, -100.0, 1.1, 5000)) == 5000


@pytest.mark.parametrize("around", ["AA", "IY", "UW", "S", "SH", "AE"])
@pytest.mark.parametrize("phone", sorted(BILABIALS))
@pytest.mark.parametrize("emotion", ["neutral", "surprised", "angry"])
def test_bilabials_close_whatever_surrounds_them(around: str, phone: str, emotion: str) -> None:
    segments = spoken("sil", around, around, phone, around, around, "sil")
    for shift in (0.0, 0.013, 0.027):
        moved = tuple(Segment(s.phone, s.start + shift, s.end + shift) for s in segments)
        motion = rule_motion(moved, None, SpeakingStyle(emotion=emotion), frames=20)
        aperture = motion[:, APERTURE]
        assert closure_rate(aperture, [s for s in moved if s.phone == phone]) == 1.0
        # between rounded vowels the lips are nearly shut as it is
        assert aperture.max() > (0.01 if around in ("UW", "SH") else 0.05)


def test_rule_motion_knows_its_sounds() -> None:
    def at(phone: str, channel: str) -> float:
        motion = rule_motion(spoken("sil", "AX", phone, "AX", "sil", length=0.16), None)
        return float(motion[10, FACE.index[channel]])

    assert at("AA", "lipAperture") > at("IY", "lipAperture") > at("F", "lipAperture")
    assert at("IY", "mouthWidth") > at("AA", "mouthWidth") > at("UW", "mouthWidth")
    assert at("UW", "lipUpperZ") > at("IY", "lipUpperZ")
    assert at("F", "lipLowerZ") < at("TH", "lipLowerZ")
    rest = rule_motion((Segment("sil", 0, 2),), None)
    assert np.abs(rest).max() < 1e-6


def test_styles_show() -> None:
    segments = spoken("sil", "HH", "EH", "L", "OW", "sil")
    for emotion in EMOTIONS[1:]:
        weak, strong = (
            np.abs(rule_motion(segments, None, SpeakingStyle(emotion, k))[:, 13:]).mean()
            for k in (0.3, 1.0)
        )
        assert strong > 2 * weak > 0
    assert random_style(random.Random(1)) == random_style(random.Random(1))


def test_speech_stage_learns(recordings: list[Recording], tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = SpeechData(recordings)
    encoder = SpeechEncoder(SpeechEncoderConfig(**TINY))
    with torch.no_grad():
        before = np.mean([speech_loss(encoder, data.batch(k, 4, 50))[0].item() for k in (90, 91)])
    settings = LoopSettings(steps=30, learning_rate=4e-3, warmup=3, save_every=100)
    train(encoder, lambda s: speech_loss(encoder, data.batch(s, 4, 50)), settings, tmp_path)
    with torch.no_grad():
        after = np.mean([speech_loss(encoder, data.batch(k, 4, 50))[0].item() for k in (90, 91)])
    assert after < 0.9 * before
    assert (tmp_path / "curves.csv").read_text().startswith("step,loss")


def test_resume_is_exact(tmp_path: Path) -> None:
    def run(folder: Path, *parts: int | None) -> dict[str, torch.Tensor]:
        result = {}
        for stop in parts:
            torch.manual_seed(1)
            model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.Linear(8, 1))

            def loss(step: int, model: nn.Module = model) -> tuple[torch.Tensor, dict[str, float]]:
                x = torch.randn(16, 3)
                return (model(x) - x.sum(1, keepdim=True)).square().mean(), {}

            settings = LoopSettings(steps=20, warmup=2, save_every=4)
            result = train(model, loss, settings, folder, stop_after=stop)
        return result

    whole = run(tmp_path / "a", None)
    parts = run(tmp_path / "b", 7, 5, None)
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def test_denoiser_stage_learns_and_exports(recordings: list[Recording], tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = SpeechEncoder(SpeechEncoderConfig(**TINY)).eval()
    data = MotionData(recordings, encoder, copies=1, window=2, clip=48)
    config = DenoiserConfig(
        feature_dim=encoder.row_dim, expression_dim=31, lower=tuple(range(13)), d_model=32,
        heads=2, layers=1, ff=32, window=2, max_style_length=48, dropout=0.0,
    )  # fmt: skip
    network, schedule = Denoiser(config), VarianceSchedule()

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        return denoiser_loss(network, schedule, data.batch(step, 8, 8), data)

    def probe() -> float:
        with torch.no_grad():
            return float(np.mean([loss(k)[0].item() for k in range(500, 504)]))

    torch.manual_seed(2)
    before = probe()
    train(network, loss, LoopSettings(steps=60, learning_rate=4e-3, warmup=3), tmp_path)
    torch.manual_seed(2)
    assert probe() < 0.9 * before

    path = tmp_path / "tiny.safetensors"
    sampler = {"noise_smoothing": 10.0, "settling": 0.1, "noise_scale": 0.5}
    export(network, encoder, data, recordings[:2], path, Recipe(**sampler, warps=(0.9, 1.0, 1.1)))
    model = load_model(path)
    assert {name: getattr(model.calibration, name) for name in sampler} == sampler
    assert model.speech_encoder.config.warps == (0.9, 1.0, 1.1)
    assert set(model.presets) == set(EMOTIONS)
    accuracy, confusion = evaluate_presets(
        model, EmotionClassifier(recordings), recordings[:1], steps=2
    )
    assert 0 <= accuracy <= 1
    assert confusion.shape == (8, 8)


def test_figures(recordings: list[Recording]) -> None:
    targets = [rule_motion(r.segments, r.waveform) for r in recordings]
    same = compare(targets, targets, recordings)
    assert same.aperture == pytest.approx(1)
    assert same.closure == pytest.approx(1)
    assert abs(same.lag) < 0.1
    late = [np.roll(t, 2, axis=0) for t in targets]
    assert compare(late, targets, recordings).lag == pytest.approx(2, abs=0.3)
    assert best_lag(np.sin(np.arange(60) / 3), np.sin((np.arange(60) + 1) / 3)) > 0.5
    assert "closure" in same.table()


def test_recipes(tmp_path: Path) -> None:
    recipe = load_recipe()
    assert recipe.speech.steps > 0
    DenoiserConfig.from_dict(recipe.network)
    SpeechEncoderConfig.from_dict(recipe.encoder)
    for round_ in ("starter-2.toml", "starter-3.toml", "starter-4.toml"):
        assert load_recipe(DEFAULT.with_name(round_)).denoiser.ema == 0.997
    bad = tmp_path / "bad.toml"
    for text, what in (
        ("colour = 3", "colour"),
        ("copies = 'many'", "copies"),
        ("warps = 2", "warps"),
    ):
        bad.write_text(text + "\n")
        with pytest.raises(DreamTalkError, match=rf"bad\.toml.*{what}"):
            load_recipe(bad)


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_conditions(name: str, recordings: list[Recording]) -> None:
    changed = CONDITIONS[name](recordings[0])
    assert np.isfinite(changed.waveform).all()
    assert changed.segments[-1].end == pytest.approx(changed.duration, abs=0.1)

"""Every stage through the command line on seconds of data, and what they leave behind."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dreamtalk.cli import main
from dreamtalk.errors import DreamTalkError, MissingDependencyError
from dreamtalk.model import load_model
from dreamtalk.motion.motion import Motion
from dreamtalk.style import EMOTIONS
from dreamtalk.training.corpus.recordings import SHARD, make_recording
from dreamtalk.training.data.identity import random_identity
from dreamtalk.training.measure.clips import (
    classify_clips,
    evaluate_clips,
    evaluate_style_transfer,
    read_clips,
    read_people,
)
from dreamtalk.training.measure.emotions import Confusion, EmotionClassifier
from dreamtalk.training.measure.evaluate import Evaluation, evaluate
from dreamtalk.training.measure.figures import Figures
from dreamtalk.training.measure.tables import save
from dreamtalk.training.rules.compose import SpeakingStyle, rule_motion
from dreamtalk.training.stages.loops import LoopSettings, train
from dreamtalk.training.stages.plots import moving_mean, plot_curves

RECIPE = """
speech_batch = [3, 40]
denoiser_batch = [4, 6]
expert_batch = 6
sync_weight = 0.05
copies = 1
[speech]
steps = 4
save_every = 2
[denoiser]
steps = 4
[lip_expert]
steps = 3
[sync]
steps = 2
[encoder]
width = 16
dilations = [1, 2]
[network]
d_model = 16
heads = 2
layers = 1
ff = 16
window = 2
max_style_length = 24
"""


def test_all_stages(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, work = tmp_path / "tiny.toml", tmp_path / "work"
    recipe.write_text(RECIPE)

    def run(stage: str, *more: str) -> str:
        assert main(["train", stage, "--corpus", str(corpus), *more]) == 0
        return capsys.readouterr().out

    assert f"{SHARD} recordings" in run("coverage")
    common = ("--config", str(recipe), "--work", str(work))
    assert "encoder.pt" in run("speech", *common)
    assert "starter.safetensors" in run("denoiser", *common)
    assert "without style" in run("lip-expert", *common)
    assert "sync" in run("sync", *common)
    for folder in ("speech", "denoiser", "lip-expert", "lip-expert-unstyled", "sync"):
        assert (work / folder / "curves.csv").exists()
        assert (work / folder / "last.pt").exists()
        assert (work / folder / "curves.png").stat().st_size > 1000
    made = work / "sync" / "starter.safetensors"
    figures = tmp_path / "figures.json"
    shown = run(
        "evaluate", "--checkpoint", str(made), "--recordings", "1", "--steps", "2",
        "--conditions", "--out", str(figures),
    )  # fmt: skip
    for line in ("held-out synthetic voices", "noise at 5 dB", "sung", "presets", "lip expert"):
        assert line in shown
    saved = json.loads(figures.read_text())
    assert set(saved["lip_expert"]) == {str(k) for k in range(1, 11)}
    assert str(tmp_path) not in saved["command"]
    # further training of a made file
    again = tmp_path / "again"
    more = ("--config", str(recipe), "--work", str(again), "--init", str(made), "--steps", "2")
    run("speech", *more)
    run("denoiser", *more)
    old, new = (load_model(p) for p in (made, again / "denoiser" / "starter.safetensors"))
    assert torch.equal(old.motion_mean, new.motion_mean)
    assert old.config == new.config


@pytest.mark.parametrize("stage", ["denoiser", "lip-expert", "sync"])
def test_stages_out_of_turn(
    stage: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", stage, "--corpus", str(corpus), "--work", str(tmp_path)]) != 0
    assert "Traceback" not in capsys.readouterr().err


def test_curves_forget_what_is_made_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        if step == 70 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            raise KeyboardInterrupt
        return model(torch.randn(8, 2)).square().mean(), {"figure": float(step)}

    settings = LoopSettings(steps=100, warmup=2, save_every=30)
    with pytest.raises(KeyboardInterrupt):
        train(model, loss, settings, tmp_path)
    train(model, loss, settings, tmp_path)
    with (tmp_path / "curves.csv").open() as file:
        steps = [int(r["step"]) for r in csv.DictReader(file)]
    assert steps == [0, 20, 40, 60, 80, 99]
    assert plot_curves(tmp_path / "nothing") is None
    assert np.allclose(moving_mean(np.ones(5)), 1)


def test_classifier_knows_the_rule() -> None:
    recordings = [make_recording(0, i, ("formant",), "train", 8.5) for i in range(4)]
    classifier = EmotionClassifier(recordings[:3])
    heard = recordings[3]
    for index, emotion in enumerate(EMOTIONS):
        motion = rule_motion(heard.segments, heard.waveform, SpeakingStyle(emotion))
        assert classifier.classify(motion[:100]) == index


def test_classifier_needs_scikit_learn_and_long_recordings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = make_recording(0, 0, ("formant",), "train", 1.0)
    short = replace(recording, segments=recording.segments[:3])
    with pytest.raises(DreamTalkError, match="no recording lasts 4 seconds"):
        EmotionClassifier([short])
    monkeypatch.setitem(sys.modules, "sklearn.discriminant_analysis", None)
    with pytest.raises(MissingDependencyError, match="pip install scikit-learn"):
        EmotionClassifier([short])


def test_clips_are_measured_from_rest(tmp_path: Path) -> None:
    recording = make_recording(0, 0, ("formant",), "train", 4.0)
    own = random_identity(np.random.default_rng(0)).astype(np.float32)
    for emotion in ("neutral", "happy"):
        motion = rule_motion(recording.segments, recording.waveform, SpeakingStyle(emotion)) + own
        Motion(torch.from_numpy(motion), torch.zeros(len(motion), 6)).save(
            tmp_path / f"ann_{emotion}.npz"
        )
    found = dict(read_clips(tmp_path))
    classifier = EmotionClassifier([recording])
    accuracy, confusion = classify_clips(classifier, list(found.items()))
    assert 0 <= accuracy <= 1
    assert confusion.sum() == 2
    model = load_model()
    _, confusion = evaluate_clips(model, classifier, list(found.items()), [recording], 2, 1.5)
    assert confusion.sum() == 2
    r, size = evaluate_style_transfer(model, read_people(tmp_path), [recording], 2)
    assert r > 0.8
    assert 0.5 < size < 1.5
    raw = dict(read_clips(tmp_path, from_rest=False))
    assert not torch.allclose(raw["happy"].expression, found["happy"].expression, atol=1e-3)
    assert found["neutral"].expression.median(dim=0).values.abs().max() < 0.15
    difference = found["happy"].expression.mean(0) - found["neutral"].expression.mean(0)
    assert difference[1] > 0.05  # the mouth is wider
    (tmp_path / "ann_neutral.npz").unlink()
    with pytest.raises(DreamTalkError, match="no neutral clip"):
        read_clips(tmp_path)
    with pytest.raises(DreamTalkError, match="no motion files"):
        read_clips(tmp_path / "nothing")


def test_tables_of_an_evaluation(tmp_path: Path) -> None:
    speech = Figures(0.876, 0.8, -0.2, 0.92, 0.5, 1.0, 1.04, 0.75, float("nan"))
    confusion = Confusion(0.625, np.diag(np.arange(8)))
    found = Evaluation(
        [("held-out voices", 12, speech)],
        {"presets": confusion},
        {"styles of clips": (0.93, 1.02)},
        {1: 0.7, 2: 0.001},
    )
    save(found, tmp_path / "a.md", "dreamtalk train evaluate")
    shown = (tmp_path / "a.md").read_text(encoding="utf-8")
    assert "`dreamtalk train evaluate`" in shown
    row = "| held-out voices | 12 | .88 | .80 | -.20 | .92 (.50) | 1.04 | .75 | - |"
    assert row in shown
    assert "| presets | .62 |" in shown
    assert "| **contempt** |  |  |  |  |  |  |  | 7 |" in shown
    assert "| styles of clips | .93 | 1.02 |" in shown
    assert "| accuracy | .70 | .00 |" in shown


def test_evaluate_needs_a_test_split(tmp_path: Path) -> None:
    with pytest.raises(DreamTalkError, match="no corpus"):
        evaluate(load_model(), tmp_path)

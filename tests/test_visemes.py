"""Visemes of the sample recording, whose words are known, and of made-up phones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dreamtalk.cli import main
from dreamtalk.errors import AudioError, SpaceMismatchError
from dreamtalk.speech.speech import Features
from dreamtalk.speech.visemes import PHONE_VISEMES, VISEMES, VisemeTrack, viseme_track
from tests.comfy_pack import ROOT, load_pack, run_node

SPEECH = ROOT / "samples" / "speech.wav"


@pytest.fixture(scope="module")
def heard() -> Features:
    from dreamtalk.model import load_model, speech_features
    from dreamtalk.speech.loading import load_speech

    return speech_features(load_speech(SPEECH), load_model("starter"))


def column(track: VisemeTrack, name: str) -> torch.Tensor:
    return track.weights[:, VISEMES.index(name)]


def said(*phones: tuple[str, int]) -> Features:
    """Features of which so many rows are surely each phone."""
    names = [name for name, _ in PHONE_VISEMES]
    rows = torch.full((sum(count for _, count in phones), 96), -1.0)
    start = 0
    for name, count in phones:
        rows[start : start + count, names.index(name)] = 0.0
        start += count
    return Features(rows, "starter")


def test_every_phone_is_shown_whole() -> None:
    from dreamtalk.training.corpus.phones import PHONES

    assert tuple(name for name, _ in PHONE_VISEMES) == PHONES
    for name, shares in PHONE_VISEMES:
        assert sum(shares.values()) == pytest.approx(1), name
        assert set(shares) <= set(VISEMES), name
    assert {v for _, shares in PHONE_VISEMES for v in shares} == set(VISEMES)


def test_sure_phones_reach_full_weight_when_they_are_said() -> None:
    track = viseme_track(said(("sil", 20), ("M", 10), ("AA", 20), ("F", 5), ("UW", 20)), 50.0)
    assert track.weights.shape == (75, 15)
    torch.testing.assert_close(track.weights.sum(1), torch.ones(75))
    for name, frame in (("sil", 10), ("PP", 25), ("aa", 40), ("ou", 65)):
        assert float(column(track, name)[frame]) > 0.999, name
    assert float(column(track, "FF")[52:54].min()) > 0.95
    # half way at the boundary between two sounds: frame 30 is 0.6 s, where M ends
    assert float(column(track, "PP")[30]) == pytest.approx(0.5, abs=0.02)
    assert float(track.weights.diff(dim=0).abs().max()) < 0.5


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0, 29.97])
def test_frames_are_moments(heard: Features, fps: float) -> None:
    track, dense = viseme_track(heard, fps), viseme_track(heard, 240.0)
    assert len(track.weights) == round(len(heard.rows) / 50 * fps)
    places = (torch.arange(len(track.weights)) / fps * 240).round().long()
    assert float((track.weights - dense.weights[places]).abs().mean()) < 0.01


def test_the_words_of_the_sample(heard: Features) -> None:
    """ "Hello! I am only a photograph, but give me a voice, and I will move my lips to every word
    you say. Maybe we should make a movie about space." """
    track = viseme_track(heard)
    torch.testing.assert_close(track.weights.sum(1), torch.ones(len(track.weights)))
    assert float(track.weights.min()) >= 0
    # smooth: no shape comes or goes within one frame, and none of speech flickers
    assert float(track.weights.diff(dim=0).abs().max()) < 0.4

    def peak(name: str, start: float, end: float) -> float:
        return float(column(track, name)[round(start * 60) : round(end * 60)].max())

    assert peak("sil", 0.9, 1.1) > 0.95  # the pause after the first sentence
    assert peak("FF", 1.85, 2.05) > 0.9  # the first sound of "photograph", spelt ph
    assert peak("FF", 2.55, 2.75) > 0.9  # and its last
    assert peak("PP", 2.8, 2.95) > 0.8  # but
    assert peak("PP", 3.25, 3.4) > 0.8  # me
    assert peak("PP", 5.2, 5.35) > 0.7  # lips
    assert peak("FF", 3.45, 3.6) > 0.8  # voice
    assert peak("PP", 7.05, 7.2) > 0.8  # maybe
    assert peak("CH", 7.55, 7.75) > 0.9  # should
    assert peak("PP", 8.1, 8.3) > 0.9  # movie
    assert peak("sil", 9.55, 9.64) > 0.9
    assert peak("PP", 0.9, 1.2) < 0.05


def test_rows_that_tell_no_phone_are_silence() -> None:
    for value in (-1.0, -1000.0):
        weights = viseme_track(Features(torch.full((6, 60), value), "starter")).weights
        assert torch.equal(weights, torch.eye(len(VISEMES))[0].expand(weights.shape))
    loud = viseme_track(Features(torch.full((6, 60), 200.0), "starter"))
    assert loud.weights.sum(1).allclose(torch.ones(len(loud.weights)))


def test_other_features_are_refused() -> None:
    with pytest.raises(SpaceMismatchError, match="wav2vec2"):
        viseme_track(Features(torch.zeros(4, 1024), "wav2vec2-xlsr-53"))
    with pytest.raises(AudioError, match="fps can't be 0"):
        viseme_track(said(("sil", 4)), 0.0)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "v.json"
    command = ["visemes", "--audio", str(SPEECH), "--out", str(out), "--duration", "1"]
    assert main([*command, "--fps", "30"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    made = json.loads(out.read_text(encoding="utf-8"))
    assert (made["format"], made["version"]) == ("dreamtalk.visemes", 1)
    assert (made["fps"], made["duration"]) == (30.0, 1.0)
    assert made["visemes"] == list(VISEMES)
    assert len(made["frames"]) == 30
    assert all(sum(frame) == pytest.approx(1, abs=0.001) for frame in made["frames"])
    assert main([*command[:4], str(SPEECH)]) == 1
    assert "has another suffix than .json" in capsys.readouterr().err


def test_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_pack()
    from dreamtalk_pack.nodes import runtime  # type: ignore[import-not-found]

    monkeypatch.setattr(runtime, "_folder", lambda kind: tmp_path)
    monkeypatch.setattr(runtime, "output_file", lambda prefix, suffix: (tmp_path / "v.json", ""))
    (text,) = run_node("DreamTalkSaveVisemes", features=said(("sil", 10), ("P", 10)))
    assert (tmp_path / "v.json").read_text(encoding="utf-8") == text
    assert json.loads(text)["frames"][-1][1] > 0.99

"""A teacher of phones: pieces of a recording, the reader, and what the speech stage takes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dreamtalk.cli import main
from dreamtalk.errors import DreamTalkError
from dreamtalk.model import load_model
from dreamtalk.training.corpus.phones import PHONES
from dreamtalk.training.corpus.recognizer import (
    CENTRE,
    FRAME,
    WIDTH,
    at_rows,
    joined,
    load_recognizer,
    pieces,
)
from dreamtalk.training.corpus.recordings import read_corpus
from dreamtalk.training.corpus.voices.formant import synthesize
from dreamtalk.training.recipe import load_recipe
from dreamtalk.training.stages.run import train_speech
from dreamtalk.training.stages.speech import SpeechData, speech_loss
from dreamtalk.training.stages.teacher import HEARD, load_posteriors, train_teacher

RECIPE = """
speech_batch = [3, 40]
warps = [0.88, 1.0, 1.13]
{more}
[speech]
steps = 4
save_every = 4
learning_rate = 1e-3
warmup = 1
"""


def frames_of(waveform: np.ndarray) -> np.ndarray:
    """A made-up recognizer: short-time spectra at its rate, in its place."""
    sound = np.pad(waveform, (0, 2 * CENTRE))
    count = max(1, len(waveform) // FRAME)
    at = np.arange(count)[:, None] * FRAME + np.arange(2 * CENTRE)
    spectra = np.abs(np.fft.rfft(sound[at] * np.hanning(2 * CENTRE), 1024))[:, :WIDTH]
    out: np.ndarray = np.log(spectra + 1e-3).astype(np.float32)
    return out


def test_pieces_are_heard_as_a_whole() -> None:
    """Long recordings go through the encoder in pieces; no frame is lost or moved."""
    time = np.arange(1500 * FRAME + 100) / 16_000
    waveform = (0.1 * np.sin(2 * np.pi * (200 + 100 * time) * time)).astype(np.float32)
    parts = pieces(waveform)
    assert len(parts) == 3
    assert np.sqrt(np.mean(parts[0] ** 2)) == pytest.approx(0.06, rel=0.1)
    numbers = np.arange(len(waveform) // FRAME)
    level = 0.06 / float(np.sqrt(np.mean(waveform**2)))

    def frames(sound: np.ndarray) -> np.ndarray:
        return sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)[:, :1]

    whole = joined([frames(part) for part in parts], len(waveform))
    assert len(whole) == len(numbers)
    np.testing.assert_allclose(whole[:, 0], level * waveform[numbers * FRAME], atol=1e-5)


def test_rows_lie_where_they_are_heard() -> None:
    frames = ((np.arange(50) * FRAME + CENTRE) / 16_000)[:, None].astype(np.float32)
    rows = at_rows(frames, 40)
    np.testing.assert_allclose(rows[2:, 0], (np.arange(2, 40) + 0.5) * 0.02, atol=1e-5)


def test_what_is_no_recognizer_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "encoder.ort").write_bytes(b"nothing")
    with pytest.raises(DreamTalkError, match="no encoder"):
        load_recognizer(tmp_path / "encoder.ort")


def test_the_reader_writes_down_what_is_said(corpus: Path, tmp_path: Path) -> None:
    recordings = list(read_corpus(corpus))
    with pytest.raises(DreamTalkError, match="train teacher"):
        load_posteriors(tmp_path, recordings)
    said = ["sil", *["AA", "S", "IY", "M"] * 6, "sil"]
    sound, _ = synthesize(said, rate=0.8)
    report = train_teacher(corpus, tmp_path, frames_of, [sound, 0 * sound], steps=40)
    assert float(report.split()[0]) > 0.2

    everything = list(read_corpus(corpus))
    (heard,) = (r for r in everything if r.voice == HEARD)
    phones = [s.phone for s in heard.segments]
    assert "S" in phones
    assert heard.segments[-1].end == pytest.approx(heard.duration, abs=0.02)
    posteriors = load_posteriors(tmp_path, everything)
    assert posteriors[0].sum(-1) == pytest.approx(1, abs=0.02)
    with pytest.raises(DreamTalkError, match="another corpus"):
        load_posteriors(tmp_path, everything[1:])

    # windows carry what is read in them: in step with the phones
    batch = SpeechData(everything, 0, posteriors).batch(0, 6, 40)
    agreed = (batch.posteriors.argmax(-1) == batch.phones).float().mean()
    assert agreed > 0.2
    shifted = (batch.posteriors.roll(7, 1).argmax(-1) == batch.phones).float().mean()
    assert shifted < agreed - 0.05
    assert SpeechData(everything, 0).batch(0, 2, 40).posteriors.sum() == 0

    # the encoder is pulled to it
    encoder = load_model("starter").speech_encoder
    assert encoder is not None
    plain, _ = speech_loss(encoder, batch)
    taught, figures = speech_loss(encoder.eval(), batch, teaching=1.0)
    assert figures["taught"] > 0.5
    assert taught > plain


def test_other_networks_can_stay(corpus: Path, tmp_path: Path) -> None:
    """With ``keep_rows`` a finished file gets a new encoder, and nothing else of it changes."""
    recipe = tmp_path / "keep.toml"
    recipe.write_text(RECIPE.format(more="keep_rows = true"))
    with pytest.raises(DreamTalkError, match="--init"):
        train_speech(load_recipe(recipe), corpus, tmp_path / "none")
    assert main([
        "train", "speech", "--corpus", str(corpus), "--work", str(tmp_path), "--config",
        str(recipe), "--init", "starter",
    ]) == 0  # fmt: skip
    old, new = load_model("starter"), load_model(tmp_path / "speech" / "starter.safetensors")
    assert new.fingerprint == old.fingerprint
    assert new.lip_expert is not None
    assert new.calibration.closing == old.calibration.closing
    for name, value in old.denoiser.state_dict().items():
        assert torch.equal(value, new.denoiser.state_dict()[name]), name
    first, second = (m.speech_encoder.state_dict() for m in (old, new))
    assert any(not torch.equal(first[k], second[k]) for k in first)
    assert new.speech_encoder.config == old.speech_encoder.config
    assert len(PHONES) == new.speech_encoder.config.phones

    recipe.write_text(RECIPE.format(more="teaching = 1.0"))
    with pytest.raises(DreamTalkError, match="train teacher"):
        train_speech(load_recipe(recipe), corpus, tmp_path / "untaught")

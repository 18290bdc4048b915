"""What the corpus is made with beside the engines: codecs, voices, prosody; and what it covers."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from dreamtalk.errors import DreamTalkError, MissingDependencyError
from dreamtalk.style import EMOTIONS
from dreamtalk.training.cli import corpus_engines
from dreamtalk.training.corpus import align, prompts
from dreamtalk.training.corpus.codecs import CODECS, through_codec
from dreamtalk.training.corpus.phones import VOWELS, Segment
from dreamtalk.training.corpus.recordings import (
    build_corpus,
    load_shard,
    make_recording,
    read_corpus,
    save_shard,
)
from dreamtalk.training.corpus.singing import SingingStyle, add_songs, sing
from dreamtalk.training.corpus.texts.texts import lines, random_text
from dreamtalk.training.corpus.utterance import Voice
from dreamtalk.training.corpus.voices import hibari, kokoro, piper, world
from dreamtalk.training.corpus.voices.emotion import PROSODY, emotional_sound, emotional_voice
from dreamtalk.training.corpus.voices.engines import ALIGNED, random_voice, speak
from dreamtalk.training.corpus.voices.formant import synthesize
from dreamtalk.training.measure.coverage import measure_coverage

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = {"piper": piper.installed, "kokoro": kokoro.installed, "hibari": hibari.installed}


@pytest.fixture(scope="module")
def waveform() -> np.ndarray:
    return synthesize(["sil", "AA", "P", "IY", "S", "UW", "M", "AA", "T", "AE", "sil"])[0]


@pytest.mark.parametrize("name", sorted(CODECS))
def test_codecs_keep_time_and_length(name: str, waveform: np.ndarray) -> None:
    for bit_rate in CODECS[name][2]:
        out = through_codec(waveform, name, bit_rate)
        assert out.shape == waveform.shape
        assert out.dtype == np.float32
        assert np.corrcoef(out, waveform)[0, 1] > 0.9
    assert np.abs(through_codec(np.zeros(4000, np.float32), name)).max() < 0.01
    assert len(through_codec(waveform[:300], name)) == 300


@pytest.mark.skipif(not world.installed(), reason="no pyworld")
def test_world_changes_the_voice_but_not_the_timing(waveform: np.ndarray) -> None:
    out = world.change_voice(waveform, pitch=1.5, tract=1.15)
    assert out.shape == waveform.shape

    def envelope(x: np.ndarray) -> np.ndarray:
        return np.sqrt(np.add.reduceat(x**2, np.arange(0, len(x), 320)))

    assert np.corrcoef(envelope(out), envelope(waveform))[0, 1] > 0.8
    assert np.corrcoef(out, waveform)[0, 1] < 0.9


@pytest.mark.skipif(world.installed(), reason="pyworld is there")
def test_world_missing(waveform: np.ndarray) -> None:
    with pytest.raises(MissingDependencyError, match="pip install pyworld"):
        world.change_voice(waveform)


@pytest.mark.parametrize("engine", sorted(ALIGNED))
def test_neural_engines(engine: str) -> None:
    """They speak where their packages are, and say what to install where they are not."""
    voice = random_voice(random.Random(3), (engine,))
    assert voice.label.startswith(engine)
    plain = Voice(engine, voice.name)
    if not INSTALLED[engine]():
        with pytest.raises(MissingDependencyError, match="pip install"):
            speak(plain, "My mother made a pumpkin pie.")
        return
    utterance = speak(plain, "My mother made a pumpkin pie.")
    phones = [s.phone for s in utterance.segments if s.phone != "sil"]
    assert phones[:2] == ["M", "AY"]
    assert utterance.segments[-1].end == pytest.approx(len(utterance.waveform) / 16000, abs=0.1)


@pytest.mark.skipif(not align.installed(), reason="no pocketsphinx")
def test_dictionary_words_are_spoken_of() -> None:
    words = align.dictionary()
    assert len(words) > 10_000
    assert all(align.pronunciation(w) for w in words[::5000])
    said = {random_text(random.Random(i), known_words=True, dictionary=words) for i in range(40)}
    assert len(said) > 30


TEXTS = {
    "en": "f1cea561e361121b", "de": "b726f84e977e05ff", "fr": "f2a67b272ea68c48",
    "es": "ac690a1f0350c5ff", "it": "cd49f1d1ce1d9ae2", "pt": "f41585e39415cd54",
    "ru": "3726179d87a74029", "pl": "93c0c44c8524412e", "nl": "8d13e12197f654cd",
    "tr": "22aa4991bd5e6c64", "hi": "fffbf7f452263852", "grammar-who": "2e724779669ac840",
    "grammar-did": "c684c6a7da60db6c", "grammar-what": "f49b8f83ff7ba1b1",
    "grammar-when": "939bde3ba1ef0a0c",
}  # fmt: skip
SPOKEN = {
    "en": ("c76d5195d7c03723", "e91abbb7ef305fba"), "de": ("fbdbc343aff4c415",) * 2,
    "ru": ("22869789ed1b6789",) * 2, "hi": ("1e1d030e5288436e",) * 2,
}  # fmt: skip


def fingerprint(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_those_of_the_released_corpus(name: str) -> None:
    """Another sentence makes another corpus of the same seed: add lines knowingly."""
    assert fingerprint(lines(name)) == TEXTS[name]


@pytest.mark.parametrize("language", SPOKEN)
def test_a_seed_says_the_same(language: str) -> None:
    for split, expected in zip(("train", "test"), SPOKEN[language], strict=True):
        said = [random_text(random.Random(i), language, split) for i in range(300)]
        assert fingerprint(said) == expected


def test_languages_without_texts_are_named() -> None:
    with pytest.raises(DreamTalkError, match=r"no texts for 'tlh'.*tlh\.txt"):
        random_text(random.Random(0), "tlh")


def test_the_package_ships_its_texts() -> None:
    """What setuptools is told to ship covers every file that the package reads."""
    pattern = re.search(r'"\*" = (\[.*\])', (ROOT / "pyproject.toml").read_text())
    assert pattern is not None
    folder = ROOT / "dreamtalk"
    kinds = {p.suffix for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert kinds - {".py", ".pyc"} <= {s.lstrip("*") for s in json.loads(pattern[1])}


def test_prosody_follows_the_emotion(waveform: np.ndarray) -> None:
    assert set(PROSODY) == set(EMOTIONS)
    voice = Voice("formant", "1")
    assert emotional_voice(voice, "neutral", 1.0) == voice
    angry, sad = (emotional_voice(voice, e, 1.0) for e in ("angry", "sad"))
    assert angry.pitch > 1 > sad.pitch
    assert angry.rate < 1 < sad.rate
    quiet = waveform * 0.2

    def rms(e: str) -> float:
        return float(np.sqrt(np.mean(emotional_sound(quiet, e, 1.0) ** 2)))

    assert rms("angry") > rms("neutral") > rms("sad")


def test_acted_recordings_know_their_emotion(tmp_path: Path) -> None:
    found = [make_recording(0, i, ("formant",), "train", 1.0, acted=True) for i in range(4)]
    assert all(r.emotion in EMOTIONS and 0.4 <= r.intensity <= 1.2 for r in found)
    save_shard(tmp_path / "x.npz", found)
    again = load_shard(tmp_path / "x.npz")
    assert [(r.emotion, r.intensity) for r in again] == [(r.emotion, r.intensity) for r in found]


def test_an_interrupted_corpus_goes_on(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_corpus(tmp_path, 0.03, engines=("formant",), seconds=1.0, progress=stop)
    assert len(list((tmp_path / "train").glob("*.npz"))) == 1
    build_corpus(tmp_path, 0.03, engines=("formant",), seconds=1.0)
    whole = [r.waveform for r in read_corpus(tmp_path)]
    other = tmp_path / "other"
    build_corpus(other, 0.03, engines=("formant",), seconds=1.0)
    assert all(
        np.array_equal(a, r.waveform) for a, r in zip(whole, read_corpus(other), strict=True)
    )


def test_wrong_alignments_are_told() -> None:
    waveform, segments = synthesize(["sil", "AA", "P", "IY", "sil", "UW", "M", "AA", "sil"])
    assert align.plausible_alignment(waveform, segments)
    swapped = [Segment("sil" if s.phone == "AA" else s.phone, s.start, s.end) for s in segments]
    long = [Segment("sil", s.start, s.end + 0.3) if s.phone == "sil" else s for s in swapped[1:3]]
    assert not align.plausible_alignment(waveform, (Segment("sil", 0.3, 0.9), *segments[5:]))
    assert not align.plausible_alignment(waveform, tuple(long))
    assert not align.plausible_alignment(waveform * 0, segments)


def test_coverage() -> None:
    recording = make_recording(0, 0, ("formant",), "train", 2.0)
    found = measure_coverage([recording])
    assert found.hours == pytest.approx(recording.duration / 3600)
    a, b = recording.segments[0].phone, recording.segments[1].phone
    assert found.diphones[(a, b)] >= 1
    assert ("ZH", "OE") in found.missing()
    assert "all pairs" in found.table()
    assert isinstance(recording.segments[0], Segment)


def test_songs_hold_their_vowels(tmp_path: Path) -> None:
    recording = make_recording(0, 0, ("formant",), "train", seconds=4.0)
    song = sing(recording, SingingStyle(stretch=2.0), np.random.Generator(np.random.PCG64(0)))
    assert [s.phone for s in song.segments] == [s.phone for s in recording.segments]
    for spoken, sung in zip(recording.segments, song.segments, strict=True):
        factor = 2.0 if spoken.phone in VOWELS else 1.0
        assert sung.end - sung.start == pytest.approx(factor * (spoken.end - spoken.start))
    assert len(song.waveform) == pytest.approx(song.segments[-1].end * 16_000, abs=2)
    loud = [s for s in song.segments if s.phone in VOWELS and s.end - s.start > 0.1]
    assert all(np.abs(song.waveform[int(s.start * 16_000) :][:1600]).max() > 0.01 for s in loud)


def test_a_corpus_gets_songs(tmp_path: Path) -> None:
    with pytest.raises(DreamTalkError, match="base"):
        add_songs(tmp_path, 0.01)
    build_corpus(tmp_path, 0.001, engines=("formant",), seconds=1.0)
    before = len(list(read_corpus(tmp_path)))
    assert add_songs(tmp_path, 0.01, seed=3) == 2
    found = list(read_corpus(tmp_path))
    assert len(found) == before + 2
    add_songs(tmp_path, 0.01, seed=3)
    again = list(read_corpus(tmp_path))
    assert all(np.array_equal(a.waveform, b.waveform) for a, b in zip(found, again, strict=True))


def test_prompts_with_signs_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "asterisk-core-sounds-en"
    folder.mkdir()
    with gzip.open(folder / "core-sounds-en.txt.gz", "wt") as file:
        file.write("; names\na: hello there [beep]\nb: press 1 now\nc: press * now\nd:\n")
    monkeypatch.setattr(prompts, "TRANSCRIPTS", tmp_path)
    assert list(prompts._transcripts("en")) == [("a", "hello there")]


@pytest.mark.parametrize("there", [False, True])
def test_a_voice_that_can_not_act_is_left_out(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(hibari, "installed", lambda: True)
    monkeypatch.setattr(world, "installed", lambda: there)
    assert ("hibari" in corpus_engines("acted")) == there

"""The style predictor's speech: tokens of emotional and calm voices, and batches of it."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ...files.atomic import atomic_write
from ...networks.speech_encoder import SpeechEncoder
from ...progress import Progress, silent
from ...speech.speech import Speech
from ...speech.tokens import tokens_of_rows
from ...speech.voice import voice_rows
from ..corpus.augment import augment, resample_window
from ..corpus.codecs import CODECS, through_codec
from ..corpus.emodb import LETTERS, Acted, joined_speech
from ..corpus.recordings import Recording
from ..corpus.utterance import Samples

CLEAN_SHARE = 0.15
"""Share of recordings that are heard as they are."""
CODED_SHARE = 0.1
EMODB_INTENSITY = (0.75, 1.2)
"""How strongly a face shows what an actor was asked to show with the voice."""


@dataclass(frozen=True)
class HeardSpeech:
    """Speech as the predictor hears it.

    Attributes:
        tokens: (K, D) float16.
        emotion: the voice's; a voice that nothing was asked of is neutral.
        intensity: of it.
        source: which part of the data it comes from.
        voice: who speaks.
    """

    tokens: npt.NDArray[np.float16]
    emotion: str
    intensity: float
    source: str
    voice: str


Sounds = Iterator[tuple[Samples, str, float, str]]
"""Waveform, emotion, intensity and voice."""


def acted_sounds(
    clips: Sequence[Acted], count: int, seed: int, without: Sequence[str] = ()
) -> Sounds:
    """``count`` joined recordings of EmoDB, actors and letters in turn.

    Args:
        without: actors to leave out.
    """
    rng = random.Random(f"emodb/{seed}")
    groups: dict[tuple[str, str], list[Acted]] = {}
    for clip in clips:
        if clip.actor not in without:
            groups.setdefault((clip.actor, clip.letter), []).append(clip)
    actors = sorted({actor for actor, _ in groups})
    for i in range(count):
        actor = actors[i % len(actors)]
        letters = [letter for letter in LETTERS if (actor, letter) in groups]
        letter = letters[i // len(actors) % len(letters)]
        emotion = LETTERS[letter]
        yield (
            joined_speech(groups[actor, letter], rng), emotion, rng.uniform(*EMODB_INTENSITY),
            f"emodb/{actor}/{letter}",
        )  # fmt: skip


def corpus_sounds(recordings: Sequence[Recording], seed: int, most: int | None = None) -> Sounds:
    """Recordings of the corpus, each with another vocal tract; at most so many, spread over all."""
    rng = random.Random(f"corpus/{seed}")
    step = 1 if most is None else max(1, len(recordings) // most)
    for recording in recordings[::step]:
        factor = float(np.exp(rng.uniform(-0.1, 0.1)))
        sound = resample_window(
            recording.waveform, 0.0, factor, int(len(recording.waveform) / factor)
        )
        yield sound, recording.emotion or "neutral", recording.intensity, recording.voice


def hear(sounds: Sounds, encoder: SpeechEncoder, source: str, seed: int) -> Iterator[HeardSpeech]:
    """Tokens of recordings, most of them in rooms, noise, equalizers and codecs."""
    for i, (waveform, emotion, intensity, voice) in enumerate(sounds):
        rng = np.random.Generator(np.random.PCG64([seed, 41, i]))
        if rng.random() > CLEAN_SHARE:
            waveform = augment(waveform, rng)
            if rng.random() < CODED_SHARE:
                waveform = through_codec(waveform, str(rng.choice(sorted(CODECS))))
        tokens = waveform_tokens(waveform, encoder).numpy().astype(np.float16)
        yield HeardSpeech(tokens, emotion, intensity, source, voice)


def waveform_tokens(waveform: Samples, encoder: SpeechEncoder) -> torch.Tensor:
    """Tokens of a waveform: (K, D)."""
    sound = torch.from_numpy(np.ascontiguousarray(waveform, np.float32))
    return tokens_of_rows(encoder.encode(sound).cpu().numpy(), voice_rows(Speech(sound)))


def cached(
    path: Path,
    key: dict[str, object],
    sounds: Iterator[HeardSpeech],
    count: int,
    progress: Progress = silent,
) -> list[HeardSpeech]:
    """What was heard before with the same settings, else now."""
    stamp = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    if path.exists():
        with np.load(path, allow_pickle=False) as data:
            if str(data["stamp"]) == stamp:
                return _unpacked({name: data[name] for name in data.files})
    found = []
    for done, heard in enumerate(sounds):
        progress(done, max(done, count))
        found.append(heard)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, "the tokens") as part, part.open("wb") as file:
        np.savez(
            file,
            stamp=np.array(stamp),
            tokens=np.concatenate([h.tokens for h in found]),
            lengths=np.array([len(h.tokens) for h in found]),
            emotion=np.array([h.emotion for h in found]),
            intensity=np.array([h.intensity for h in found]),
            source=np.array([h.source for h in found]),
            voice=np.array([h.voice for h in found]),
        )
    return found


def _unpacked(data: dict[str, np.ndarray]) -> list[HeardSpeech]:
    parts = np.split(data["tokens"], np.cumsum(data["lengths"])[:-1])
    columns = zip(
        parts, data["emotion"], data["intensity"], data["source"], data["voice"], strict=True
    )
    return [HeardSpeech(t, str(e), float(i), str(s), str(v)) for t, e, i, s, v in columns]

"""Recordings of the corpus, and the shards that hold them.

A recording is what one voice says with one setting: several utterances with pauses between, so
that a style clip and the frames to predict can come from the same recording, as in DreamTalk.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import DreamTalkError, MissingDependencyError
from ...files.atomic import atomic_write
from ...progress import Progress, silent
from ...speech.speech import SAMPLE_RATE
from .align import dictionary
from .phones import PHONE_INDEX, PHONES, Segment
from .texts.texts import random_text
from .utterance import Samples, Utterance
from .voices.emotion import emotional_sound, emotional_voice, random_emotion
from .voices.engines import ALIGNED, available, random_voice, speak

log = logging.getLogger("dreamtalk")

SHARD = 16
"""Recordings a shard."""


@dataclass(frozen=True)
class Recording:
    """Speech of one voice with its phones.

    Attributes:
        waveform: (N,) float32 at 16 kHz.
        segments: phones in time order that cover it.
        voice: engine and voice.
        emotion, intensity: that the voice was made to sound like; empty where that was left open.
    """

    waveform: Samples
    segments: tuple[Segment, ...]
    voice: str
    emotion: str = ""
    intensity: float = 0.0

    @property
    def duration(self) -> float:
        """s"""
        return len(self.waveform) / SAMPLE_RATE


def join_utterances(utterances: list[Utterance], pauses: list[float]) -> Recording:
    """Utterances one after another; ``pauses[i]`` seconds of silence go before utterance i."""
    pieces: list[Samples] = []
    segments: list[Segment] = []
    place = 0
    for utterance, pause in zip(utterances, pauses, strict=True):
        gap = int(pause * SAMPLE_RATE)
        start, place = place / SAMPLE_RATE, place + gap
        segments.append(Segment("sil", start, place / SAMPLE_RATE))
        pieces += [np.zeros(gap, np.float32), utterance.waveform]
        offset = place / SAMPLE_RATE
        segments += [
            replace(s, start=s.start + offset, end=s.end + offset) for s in utterance.segments
        ]
        place += len(utterance.waveform)
    return Recording(np.concatenate(pieces), tuple(segments), utterances[0].voice)


def make_recording(
    seed: int,
    index: int,
    engines: tuple[str, ...],
    split: str,
    seconds: float = 24.0,
    acted: bool = False,
) -> Recording:
    """The ``index``-th recording of a corpus: the same for the same arguments and engines."""
    rng = random.Random(f"{seed}/{split}/{index}")
    voice = random_voice(rng, engines, split)
    emotion, intensity = random_emotion(rng) if acted else ("", 0.0)
    if emotion:
        voice = emotional_voice(voice, emotion, intensity)
    utterances: list[Utterance] = []
    pauses: list[float] = []
    total, failures = 0.0, 0
    while total < seconds:
        try:
            known = voice.engine in ALIGNED
            words = dictionary() if known else ()
            utterance = speak(voice, random_text(rng, voice.language, split, known, words))
        except MissingDependencyError as error:
            failures += 1
            if failures > 20:
                raise
            log.warning("skipped an utterance of %s: %s", voice.label, error)
            continue
        utterances.append(utterance)
        pauses.append(rng.choice((0.05, 0.2, 0.4, 0.9)))
        total += pauses[-1] + len(utterance.waveform) / SAMPLE_RATE
    recording = join_utterances(utterances, pauses)
    if not emotion:
        return recording
    sound = emotional_sound(recording.waveform, emotion, intensity)
    return replace(recording, waveform=sound, emotion=emotion, intensity=intensity)


def save_shard(path: Path, recordings: list[Recording]) -> None:
    """Write recordings as one ``.npz``: int16 samples, phone numbers and boundaries."""
    arrays: dict[str, np.ndarray] = {
        "phones": np.array(PHONES),
        "voices": np.array([r.voice for r in recordings]),
        "emotions": np.array([r.emotion for r in recordings]),
        "intensities": np.array([r.intensity for r in recordings]),
    }
    for i, r in enumerate(recordings):
        peak = max(1.0, float(np.abs(r.waveform).max()))
        arrays[f"samples{i}"] = np.round(r.waveform / peak * 32767).astype(np.int16)
        arrays[f"phone{i}"] = np.array([PHONE_INDEX[s.phone] for s in r.segments], np.int16)
        arrays[f"times{i}"] = np.array([(s.start, s.end, s.stress) for s in r.segments], np.float32)
    with atomic_write(path, "the recordings") as part, part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_shard(path: Path) -> list[Recording]:
    """Read what :func:`save_shard` wrote."""
    found = []
    with np.load(path, allow_pickle=False) as data:
        names = [str(p) for p in data["phones"]]
        count = len(data["voices"])
        emotions = data["emotions"] if "emotions" in data else [""] * count
        intensities = data["intensities"] if "intensities" in data else [0.0] * count
        for i, voice in enumerate(data["voices"]):
            segments = tuple(
                Segment(names[int(phone)], *(float(v) for v in row))
                for phone, row in zip(data[f"phone{i}"], data[f"times{i}"], strict=True)
            )
            waveform = data[f"samples{i}"].astype(np.float32) / 32767
            acting = (str(emotions[i]), float(intensities[i]))
            found.append(Recording(waveform, segments, str(voice), *acting))
    return found


def build_corpus(
    folder: Path,
    hours: float = 2.0,
    seed: int = 0,
    split: str = "train",
    engines: tuple[str, ...] | None = None,
    part: str = "base",
    seconds: float = 24.0,
    acted: bool = False,
    progress: Progress = silent,
) -> int:
    """Generate shards into ``folder/split``; shards that exist already are kept.

    Args:
        folder: where the corpus lives; it is audio for training and never part of the repo.
        hours: roughly how much speech.
        seed: of texts, voices and pauses.
        split: ``"train"`` or ``"test"``: different voices and sentences.
        engines: all that this machine has by default.
        part: name of this part of the corpus; parts with other engines may lie beside it.
        seconds: length of a recording, at least.
        acted: with prosody that matches an emotion, which the recording then carries.
        progress: called per shard.

    Returns:
        The number of recordings.

    Raises:
        DreamTalkError: if the folder holds a corpus made with other settings.
    """
    engines = engines or available()
    target = folder / split
    target.mkdir(parents=True, exist_ok=True)
    settings = {"seed": seed, "engines": list(engines), "shard": SHARD, "seconds": seconds}
    if acted:
        settings["acted"] = True
    note = target / f"{part}.json"
    if note.exists() and json.loads(note.read_text()) != settings:
        raise DreamTalkError(
            f"'{target}' holds a corpus made with other settings: choose another folder"
        )
    with atomic_write(note) as unfinished:
        unfinished.write_text(json.dumps(settings))
    shards = max(1, round(hours * 3600 / (seconds + 2) / SHARD))
    for shard in range(shards):
        progress(shard, shards)
        path = target / f"{part}-{shard:05d}.npz"
        if not path.exists():
            first = shard * SHARD
            save_shard(
                path,
                [
                    make_recording(seed, first + i, engines, split, seconds, acted)
                    for i in range(SHARD)
                ],
            )
    progress(shards, shards)
    return shards * SHARD


def save_recordings(
    folder: Path, part: str, recordings: list[Recording], split: str = "train"
) -> int:
    """Add recordings that come from elsewhere, such as aligned prompts, to a split."""
    target = folder / split
    target.mkdir(parents=True, exist_ok=True)
    for shard in range(0, len(recordings), SHARD):
        path = target / f"{part}-{shard // SHARD:05d}.npz"
        save_shard(path, recordings[shard : shard + SHARD])
    return len(recordings)


def read_corpus(folder: Path, split: str = "train") -> Iterator[Recording]:
    """All recordings of a split, in order.

    Raises:
        DreamTalkError: if there are none.
    """
    paths = sorted((folder / split).glob("[!.]*.npz"))  # no unfinished ones
    if not paths:
        raise DreamTalkError(f"no corpus in '{folder / split}': run 'dreamtalk train corpus' first")
    for path in paths:
        yield from load_shard(path)

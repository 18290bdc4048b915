"""Real emotional voices: the Berlin Database of Emotional Speech (Burkhardt et al. 2005, CC0).

Ten German actors in seven emotions. Copies of it that are cut to a length and normalized in level
tell nothing by either, so neither is used: silence at the ends is taken off, clips of an actor in
one emotion are joined to speech of any length, and the features don't know the level.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import DreamTalkError
from ...speech.loading import load_speech
from ...speech.speech import SAMPLE_RATE
from .augment import resample_window
from .utterance import Samples

LETTERS: dict[str, str] = {
    "W": "angry", "L": "neutral", "E": "disgusted", "A": "fear", "F": "happy", "T": "sad",
    "N": "neutral",
}  # fmt: skip
"""The letter of a file's name -> the preset. There is none for boredom (L): calm and flat as it
sounds, it is taken for neutral."""
HELD_OUT: tuple[str, ...] = ("03", "16")
"""Actors, a man and a woman, that no training hears."""
_QUIET = 0.02


@dataclass(frozen=True)
class Acted:
    """A clip of the database.

    Attributes:
        waveform: (N,) float32 at 16 kHz, without the silence at its ends.
        actor: two digits.
        letter: of the emotion, see ``LETTERS``.
        name: of the file.
    """

    waveform: Samples
    actor: str
    letter: str
    name: str


def read_emodb(folder: Path) -> list[Acted]:
    """All clips, ``ACTOR(2) TEXT(3) EMOTION(1) VERSION`` with any suffix of a sound file.

    Raises:
        DreamTalkError: if there are none.
    """
    found = []
    for path in sorted(folder.iterdir()):
        name = path.stem
        if len(name) == 7 and name[:2].isdigit() and name[5] in LETTERS:
            waveform = _without_ends(load_speech(path).waveform.numpy())
            found.append(Acted(waveform, name[:2], name[5], name))
    if not found:
        raise DreamTalkError(f"no clips named as 03a01Fa.wav in '{folder}': is it EmoDB?")
    return found


def _without_ends(waveform: Samples) -> Samples:
    """The waveform between its first and last sound."""
    loud = np.flatnonzero(np.abs(waveform) > _QUIET * np.abs(waveform).max())
    return waveform[loud[0] : loud[-1] + 1] if len(loud) else waveform


def joined_speech(clips: list[Acted], rng: random.Random, most: int = 5) -> Samples:
    """One to ``most`` clips of one actor in one emotion with pauses, played a little faster or
    slower: another speaker with another vocal tract."""
    chosen = rng.sample(clips, min(len(clips), rng.randint(1, most)))
    pieces: list[Samples] = []
    for clip in chosen:
        pieces += [np.zeros(int(rng.uniform(0.05, 0.7) * SAMPLE_RATE), np.float32), clip.waveform]
    speech = np.concatenate(pieces)
    factor = float(np.exp(rng.uniform(-0.12, 0.12)))
    return resample_window(speech, 0.0, factor, int(len(speech) / factor))

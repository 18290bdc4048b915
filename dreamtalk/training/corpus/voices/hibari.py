"""Hibari's small neural voice (American English), aligned by its text.

Needs ``pip install hibari-tts pocketsphinx`` (Apache-2.0 and BSD). The voice is one; WORLD makes
others of it (:mod:`.world`).
"""

from __future__ import annotations

import importlib.util
import random
import zlib
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from ....errors import MissingDependencyError
from .. import align
from ..utterance import Samples, Utterance, Voice, to_16k
from .kokoro import phonemes
from .world import random_speaker


def installed() -> bool:
    """Whether Hibari and the aligner are there."""
    there = all(importlib.util.find_spec(n) for n in ("hibari", "onnxruntime"))
    return there and align.installed()


def name_voice(rng: random.Random, voice: Voice) -> Voice:
    """Its voice or, with WORLD, another speaker made of it, with the settings of ``voice``."""
    return random_speaker(rng, replace(voice, name="heart"), pitch=1.0, tract=1.0)


@lru_cache(maxsize=1)
def _load() -> Any:
    try:
        from hibari import Hibari
    except ImportError as error:
        raise MissingDependencyError(
            "Hibari's voice: pip install hibari-tts pocketsphinx"
        ) from error
    return Hibari(threads=1)


def speak(voice: Voice, text: str) -> Utterance:
    """Say an English text of known words.

    Raises:
        MissingDependencyError: if Hibari is not installed, or the text can't be said or aligned.
    """
    engine = _load()
    seed = zlib.crc32(text.encode())
    audio = engine.from_phonemes(phonemes(text), speed=1 / voice.rate, seed=seed)
    samples: Samples = np.asarray(audio, np.float32).ravel()
    waveform = to_16k(samples, int(engine.sample_rate))
    return align.aligned_utterance(waveform, voice, text, "Hibari")

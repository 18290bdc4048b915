"""The table of speech engines, and drawing voices of them for the training and for tests.

The engines are programs, libraries or packages of the machine; nothing of them is shipped. What is
not installed is left out by :func:`available`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from ....errors import MissingDependencyError
from ..utterance import Utterance, Voice
from . import espeak, festival, flite, formant, hibari, kokoro, piper, world


@dataclass(frozen=True)
class Engine:
    """A speech engine.

    Attributes:
        speak: says a text with a voice; raises MissingDependencyError where it can't.
        installed: whether it is there.
        name_voice: one of its voices, drawn, with the settings of the voice that is given.
        weight: how often it is drawn beside others.
        aligned: whether its phone times come from an aligner, which must know the words.
        split: whether it keeps some of its voices for tests.
    """

    speak: Callable[[Voice, str], Utterance]
    installed: Callable[[], bool]
    name_voice: Callable[[random.Random, Voice], Voice]
    weight: int = 1
    aligned: bool = False
    split: bool = False


ENGINES: dict[str, Engine] = {
    "flite": Engine(flite.speak, flite.installed, flite.name_voice, weight=4, split=True),
    "festival": Engine(
        festival.speak, festival.installed, festival.name_voice, weight=3, split=True
    ),
    "espeak": Engine(espeak.speak, espeak.installed, espeak.name_voice, weight=4, split=True),
    "piper": Engine(piper.speak, piper.installed, piper.name_voice, aligned=True),
    "kokoro": Engine(kokoro.speak, kokoro.installed, kokoro.name_voice, aligned=True),
    "hibari": Engine(hibari.speak, hibari.installed, hibari.name_voice, aligned=True),
    "formant": Engine(formant.speak, formant.installed, formant.name_voice),
}
BASE = ("flite", "festival", "espeak")
"""Engines that say themselves when each phone is, as Debian ships them."""
ALIGNED = frozenset(name for name, engine in ENGINES.items() if engine.aligned)


def speak(voice: Voice, text: str) -> Utterance:
    """Say ``text`` with ``voice``.

    Raises:
        MissingDependencyError: if the engine is not installed or fails.
    """
    if voice.tract != 1.0:
        plain = speak(replace(voice, pitch=1.0, pitch_range=1.0, tract=1.0), text)
        changed = world.change_voice(plain.waveform, voice.pitch, voice.pitch_range, voice.tract)
        return replace(plain, waveform=changed, voice=voice.label)
    if voice.engine not in ENGINES:
        raise MissingDependencyError(
            f"there is no speech engine '{voice.engine}'; there are {', '.join(ENGINES)}"
        )
    return ENGINES[voice.engine].speak(voice, text)


def available() -> tuple[str, ...]:
    """The engines of :data:`BASE` on this machine; the built-in formant synthesizer if none is."""
    return tuple(name for name in BASE if ENGINES[name].installed()) or ("formant",)


def held_out(voice: Voice) -> bool:
    """Whether the voice is kept for tests: the kal voices and some of espeak-ng's variants."""
    return "kal" in voice.name or voice.name.partition("+")[2] in espeak.HELD_OUT_VARIANTS


def random_voice(rng: random.Random, engines: tuple[str, ...], split: str = "train") -> Voice:
    """A voice of the split with settings of its own, drawn from ``engines``."""
    while True:
        voice = _any_voice(rng, engines)
        if not ENGINES[voice.engine].split or held_out(voice) == (split == "test"):
            return voice


def _any_voice(rng: random.Random, engines: tuple[str, ...]) -> Voice:
    engine = rng.choices(engines, [ENGINES[e].weight for e in engines])[0]
    rate, pitch = rng.uniform(0.82, 1.25), rng.uniform(0.85, 1.2)
    voice = Voice(engine, "", rate=rate, pitch=pitch, pitch_range=rng.uniform(0.6, 1.6))
    return ENGINES[engine].name_voice(rng, voice)

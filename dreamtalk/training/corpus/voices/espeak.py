"""Espeak-ng's languages and variants, through its library: ``apt-get install espeak-ng``."""

from __future__ import annotations

import ctypes
import ctypes.util
import random
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ....errors import MissingDependencyError
from ....speech.speech import SAMPLE_RATE
from ..phones import Segment, from_ipa
from ..utterance import Samples, Utterance, Voice, merge_segments, to_16k

LANGUAGES = ("en-us", "en-us", "en-us", "en-gb-x-rp", "en-gb-scotland", "de", "fr", "es",
    "it", "pt",
                    "ru", "pl", "nl", "tr", "hi")  # fmt: skip
VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "klatt",
    "klatt2", "klatt3",
    "klatt4", "Annie", "Alicia", "Andrea", "Denis", "Diogo", "Gene", "Henrique", "Hugo", "Jacky",
    "Lee",
    "Marco", "Michael", "Mike", "Nguyen", "adam", "anika", "aunty", "belinda", "benjamin", "boris",
    "caleb",
    "david", "ed", "edward", "grandma", "grandpa", "gustave", "john", "linda", "marcelo", "max",
    "michel",
    "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "steph",
    "travis",
    "victor", "whisper", "whisperf",
)  # fmt: skip

HELD_OUT_VARIANTS = frozenset({"f4", "m6", "Andrea", "Marco", "quincy", "klatt3", "linda"})
"""Kept for tests."""


def installed() -> bool:
    """Whether the library is there."""
    return _library_path() is not None


def name_voice(rng: random.Random, voice: Voice) -> Voice:
    """One of its languages and variants, with the settings of ``voice``."""
    language = rng.choice(LANGUAGES)
    name = f"{language}+{rng.choice(VARIANTS)}"
    return replace(voice, name=name, language=language.split("-")[0])


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position",
            ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _EventId),
    )  # fmt: skip


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)
_PHONEME_EVENT = 7
_RATE, _PITCH, _RANGE = 1, 3, 4
_CLOSURE = {"P": 0.06, "T": 0.045, "K": 0.045, "CH": 0.04}


def _library_path() -> str | None:
    return ctypes.util.find_library("espeak-ng")


@lru_cache(maxsize=1)
def _load() -> tuple[ctypes.CDLL, int]:
    path = _library_path()
    if path is None:
        raise MissingDependencyError(
            "espeak-ng's library is not installed: apt-get install espeak-ng"
        )
    library = ctypes.CDLL(path)
    rate = library.espeak_Initialize(
        1, 400, None, 3
    )  # synchronous retrieval; phoneme events in IPA
    if rate <= 0:
        raise MissingDependencyError("espeak-ng can't be initialized: is espeak-ng-data installed?")
    return library, int(rate)


def speak(voice: Voice, text: str) -> Utterance:
    """Say a text in the voice's language.

    Raises:
        MissingDependencyError: if espeak-ng is not installed, or lacks the voice.
    """
    library, rate = _load()
    chunks: list[Samples] = []
    events: list[tuple[str, float]] = []

    def receive(samples, count, event) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32))
        index = 0
        while event[index].type:
            if event[index].type == _PHONEME_EVENT:
                name = bytes(event[index].id.string).split(b"\0")[0].decode("utf-8", "ignore")
                events.append((name, event[index].sample / rate))
            index += 1
        return 0

    callback = _CALLBACK(receive)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.name.encode()) != 0:
        raise MissingDependencyError(f"espeak-ng has no voice '{voice.name}'")
    library.espeak_SetParameter(_RATE, int(165 / voice.rate), 0)
    library.espeak_SetParameter(_PITCH, int(np.clip(50 * voice.pitch**3, 5, 95)), 0)
    library.espeak_SetParameter(_RANGE, int(np.clip(50 * voice.pitch_range, 5, 95)), 0)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, 1, None, None)
    library.espeak_Synchronize()
    if not chunks:
        raise MissingDependencyError(f"espeak-ng said nothing for '{text[:40]}'")
    waveform = to_16k(np.concatenate(chunks) / np.float32(32768), rate)
    return Utterance(waveform, _segments(events, len(waveform) / SAMPLE_RATE), voice.label, text)


def _segments(events: list[tuple[str, float]], duration: float) -> tuple[Segment, ...]:
    """Events name where a phoneme begins; of voiceless stops that is the release, so they are
    widened."""
    events = [e for e in events if not e[0].startswith("(")]
    found: list[tuple[str, float, float]] = []
    for (name, start), (_, end) in zip(events, [*events[1:], ("", duration)], strict=True):
        phones = from_ipa(name) or (["sil"] if name in ("", "_", "_:") else [])
        step = (end - start) / max(len(phones), 1)
        for index, phone in enumerate(phones):
            begin = start + index * step
            if phone in _CLOSURE and found and found[-1][0] != "sil":
                before = found[-1]
                room = (before[2] - before[1]) * 0.5
                begin -= min(_CLOSURE[phone], room)
                found[-1] = (before[0], before[1], begin)
            found.append((phone, begin, start + (index + 1) * step))
    if found and found[0][1] > 0:
        found.insert(0, ("sil", 0.0, found[0][1]))
    return merge_segments(found)

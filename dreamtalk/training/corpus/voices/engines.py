"""Speech engines that say when each phone is: flite, festival and espeak-ng, as Debian ships them.

Each ``speak`` takes a text and returns an :class:`Utterance`. The engines are programs or
libraries of the machine; nothing of them is shipped. What is not installed is left out by
:func:`available`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import random
import shutil
import subprocess
import tempfile
import wave
from dataclasses import dataclass, replace
from functools import lru_cache
from math import gcd
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from ....errors import MissingDependencyError
from ....speech.speech import SAMPLE_RATE
from ..phones import Segment, from_arpabet, from_ipa, from_italian

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Utterance:
    """Speech with its phones.

    Attributes:
        waveform: (N,) float32 at 16 kHz, peak at most 1.
        segments: phones in time order, without gaps or overlaps.
        voice: engine and voice, e.g. ``"flite/slt"``.
        text: what is said.
    """

    waveform: Samples
    segments: tuple[Segment, ...]
    voice: str
    text: str


@dataclass(frozen=True)
class Voice:
    """A voice of an engine with its settings.

    Attributes:
        engine: ``"flite"``, ``"festival"``, ``"espeak"`` or ``"formant"``.
        name: the engine's name of the voice (for espeak ``language+variant``).
        language: of the text that it can say.
        rate: duration factor, above 1 is slower.
        pitch: factor on the voice's own pitch, where the engine can.
        pitch_range: factor on the range of the pitch, where the engine can.
        tract: factor on the formants, above 1 is a shorter vocal tract; other than 1 it takes
            WORLD, which then does the pitch too.
    """

    engine: str
    name: str
    language: str = "en"
    rate: float = 1.0
    pitch: float = 1.0
    pitch_range: float = 1.0
    tract: float = 1.0

    @property
    def label(self) -> str:
        return f"{self.engine}/{self.name}"


FLITE_VOICES = ("awb", "rms", "slt", "kal16")
FESTIVAL_VOICES = (
    ("voice_cmu_us_slt_arctic_hts", "en"), ("voice_ked_diphone", "en"), ("voice_kal_diphone", "en"),
    ("voice_lp_diphone", "it"), ("voice_pc_diphone", "it"),
)  # fmt: skip
ESPEAK_LANGUAGES = ("en-us", "en-us", "en-us", "en-gb-x-rp", "en-gb-scotland", "de", "fr", "es",
    "it", "pt",
                    "ru", "pl", "nl", "tr", "hi")  # fmt: skip
ESPEAK_VARIANTS = (
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

_SINGLE = {"piper": ("joe", 1.75, 1.15), "hibari": ("heart", 1.0, 1.0)}
"""Neural engines of one voice: its name, and what makes pitch and formants those of a woman."""

HELD_OUT_VARIANTS = frozenset({"f4", "m6", "Andrea", "Marco", "quincy", "klatt3", "linda"})

ALIGNED = frozenset({"piper", "kokoro", "hibari"})
"""Engines whose phone times come from an aligner, which must know the words."""


def speak(voice: Voice, text: str) -> Utterance:
    """Say ``text`` with ``voice``.

    Raises:
        MissingDependencyError: if the engine is not installed or fails.
    """
    if voice.tract != 1.0:
        from .world import convert

        plain = speak(replace(voice, pitch=1.0, pitch_range=1.0, tract=1.0), text)
        changed = convert(plain.waveform, voice.pitch, voice.pitch_range, voice.tract)
        return replace(plain, waveform=changed, voice=voice.label)
    if voice.engine == "flite":
        return _flite(voice, text)
    if voice.engine == "festival":
        return _festival(voice, text)
    if voice.engine == "espeak":
        return _espeak(voice, text)
    if voice.engine == "piper":
        from .piper import speak as piper

        return piper(voice, text)
    if voice.engine == "kokoro":
        from .kokoro import speak as kokoro

        return kokoro(voice, text)
    if voice.engine == "hibari":
        from .hibari import speak as hibari

        return hibari(voice, text)
    if voice.engine == "formant":
        from .formant import speak_text

        return speak_text(voice, text)
    raise MissingDependencyError(f"there is no speech engine '{voice.engine}'")


def available() -> tuple[str, ...]:
    """The engines on this machine; the built-in formant synthesizer where there is none."""
    found = [name for name in ("flite", "festival") if shutil.which(name)]
    if _espeak_path() is not None:
        found.append("espeak")
    return tuple(found) or ("formant",)


def held_out(voice: Voice) -> bool:
    """Whether the voice is kept for tests: the kal voices and some of espeak-ng's variants."""
    return "kal" in voice.name or voice.name.partition("+")[2] in HELD_OUT_VARIANTS


def random_voice(rng: random.Random, engines: tuple[str, ...], split: str = "train") -> Voice:
    """A voice of the split with settings of its own, drawn from ``engines``."""
    while True:
        voice = _any_voice(rng, engines)
        if voice.engine in ("formant", *ALIGNED) or held_out(voice) == (split == "test"):
            return voice


def _any_voice(rng: random.Random, engines: tuple[str, ...]) -> Voice:
    weights = {"flite": 4, "festival": 3, "espeak": 4}
    engine = rng.choices(engines, [weights.get(e, 1) for e in engines])[0]
    rate, pitch = rng.uniform(0.82, 1.25), rng.uniform(0.85, 1.2)
    voice = Voice(engine, "", rate=rate, pitch=pitch, pitch_range=rng.uniform(0.6, 1.6))
    if engine == "flite":
        return replace(voice, name=rng.choice(FLITE_VOICES))
    if engine == "festival":
        name, language = rng.choices(FESTIVAL_VOICES, (4, 3, 3, 1, 1))[0]
        return replace(voice, name=name, language=language)
    if engine == "espeak":
        language = rng.choice(ESPEAK_LANGUAGES)
        name = f"{language}+{rng.choice(ESPEAK_VARIANTS)}"
        return replace(voice, name=name, language=language.split("-")[0])
    if engine in _SINGLE:
        from .world import installed

        return _other_speaker(rng, replace(voice, name=_SINGLE[engine][0]), installed())
    return replace(voice, name=f"f{rng.randint(0, 99)}")


def _other_speaker(rng: random.Random, voice: Voice, vocoder: bool) -> Voice:
    """A woman, a man or a child out of the one voice of a neural engine; a third stays as it is."""
    if not vocoder or rng.random() < 0.33:
        return voice
    pitch, tract = rng.choice(((1.0, 1.0), (0.6, 0.87), (1.35, 1.18)))
    pitch *= rng.uniform(0.87, 1.15) * _SINGLE[voice.engine][1]
    tract *= rng.uniform(0.94, 1.06) * _SINGLE[voice.engine][2]
    return replace(voice, pitch=pitch, tract=tract)


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingDependencyError(f"'{command[0]}' can't be run: {error}") from error
    if done.returncode != 0:
        raise MissingDependencyError(f"'{command[0]}' failed: {done.stderr[:200]!r}")
    return done.stdout.decode("utf-8", "replace")


def _read_wav(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return to_16k(data.astype(np.float32) / np.float32(32768), rate)


def to_16k(waveform: Samples, rate: int) -> Samples:
    """Resample to 16 kHz."""
    if rate == SAMPLE_RATE:
        return waveform
    divisor = gcd(rate, SAMPLE_RATE)
    out: Samples = resample_poly(waveform, SAMPLE_RATE // divisor, rate // divisor).astype(
        np.float32
    )
    return out


def _merge(pairs: list[tuple[str, float, float]]) -> tuple[Segment, ...]:
    """Segments without the empty ones, neighbouring silences joined."""
    merged: list[Segment] = []
    for phone, start, end in pairs:
        if end - start < 1e-4:
            continue
        if merged and merged[-1].phone == "sil" == phone:
            merged[-1] = replace(merged[-1], end=end)
        else:
            merged.append(Segment(phone, start, end))
    return tuple(merged)


def _from_ends(names: list[tuple[str, float]], duration: float) -> tuple[Segment, ...]:
    pairs, start = [], 0.0
    for phone, end in names:
        pairs.append((phone, start, min(end, duration)))
        start = min(end, duration)
    pairs.append(("sil", start, duration))
    return _merge(pairs)


def _flite_pitch(voice: Voice) -> list[str]:
    if voice.name == "rms":  # its excitation ignores both
        return []
    if not voice.name.startswith("kal"):
        return ["--setf", f"f0_shift={voice.pitch:.3f}"]
    mean, deviation = 105 * voice.pitch, 14 * voice.pitch_range
    return [
        "--setf",
        f"int_f0_target_mean={mean:.1f}",
        "--setf",
        f"int_f0_target_stddev={deviation:.1f}",
    ]


def _flite(voice: Voice, text: str) -> Utterance:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.wav")
        shown = _run([
            "flite", "-voice", voice.name, "--setf", f"duration_stretch={voice.rate:.3f}",
            *_flite_pitch(voice),
            "-psdur", "-t", f"{text} ", "-o", str(path),
        ])  # fmt: skip
        waveform = _read_wav(path)
    ends = [
        (from_arpabet(n), float(e)) for n, _, e in (w.rpartition(":") for w in shown.split()) if n
    ]
    return Utterance(waveform, _from_ends(ends, len(waveform) / SAMPLE_RATE), voice.label, text)


def _festival(voice: Voice, text: str) -> Utterance:
    quoted = text.replace("\\", " ").replace('"', " ")
    with tempfile.TemporaryDirectory() as folder:
        wav, lab, script = (Path(folder, name) for name in ("a.wav", "a.lab", "a.scm"))
        script.write_text(
            f"({voice.name})\n(Parameter.set 'Duration_Stretch {voice.rate:.3f})\n"
            f"(set! int_lr_params '((target_f0_mean {105 * voice.pitch:.1f}) (target_f0_std "
            f"{14 * voice.pitch_range:.1f}) (model_f0_mean 170) (model_f0_std 34)))\n"
            f'(set! u (Utterance Text "{quoted}"))\n(utt.synth u)\n'
            f'(utt.save.wave u "{wav}" \'riff)\n(utt.save.segs u "{lab}")\n',
            encoding="latin-1",
            errors="replace",
        )
        _run(["festival", "-b", str(script)])
        waveform = _read_wav(wav)
        rows = [line.split() for line in lab.read_text(encoding="latin-1").splitlines()]
    convert = from_italian if voice.language == "it" else from_arpabet
    ends = [(convert(row[2]), float(row[0])) for row in rows if len(row) == 3]
    return Utterance(waveform, _from_ends(ends, len(waveform) / SAMPLE_RATE), voice.label, text)


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


def _espeak_path() -> str | None:
    return ctypes.util.find_library("espeak-ng")


@lru_cache(maxsize=1)
def _espeak_library() -> tuple[ctypes.CDLL, int]:
    path = _espeak_path()
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


def _espeak(voice: Voice, text: str) -> Utterance:
    library, rate = _espeak_library()
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
    return Utterance(
        waveform, _espeak_segments(events, len(waveform) / SAMPLE_RATE), voice.label, text
    )


def _espeak_segments(events: list[tuple[str, float]], duration: float) -> tuple[Segment, ...]:
    """Events name where a phoneme begins; of voiceless stops that is the release, so they are
    widened."""
    events = [e for e in events if not e[0].startswith("(")]
    pairs: list[tuple[str, float, float]] = []
    for (name, start), (_, end) in zip(events, [*events[1:], ("", duration)], strict=True):
        phones = from_ipa(name) or (["sil"] if name in ("", "_", "_:") else [])
        step = (end - start) / max(len(phones), 1)
        for index, phone in enumerate(phones):
            begin = start + index * step
            if phone in _CLOSURE and pairs and pairs[-1][0] != "sil":
                before = pairs[-1]
                room = (before[2] - before[1]) * 0.5
                begin -= min(_CLOSURE[phone], room)
                pairs[-1] = (before[0], before[1], begin)
            pairs.append((phone, begin, start + (index + 1) * step))
    if pairs and pairs[0][1] > 0:
        pairs.insert(0, ("sil", 0.0, pairs[0][1]))
    return _merge(pairs)

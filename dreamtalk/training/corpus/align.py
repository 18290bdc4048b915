"""Phone times of speech whose words are known.

English by PocketSphinx with the models it ships; other languages by letting a synthetic voice,
whose phone times are known, say the same and warping it onto the recording in time.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MissingDependencyError
from ...speech.speech import SAMPLE_RATE
from .phones import VOWELS, Segment, from_arpabet
from .utterance import Samples, Utterance, Voice

_FRAME = 0.01
_LATE = 0.01  # its frame times point at the left edge of its windows


def installed() -> bool:
    """Whether PocketSphinx is there."""
    return importlib.util.find_spec("pocketsphinx") is not None


def aligned_utterance(waveform: Samples, voice: Voice, text: str, engine: str) -> Utterance:
    """What an engine without phone times of its own said, with those found in it.

    Args:
        waveform: (N,) at 16 kHz.
        voice: whose it is.
        text: English.
        engine: its name, for the error.

    Raises:
        MissingDependencyError: if the text can't be found in it, or the aligner is not there.
    """
    segments = align(waveform, text)
    if not segments:
        raise MissingDependencyError(f"'{text[:40]}' can't be aligned with what {engine} said")
    return Utterance(waveform, segments, voice.label, text)


@lru_cache(maxsize=1)
def _decoder() -> Any:
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise MissingDependencyError("aligning speech needs: pip install pocketsphinx") from error
    return Decoder(lm=None, loglevel="FATAL")


@lru_cache(maxsize=1)
def _recognizer() -> Any:
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise MissingDependencyError("hearing words needs: pip install pocketsphinx") from error
    return Decoder(loglevel="FATAL")


def recognize(waveform: Samples) -> str:
    """English words that sound like the recording, with PocketSphinx's own language model.

    Many of them are others than were said, but their phones are mostly right: about two of three
    frames on clear speech.

    Args:
        waveform: (N,) at 16 kHz.

    Raises:
        MissingDependencyError: if PocketSphinx is not installed.
    """
    decoder = _recognizer()
    data = (np.clip(waveform, -1, 1) * 32767).astype(np.int16).tobytes()
    decoder.start_utt()
    decoder.process_raw(data, full_utt=True)
    decoder.end_utt()
    words = [part.word.partition("(")[0] for part in decoder.seg() or ()]
    return " ".join(word for word in words if word[:1].isalpha())


def words_of(text: str) -> str:
    """The words of a text as the dictionary spells them."""
    return " ".join(re.sub(r"[^a-z' ]+", " ", text.lower()).split())


def pronunciation(word: str) -> list[str] | None:
    """ARPAbet symbols of a word, None if the dictionary lacks it."""
    found = _decoder().lookup_word(word)
    return found.split() if found else None


def _entries() -> list[list[str]]:
    """Lines of the dictionary: a word and its ARPAbet symbols."""
    _decoder()
    from pocketsphinx import get_model_path

    path = Path(get_model_path("en-us"), "cmudict-en-us.dict")
    with path.open(encoding="utf-8") as file:
        return [line.split() for line in file if line.strip()]


@lru_cache(maxsize=1)
def dictionary() -> tuple[str, ...]:
    """The plain words of the dictionary, three to ten letters, in its order.

    Raises:
        MissingDependencyError: if PocketSphinx is not installed.
    """
    words = [entry[0] for entry in _entries()]
    return tuple(w for w in words if w.isalpha() and w.isascii() and 3 <= len(w) <= 10)


@lru_cache(maxsize=1)
def english_diphones() -> frozenset[tuple[str, str]]:
    """Pairs of neighbours that at least ten words of the dictionary have.

    Raises:
        MissingDependencyError: if PocketSphinx is not installed.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for _, *symbols in _entries():
        counts.update(itertools.pairwise(from_arpabet(s) for s in symbols))
    return frozenset(pair for pair, n in counts.items() if n >= 10)


def align(waveform: Samples, text: str) -> tuple[Segment, ...]:
    """Phones of English speech.

    Args:
        waveform: (N,) at 16 kHz.
        text: what is said.

    Returns:
        Segments that cover the waveform; none where a word is unknown or nothing fits.

    Raises:
        MissingDependencyError: if PocketSphinx is not installed.
    """
    decoder = _decoder()
    data = (np.clip(waveform, -1, 1) * 32767).astype(np.int16).tobytes()
    try:
        decoder.set_align_text(words_of(text))
        for phones in (False, True):
            if phones:
                decoder.set_alignment()
            decoder.start_utt()
            decoder.process_raw(data, full_utt=True)
            decoder.end_utt()
        alignment = decoder.get_alignment()
    except RuntimeError:
        return ()
    segments: list[Segment] = []
    for word in alignment or ():
        for phone in word:
            name = "sil" if phone.name in ("SIL", "+NSN+", "+SPN+") else from_arpabet(phone.name)
            start = segments[-1].end if segments else 0.0
            end = (phone.start + phone.duration) * _FRAME + _LATE
            segments.append(Segment(name, start, end))
    if not segments:
        return ()
    last = segments[-1]
    segments[-1] = Segment(last.phone, last.start, max(last.end, len(waveform) / SAMPLE_RATE))
    return tuple(segments)


def plausible_alignment(waveform: Samples, segments: tuple[Segment, ...]) -> bool:
    """Whether pauses are quiet and vowels are not: what is read differs from its text at times.

    Args:
        waveform: (N,) at 16 kHz.
        segments: phones that cover it.
    """

    def level(s: Segment, inset: float = 0.0) -> float:
        part = waveform[
            int((s.start + inset) * SAMPLE_RATE) : int((s.end - inset) * SAMPLE_RATE) + 1
        ]
        return float(np.sqrt(np.mean(part**2))) if len(part) else 0.0

    vowels = [level(s) for s in segments if s.phone in VOWELS]
    if not vowels:
        return False
    usual = float(np.median(vowels))
    pauses = [level(s, 0.08) for s in segments if s.phone == "sil" and s.end - s.start >= 0.25]
    return max(pauses, default=0.0) < 0.25 * usual and min(vowels) > 0.03 * usual


def warp_onto(waveform: Samples, spoken: Utterance) -> tuple[tuple[Segment, ...], float]:
    """Phones of a recording, taken over from a synthetic voice that says the same.

    Dynamic time warping of cepstra without their means and deviations, which belong to the voice.

    Args:
        waveform: (N,) at 16 kHz.
        spoken: the same words with known times.

    Returns:
        Segments that cover the waveform, and the mean cost on the path: high where the two don't
        match.
    """
    import librosa

    a, b = _cepstra(waveform), _cepstra(spoken.waveform)
    cost, path = librosa.sequence.dtw(b.T, a.T, metric="cosine")
    ours, theirs = path[::-1, 1] * _FRAME, path[::-1, 0] * _FRAME
    # the path has steps where one side waits: take the middle of each
    steps, where = np.unique(theirs, return_inverse=True)
    middle = np.bincount(where, ours) / np.bincount(where)
    edges = np.interp([s.end for s in spoken.segments], steps, middle)
    edges[-1] = len(waveform) / SAMPLE_RATE
    starts = np.concatenate([[0.0], edges[:-1]])
    segments = tuple(
        Segment(s.phone, float(x), float(y))
        for s, x, y in zip(spoken.segments, starts, edges, strict=True)
        if y - x > 1e-3
    )
    return segments, float(cost[-1, -1] / len(path))


def _cepstra(waveform: Samples) -> np.ndarray:
    import librosa

    hop = int(_FRAME * SAMPLE_RATE)
    mfcc = librosa.feature.mfcc(y=waveform, sr=SAMPLE_RATE, n_mfcc=14, hop_length=hop, n_fft=512)[
        1:
    ]
    both = np.concatenate([mfcc, librosa.feature.delta(mfcc, width=5)])
    loud = librosa.feature.rms(y=waveform, hop_length=hop, frame_length=512)[:, : both.shape[1]]
    both = np.concatenate([both, np.log(loud + 1e-3)])
    out: np.ndarray = ((both - both.mean(1, keepdims=True)) / (both.std(1, keepdims=True) + 1e-6)).T
    return out

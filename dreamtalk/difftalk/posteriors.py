"""The starter's phone posteriors as DiffTalk's 29 symbols, so that no other model has to listen.

DeepSpeech's symbols are a space, a to z, the apostrophe and the blank, in the order of its
alphabet. The starter's speech encoder tells 44 phones instead; each is spread over the letters that
English writes it with. The rows are logits, 50 a second: the softmax of a row is the posterior of
the letters, and 0 is what is all but excluded.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import SpaceMismatchError
from ..speech.speech import Features
from .config import SYMBOLS
from .deepspeech import audio_windows

STARTER_FEATURES = "starter"
"""Kind of the features that hold phone posteriors."""
DEEPSPEECH_FEATURES = "deepspeech"
"""Kind of features that are DeepSpeech's own logits, (R, 29)."""
ALPHABET = " abcdefghijklmnopqrstuvwxyz'"
"""Symbols in their order; the blank, which our rows never name, comes after them."""
SPELLING: tuple[tuple[str, str], ...] = (
    ("sil", " "),
    ("AA", "a"), ("AE", "a"), ("AH", "u"), ("AO", "o"), ("AW", "ow"), ("AX", "e"), ("AY", "ai"),
    ("EH", "e"), ("ER", "er"), ("EY", "ae"), ("IH", "i"), ("IY", "ie"), ("OE", "oe"), ("OW", "o"),
    ("OY", "oy"), ("UE", "ue"), ("UH", "ou"), ("UW", "u"),
    ("B", "b"), ("CH", "ch"), ("D", "d"), ("DH", "th"), ("F", "f"), ("G", "g"), ("HH", "h"),
    ("JH", "j"), ("K", "k"), ("L", "l"), ("M", "m"), ("N", "n"), ("NG", "ng"), ("P", "p"),
    ("R", "r"), ("S", "s"), ("SH", "sh"), ("T", "t"), ("TH", "th"), ("V", "v"), ("W", "w"),
    ("X", "ch"), ("Y", "y"), ("Z", "z"), ("ZH", "zh"),
)  # fmt: skip
"""Phones in the encoder's order, and the letters that share one."""
_FLOOR = 8.0
"""Natural logarithms that the encoder's posteriors reach down, which it divides by as much."""


def symbol_rows(features: Features) -> Tensor:
    """Rows of DiffTalk's symbols from the starter's features.

    Args:
        features: of the kind ``starter``: the first 44 numbers of a row are the phones'. Those of
            the kind ``deepspeech`` are such rows already.

    Returns:
        (R, 29) float32 in 0..8

    Raises:
        SpaceMismatchError: on features of another kind.
    """
    if features.kind == DEEPSPEECH_FEATURES and features.rows.shape[-1] == SYMBOLS:
        return features.rows.float()
    if features.kind != STARTER_FEATURES or features.rows.shape[-1] < len(SPELLING):
        raise SpaceMismatchError(
            f"DiffTalk hears the phones in the features of the kind '{STARTER_FEATURES}', not "
            f"those of '{features.kind}': take the features that the starter makes"
        )
    phones = (features.rows[:, : len(SPELLING)].float() * _FLOOR).exp()
    letters = phones @ _matrix().to(phones)
    return (letters.clamp(min=1e-9).log() + _FLOOR).clamp(0, _FLOOR)


def symbol_windows(features: Features) -> Tensor:
    """What the audio network takes of features at 25 frames a second: (T, 8, 16, 29)."""
    return audio_windows(symbol_rows(features), "the features")


def _matrix() -> Tensor:
    """(44, 29) share of each phone that each symbol gets."""
    matrix = torch.zeros(len(SPELLING), SYMBOLS)
    for row, (_, letters) in enumerate(SPELLING):
        for letter in letters:
            matrix[row, ALPHABET.index(letter)] += 1 / len(letters)
    return matrix

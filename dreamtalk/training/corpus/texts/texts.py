"""What the voices say: written for the corpus, so that every diphone turns up.

Three sources are mixed: whole sentences (``LANGUAGE.txt``, one a line), sentences from a small
grammar (``grammar-*.txt``), and strings of invented words that put every consonant beside every
vowel, which neither of the others does.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from importlib import resources

from ....errors import DreamTalkError

_ONSETS = (
    "p", "b", "m", "f", "v", "t", "d", "n", "s", "z", "sh", "ch", "j", "k", "g", "l", "r", "w",
    "y", "h", "th", "pl", "br", "sm", "sp", "fl", "tw", "",
)  # fmt: skip
_NUCLEI = ("a", "ee", "o", "oo", "ow", "ay", "i", "e", "u", "oy", "er", "aw", "ah", "oh")
_CODAS = ("", "", "", "m", "p", "b", "n", "t", "s", "f", "v", "k", "l", "sh", "mp", "th", "ng")
_NOT_INVENTED = ("ru", "hi")
"""Languages whose engines can't read invented words: other letters."""

HELD_OUT = 8
"""So many English sentences, the first ones, are only in the test split."""


@cache
def lines(name: str) -> tuple[str, ...]:
    """The lines of a file beside this one, e.g. ``"en"`` or ``"grammar-who"``.

    Raises:
        DreamTalkError: if there is no such file.
    """
    file = resources.files(__package__) / f"{name}.txt"
    try:
        return tuple(file.read_text(encoding="utf-8").splitlines())
    except FileNotFoundError as error:
        raise DreamTalkError(f"there are no texts for '{name}': '{file}' is missing") from error


def invented_word(rng: random.Random) -> str:
    """One to three syllables that no dictionary has."""
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS)
        for _ in range(rng.choice((1, 2, 2, 3)))
    )


def composed_sentence(rng: random.Random) -> str:
    """Who did what when, from the small grammar."""
    who, did, what, when = (lines(f"grammar-{part}") for part in ("who", "did", "what", "when"))
    parts = [rng.choice(who), rng.choice(did), rng.choice(what)]
    if rng.random() < 0.75:
        parts.append(rng.choice(when))
    sentence = " ".join(parts)
    if rng.random() < 0.3:
        sentence += f", {rng.choice(('and', 'but', 'so', 'because'))} {rng.choice(who)} "
        sentence += f"{rng.choice(did)} {rng.choice(what)}"
    return sentence[0].upper() + sentence[1:] + rng.choice((".", ".", ".", "!", "?"))


def random_text(
    rng: random.Random,
    language: str = "en",
    split: str = "train",
    known_words: bool = False,
    dictionary: Sequence[str] = (),
) -> str:
    """One utterance in ``language``: a sentence, a composed one, and invented words or, where only
    words of a dictionary will do, random ones of ``dictionary``.

    Raises:
        DreamTalkError: if there are no texts in the language.
    """
    if language != "en":
        sentence = rng.choice(lines(language))
        if language not in _NOT_INVENTED and rng.random() < 0.35:
            sentence += " " + " ".join(invented_word(rng) for _ in range(rng.randint(2, 6)))
        return sentence
    draw = rng.random()
    if draw < 0.3:
        english = lines("en")
        return rng.choice(english[:HELD_OUT] if split == "test" else english[HELD_OUT:])
    if known_words and dictionary and draw < 0.65:
        words = " ".join(rng.choice(dictionary) for _ in range(rng.randint(4, 9)))
        return words.capitalize() + "."
    if draw < 0.8 or known_words:
        return composed_sentence(rng)
    return " ".join(invented_word(rng) for _ in range(rng.randint(4, 9))).capitalize() + "."

"""One phone inventory for all engines, and the maps into it.

The inventory is ARPAbet with what other languages need for the lips: front rounded vowels and a
back fricative. Lips don't show more than that.
"""

from __future__ import annotations

from dataclasses import dataclass

PHONES: tuple[str, ...] = (
    "sil",
    "AA", "AE", "AH", "AO", "AW", "AX", "AY", "EH", "ER", "EY", "IH", "IY", "OE", "OW", "OY", "UE",
    "UH", "UW",
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T",
    "TH", "V", "W", "X", "Y", "Z", "ZH",
)  # fmt: skip
PHONE_INDEX: dict[str, int] = {p: i for i, p in enumerate(PHONES)}
VOWELS: frozenset[str] = frozenset(PHONES[1:19])
BILABIALS: frozenset[str] = frozenset({"P", "B", "M"})
LABIODENTALS: frozenset[str] = frozenset({"F", "V"})


@dataclass(frozen=True)
class Segment:
    """A phone of the inventory from ``start`` to ``end`` seconds; ``stress`` 0..1."""

    phone: str
    start: float
    end: float
    stress: float = 0.0


_RADIO = {"pau": "sil", "h#": "sil", "brth": "sil", "ssil": "sil", "#": "sil", "dx": "D", "el": "L",
          "em": "M", "en": "N", "axr": "ER", "ix": "IH", "hv": "HH", "nx": "N",
          "_": "sil"}  # fmt: skip

_ITALIAN = {"a": "AA", "e": "EY", "E": "EH", "i": "IY", "o": "OW", "O": "AO", "u": "UW", "j": "Y",
            "ts": "T", "dz": "D", "tS": "CH", "dZ": "JH", "J": "N", "LL": "L", "gl": "L",
            "SS": "SH",
            "nf": "N", "ng": "NG", "r": "R", "p": "P", "b": "B", "m": "M", "f": "F", "v": "V",
            "t": "T",
            "d": "D", "k": "K", "g": "G", "s": "S", "z": "Z", "S": "SH", "n": "N", "l": "L",
            "w": "W"}  # fmt: skip

# IPA base letters. Order does not matter: the longest match at each place wins.
_IPA = {
    "a": "AA", "ɑ": "AA", "ɐ": "AH", "ɒ": "AO", "æ": "AE", "ʌ": "AH", "ɔ": "AO", "o": "OW",
    "ə": "AX",
    "ɚ": "ER", "ɜ": "ER", "ɝ": "ER", "ɛ": "EH", "e": "EY", "ɪ": "IH", "i": "IY", "ɨ": "IH",
    "ᵻ": "IH",
    "ɯ": "UH", "ʊ": "UH", "u": "UW", "ʉ": "UW", "y": "UE", "ʏ": "UE", "ø": "OE", "œ": "OE",
    "ɵ": "OE",
    "ɘ": "AX", "ɤ": "AH", "ɶ": "OE",
    "eɪ": "EY", "aɪ": "AY", "aʊ": "AW", "ɔɪ": "OY", "oʊ": "OW", "əʊ": "OW", "ɔø": "OY", "ɔʏ": "OY",
    "aj": "AY", "aw": "AW", "ej": "EY", "ow": "OW", "ai": "AY", "au": "AW", "ei": "EY", "ou": "OW",
    "p": "P", "b": "B", "m": "M", "f": "F", "v": "V", "ʋ": "V", "ɱ": "M", "β": "V", "ɸ": "F",
    "θ": "TH", "ð": "DH", "t": "T", "d": "D", "ʈ": "T", "ɖ": "D", "n": "N", "ɳ": "N", "ɲ": "N",
    "ŋ": "NG",
    "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "ɕ": "SH", "ʑ": "ZH", "ʂ": "SH", "ʐ": "ZH",
    "tʃ": "CH", "dʒ": "JH", "ts": "T", "dz": "D", "tɕ": "CH", "dʑ": "JH", "tʂ": "CH", "dʐ": "JH",
    "pf": "P", "c": "K", "ɟ": "G", "k": "K", "ɡ": "G", "g": "G", "q": "K", "x": "X", "ɣ": "X",
    "χ": "X",
    "ʁ": "X", "ʀ": "X", "ħ": "HH", "h": "HH", "ɦ": "HH", "ç": "X", "ʝ": "Y", "ʔ": "AX", "ʕ": "HH",
    "l": "L", "ɫ": "L", "ɬ": "L", "ʎ": "L", "ɭ": "L", "ɹ": "R", "r": "R", "ɾ": "D", "ɽ": "R",
    "ɻ": "R",
    "w": "W", "ʍ": "W", "ɥ": "UE", "j": "Y",
}  # fmt: skip
_LONGEST = max(len(key) for key in _IPA)


def from_arpabet(symbol: str) -> str:
    """A phone of flite, festival's radio set or CMUdict, in any case and with stress digits."""
    name = symbol.strip().rstrip("012")
    return _RADIO.get(name.lower(), name.upper() if name.upper() in PHONE_INDEX else "AX")


def from_italian(symbol: str) -> str:
    """A phone of festival's Italian voices; ``1`` marks stress, doubled letters length."""
    name = symbol.strip().rstrip("1")
    if name in ("#", "pau", "sil", "_", "##", ""):
        return "sil"
    if name in _ITALIAN:
        return _ITALIAN[name]
    return _ITALIAN.get(name[0], "AX")


def from_ipa(symbol: str) -> list[str]:
    """The phones of an IPA string as espeak-ng names its phonemes; unknown marks are skipped."""
    found: list[str] = []
    place = 0
    while place < len(symbol):
        for length in range(min(_LONGEST, len(symbol) - place), 0, -1):
            phone = _IPA.get(symbol[place : place + length])
            if phone is not None:
                found.append(phone)
                place += length
                break
        else:
            place += 1
    return found

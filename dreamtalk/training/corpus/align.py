"""Phone times of speech whose words are known, by PocketSphinx with the English models it ships."""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from typing import Any

import numpy as np

from ...errors import MissingDependencyError
from ...speech.speech import SAMPLE_RATE
from .engines import Samples
from .phones import Segment, from_arpabet

_FRAME = 0.01
_LATE = 0.01  # its frame times point at the left edge of its windows


def installed() -> bool:
    """Whether PocketSphinx is there."""
    return importlib.util.find_spec("pocketsphinx") is not None


@lru_cache(maxsize=1)
def _decoder() -> Any:
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise MissingDependencyError("aligning speech needs: pip install pocketsphinx") from error
    return Decoder(lm=None, loglevel="FATAL")


def words_of(text: str) -> str:
    """The words of a text as the dictionary spells them."""
    return " ".join(re.sub(r"[^a-z' ]+", " ", text.lower()).split())


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

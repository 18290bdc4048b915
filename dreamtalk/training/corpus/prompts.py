"""Recorded prompts with transcripts: real voices beside the synthetic ones.

Debian's ``asterisk-core-sounds-*-g722`` packages hold telephone prompts read by professional speakers
(CC BY-SA 3.0). The English ones are aligned by their text.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...errors import MissingDependencyError
from ...progress import Progress, silent
from ...speech.speech import SAMPLE_RATE
from .align import align
from .engines import Samples, Utterance
from .recordings import Recording, join

SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
TRANSCRIPTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")


def english_prompts(progress: Progress = silent) -> list[Utterance]:
    """The English prompts that can be aligned: about 460 of 570.

    Raises:
        MissingDependencyError: if the packages or PocketSphinx are not installed.
    """
    if not SOUNDS.is_dir() or not TRANSCRIPTS.exists():
        raise MissingDependencyError(
            "recorded prompts: apt-get install asterisk-core-sounds-en asterisk-core-sounds-en-g722"
        )
    found = []
    entries = list(_transcripts())
    for i, (name, words) in enumerate(entries):
        progress(i, len(entries))
        path = SOUNDS / f"{name}.g722"
        if path.exists():
            waveform = _read_g722(path)
            segments = align(waveform, words)
            if segments:
                found.append(Utterance(waveform, segments, "asterisk/allison", words))
    progress(len(entries), len(entries))
    return found


def prompt_recordings(seconds: float = 24.0, progress: Progress = silent) -> list[Recording]:
    """The prompts, a few at a time joined to recordings of about ``seconds``."""
    recordings: list[Recording] = []
    waiting: list[Utterance] = []
    total = 0.0
    for utterance in english_prompts(progress):
        waiting.append(utterance)
        total += len(utterance.waveform) / SAMPLE_RATE
        if total >= seconds:
            recordings.append(join(waiting, [0.15] * len(waiting)))
            waiting, total = [], 0.0
    return recordings


def _transcripts() -> Iterator[tuple[str, str]]:
    with gzip.open(TRANSCRIPTS, "rt", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, colon, words = line.strip().partition(":")
            # stage directions in brackets are not spoken
            words = re.sub(r"\[.*?\]|\(.*?\)|<.*?>", " ", words).strip()
            if colon and not name.startswith(";") and words:
                yield name.strip(), words


def _read_g722(path: Path) -> Samples:
    import av

    with av.open(str(path), format="g722") as container:
        blocks = [frame.to_ndarray().ravel() for frame in container.decode(audio=0)]
    samples: Samples = np.concatenate(blocks).astype(np.float32) / 32768
    return samples

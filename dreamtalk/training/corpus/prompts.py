"""Recorded prompts with transcripts: real voices beside the synthetic ones.

Debian's ``asterisk-core-sounds-*-g722`` packages hold telephone prompts read by professional
speakers (CC BY-SA 3.0, the Russian ones CC BY 3.0).
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
from .align import align, plausible_alignment, warp_onto
from .recordings import Recording, join_utterances
from .utterance import Samples, Utterance, Voice
from .voices.engines import speak

SOUNDS = Path("/usr/share/asterisk/sounds")
TRANSCRIPTS = Path("/usr/share/doc")
SPEAKERS: dict[str, tuple[str, str]] = {
    "en": ("en_US_f_Allison", ""), "fr": ("fr_CA_f_June", "fr+f2"), "it": ("it_IT_m_Carlo",
        "it+m3"),
    "ru": ("ru_RU_f_IvrvoiceRU", "ru+f2"),
}  # fmt: skip
"""Language -> folder of the recordings, and the espeak-ng voice that is warped onto them."""
_SPELLED = re.compile(r"[0-9*#@&%$/+=]")
"""What is read out as words that the transcript does not hold."""
_KEEP = 0.85  # share of warped prompts that fit best


def prompts(language: str, progress: Progress = silent) -> list[Utterance]:
    """The prompts of a language that can be aligned.

    Raises:
        MissingDependencyError: if the packages or PocketSphinx are not installed.
    """
    folder, imitation = SPEAKERS[language]
    if not (SOUNDS / folder).is_dir():
        name = f"asterisk-core-sounds-{language}"
        raise MissingDependencyError(f"recorded prompts: apt-get install {name} {name}-g722")
    found: list[tuple[float, Utterance]] = []
    entries = list(_transcripts(language))
    label = f"asterisk/{folder.rpartition('_')[2].lower()}"
    for i, (name, words) in enumerate(entries):
        progress(i, len(entries))
        path = SOUNDS / folder / f"{name}.g722"
        if not path.exists():
            continue
        waveform, cost = _read_g722(path), 0.0
        if language == "en":
            segments = align(waveform, words)
        elif len(waveform) < 8000 or len(waveform) > 20 * SAMPLE_RATE:
            continue
        else:
            spoken = speak(Voice("espeak", imitation, language), words)
            segments, cost = warp_onto(waveform, spoken)
        if segments and plausible_alignment(waveform, segments):
            found.append((cost, Utterance(waveform, segments, label, words)))
    progress(len(entries), len(entries))
    if language == "en" or not found:
        return [u for _, u in found]
    limit = float(np.quantile([cost for cost, _ in found], _KEEP))
    return [u for cost, u in found if cost <= limit]


def prompt_recordings(
    language: str, seconds: float = 24.0, progress: Progress = silent
) -> list[Recording]:
    """The prompts, a few at a time joined to recordings of about ``seconds``."""
    recordings: list[Recording] = []
    waiting: list[Utterance] = []
    total = 0.0
    for utterance in prompts(language, progress):
        waiting.append(utterance)
        total += len(utterance.waveform) / SAMPLE_RATE
        if total >= seconds:
            recordings.append(join_utterances(waiting, [0.15] * len(waiting)))
            waiting, total = [], 0.0
    return recordings


def _transcripts(language: str) -> Iterator[tuple[str, str]]:
    folder = TRANSCRIPTS / f"asterisk-core-sounds-{language}"
    path = folder / f"core-sounds-{language}.txt.gz"
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, colon, words = line.strip().partition(":")
            # stage directions in brackets are not spoken
            words = re.sub(r"\[.*?\]|\(.*?\)|<.*?>", " ", words).strip()
            if colon and not name.startswith(";") and words and not _SPELLED.search(words):
                yield name.strip(), words


def _read_g722(path: Path) -> Samples:
    import av

    with av.open(str(path), format="g722") as container:
        blocks = [frame.to_ndarray().ravel() for frame in container.decode(audio=0)]
    samples: Samples = np.concatenate(blocks).astype(np.float32) / np.float32(32768)
    return samples

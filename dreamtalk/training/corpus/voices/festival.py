"""Festival's voices, American English and Italian: ``apt-get install festival`` and voices."""

from __future__ import annotations

import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from ....speech.speech import SAMPLE_RATE
from ..phones import from_arpabet, from_italian
from ..utterance import Utterance, Voice, segments_from_ends
from .programs import read_wav, run_program

VOICES = (
    ("voice_cmu_us_slt_arctic_hts", "en"), ("voice_ked_diphone", "en"), ("voice_kal_diphone", "en"),
    ("voice_lp_diphone", "it"), ("voice_pc_diphone", "it"),
)  # fmt: skip
_WEIGHTS = (4, 3, 3, 1, 1)


def installed() -> bool:
    """Whether the program is there."""
    return shutil.which("festival") is not None


def name_voice(rng: random.Random, voice: Voice) -> Voice:
    """One of its voices, with the settings of ``voice``."""
    name, language = rng.choices(VOICES, _WEIGHTS)[0]
    return replace(voice, name=name, language=language)


def speak(voice: Voice, text: str) -> Utterance:
    """Say a text in the voice's language.

    Raises:
        MissingDependencyError: if festival is not installed or fails.
    """
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
        run_program(["festival", "-b", str(script)])
        waveform = read_wav(wav)
        rows = [line.split() for line in lab.read_text(encoding="latin-1").splitlines()]
    to_phone = from_italian if voice.language == "it" else from_arpabet
    ends = [(to_phone(row[2]), float(row[0])) for row in rows if len(row) == 3]
    return Utterance(
        waveform, segments_from_ends(ends, len(waveform) / SAMPLE_RATE), voice.label, text
    )

"""Flite's voices (American English): ``apt-get install flite``."""

from __future__ import annotations

import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from ....speech.speech import SAMPLE_RATE
from ..phones import from_arpabet
from ..utterance import Utterance, Voice, segments_from_ends
from .programs import read_wav, run_program

VOICES = ("awb", "rms", "slt", "kal16")


def installed() -> bool:
    """Whether the program is there."""
    return shutil.which("flite") is not None


def name_voice(rng: random.Random, voice: Voice) -> Voice:
    """One of its voices, with the settings of ``voice``."""
    return replace(voice, name=rng.choice(VOICES))


def speak(voice: Voice, text: str) -> Utterance:
    """Say an English text.

    Raises:
        MissingDependencyError: if flite is not installed or fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.wav")
        shown = run_program([
            "flite", "-voice", voice.name, "--setf", f"duration_stretch={voice.rate:.3f}",
            *_pitch_options(voice),
            "-psdur", "-t", f"{text} ", "-o", str(path),
        ])  # fmt: skip
        waveform = read_wav(path)
    ends = [
        (from_arpabet(n), float(e)) for n, _, e in (w.rpartition(":") for w in shown.split()) if n
    ]
    return Utterance(
        waveform, segments_from_ends(ends, len(waveform) / SAMPLE_RATE), voice.label, text
    )


def _pitch_options(voice: Voice) -> list[str]:
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

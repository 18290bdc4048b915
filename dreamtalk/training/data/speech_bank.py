"""Recordings with the lips that our own motion model gives them, for DiffTalk to listen to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ...curves.length import hold_last
from ...difftalk.posteriors import symbol_windows
from ...errors import DreamTalkError
from ...files.atomic import atomic_write
from ...model import load_model, speech_features
from ...motion.spaces import LIP_CHANNELS
from ...progress import Progress, silent
from ...speech.loading import load_speech
from .mouth_frames import SpeechBank

_STYLES = ("neutral", "happy", "neutral", "sad")
_SOUNDS = {".wav", ".flac", ".ogg", ".mp3", ".m4a"}


def speech_bank(folder: Path, cache: Path, progress: Progress = silent) -> SpeechBank:
    """Every recording of a folder, spoken by the starter in turning styles.

    Args:
        cache: ``.npz`` that is read if it is there, and written else.

    Raises:
        DreamTalkError: if there are no recordings.
    """
    if cache.exists():
        with np.load(cache, allow_pickle=False) as saved:
            return SpeechBank(saved["lips"], saved["windows"])
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SOUNDS)
    if not paths:
        raise DreamTalkError(f"there are no recordings in '{folder}'")
    model = load_model()
    lips, windows = [], []
    for index, path in enumerate(paths):
        progress(index, len(paths))
        features = speech_features(load_speech(path), model)
        style = model.preset(_STYLES[index % len(_STYLES)])
        motion = model.sample(features, style, 10, "ddim", 1.0, index)
        heard = symbol_windows(features)
        lips.append(hold_last(motion.expression, len(heard))[:, : len(LIP_CHANNELS)])
        windows.append(heard.half())
    bank = SpeechBank(torch.cat(lips).numpy(), torch.cat(windows).numpy())
    cache.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(cache, "the speech") as part, part.open("wb") as file:
        np.savez(file, lips=bank.lips, windows=bank.windows)
    return bank

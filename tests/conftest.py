"""Inputs that several tests share: a public-domain face and speech made on the spot."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

RATE = 16_000

# One process a core (pytest -n auto) and one thread a process: threads that wait for each other on
# busy cores cost more than they bring.
torch.set_num_threads(1)
cv2.setNumThreads(1)


@pytest.fixture(scope="session")
def portrait_image() -> Tensor:
    """(264, 264, 3) float32 0..1: NASA's astronaut, head and shoulders."""
    from skimage import data

    return torch.from_numpy(data.astronaut()[0:264, 92:356].astype(np.float32) / 255)


@pytest.fixture(scope="session")
def portrait(portrait_image: Tensor):
    """The astronaut, analysed."""
    from dreamtalk.face import analyze_portrait

    return analyze_portrait(portrait_image)


@pytest.fixture(scope="session")
def speech_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wav file, 22.05 kHz mono, 2.4 s: vowel-like sounds with pauses between (see ``babble``)."""
    import wave

    path = tmp_path_factory.mktemp("speech") / "babble.wav"
    rate = 22_050
    samples = (babble(2.4, rate) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus with both splits, of the built-in formant voice: for each file its own."""
    from dreamtalk.training.corpus.recordings import build_corpus

    folder = tmp_path_factory.mktemp("corpus")
    for split in ("train", "test"):
        build_corpus(folder, 0.01, split=split, engines=("formant",), seconds=4.2)
    return folder


def babble(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Formant synthesis of "ama ama": a buzz through two resonances that open and close.

    (N,) float64 in -1..1; the amplitude is near zero three times a second.
    """
    time = np.arange(int(seconds * rate)) / rate
    pitch = 120 + 15 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    openness = np.clip(np.sin(2 * np.pi * 1.5 * time) * 1.5, 0, 1) ** 2
    wave = np.zeros_like(time)
    for harmonic in range(1, 30):
        frequency = harmonic * pitch
        first, second = 350 + 400 * openness, 1100 + 200 * openness
        gain = sum(1 / (1 + ((frequency - f) / 90) ** 2) for f in (first, second, 2500))
        wave += gain * np.sin(harmonic * phase) / harmonic**0.5
    noise = np.random.default_rng(seed).standard_normal(len(time)) * 0.002
    wave = wave * (0.02 + openness) + noise
    return 0.5 * wave / np.abs(wave).max()

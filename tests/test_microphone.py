"""The example with a microphone and a window."""

from __future__ import annotations

import runpy
import sys
import types
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dreamtalk.face.image import load_image
from dreamtalk.speech import SAMPLE_RATE, load_speech


def test_the_example_of_a_microphone(monkeypatch: pytest.MonkeyPatch, speech_wav: Path) -> None:
    """With a recording in the place of the microphone and no screen."""
    shown: list[np.ndarray] = []

    class Microphone:
        def __init__(self, rate: int, blocksize: int, callback: Any, **settings: Any) -> None:
            samples = load_speech(speech_wav, duration=1.0).waveform.numpy()[:, None]
            assert rate == SAMPLE_RATE
            for at in range(0, len(samples), blocksize):
                callback(samples[at : at + blocksize], blocksize, None, None)

        def __enter__(self) -> Microphone:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def show(window: str, frame: np.ndarray) -> None:
        shown.append(frame)

    monkeypatch.setitem(sys.modules, "sounddevice", types.SimpleNamespace(InputStream=Microphone))
    monkeypatch.setattr(cv2, "imshow", show)
    monkeypatch.setattr(cv2, "waitKey", lambda _: ord("q") if len(shown) == 20 else -1)
    portrait = Path(__file__).parents[1] / "samples" / "portrait.png"
    monkeypatch.setattr(sys, "argv", ["microphone.py", str(portrait), "--emotion", "happy"])
    runpy.run_path(str(portrait.with_name("microphone.py")), run_name="__main__")
    assert len(shown) == 20
    still = load_image(portrait).numpy()[..., ::-1] * 255
    assert shown[0].shape == still.shape
    assert np.abs(shown[-1] - still).mean() < 25  # blue and red are where a window has them
    assert not np.array_equal(shown[5], shown[-1])

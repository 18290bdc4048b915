"""A portrait that says what the microphone hears, in a window: a picture file and 50 lines.

    pip install sounddevice
    python microphone.py portrait.png [--emotion happy]

The face is late by the look-ahead and by what a frame takes, about a quarter of a second. Escape or
q ends it. docs/streaming.md explains the talker.
"""

from __future__ import annotations

import argparse
import queue
from typing import Any

import cv2
import numpy as np
import sounddevice

import dreamtalk as dt
from dreamtalk.speech import SAMPLE_RATE

ENDS = (ord("q"), 27)
WINDOW = "DreamTalk"


def show(talker: dt.Talker, heard: queue.Queue[np.ndarray]) -> int:
    """Show frames until the window is closed or nothing is heard any more: their number."""
    shown = 0
    while True:
        pieces = [heard.get(timeout=5.0)]
        while not heard.empty():  # what came in while the last frames were made
            pieces.append(heard.get())
        frames = talker.push(np.concatenate(pieces)).numpy()
        for frame in frames:
            cv2.imshow(WINDOW, frame[..., ::-1])
            shown += 1
            if cv2.waitKey(1) & 0xFF in ENDS:
                return shown


def main() -> None:
    """Open the microphone and the window."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("portrait")
    parser.add_argument("--emotion", default="neutral")
    args = parser.parse_args()
    model = dt.load_model()
    renderer = dt.open_renderer("mesh", dt.analyze_portrait(dt.load_image(args.portrait)))
    talker = dt.Talker(model, renderer, model.preset(args.emotion))
    heard: queue.Queue[np.ndarray] = queue.Queue()

    def hear(samples: np.ndarray, count: int, time: Any, status: Any) -> None:
        heard.put(samples[:, 0].copy())

    with sounddevice.InputStream(SAMPLE_RATE, blocksize=SAMPLE_RATE // 50, channels=1,
                                 dtype="float32", callback=hear):  # fmt: skip
        show(talker, heard)


if __name__ == "__main__":
    main()

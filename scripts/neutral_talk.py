"""Write ``dreamtalk/assets/neutral_talk.npz``: five seconds of an average talker who shows nothing.

    python -m scripts.neutral_talk

The rules of the training act sentences of the built-in formant synthesizer, so that the file can be
made anew anywhere.
"""

from __future__ import annotations

import random

import numpy as np
import torch

from dreamtalk.model.picture_style import NEUTRAL_TALK
from dreamtalk.motion.motion import Motion
from dreamtalk.speech.speech import FPS
from dreamtalk.training.corpus.recordings import make_recording
from dreamtalk.training.rules.compose import SpeakingStyle, gestural_score, styled_motion

FRAMES, FIRST = 128, 25


def main() -> None:
    """Act and write."""
    recording = make_recording(0, 0, ("formant",), "train", seconds=8.0)
    score = gestural_score(recording.segments, recording.waveform, FIRST + FRAMES)
    acted = styled_motion(score, SpeakingStyle(restless=0.0), random.Random(0).randrange(99))
    expression = torch.from_numpy(acted[FIRST:].astype(np.float16).astype(np.float32))
    Motion(expression, torch.zeros(FRAMES, 6), FPS, "face").save(NEUTRAL_TALK)
    print(f"{NEUTRAL_TALK}: {FRAMES} frames, {NEUTRAL_TALK.stat().st_size} bytes")


if __name__ == "__main__":
    main()

"""What DiffTalk hears at each frame of a motion."""

from __future__ import annotations

import torch
from torch import Tensor

from ...difftalk.deepspeech import audio_windows
from ...difftalk.posteriors import symbol_rows
from ...errors import DreamTalkError
from ...motion.motion import Motion
from ...speech.speech import FPS, Features


def speech_windows(motion: Motion, features: Features | None) -> Tensor:
    """What the audio network hears at each frame of a motion: (T, 8, 16, 29).

    Raises:
        DreamTalkError: without speech.
        SpaceMismatchError: on features that tell no symbols.
    """
    if features is None:
        raise DreamTalkError(
            "DiffTalk paints from speech here, but there is none: render together with the speech"
        )
    windows = audio_windows(symbol_rows(features), "the speech")
    times = torch.arange(len(motion)) / motion.fps
    return windows[(times * FPS).round().long().clamp(max=len(windows) - 1)]

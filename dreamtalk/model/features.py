"""Speech into the feature rows that a checkpoint was trained on."""

from __future__ import annotations

import torch

from ..errors import SpaceMismatchError
from ..progress import Progress, silent
from ..speech.speech import Features, Speech
from .model import OFFICIAL_FEATURES, DreamTalkModel


def speech_features(speech: Speech, model: DreamTalkModel, progress: Progress = silent) -> Features:
    """Extract the features that ``model`` takes.

    A checkpoint that brings its own speech encoder (the starter) uses it. The official checkpoint
    takes wav2vec2 rows, which need the ``transformers`` package and its weights.

    Args:
        speech: 16 kHz mono.
        model: the checkpoint.
        progress: told in chunks of the recording.

    Returns:
        rows (R, D) at 50 Hz on the CPU.

    Raises:
        SpaceMismatchError: if no extractor for that kind of features is known.
        MissingDependencyError, ModelNotFoundError: if wav2vec2 is needed and is not there.
    """
    if model.speech_encoder is not None:
        with torch.no_grad():
            rows = model.speech_encoder.encode(speech.waveform, progress=progress)
        return Features(rows.float().cpu(), model.feature_kind)
    if model.feature_kind == OFFICIAL_FEATURES:
        from ..speech.wav2vec import wav2vec_features

        return wav2vec_features(speech, device=model.device, progress=progress)
    raise SpaceMismatchError(
        f"the checkpoint '{model.name}' wants speech features of the kind '{model.feature_kind}', "
        "which nothing here makes"
    )

"""Speech into the feature rows that a checkpoint was trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from ..errors import SpaceMismatchError
from ..progress import Progress, silent
from ..speech.speech import Features, Speech
from .model import OFFICIAL_FEATURES, DreamTalkModel


class FeatureExtractor(Protocol):
    """What hears a recording: 50 feature rows a second."""

    @property
    def kind(self) -> str:
        """What its rows are called; checkpoints say which kind they take."""
        ...

    def encode(self, speech: Speech, progress: Progress = silent) -> Features:
        """Rows (R, D) float32 on the CPU."""
        ...


class OwnEncoder:
    """The speech encoder that a checkpoint brings along, as the starter does."""

    def __init__(self, model: DreamTalkModel) -> None:
        self.kind, self._encoder = model.feature_kind, model.speech_encoder

    @torch.no_grad()
    def encode(self, speech: Speech, progress: Progress = silent) -> Features:
        """Rows of the encoder."""
        assert self._encoder is not None
        rows = self._encoder.encode(speech.waveform, progress=progress)
        return Features(rows.float().cpu(), self.kind)


class Wav2Vec2:
    """The wav2vec2 that the published checkpoint was trained on; needs ``transformers``."""

    kind = OFFICIAL_FEATURES

    def __init__(self, model: DreamTalkModel) -> None:
        self._device = model.device

    def encode(self, speech: Speech, progress: Progress = silent) -> Features:
        """Rows of wav2vec2's last layer."""
        from ..speech.wav2vec import wav2vec_features

        return wav2vec_features(speech, device=self._device, progress=progress)


EXTRACTORS: dict[str, Callable[[DreamTalkModel], FeatureExtractor]] = {OFFICIAL_FEATURES: Wav2Vec2}
"""By the kind of features, for checkpoints that bring no encoder of their own."""


def feature_extractor(model: DreamTalkModel) -> FeatureExtractor:
    """What makes the features that a checkpoint takes.

    Raises:
        SpaceMismatchError: if nothing here makes that kind.
    """
    if model.speech_encoder is not None:
        return OwnEncoder(model)
    if model.feature_kind not in EXTRACTORS:
        raise SpaceMismatchError(
            f"the checkpoint '{model.name}' wants speech features of the kind "
            f"'{model.feature_kind}', which nothing here makes"
        )
    return EXTRACTORS[model.feature_kind](model)


def speech_features(speech: Speech, model: DreamTalkModel, progress: Progress = silent) -> Features:
    """Extract the features that ``model`` takes.

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
    return feature_extractor(model).encode(speech, progress)

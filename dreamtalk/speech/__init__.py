"""Speech: loading, features, windows."""

from .loading import load_speech, normalize_loudness, speech_from_waveform
from .logmel import log_mel
from .speech import FEATURE_RATE, FPS, SAMPLE_RATE, Features, Speech

__all__ = [
    "FEATURE_RATE",
    "FPS",
    "SAMPLE_RATE",
    "Features",
    "Speech",
    "load_speech",
    "log_mel",
    "normalize_loudness",
    "speech_from_waveform",
]

"""Speech: loading, features, windows."""

from .speech import FEATURE_RATE, FPS, SAMPLE_RATE, Features, Speech

__all__ = ["FEATURE_RATE", "FPS", "SAMPLE_RATE", "Features", "Speech"]

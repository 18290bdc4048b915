"""The motion model: speech features and a style -> motion, by DreamTalk's denoising network."""

from .features import speech_features
from .file import STARTER, STARTER_FILE, load_model
from .model import OFFICIAL_FEATURES, Calibration, DreamTalkModel

__all__ = [
    "OFFICIAL_FEATURES",
    "STARTER",
    "STARTER_FILE",
    "Calibration",
    "DreamTalkModel",
    "load_model",
    "speech_features",
]

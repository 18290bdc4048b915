"""The motion model: speech features and a style -> motion, by DreamTalk's denoising network."""

from .calibration import Calibration
from .features import speech_features
from .file import STARTER, STARTER_FILE, load_model, save_model
from .model import OFFICIAL_FEATURES, DreamTalkModel

__all__ = [
    "OFFICIAL_FEATURES",
    "STARTER",
    "STARTER_FILE",
    "Calibration",
    "DreamTalkModel",
    "load_model",
    "save_model",
    "speech_features",
]

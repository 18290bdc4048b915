"""Facial motion as a value: spaces, files, editing, tracking."""

from .motion import HEAD_CHANNELS, Motion
from .spaces import ARKIT, BFM, FACE, LIP_CHANNELS, SPACES, UPPER_CHANNELS, MotionSpace, space

__all__ = [
    "ARKIT",
    "BFM",
    "FACE",
    "HEAD_CHANNELS",
    "LIP_CHANNELS",
    "SPACES",
    "UPPER_CHANNELS",
    "Motion",
    "MotionSpace",
    "space",
]

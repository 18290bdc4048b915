"""Samples in, frames out: a face that talks while the speech is still being said."""

from .stream import MotionStream, StreamSettings
from .talker import Talker

__all__ = ["MotionStream", "StreamSettings", "Talker"]

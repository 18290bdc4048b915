"""The typed sockets of the pack, and what travels on them.

Values are the library's own frozen dataclasses, on the CPU. Networks travel with their host, which
knows how to bring them to the compute device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comfy_api.latest import io

from .runtime import Hosted

DTModel = io.Custom("DT_MODEL")  # LoadedModel
DTFeatures = io.Custom("DT_FEATURES")  # dreamtalk.speech.speech.Features
DTStyle = io.Custom("DT_STYLE")  # dreamtalk.style.style.Style
DTMotion = io.Custom("DT_MOTION")  # dreamtalk.motion.motion.Motion
DTPortrait = io.Custom("DT_PORTRAIT")  # dreamtalk.face.portrait.Portrait
DTFaces = io.Custom("DT_FACES")  # tuple of AnimatedFace
DTRenderer = io.Custom("DT_RENDERER")  # LoadedRenderer


@dataclass(frozen=True)
class LoadedModel:
    """A denoising checkpoint with its place in memory."""

    model: Any
    host: Hosted
    name: str


@dataclass(frozen=True)
class AnimatedFace:
    """One more face of a picture, and what it does."""

    portrait: Any
    motion: Any


@dataclass(frozen=True)
class LoadedRenderer:
    """A neural renderer with its place in memory, and how it is to be used."""

    network: Any
    host: Hosted
    name: str
    options: Mapping[str, Any]

"""The typed sockets of the pack, and what travels on them.

Values are the library's own frozen dataclasses, on the CPU:

- DT_FEATURES: ``Features``, rows (R, D) at 50 Hz
- DT_STYLE: ``Style``, a code (d,) or (T, d) of one checkpoint
- DT_MOTION: ``Motion``, expression (T, C) and head (T, 6)
- DT_PORTRAIT: ``Portrait``, a picture (H, W, 3) and its 478 landmarks
- DT_FACES: a tuple of :class:`AnimatedFace`

Networks travel with their host, which knows how to bring them to the compute device:

- DT_MODEL: :class:`HostedModel`
- DT_RENDERER: :class:`HostedRenderer`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfy_api.latest import io

from .runtime import ModelHost

if TYPE_CHECKING:
    from ..dreamtalk.face.portrait import Portrait
    from ..dreamtalk.model import DreamTalkModel
    from ..dreamtalk.motion.motion import Motion
    from ..dreamtalk.render.registry import LoadedRenderer

DTModel = io.Custom("DT_MODEL")
DTFeatures = io.Custom("DT_FEATURES")
DTStyle = io.Custom("DT_STYLE")
DTMotion = io.Custom("DT_MOTION")
DTPortrait = io.Custom("DT_PORTRAIT")
DTFaces = io.Custom("DT_FACES")
DTRenderer = io.Custom("DT_RENDERER")

# ComfyUI's own, as plain sockets: versions before 2026 don't name them
BoundingBox = io.Custom("BOUNDING_BOX")
FaceLandmarks = io.Custom("FACE_LANDMARKS")
Curve = io.Custom("CURVE")


@dataclass(frozen=True)
class HostedModel:
    """A denoising checkpoint with its place in memory."""

    model: DreamTalkModel
    host: ModelHost
    name: str


@dataclass(frozen=True)
class AnimatedFace:
    """One more face of a picture, and what it does."""

    portrait: Portrait
    motion: Motion


@dataclass(frozen=True)
class HostedRenderer:
    """A renderer that is ready for portraits, with its place in memory."""

    loaded: LoadedRenderer
    host: ModelHost

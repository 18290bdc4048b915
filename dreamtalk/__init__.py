"""DreamTalk and DiffTalk talking heads as a plain PyTorch library.

The data's way through the package is straight: speech -> features -> motion -> frames.
Nothing here imports ComfyUI; ``nodes/`` does, and is a thin surface over this package.

    import dreamtalk as dt

    dt.talk(dt.Talk.of("portrait.png", "speech.wav", "talk.mp4", emotion="happy"))

or step by step with the other names below, which are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from .face.analysis import analyze_portrait
    from .face.image import load_image
    from .model import load_model
    from .pipeline import Talk, animate, render_video, talk
    from .render.registry import open_renderer
    from .render.video import Sound
    from .speech.loading import load_speech
    from .streaming.talker import Talker

__all__ = [
    "Sound",
    "Talk",
    "Talker",
    "analyze_portrait",
    "animate",
    "load_image",
    "load_model",
    "load_speech",
    "open_renderer",
    "render_video",
    "talk",
]

_HOMES = {
    "Sound": "render.video",
    "Talk": "pipeline",
    "Talker": "streaming.talker",
    "analyze_portrait": "face.analysis",
    "animate": "pipeline",
    "load_image": "face.image",
    "load_model": "model",
    "load_speech": "speech.loading",
    "open_renderer": "render.registry",
    "render_video": "pipeline",
    "talk": "pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])

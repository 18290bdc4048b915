"""ComfyUI-DreamTalk: talking heads with emotion, from a portrait and a recording.

This file is what ComfyUI loads. Everything else can be used without ComfyUI: the library is in
``dreamtalk/``. Importing this file outside ComfyUI (pytest, packaging tools) does nothing.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

WEB_DIRECTORY = "./web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]

if find_spec("folder_paths") is not None and find_spec("comfy_api") is not None:
    from .nodes.runtime import register_model_folders

    register_model_folders()


async def comfy_entrypoint() -> Any:
    """Called by ComfyUI: the extension with all nodes."""
    from .nodes import DreamTalkExtension
    from .nodes.runtime import provide_examples

    provide_examples()
    return DreamTalkExtension()

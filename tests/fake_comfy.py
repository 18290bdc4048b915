"""A thin stand-in for ComfyUI's ``comfy_api.latest``, for tests without ComfyUI.

Only what the nodes of this pack use: schemas that remember what they were given, and outputs. It
has none of ComfyUI's other modules, so the plain fallbacks of ``nodes/runtime.py`` are tested too.
"""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any


class Input:
    def __init__(self, id: str, **settings: Any) -> None:
        self.id = id
        self.settings = settings
        self.optional = bool(settings.get("optional"))
        self.tooltip = settings.get("tooltip")
        self.default = settings.get("default")
        self.options = settings.get("options")


class Output:
    def __init__(self, id: str | None = None, **settings: Any) -> None:
        self.id = id
        self.display_name = settings.get("display_name")
        self.tooltip = settings.get("tooltip")


def custom(name: str) -> type:
    """A socket or widget type."""
    members = {
        "Input": type("Input", (Input,), {"io_type": name}),
        "Output": type("Output", (Output,), {"io_type": name}),
    }
    return type(name, (), members)


@dataclass
class Schema:
    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    hidden: list[Any] = field(default_factory=list)
    description: str = ""
    is_output_node: bool = False


class ComfyNode:
    hidden: Any = None

    @classmethod
    def GET_SCHEMA(cls) -> Schema:
        return cls.define_schema()  # type: ignore[attr-defined]


class NodeOutput:
    def __init__(self, *args: Any, ui: Any = None) -> None:
        self.args = args
        self.ui = ui


class Hidden(Enum):
    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"


class ComfyExtension:
    pass


class VideoFromFile:
    def __init__(self, file: str) -> None:
        self.file = file

    def get_stream_source(self) -> str:
        return self.file


class _Preview:
    def __init__(self, value: Any, cls: Any = None, **settings: Any) -> None:
        self.value = value


_TYPES = {
    "Image": "IMAGE",
    "Mask": "MASK",
    "Audio": "AUDIO",
    "Video": "VIDEO",
    "AudioEncoderOutput": "AUDIO_ENCODER_OUTPUT",
    "Int": "INT",
    "Float": "FLOAT",
    "String": "STRING",
    "Boolean": "BOOLEAN",
    "Combo": "COMBO",
}


def install() -> None:
    """Make ``import comfy_api.latest`` work."""
    io = types.SimpleNamespace(
        Schema=Schema,
        ComfyNode=ComfyNode,
        NodeOutput=NodeOutput,
        Hidden=Hidden,
        Custom=custom,
        FolderType=types.SimpleNamespace(output="output", temp="temp"),
        **{name: custom(kind) for name, kind in _TYPES.items()},
    )
    latest = types.ModuleType("comfy_api.latest")
    latest.io = io  # type: ignore[attr-defined]
    latest.ui = types.SimpleNamespace(  # type: ignore[attr-defined]
        PreviewImage=_Preview, PreviewVideo=_Preview, PreviewAudio=_Preview, PreviewText=_Preview
    )
    latest.ComfyExtension = ComfyExtension  # type: ignore[attr-defined]
    latest.InputImpl = types.SimpleNamespace(  # type: ignore[attr-defined]
        VideoFromFile=VideoFromFile
    )
    package = types.ModuleType("comfy_api")
    package.__path__ = [str(Path(__file__).parent / "no_such_folder")]
    package.latest = latest  # type: ignore[attr-defined]
    sys.modules["comfy_api"] = package
    sys.modules["comfy_api.latest"] = latest

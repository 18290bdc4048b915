"""A thin stand-in for ComfyUI, for tests without it: only what the nodes of this pack use.

``comfy_api.latest`` has schemas that remember what they were given, and outputs; ``folder_paths``
works on real folders; ``comfy`` computes on the CPU and is never cancelled.
"""

from __future__ import annotations

import sys
import types
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from importlib.machinery import ModuleSpec
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
        self.is_output_list = bool(settings.get("is_output_list"))


def custom(name: str) -> type:
    """A socket or widget type."""
    members = {
        "Input": type("Input", (Input,), {"io_type": name}),
        "Output": type("Output", (Output,), {"io_type": name}),
    }
    return type(name, (), members)


class Autogrow:
    """Sockets that grow, with names of their own, as since ComfyUI 0.8."""

    class TemplateNames:
        def __init__(self, input: Input, names: list[str], min: int = 1) -> None:
            self.input, self.names, self.min = input, names, min

    class Input(Input):
        io_type = "COMFY_AUTOGROW_V3"


class CurveInput:
    """A curve as a list of points, as since ComfyUI 0.33."""

    def __init__(self, points: list[tuple[float, float]]) -> None:
        self.points = points

    @staticmethod
    def from_raw(data: Any) -> CurveInput:
        return data if isinstance(data, CurveInput) else CurveInput(data["points"])

    def interp_array(self, places: Any) -> Any:
        import numpy as np

        return np.interp(places, *np.array(self.points, dtype=float).T)


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


class VideoInput(ABC):
    """What is abstract in ComfyUI 0.33, and before."""

    @abstractmethod
    def get_components(self) -> Any: ...

    @abstractmethod
    def save_to(
        self, path: Any, format: Any = "auto", codec: Any = "auto", **more: Any
    ) -> None: ...

    @abstractmethod
    def as_trimmed(self, start_time: float, duration: float, strict_duration: bool) -> Any: ...


@dataclass
class VideoComponents:
    images: Any
    frame_rate: Any
    audio: Any = None


class VideoContainer(str, Enum):
    AUTO = "auto"
    MP4 = "mp4"
    MKV = "mkv"
    WEBM = "webm"


class VideoCodec(str, Enum):
    AUTO = "auto"
    H264 = "h264"
    AV1 = "av1"


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


def _module(name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__path__ = [str(Path(__file__).parent / "no_such_folder")]
    module.__spec__ = ModuleSpec(name, None)
    for key, value in members.items():
        setattr(module, key, value)
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
    return module


class FolderPaths(types.ModuleType):
    """ComfyUI's ``folder_paths`` on the folders input, output, temp and models below a base."""

    def __init__(self, base: Path) -> None:
        super().__init__("folder_paths")
        self.__spec__ = ModuleSpec("folder_paths", None)
        self.use(base)

    def use(self, base: Path) -> None:
        self.base = base
        self.models_dir = str(base / "models")
        self.folder_names_and_paths: dict[str, tuple[list[str], set[str]]] = {
            name: ([str(base / "models" / name)], set()) for name in ("dreamtalk", "audio_encoders")
        }

    def add_model_folder_path(self, name: str, path: str) -> None:
        folders = self.folder_names_and_paths.setdefault(name, ([], set()))[0]
        if path not in folders:
            folders.append(path)

    def get_filename_list(self, name: str) -> list[str]:
        found: set[str] = set()
        for folder in map(Path, self.folder_names_and_paths[name][0]):
            found |= {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        return sorted(found)

    def get_full_path(self, name: str, file: str) -> str | None:
        folders = map(Path, self.folder_names_and_paths[name][0])
        return next((str(f / file) for f in folders if (f / file).is_file()), None)

    def get_full_path_or_raise(self, name: str, file: str) -> str:
        found = self.get_full_path(name, file)
        if found is None:
            raise FileNotFoundError(file)
        return found

    def get_input_directory(self) -> str:
        return str(self.base / "input")

    def get_output_directory(self) -> str:
        return str(self.base / "output")

    def get_temp_directory(self) -> str:
        return str(self.base / "temp")

    def get_annotated_filepath(self, name: str) -> str:
        for kind in ("output", "input", "temp"):
            if name.endswith(f" [{kind}]"):
                return str(self.base / kind / name.removesuffix(f" [{kind}]"))
        return str(self.base / "input" / name)

    def get_save_image_path(self, prefix: str, folder: str) -> tuple[str, str, int, str, str]:
        base = Path(folder) / prefix
        if not base.resolve().is_relative_to(Path(folder).resolve()):
            raise ValueError("saving outside the output folder is not allowed")
        base.parent.mkdir(parents=True, exist_ok=True)
        counter = 1 + sum(1 for p in base.parent.iterdir() if p.name.startswith(base.name + "_"))
        return str(base.parent), base.name, counter, str(Path(prefix).parent), prefix


class ProgressBar:
    def __init__(self, total: int, node_id: str | None = None) -> None:
        self.total, self.moves = total, 0

    def update_absolute(self, value: int, total: int, preview: Any = None) -> None:
        self.moves += 1


class InterruptProcessingException(Exception):
    pass


class ProgressState:
    def finish_progress(self, node_id: str) -> None:
        pass


class ModelPatcher:
    def __init__(self, model: Any, load_device: Any, offload_device: Any) -> None:
        self.model, self.load_device, self.offload_device = model, load_device, offload_device


def _install_comfy(base: Path) -> None:
    import torch

    sys.modules["folder_paths"] = FolderPaths(base)
    _module("comfy")
    _module("comfy.utils", ProgressBar=ProgressBar)
    _module("comfy_execution")
    _module("comfy_execution.progress", get_progress_state=ProgressState)
    _module("comfy.model_patcher", ModelPatcher=ModelPatcher)
    _module(
        "comfy.model_management",
        get_torch_device=lambda: torch.device("cpu"),
        unet_offload_device=lambda: torch.device("cpu"),
        load_models_gpu=lambda models, **settings: None,
        throw_exception_if_processing_interrupted=lambda: None,
        InterruptProcessingException=InterruptProcessingException,
        get_free_memory=lambda device: 8 << 30,
    )


def install(base: Path) -> None:
    """Make ComfyUI's modules importable; their folders are below ``base``."""
    _install_comfy(base)
    io = types.SimpleNamespace(
        Schema=Schema,
        ComfyNode=ComfyNode,
        NodeOutput=NodeOutput,
        Hidden=Hidden,
        Custom=custom,
        Autogrow=Autogrow,
        Curve=custom("CURVE"),
        FolderType=types.SimpleNamespace(output="output", temp="temp"),
        **{name: custom(kind) for name, kind in _TYPES.items()},
    )
    _module("comfy_api")
    _module("comfy_api.input", CurveInput=CurveInput)
    _module(
        "comfy_api.latest",
        io=io,
        ui=types.SimpleNamespace(
            PreviewImage=_Preview, PreviewVideo=_Preview, PreviewAudio=_Preview,
            PreviewText=_Preview,
        ),
        ComfyExtension=ComfyExtension,
        Input=types.SimpleNamespace(Video=VideoInput),
        Types=types.SimpleNamespace(
            VideoComponents=VideoComponents, VideoContainer=VideoContainer, VideoCodec=VideoCodec
        ),
        InputImpl=types.SimpleNamespace(VideoFromFile=VideoFromFile),
    )  # fmt: skip

"""Loads the pack for tests the way ComfyUI does: from its folder's path, under a name of its own.

With ``COMFYUI_DIR`` set (and ComfyUI's requirements installed) the real ComfyUI is used, on the
CPU; otherwise the stand-in of ``fake_comfy``.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[1]
PACK = "dreamtalk_pack"
COMFYUI_DIR = os.environ.get("COMFYUI_DIR")


def _load_file(name: str, path: Path, **kwargs: Any) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path, **kwargs)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_pack() -> ModuleType:
    """The pack's root module, loaded once."""
    if PACK in sys.modules:
        return sys.modules[PACK]
    if COMFYUI_DIR:
        sys.path.append(COMFYUI_DIR)
        from comfy.cli_args import args  # type: ignore[import-not-found]

        args.cpu = True
    else:
        base = Path(tempfile.mkdtemp(prefix="dreamtalk_comfy_"))
        atexit.register(shutil.rmtree, base, ignore_errors=True)
        for kind in ("input", "output", "temp", "models/dreamtalk"):
            (base / kind).mkdir(parents=True)
        _load_file("fake_comfy", Path(__file__).with_name("fake_comfy.py")).install(base)
    return _load_file(PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])


def use_folders(base: Path, patch: pytest.MonkeyPatch) -> None:
    """Let ComfyUI's folders be those below ``base`` (input, output, temp, models/dreamtalk)."""
    import folder_paths  # type: ignore[import-not-found]

    for kind in ("input", "output", "temp", "models/dreamtalk"):
        (base / kind).mkdir(parents=True, exist_ok=True)
    if not COMFYUI_DIR:
        for name in ("base", "models_dir", "folder_names_and_paths"):
            patch.setattr(folder_paths, name, getattr(folder_paths, name))  # put back afterwards
        folder_paths.use(base)
        return
    for kind in ("input", "output", "temp"):
        patch.setattr(folder_paths, f"{kind}_directory", str(base / kind))
    models = ([str(base / "models" / "dreamtalk")], {".safetensors", ".pth"})
    patch.setitem(folder_paths.folder_names_and_paths, "dreamtalk", models)
    folder_paths.filename_list_cache.pop("dreamtalk", None)


def node_classes() -> dict[str, Any]:
    """Node id -> class, as ComfyUI would register them."""

    async def collect() -> list[Any]:
        extension = await load_pack().comfy_entrypoint()
        return await extension.get_node_list()

    return {cls.GET_SCHEMA().node_id: cls for cls in asyncio.run(collect())}


def run_node(node_id: str, **inputs: Any) -> tuple[Any, ...]:
    """Execute a node under inference mode with its defaults for what is not given.

    A list of one output is that output, as ComfyUI hands it on.
    """
    import torch

    cls = node_classes()[node_id]
    values = {
        i.id: i.default
        for i in cls.GET_SCHEMA().inputs
        if not i.optional and getattr(i, "default", None) is not None
    }
    with torch.inference_mode():
        outputs = cls.execute(**(values | inputs)).args
    lists = [output.is_output_list for output in cls.GET_SCHEMA().outputs]
    return tuple(
        value[0] if many and len(value) == 1 else value
        for value, many in zip(outputs, lists, strict=False)
    )

"""Graphs of other DreamTalk packs: what ComfyUI is told about their nodes."""

from __future__ import annotations

import asyncio
import sys
import types
from typing import Any

import pytest

from tests.comfy_pack import COMFYUI_DIR, PACK, load_pack, node_classes

NODES = node_classes()
replacements = sys.modules[f"{PACK}.nodes.replacements"]
TABLE = replacements.REPLACEMENTS


async def load_extension() -> None:
    extension = await load_pack().comfy_entrypoint()
    await extension.on_load()


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.old)
def test_replacements_fit_the_nodes(one: Any) -> None:
    """ComfyUI would set an input that isn't there without a word."""
    assert one.old not in NODES
    schema = NODES[one.new].GET_SCHEMA()
    inputs = {item.id: item for item in schema.inputs}
    assert not set(one.inputs) & set(one.values)
    assert set(one.inputs) | set(one.values) <= set(inputs)
    for name, old in one.inputs.items():
        is_widget = inputs[name].io_type in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
        assert (old in one.widgets) == is_widget, name
    for name, value in one.values.items():
        options = getattr(inputs[name], "options", None)
        assert value in options if options else isinstance(value, int | float)
    assert all(place < len(schema.outputs) for place in one.outputs.values())


@pytest.mark.skipif(COMFYUI_DIR is not None, reason="the real ComfyUI keeps its own register")
def test_registered_where_comfyui_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []

    async def register(one: dict[str, Any]) -> None:
        told.append(one)

    class ComfyAPI:
        node_replacement = types.SimpleNamespace(register=register)

    monkeypatch.setattr(replacements.latest, "ComfyAPI", ComfyAPI, raising=False)
    monkeypatch.setattr(replacements.latest.io, "NodeReplace", dict, raising=False)
    asyncio.run(load_extension())
    assert [one["old_node_id"] for one in told] == [one.old for one in TABLE]
    talk = next(one for one in told if one["old_node_id"] == "D_DreamTalk")
    assert talk["new_node_id"] == "DreamTalkTalk"
    # where widgets_values of a saved graph holds the guidance scale
    assert talk["old_widget_ids"].index("cfg_scale") == 3
    assert {"new_id": "intensity", "old_id": "cfg_scale"} in talk["input_mapping"]
    assert {"new_id": "emotion", "set_value": "neutral"} in talk["input_mapping"]
    assert talk["output_mapping"] == [{"new_idx": 0, "old_idx": 0}]


@pytest.mark.skipif(COMFYUI_DIR is not None, reason="the real ComfyUI may know replacements")
def test_older_comfyuis_load_without_them() -> None:
    assert not hasattr(replacements.latest.io, "NodeReplace")
    asyncio.run(load_extension())

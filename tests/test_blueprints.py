"""The subgraph blueprints: what they hold is what the nodes have, and all links lead somewhere."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.comfy_pack import ROOT, node_classes

NODES = node_classes()
FILES = sorted((ROOT / "subgraphs").glob("*.json"))
INSIDE, OUTSIDE = -10, -20

every_blueprint = pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)


def parts(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[int, dict[str, Any]]]:
    """The one node, the definition of what is in it, and the nodes in it by number."""
    graph = json.loads(path.read_text(encoding="utf-8"))
    (node,) = graph["nodes"]
    (definition,) = graph["definitions"]["subgraphs"]
    return node, definition, {inner["id"]: inner for inner in definition["nodes"]}


def test_the_four_are_there_and_up_to_date() -> None:
    """If this fails: python -m scripts.blueprints"""
    from scripts.blueprints import BLUEPRINTS
    from scripts.graphs import for_subgraphs

    made = {plan.name: for_subgraphs(plan) for plan in (make() for make in BLUEPRINTS)}
    assert set(made) == {path.stem for path in FILES}
    assert set(made) == {"Talking portrait", "Two people", "Copy a performance", "Dub a video"}
    for path in FILES:
        assert json.loads(path.read_text(encoding="utf-8")) == made[path.stem]


@every_blueprint
def test_the_one_node_shows_what_the_definition_takes(path: Path) -> None:
    node, definition, inner = parts(path)
    assert node["type"] == definition["id"] == str(uuid.UUID(definition["id"]))
    assert node["title"] == definition["name"] == path.stem
    assert definition["description"].endswith(".")
    assert node["id"] not in inner
    for side in ("inputs", "outputs"):
        shown = [(item["name"], item["type"]) for item in node[side]]
        assert shown == [(item["name"], item["type"]) for item in definition[side]]
        assert len({name for name, _ in shown}) == len(shown)
    for number, name in node["properties"]["proxyWidgets"]:
        # control_after_generate can't be one: the editor complains of it in the console
        schema = NODES[inner[int(number)]["type"]].GET_SCHEMA()
        assert name in {item.id for item in schema.inputs}
        assert {"name": name} in [item.get("widget") for item in node["inputs"]]


@every_blueprint
def test_nodes_are_as_their_schemas(path: Path) -> None:
    for node in parts(path)[2].values():
        schema = NODES[node["type"]].GET_SCHEMA()
        types = {item.id: item.io_type for item in schema.inputs}
        for item in node["inputs"]:
            assert types[item["name"]] == item["type"], f"{node['type']}.{item['name']}"
        outputs = [(item["name"], item["type"]) for item in node["outputs"]]
        assert outputs == [(out.display_name, out.io_type) for out in schema.outputs]
        linked = {item["name"] for item in node["inputs"] if item["link"] is not None}
        sockets = {item["name"] for item in node["inputs"]}
        asked = {item.id for item in schema.inputs if not item.optional}
        assert asked & sockets <= linked, "an input without which the node can't run"


@every_blueprint
def test_links_lead_from_output_to_input(path: Path) -> None:
    _, definition, inner = parts(path)
    ids = [link["id"] for link in definition["links"]]
    assert len(ids) == len(set(ids))
    assert definition["state"]["lastLinkId"] == max(ids)
    for link in definition["links"]:
        if link["origin_id"] == INSIDE:
            source = definition["inputs"][link["origin_slot"]]
            assert link["id"] in source["linkIds"]
        else:
            source = inner[link["origin_id"]]["outputs"][link["origin_slot"]]
            assert link["id"] in source["links"]
        if link["target_id"] == OUTSIDE:
            target = definition["outputs"][link["target_slot"]]
            assert target["linkIds"] == [link["id"]]
        else:
            target = inner[link["target_id"]]["inputs"][link["target_slot"]]
            assert target["link"] == link["id"]
        assert source["type"] == target["type"] == link["type"]
    carried = {n for item in definition["inputs"] for n in item["linkIds"]}
    carried |= {n for node in inner.values() for out in node["outputs"] for n in out["links"]}
    assert carried == set(ids)


@every_blueprint
def test_values_are_of_the_widgets(path: Path) -> None:
    """As many values as the editor makes widgets, each one that the node takes."""
    for node in parts(path)[2].values():
        schema = NODES[node["type"]].GET_SCHEMA()
        sockets = {item["name"] for item in node["inputs"] if "widget" not in item}
        inputs = sorted(schema.inputs, key=lambda item: item.optional)
        widgets = []
        for item in inputs:
            if item.id not in sockets and item.io_type not in ("CURVE", "COMFY_AUTOGROW_V3"):
                widgets.append(item.id)
                if item.settings.get("control_after_generate"):
                    widgets.append("control_after_generate")
        values = dict(zip(widgets, node["widgets_values"], strict=True))
        for item in inputs:
            choices = item.settings.get("options")
            if item.id in values and choices:
                assert values[item.id] in choices, f"{node['type']}.{item.id}"

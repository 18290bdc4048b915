"""Workflows from short descriptions, in the form of the editor and in the form of POST /prompt.

Inputs and their order are taken from the nodes' schemas; core nodes are described in ``CORE``.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.comfy_pack import node_classes

ROOT = Path(__file__).resolve().parents[1]
FOLDER, BLUEPRINTS = ROOT / "workflows", ROOT / "subgraphs"
# core nodes: sockets (name, type), widgets in order, outputs (name, type)
CORE: dict[str, tuple[list[tuple[str, str]], list[str], list[tuple[str, str]]]] = {
    "LoadImage": ([], ["image", "upload"], [("IMAGE", "IMAGE"), ("MASK", "MASK")]),
    "SaveVideo": ([("video", "VIDEO")], ["filename_prefix", "format", "codec"], []),
    "CreateVideo": ([("images", "IMAGE"), ("audio", "AUDIO")], ["fps"], [("VIDEO", "VIDEO")]),
    "PreviewImage": ([("images", "IMAGE")], [], []),
    "LoadVideo": ([], ["file", "upload"], [("VIDEO", "VIDEO")]),
    "AudioEncoderLoader": ([], ["audio_encoder_name"], [("AUDIO_ENCODER", "AUDIO_ENCODER")]),
    "AudioEncoderEncode": (
        [("audio_encoder", "AUDIO_ENCODER"), ("audio", "AUDIO")],
        [],
        [("AUDIO_ENCODER_OUTPUT", "AUDIO_ENCODER_OUTPUT")],
    ),
    "SaveWEBM": ([("images", "IMAGE")], ["filename_prefix", "codec", "fps", "crf"], []),
    "CheckpointLoaderSimple": (
        [],
        ["ckpt_name"],
        [("MODEL", "MODEL"), ("CLIP", "CLIP"), ("VAE", "VAE")],
    ),
    "CLIPTextEncode": ([("clip", "CLIP")], ["text"], [("CONDITIONING", "CONDITIONING")]),
    "EmptyLatentImage": ([], ["width", "height", "batch_size"], [("LATENT", "LATENT")]),
    "KSampler": (
        [
            ("model", "MODEL"),
            ("positive", "CONDITIONING"),
            ("negative", "CONDITIONING"),
            ("latent_image", "LATENT"),
        ],
        ["seed", "control_after_generate", "steps", "cfg", "sampler_name", "scheduler", "denoise"],
        [("LATENT", "LATENT")],
    ),
    "VAEDecode": ([("samples", "LATENT"), ("vae", "VAE")], [], [("IMAGE", "IMAGE")]),
}
SAVING = {"SaveVideo", "SaveWEBM"}
# what a core widget says while its value comes over a link
CORE_VALUES: dict[str, Any] = {"fps": 25.0}
EDITOR_ONLY = {"upload", "control_after_generate"}
SOCKET_TYPES = {
    "IMAGE", "MASK", "AUDIO", "VIDEO", "AUDIO_ENCODER_OUTPUT", "BOUNDING_BOX", "FACE_LANDMARKS",
}  # fmt: skip
# Inputs that not every ComfyUI knows: workflows do without, and the editor adds them by itself.
NOT_EVERYWHERE = {"CURVE", "COMFY_AUTOGROW_V3"}
Link = tuple[str, int]
Choices = Sequence[tuple[str, str]]


@dataclass
class Node:
    """A node of a workflow.

    ``inputs`` holds values of widgets, and ``(key of another node, output number)`` for links;
    a widget may have a link, too.
    """

    key: str
    type: str
    pos: tuple[int, int]
    size: tuple[int, int]
    inputs: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    models: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Note:
    """A text beside the nodes."""

    text: str
    pos: tuple[int, int]
    size: tuple[int, int]


@dataclass
class Group:
    """A titled frame."""

    title: str
    bounds: tuple[int, int, int, int]
    color: str = "#3f789e"


def describe(kind: str) -> tuple[list[tuple[str, str]], list[tuple[str, Any]], list[Any]]:
    """Sockets (name, type), widgets (name, default) and outputs (name, type) of a node type."""
    if kind in CORE:
        sockets, widgets, outputs = CORE[kind]
        return sockets, [(name, CORE_VALUES.get(name)) for name in widgets], outputs
    schema = node_classes()[kind].GET_SCHEMA()
    sockets, widgets = [], []
    # the editor shows required inputs before optional ones
    for item in sorted(schema.inputs, key=lambda i: i.optional):
        if item.io_type in NOT_EVERYWHERE:
            continue
        if item.io_type in SOCKET_TYPES or item.io_type.startswith("DT_"):
            sockets.append((item.id, item.io_type))
            continue
        widgets.append((item.id, item.default))
        if item.settings.get("control_after_generate"):
            widgets.append(("control_after_generate", "fixed"))
    return sockets, widgets, [(o.display_name, o.io_type) for o in schema.outputs]


def for_editor(
    nodes: list[Node], notes: list[Note], groups: list[Group], app: Choices = ()
) -> dict[str, Any]:
    """The workflow as the editor stores it.

    ``app`` names the widgets that the app view asks for, as (key of a node, widget); it shows what
    the nodes without outputs save.
    """
    number = {node.key: n for n, node in enumerate(nodes, 1)}
    kinds = {node.key: describe(node.type) for node in nodes}
    links: list[list[Any]] = []
    leaving: dict[tuple[str, int], list[int]] = {}
    made = []
    for order, node in enumerate(nodes):
        sockets, widgets, _ = kinds[node.key]
        inputs = []
        for slot, (name, kind) in enumerate(sockets):
            source = node.inputs.get(name)
            entry: dict[str, Any] = {"name": name, "type": kind, "link": None}
            if source is not None:
                entry["link"] = len(links) + 1
                links.append(
                    [entry["link"], number[source[0]], source[1], number[node.key], slot, kind]
                )
                leaving.setdefault(source, []).append(entry["link"])
            inputs.append(entry)
        values = []
        for name, default in widgets:
            value = node.inputs.get(name, default)
            if isinstance(value, tuple):  # a link to a widget
                source, slot, value = value, len(inputs), default
                kind = kinds[source[0]][2][source[1]][1]
                number_of = len(links) + 1
                links.append(
                    [number_of, number[source[0]], source[1], number[node.key], slot, kind]
                )
                leaving.setdefault(source, []).append(number_of)
                inputs.append(
                    {"name": name, "type": kind, "widget": {"name": name}, "link": number_of}
                )
            values.append(value)
        values = [
            "image" if n == "upload" else v for (n, _), v in zip(widgets, values, strict=True)
        ]
        made.append(
            {
                "id": number[node.key],
                "type": node.type,
                "pos": list(node.pos),
                "size": list(node.size),
                "flags": {},
                "order": order,
                "mode": 0,
                "inputs": inputs,
                "outputs": [],
                **({"title": node.title} if node.title else {}),
                "properties": {
                    "Node name for S&R": node.type,
                    **({"models": node.models} if node.models else {}),
                },
                "widgets_values": values,
            }
        )
    for node, entry in zip(nodes, made, strict=True):
        entry["outputs"] = [
            {"name": name, "type": kind, "links": leaving.get((node.key, n), [])}
            for n, (name, kind) in enumerate(kinds[node.key][2])
        ]
    for n, note in enumerate(notes, len(nodes) + 1):
        made.append(
            {
                "id": n,
                "type": "MarkdownNote",
                "pos": list(note.pos),
                "size": list(note.size),
                "flags": {},
                "order": n - 1,
                "mode": 0,
                "inputs": [],
                "outputs": [],
                "title": "Note",
                "properties": {},
                "widgets_values": [note.text],
                "color": "#432",
                "bgcolor": "#653",
            }
        )
    extra: dict[str, Any] = {"ds": {"scale": 0.8, "offset": [0, 0]}}
    if app:
        extra["linearData"] = {
            "inputs": [[number[key], widget] for key, widget in app],
            "outputs": [number[n.key] for n in nodes if n.type in SAVING],
        }
    return {
        "last_node_id": len(made),
        "last_link_id": len(links),
        "nodes": made,
        "links": links,
        "groups": [
            {"id": n, "title": g.title, "bounding": list(g.bounds), "color": g.color, "flags": {}}
            for n, g in enumerate(groups, 1)
        ],
        "config": {},
        "extra": extra,
        "version": 0.4,
    }


def for_prompt(nodes: list[Node]) -> dict[str, Any]:
    """The workflow as POST /prompt takes it."""
    number = {node.key: str(n) for n, node in enumerate(nodes, 1)}
    prompt = {}
    for node in nodes:
        sockets, widgets, _ = describe(node.type)
        names = {name: default for name, default in widgets if name not in EDITOR_ONLY}
        names |= {name: None for name, _ in sockets if name in node.inputs}
        inputs: dict[str, Any] = {}
        for name, default in names.items():
            value = node.inputs.get(name, default)
            linked = isinstance(value, tuple)
            inputs[name] = [number[value[0]], value[1]] if linked else value
        prompt[number[node.key]] = {
            "class_type": node.type,
            "inputs": inputs,
            "_meta": {"title": node.title or node.type},
        }
    return prompt


def write(
    name: str, nodes: list[Node], notes: list[Note], groups: list[Group], app: Choices = ()
) -> None:
    """Both forms of a workflow."""
    (FOLDER / "api").mkdir(parents=True, exist_ok=True)
    editor, prompt = for_editor(nodes, notes, groups, app), for_prompt(nodes)
    (FOLDER / f"{name}.json").write_text(json.dumps(editor, indent=1) + "\n", encoding="utf-8")
    (FOLDER / "api" / f"{name}.json").write_text(json.dumps(prompt, indent=1) + "\n")


@dataclass
class Blueprint:
    """A group of nodes that the editor offers as one node.

    ``inputs`` tells where each input goes, as (key of a node, its input); ``widgets`` are those of
    the nodes inside that the one node shows; ``outputs`` tells where each output comes from.
    """

    name: str
    description: str
    nodes: list[Node]
    inputs: dict[str, Choices]
    widgets: Choices
    outputs: dict[str, Link]
    aliases: list[str] = field(default_factory=list)


INSIDE, OUTSIDE = -10, -20  # the editor's ids of a subgraph's two ends


def _end(number: int, x: int, slots: list[dict[str, Any]]) -> dict[str, Any]:
    """The left or right end of a subgraph; its slots get their places."""
    for n, slot in enumerate(slots):
        slot["pos"] = [x + 100, 20 + 20 * n]
    return {"id": number, "bounding": [x, 0, 130, 40 + 20 * len(slots)]}


def _widget_kind(kind: str, name: str) -> str:
    """The type of a widget of one of the pack's nodes."""
    inputs = node_classes()[kind].GET_SCHEMA().inputs
    return str(next(item.io_type for item in inputs if item.id == name))


def for_subgraphs(plan: Blueprint) -> dict[str, Any]:
    """The blueprint as the editor stores it: a workflow of one node and what is in that node."""
    inner = for_editor(plan.nodes, [], [])
    entries = {node.key: entry for node, entry in zip(plan.nodes, inner["nodes"], strict=True)}
    kinds = {node.key: node.type for node in plan.nodes}
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"dreamtalk/subgraphs/{plan.name}")
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = [dict(zip(names, link, strict=True)) for link in inner["links"]]

    def linked(origin: tuple[int, int], target: tuple[int, int], kind: str) -> int:
        number = len(links) + 1
        links.append(dict(zip(names, (number, *origin, *target, kind), strict=True)))
        return number

    ends: dict[str, list[dict[str, Any]]] = {"inputs": [], "outputs": []}

    def end(side: str, name: str, kind: str, numbers: list[int]) -> None:
        slot_id = str(uuid.uuid5(identity, f"{side}/{name}"))
        ends[side].append({"id": slot_id, "name": name, "type": kind, "linkIds": numbers})

    outer_inputs: list[dict[str, Any]] = []
    for name, targets in plan.inputs.items():
        numbers = []
        for key, socket in targets:
            slot = [item["name"] for item in entries[key]["inputs"]].index(socket)
            item = entries[key]["inputs"][slot]
            origin = (INSIDE, len(outer_inputs))
            item["link"] = linked(origin, (entries[key]["id"], slot), item["type"])
            numbers.append(item["link"])
        end("inputs", name, item["type"], numbers)
        outer_inputs.append({"name": name, "type": item["type"], "link": None})
    proxies = []
    for key, name in plan.widgets:
        inputs, kind = entries[key]["inputs"], _widget_kind(kinds[key], name)
        number = linked((INSIDE, len(outer_inputs)), (entries[key]["id"], len(inputs)), kind)
        widget = {"name": name, "type": kind, "widget": {"name": name}}
        inputs.append({**widget, "link": number})
        end("inputs", name, kind, [number])
        outer_inputs.append({**widget, "link": None})
        proxies.append([str(entries[key]["id"]), name])
    for slot, (name, (key, output)) in enumerate(plan.outputs.items()):
        item = entries[key]["outputs"][output]
        number = linked((entries[key]["id"], output), (OUTSIDE, slot), item["type"])
        item["links"].append(number)
        end("outputs", name, item["type"], [number])

    left = min(node.pos[0] for node in plan.nodes) - 250
    right = max(node.pos[0] + node.size[0] for node in plan.nodes) + 120
    subgraph = {
        "id": str(identity),
        "version": 1,
        "state": {
            "lastGroupId": 0,
            "lastNodeId": len(plan.nodes),
            "lastLinkId": len(links),
            "lastRerouteId": 0,
        },
        "revision": 0,
        "config": {},
        "name": plan.name,
        "inputNode": _end(INSIDE, left, ends["inputs"]),
        "outputNode": _end(OUTSIDE, right, ends["outputs"]),
        **ends,
        "widgets": [],
        "nodes": inner["nodes"],
        "groups": [],
        "links": links,
        "extra": {},
        "category": "DreamTalk",
        "description": plan.description,
    }
    outer = {
        # the one node; its number is none of those inside
        "id": len(plan.nodes) + 1,
        "type": str(identity),
        "pos": [0, 0],
        "size": [300, 60 + 26 * len(outer_inputs)],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": outer_inputs,
        "outputs": [{"name": e["name"], "type": e["type"], "links": []} for e in ends["outputs"]],
        "title": plan.name,
        "properties": {"proxyWidgets": proxies},
        "widgets_values": [],
    }
    return {
        "revision": 0,
        "last_node_id": outer["id"],
        "last_link_id": 0,
        "nodes": [outer],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [subgraph]},
        "extra": {
            "BlueprintDescription": plan.description,
            "BlueprintSearchAliases": plan.aliases,
        },
    }


def write_blueprint(plan: Blueprint) -> None:
    """``subgraphs/NAME.json``; the file's name is the one that the editor shows."""
    BLUEPRINTS.mkdir(exist_ok=True)
    text = json.dumps(for_subgraphs(plan), indent=1) + "\n"
    (BLUEPRINTS / f"{plan.name}.json").write_text(text, encoding="utf-8")

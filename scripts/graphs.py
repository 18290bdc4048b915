"""Workflows from short descriptions, in the form of the editor and in the form of POST /prompt.

Inputs and their order are taken from the nodes' schemas; core nodes are described in ``CORE``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.comfy_pack import node_classes

FOLDER = Path(__file__).resolve().parents[1] / "workflows"
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
}
EDITOR_ONLY = {"upload", "control_after_generate"}
SOCKET_TYPES = {
    "IMAGE", "MASK", "AUDIO", "VIDEO", "AUDIO_ENCODER_OUTPUT", "BOUNDING_BOX", "FACE_LANDMARKS",
}  # fmt: skip
# Inputs that not every ComfyUI knows: workflows do without, and the editor adds them by itself.
NOT_EVERYWHERE = {"CURVE", "COMFY_AUTOGROW_V3"}
Link = tuple[str, int]


@dataclass
class Node:
    """A node of a workflow.

    ``inputs`` holds values of widgets, and ``(key of another node, output number)`` for links.
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
        return sockets, [(name, None) for name in widgets], outputs
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


def for_editor(nodes: list[Node], notes: list[Note], groups: list[Group]) -> dict[str, Any]:
    """The workflow as the editor stores it."""
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
        values = [node.inputs.get(name, default) for name, default in widgets]
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
        "extra": {"ds": {"scale": 0.8, "offset": [0, 0]}},
        "version": 0.4,
    }


def for_prompt(nodes: list[Node]) -> dict[str, Any]:
    """The workflow as POST /prompt takes it."""
    number = {node.key: str(n) for n, node in enumerate(nodes, 1)}
    prompt = {}
    for node in nodes:
        sockets, widgets, _ = describe(node.type)
        inputs: dict[str, Any] = {}
        for name, default in widgets:
            if name not in EDITOR_ONLY:
                inputs[name] = node.inputs.get(name, default)
        for name, _ in sockets:
            if name in node.inputs:
                source = node.inputs[name]
                inputs[name] = [number[source[0]], source[1]]
        prompt[number[node.key]] = {
            "class_type": node.type,
            "inputs": inputs,
            "_meta": {"title": node.title or node.type},
        }
    return prompt


def write(name: str, nodes: list[Node], notes: list[Note], groups: list[Group]) -> None:
    """Both forms of a workflow."""
    (FOLDER / "api").mkdir(parents=True, exist_ok=True)
    editor, prompt = for_editor(nodes, notes, groups), for_prompt(nodes)
    (FOLDER / f"{name}.json").write_text(json.dumps(editor, indent=1) + "\n", encoding="utf-8")
    (FOLDER / "api" / f"{name}.json").write_text(json.dumps(prompt, indent=1) + "\n")

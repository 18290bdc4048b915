"""Nodes of packs that are no longer cared for, and the nodes that take their place.

ComfyUIs from 2026 on offer to replace nodes that are missing in a graph; 0.3.64 and 0.8.0 can't. No
node of this pack has ever had another id, so that there are none of our own.

What can be carried over is carried over: sockets and widgets that mean the same. The published
``.mat`` styles and poses have no counterpart among our widgets (*Load Motion* and *Style Encoder*
read those files), and where a widget held the name of a recording, *Load Speech* is to be connected
by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from comfy_api import latest


@dataclass(frozen=True)
class Replacement:
    """One node of another pack.

    Attributes:
        old: its id.
        new: the id of ours.
        widgets: its widgets in the order of a saved graph's ``widgets_values``.
        inputs: id of ours -> its input or widget.
        values: id of ours -> what the widget is set to.
        outputs: its output -> ours, by place.
    """

    old: str
    new: str
    widgets: tuple[str, ...]
    inputs: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    outputs: dict[int, int] = field(default_factory=dict)


REPLACEMENTS: tuple[Replacement, ...] = (
    # ComfyUI_DDreamtalk
    Replacement(
        "D_LoadAudio",
        "DreamTalkLoadSpeech",
        ("audio",),
        inputs={"audio": "audio"},
        values={"start": 0.0, "duration": 0.0, "normalize": True},
        outputs={0: 0},
    ),
    Replacement(
        "D_DreamTalk",
        "DreamTalkTalk",
        ("audio", "style_clip", "pose", "cfg_scale", "max_gen_len", "img_crop"),
        inputs={"image": "image", "intensity": "cfg_scale"},
        values={"emotion": "neutral", "seed": 0, "liveliness": 1.0},
        outputs={0: 0},
    ),
    # ComfyUI-IF_AI_Dreamtalk
    Replacement(
        "IF_DreamTalk",
        "DreamTalkTalk",
        ("image_path", "crop", "cfg_scale", "name", "audio_input", "emotional_style"),
        inputs={"intensity": "cfg_scale"},
        values={"emotion": "neutral", "seed": 0, "liveliness": 1.0},
        outputs={0: 0},
    ),
)


async def register_replacements() -> None:
    """Tell ComfyUI of :data:`REPLACEMENTS`, if it knows what a replacement is."""
    if not hasattr(latest.io, "NodeReplace"):
        return
    registry = latest.ComfyAPI().node_replacement
    for one in REPLACEMENTS:
        taken = [{"new_id": new, "old_id": old} for new, old in one.inputs.items()]
        fixed = [{"new_id": new, "set_value": value} for new, value in one.values.items()]
        await registry.register(
            latest.io.NodeReplace(
                new_node_id=one.new,
                old_node_id=one.old,
                old_widget_ids=list(one.widgets),
                input_mapping=[*taken, *fixed],
                output_mapping=[{"new_idx": n, "old_idx": o} for o, n in one.outputs.items()],
            )
        )

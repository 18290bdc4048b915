"""Schemas of the nodes: what newer ComfyUIs know of them is said to those that know it.

ComfyUI 0.3.64 has neither search aliases nor an essentials tab; every version passes the settings
of a widget through to its frontend, and older frontends leave out what they don't know.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from comfy_api.latest import io

_COMMON = ("talking head", "lip sync", "avatar")
ALIASES: dict[str, tuple[str, ...]] = {
    "DreamTalkTalk": (*_COMMON, "audio to face", "talking portrait", "speaking photo"),
    "DreamTalkLoadSpeech": ("load audio", "voice", "recording"),
    "DreamTalkSpeechFeatures": ("audio encoder", "wav2vec", "phonemes"),
    "DreamTalkLoadModel": ("dreamtalk checkpoint", "talking head model"),
    "DreamTalkStylePreset": ("emotion", "happy", "angry", "sad", "expression"),
    "DreamTalkStyleEncoder": ("emotion from video", "speaking style", "expression transfer"),
    "DreamTalkStylePredictor": ("emotion from voice", "speech emotion", "auto emotion"),
    "DreamTalkStylePicture": ("emotion from picture", "expression from photo"),
    "DreamTalkStyleBlend": ("mix emotions",),
    "DreamTalkStyleTrack": ("emotion over time", "emotion timeline"),
    "DreamTalkSampler": (*_COMMON, "audio to motion", "speech to face"),
    "DreamTalkTrackMotion": ("face tracking", "motion capture", "mediapipe", "performance capture"),
    "DreamTalkLoadMotion": ("live link face", "arkit csv", "blendshapes"),
    "DreamTalkSaveMotion": ("export blendshapes", "arkit", "live link face"),
    "DreamTalkStreamMotion": ("live link face", "arkit", "unreal engine", "blendshapes", "udp"),
    "DreamTalkSaveVisemes": ("lipsync json", "oculus visemes", "mouth shapes", "phonemes"),
    "DreamTalkEditMotion": ("expression strength", "exaggerate"),
    "DreamTalkJoinMotion": ("concatenate motion",),
    "DreamTalkPlotMotion": ("curves", "graph"),
    "DreamTalkNaturalMotion": ("blink", "head movement", "idle", "breathing"),
    "DreamTalkPortrait": ("face landmarks", "source image"),
    "DreamTalkAddFace": ("two people", "multiple speakers", "dialogue"),
    "DreamTalkDialogue": (
        "two people", "several speakers", "multiple speakers", "conversation", "interview",
        "podcast", "multitalk",
    ),
    "DreamTalkInspectPortrait": ("debug", "face mesh"),
    "DreamTalkRender": (*_COMMON, "animate portrait"),
    "DreamTalkRenderVideo": (*_COMMON, "animate portrait"),
    "DreamTalkLoadPIRenderer": ("pirenderer",),
    "DreamTalkLoadRenderer": ("mesh renderer",),
    "DreamTalkLoadDiffTalk": ("difftalk", "latent diffusion talking head"),
    "DreamTalkDub": ("dubbing", "lip sync video", "wav2lip", "latentsync", "musetalk", "redub"),
}  # fmt: skip
"""What people type who look for a node but don't know its name."""
ESSENTIALS = {"DreamTalkTalk": "Video Tools", "DreamTalkDub": "Video Tools"}
"""Where ComfyUI's essentials tab shows a node."""
ADVANCED = frozenset({
    "sampler", "sync", "precision", "smoothing", "label", "quality", "feather", "images_fps",
    "match_colours", "move_head", "mark",
})  # fmt: skip
"""Widgets that most people never touch: newer frontends fold them away."""
SLIDERS = frozenset({
    "intensity", "liveliness", "blinks", "gaze", "head", "breathing", "lips", "jaw", "brows",
    "eyes", "weight_a", "weight_b", "weight_c", "strength",
})  # fmt: skip
"""Numbers with a range that a hand can set by eye."""
INTERMEDIATE = frozenset({"DreamTalkInspectPortrait", "DreamTalkPlotMotion", "DreamTalkPortrait"})
"""Nodes whose pictures are still there when the page is loaded again, or another workflow."""


def schema(node_id: str, inputs: list[Any], **settings: Any) -> io.Schema:
    """The schema of a node, with what the running ComfyUI knows of :data:`ALIASES` and the others.

    Args:
        node_id: of the node; it is the key of the tables.
        inputs: of the node.
        settings: the rest of ``io.Schema``.
    """
    known = {field.name for field in fields(io.Schema)}
    newer: dict[str, Any] = {
        "search_aliases": list(ALIASES.get(node_id, ())),
        "essentials_category": ESSENTIALS.get(node_id),
        "has_intermediate_output": node_id in INTERMEDIATE,
    }
    for widget in inputs:
        said = {"advanced": widget.id in ADVANCED, "display": _display(widget)}
        said = {name: value for name, value in said.items() if value}
        if said:
            widget.extra_dict = {**(getattr(widget, "extra_dict", None) or {}), **said}
    settings |= {name: value for name, value in newer.items() if value and name in known}
    return io.Schema(node_id=node_id, inputs=inputs, **settings)


def _display(widget: Any) -> str | None:
    return "slider" if widget.id in SLIDERS and widget.io_type == "FLOAT" else None

"""What the example workflows have in common: the samples, the nodes of every chain, the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts.graphs import Group, Link, Node

PICTURE, RECORDING, CLIP = (
    "dreamtalk_example.png",
    "dreamtalk_example.wav",
    "dreamtalk_example.mp4",
)
TWO_PEOPLE = "dreamtalk_example_two.jpg"
MODEL, SPEECH = ("model", 0), ("speech", 0)
"""What most nodes take: the outputs of :func:`load_model` and :func:`load_speech`."""
Place = tuple[int, int]
SPOKEN = ("speech", "model", "features", "style", "sampler", "life")
"""What :func:`spoken_portrait` has beside the picture."""
TITLE, HEAD, MARGIN = 30, 34, 14  # px: of a node's title, of a group's, around its nodes


def group(title: str, nodes: Sequence[Node], *keys: str, color: str = "#3f789e") -> Group:
    """A frame around the nodes of those keys."""
    held = [node for node in nodes if node.key in keys]
    left = min(node.pos[0] for node in held) - MARGIN
    top = min(node.pos[1] for node in held) - TITLE - HEAD
    right = max(node.pos[0] + node.size[0] for node in held) + MARGIN
    bottom = max(node.pos[1] + node.size[1] for node in held) + MARGIN
    return Group(title, (left, top, right - left, bottom - top), color)


def spoken_groups(nodes: Sequence[Node], *last: str) -> list[Group]:
    """The frames of :func:`spoken_portrait`, and one around the nodes that end in a file."""
    return [
        group("Picture", nodes, "image", "portrait"),
        group("Speech and motion", nodes, *SPOKEN),
        group("Video", nodes, *last, color="#8A8"),
    ]


def load_speech(pos: Place, size: Place = (270, 260)) -> Node:
    return Node("speech", "DreamTalkLoadSpeech", pos, size, {"audio": RECORDING})


def load_model(pos: Place) -> Node:
    return Node("model", "DreamTalkLoadModel", pos, (270, 110))


def load_image(pos: Place, size: Place = (270, 440)) -> Node:
    return Node("image", "LoadImage", pos, size, {"image": PICTURE})


def portrait(pos: Place) -> Node:
    return Node("portrait", "DreamTalkPortrait", pos, (270, 500), {"image": ("image", 0)})


def load_clip(pos: Place) -> Node:
    return Node("clip", "LoadVideo", pos, (270, 440), {"file": CLIP})


def track_motion(pos: Place) -> Node:
    return Node("track", "DreamTalkTrackMotion", pos, (270, 200), {"video": ("clip", 0)})


def style_encoder(pos: Place) -> Node:
    inputs = {"model": MODEL, "motion": ("track", 0)}
    return Node("style", "DreamTalkStyleEncoder", pos, (270, 120), inputs)


def speech_features(pos: Place) -> Node:
    inputs = {"model": MODEL, "audio": SPEECH}
    return Node("features", "DreamTalkSpeechFeatures", pos, (270, 100), inputs)


def sampler(pos: Place) -> Node:
    inputs = {"model": MODEL, "features": ("features", 0), "style": ("style", 0)}
    return Node("sampler", "DreamTalkSampler", pos, (270, 220), inputs)


def natural_motion(pos: Place, **more: Any) -> Node:
    inputs = {"motion": ("sampler", 0), "audio": SPEECH, **more}
    return Node("life", "DreamTalkNaturalMotion", pos, (270, 260), inputs)


def render_video(pos: Place, motion: str = "life", **more: Any) -> Node:
    """Of the portrait and the motion of a node; ``more`` are further inputs."""
    inputs = {"portrait": ("portrait", 0), "motion": (motion, 0), "audio": SPEECH, **more}
    return Node("render", "DreamTalkRenderVideo", pos, (270, 540), inputs)


def save_video(source: Link, pos: Place, prefix: str) -> Node:
    """The end of most workflows."""
    inputs = {"video": source, "filename_prefix": prefix, "format": "auto", "codec": "auto"}
    return Node("save", "SaveVideo", pos, (400, 520), inputs)


def spoken_portrait() -> list[Node]:
    """From a picture and a recording to a portrait and a motion, node by node.

    Sizes leave room for what the nodes show after a run, also in Nodes 2.0.
    """
    preset = {"model": MODEL, "emotion": "happy"}
    return [
        load_image((640, 40)),
        load_speech((40, 640)),
        load_model((40, 950)),
        portrait((940, 40)),
        speech_features((340, 640)),
        Node("style", "DreamTalkStylePreset", (340, 790), (270, 120), preset),
        sampler((640, 640)),
        natural_motion((940, 640)),
    ]

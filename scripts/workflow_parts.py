"""What the example workflows have in common: the samples, the chain to a motion, the end."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.graphs import Group, Link, Node

PICTURE, RECORDING, CLIP = (
    "dreamtalk_example.png",
    "dreamtalk_example.wav",
    "dreamtalk_example.mp4",
)
TWO_PEOPLE = "dreamtalk_example_two.jpg"


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


SPOKEN = ("speech", "model", "features", "style", "sampler", "life")


def save_video(source: Link, pos: tuple[int, int], prefix: str) -> Node:
    """The end of most workflows."""
    inputs = {"video": source, "filename_prefix": prefix, "format": "auto", "codec": "auto"}
    return Node("save", "SaveVideo", pos, (400, 520), inputs)


def spoken_portrait() -> list[Node]:
    """From a picture and a recording to a portrait and a motion, node by node.

    Sizes leave room for what the nodes show after a run, also in Nodes 2.0.
    """
    model, speech = ("model", 0), ("speech", 0)
    return [
        Node("image", "LoadImage", (640, 40), (270, 440), {"image": PICTURE}),
        Node("speech", "DreamTalkLoadSpeech", (40, 640), (270, 260), {"audio": RECORDING}),
        Node("model", "DreamTalkLoadModel", (40, 950), (270, 110)),
        Node("portrait", "DreamTalkPortrait", (940, 40), (270, 500), {"image": ("image", 0)}),
        Node(
            "features",
            "DreamTalkSpeechFeatures",
            (340, 640),
            (270, 100),
            {"model": model, "audio": speech},
        ),
        Node(
            "style",
            "DreamTalkStylePreset",
            (340, 790),
            (270, 120),
            {"model": model, "emotion": "happy"},
        ),
        Node(
            "sampler",
            "DreamTalkSampler",
            (640, 640),
            (270, 220),
            {"model": model, "features": ("features", 0), "style": ("style", 0)},
        ),
        Node(
            "life",
            "DreamTalkNaturalMotion",
            (940, 640),
            (270, 260),
            {"motion": ("sampler", 0), "audio": speech},
        ),
    ]

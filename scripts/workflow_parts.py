"""What the example workflows have in common: the samples, the chain to a motion, the end."""

from __future__ import annotations

from scripts.graphs import Link, Node

PICTURE, RECORDING, CLIP = (
    "dreamtalk_example.png",
    "dreamtalk_example.wav",
    "dreamtalk_example.mp4",
)
TWO_PEOPLE = "dreamtalk_example_two.jpg"


def save_video(source: Link, pos: tuple[int, int], prefix: str) -> Node:
    """The end of most workflows."""
    inputs = {"video": source, "filename_prefix": prefix, "format": "auto", "codec": "auto"}
    return Node("save", "SaveVideo", pos, (400, 520), inputs)


def spoken_portrait() -> list[Node]:
    """From a picture and a recording to a portrait and a motion, node by node."""
    model, speech = ("model", 0), ("speech", 0)
    return [
        Node("image", "LoadImage", (640, 40), (270, 420), {"image": PICTURE}),
        Node("speech", "DreamTalkLoadSpeech", (40, 530), (270, 250), {"audio": RECORDING}),
        Node("model", "DreamTalkLoadModel", (40, 840), (270, 80)),
        Node("portrait", "DreamTalkPortrait", (940, 40), (270, 420), {"image": ("image", 0)}),
        Node(
            "features",
            "DreamTalkSpeechFeatures",
            (340, 530),
            (270, 90),
            {"model": model, "audio": speech},
        ),
        Node(
            "style",
            "DreamTalkStylePreset",
            (340, 680),
            (270, 110),
            {"model": model, "emotion": "happy"},
        ),
        Node(
            "sampler",
            "DreamTalkSampler",
            (640, 530),
            (270, 220),
            {"model": model, "features": ("features", 0), "style": ("style", 0)},
        ),
        Node(
            "life",
            "DreamTalkNaturalMotion",
            (940, 530),
            (270, 220),
            {"motion": ("sampler", 0), "audio": speech},
        ),
    ]

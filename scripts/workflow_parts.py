"""What the example workflows have in common: the samples, the nodes of every chain, the end."""

from __future__ import annotations

from typing import Any

from scripts.graphs import Link, Node

PICTURE, RECORDING, CLIP = (
    "dreamtalk_example.png",
    "dreamtalk_example.wav",
    "dreamtalk_example.mp4",
)
TWO_PEOPLE = "dreamtalk_example_two.jpg"
MODEL, SPEECH = ("model", 0), ("speech", 0)
"""What most nodes take: the outputs of :func:`load_model` and :func:`load_speech`."""
Place = tuple[int, int]


def load_speech(pos: Place, size: Place = (270, 250)) -> Node:
    return Node("speech", "DreamTalkLoadSpeech", pos, size, {"audio": RECORDING})


def load_model(pos: Place) -> Node:
    return Node("model", "DreamTalkLoadModel", pos, (270, 80))


def load_image(pos: Place, size: Place = (270, 380)) -> Node:
    return Node("image", "LoadImage", pos, size, {"image": PICTURE})


def portrait(pos: Place, size: Place = (270, 380)) -> Node:
    return Node("portrait", "DreamTalkPortrait", pos, size, {"image": ("image", 0)})


def load_clip(pos: Place) -> Node:
    return Node("clip", "LoadVideo", pos, (270, 400), {"file": CLIP})


def track_motion(pos: Place) -> Node:
    return Node("track", "DreamTalkTrackMotion", pos, (270, 180), {"video": ("clip", 0)})


def style_encoder(pos: Place) -> Node:
    inputs = {"model": MODEL, "motion": ("track", 0)}
    return Node("style", "DreamTalkStyleEncoder", pos, (270, 110), inputs)


def speech_features(pos: Place) -> Node:
    inputs = {"model": MODEL, "audio": SPEECH}
    return Node("features", "DreamTalkSpeechFeatures", pos, (270, 90), inputs)


def sampler(pos: Place) -> Node:
    inputs = {"model": MODEL, "features": ("features", 0), "style": ("style", 0)}
    return Node("sampler", "DreamTalkSampler", pos, (270, 220), inputs)


def natural_motion(pos: Place, size: Place = (270, 240), **more: Any) -> Node:
    inputs = {"motion": ("sampler", 0), "audio": SPEECH, **more}
    return Node("life", "DreamTalkNaturalMotion", pos, size, inputs)


def render_video(pos: Place, motion: str = "life", **more: Any) -> Node:
    """Of the portrait and the motion of a node; ``more`` are further inputs."""
    inputs = {"portrait": ("portrait", 0), "motion": (motion, 0), "audio": SPEECH, **more}
    return Node("render", "DreamTalkRenderVideo", pos, (270, 420), inputs)


def save_video(source: Link, pos: Place, prefix: str) -> Node:
    """The end of most workflows."""
    inputs = {"video": source, "filename_prefix": prefix, "format": "auto", "codec": "auto"}
    return Node("save", "SaveVideo", pos, (400, 520), inputs)


def spoken_portrait() -> list[Node]:
    """From a picture and a recording to a portrait and a motion, node by node."""
    preset = {"model": MODEL, "emotion": "happy"}
    return [
        load_image((640, 40), (270, 420)),
        load_speech((40, 530)),
        load_model((40, 840)),
        portrait((940, 40), (270, 420)),
        speech_features((340, 530)),
        Node("style", "DreamTalkStylePreset", (340, 680), (270, 110), preset),
        sampler((640, 530)),
        natural_motion((940, 530), (270, 220)),
    ]

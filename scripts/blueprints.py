"""Write the subgraph blueprints: groups of nodes that the editor (ComfyUI 0.33) offers as one node.

    python -m scripts.blueprints

ComfyUI serves ``subgraphs/`` of a pack under /global_subgraphs; older versions don't look there.
"""

from __future__ import annotations

from scripts.graphs import Blueprint, Node, write_blueprint


def talking_portrait() -> Blueprint:
    """The chain from a picture and a recording to a video."""
    model = ("model", 0)
    nodes = [
        Node("model", "DreamTalkLoadModel", (0, 0), (270, 110)),
        Node("features", "DreamTalkSpeechFeatures", (310, 180), (270, 110), {"model": model}),
        Node("style", "DreamTalkStylePreset", (310, 0), (270, 130), {"model": model}),
        Node(
            "sampler",
            "DreamTalkSampler",
            (620, 0),
            (270, 240),
            {"model": model, "features": ("features", 0), "style": ("style", 0)},
        ),
        Node("portrait", "DreamTalkPortrait", (620, 300), (270, 260)),
        Node(
            "life",
            "DreamTalkNaturalMotion",
            (930, 0),
            (270, 240),
            {"motion": ("sampler", 0)},
        ),
        Node(
            "render",
            "DreamTalkRenderVideo",
            (1240, 0),
            (270, 360),
            {"portrait": ("portrait", 0), "motion": ("life", 0)},
        ),
    ]
    return Blueprint(
        "Talking portrait",
        "A picture of a person and a recording become a talking video. Open it to see every "
        "stage, to edit the motion or to put in another style.",
        nodes,
        {
            "image": [("portrait", "image")],
            "audio": [("features", "audio"), ("life", "audio"), ("render", "audio")],
            "renderer": [("render", "renderer")],
        },
        [
            ("style", "emotion"),
            ("style", "intensity"),
            ("sampler", "seed"),
            ("life", "blinks"),
            ("life", "head"),
            ("render", "fps"),
            ("render", "background"),
        ],
        {"video": ("render", 0), "motion": ("life", 0), "portrait": ("portrait", 0)},
        ["talking head", "lip sync", "avatar", "animate portrait"],
    )


def two_people() -> Blueprint:
    """Two people in one picture share a recording."""
    nodes = [
        Node(
            "dialogue",
            "DreamTalkDialogue",
            (0, 0),
            (340, 420),
            {"speakers": "0:left 4:right 8:both"},
        ),
        Node(
            "render",
            "DreamTalkRenderVideo",
            (400, 0),
            (300, 360),
            {
                "portrait": ("dialogue", 0),
                "motion": ("dialogue", 1),
                "more_faces": ("dialogue", 2),
                "audio": ("dialogue", 3),
            },
        ),
    ]
    return Blueprint(
        "Two people",
        "Two people in one picture talk, each with their part of a recording; who has no turn "
        "listens. Write who speaks when, or connect a recording of the second person to audio2.",
        nodes,
        {
            "image": [("dialogue", "image")],
            "audio": [("dialogue", "audio")],
            "audio2": [("dialogue", "audio2")],
        },
        [
            ("dialogue", "speakers"),
            ("dialogue", "emotion"),
            ("dialogue", "styles"),
            ("dialogue", "seed"),
            ("render", "fps"),
        ],
        {"video": ("render", 0), "turns": ("dialogue", 4)},
        ["dialogue", "conversation", "interview", "podcast"],
    )


def copy_a_performance() -> Blueprint:
    """The face of a video moves the face of a picture."""
    nodes = [
        Node("track", "DreamTalkTrackMotion", (0, 0), (270, 200)),
        Node("edit", "DreamTalkEditMotion", (310, 0), (270, 420), {"motion": ("track", 0)}),
        Node("portrait", "DreamTalkPortrait", (0, 260), (270, 260)),
        Node(
            "render",
            "DreamTalkRenderVideo",
            (620, 0),
            (270, 360),
            {"portrait": ("portrait", 0), "motion": ("edit", 0)},
        ),
    ]
    return Blueprint(
        "Copy a performance",
        "The person in the picture does what the person in the video does. For the sound connect "
        "Load Speech with the same video to audio; turn up brows or head to exaggerate.",
        nodes,
        {
            "image": [("portrait", "image")],
            "video": [("track", "video")],
            "audio": [("render", "audio")],
        },
        [
            ("track", "smoothing"),
            ("edit", "lips"),
            ("edit", "brows"),
            ("edit", "eyes"),
            ("edit", "head"),
        ],
        {"video": ("render", 0), "motion": ("edit", 0)},
        ["reenactment", "motion transfer", "face capture", "drive portrait"],
    )


def dub_a_video() -> Blueprint:
    """A filmed person says something else."""
    nodes = [
        Node("model", "DreamTalkLoadModel", (0, 0), (270, 110)),
        Node("dub", "DreamTalkDub", (310, 0), (320, 420), {"model": ("model", 0)}),
    ]
    return Blueprint(
        "Dub a video",
        "The person in the video says the recording; every pixel outside of mouth and chin stays "
        "as it was decoded.",
        nodes,
        {
            "video": [("dub", "video")],
            "audio": [("dub", "audio")],
            "style": [("dub", "style")],
        },
        [
            ("dub", "seed"),
            ("dub", "intensity"),
            ("dub", "face"),
            ("dub", "fit"),
            ("dub", "painter"),
        ],
        {"video": ("dub", 0), "motion": ("dub", 1)},
        ["lip sync video", "translate video", "dubbing"],
    )


BLUEPRINTS = (talking_portrait, two_people, copy_a_performance, dub_a_video)


if __name__ == "__main__":
    for blueprint in BLUEPRINTS:
        write_blueprint(blueprint())

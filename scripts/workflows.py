"""Write the example workflows, in the form of the editor and in the form of POST /prompt.

    python -m scripts.workflows

A workflow is described once, below; both forms come from it, so they can't drift apart.
"""

from __future__ import annotations

from scripts.graphs import Node, Note, write
from scripts.workflow_parts import (
    MODEL,
    SPEECH,
    SPOKEN,
    group,
    load_clip,
    load_image,
    load_model,
    load_speech,
    natural_motion,
    portrait,
    render_video,
    sampler,
    save_video,
    speech_features,
    spoken_groups,
    spoken_portrait,
    style_encoder,
    track_motion,
)
from scripts.workflows_further import (
    dub_a_video,
    image_model_to_talk,
    official_checkpoint,
    transparent_presenter,
    two_people,
)


def talking_portrait() -> None:
    """The chain, node by node."""
    nodes = [
        *spoken_portrait(),
        render_video((1240, 40)),
        save_video(("render", 0), (1540, 40), "dreamtalk/talk"),
    ]
    note = Note(
        "## A portrait and a recording become a talking video\n\n"
        "Press **Run**: the picture, the recording and the weights came with the pack.\n\n"
        "1. **Load Image**: take a picture of your own, with a face that looks at the camera.\n"
        "2. **Load Speech**: take a recording of your own; upload an audio or a video file.\n"
        "3. **Style Preset**: choose the emotion and how strong it is.\n"
        "4. **Save Video**: the result goes into ComfyUI's output folder.\n\n"
        "Another seed in **Sampler** gives another take; **Natural Motion** adds blinks, gaze "
        "and head motion. Each node has a help page: select it and press the *i*.\n\n"
        "Only animate people who have agreed to it, and say that the video is generated.",
        (40, 40),
        (570, 420),
    )
    app = [("image", "image"), ("speech", "audio"), ("style", "emotion"), ("style", "intensity")]
    write("talking_portrait", nodes, [note], spoken_groups(nodes, "render", "save"), app)


def difftalk_renderer() -> None:
    """The chain with mouths that DiffTalk paints."""
    nodes = [
        *spoken_portrait(),
        Node("renderer", "DreamTalkLoadDiffTalk", (1240, 40), (270, 240)),
        render_video((1240, 330), renderer=("renderer", 0), features=("features", 0)),
        save_video(("render", 0), (1540, 40), "dreamtalk/difftalk"),
    ]
    note = Note(
        "## DreamTalk moves the lips, DiffTalk paints them\n\n"
        "**Load DiffTalk** is connected to **Render Video**: the mesh renderer moves the head, "
        "and the small DiffTalk that came with the pack repaints lips, teeth and the inside of "
        "the mouth in every frame.\n\n"
        "- *strength* 0 leaves lips and skin to the mesh renderer.\n"
        "- *from speech* paints what is heard instead of the motion's lips.\n"
        "- A DiffTalk file of the published form in models/dreamtalk paints the whole face; it "
        "needs a graphics card.\n\n"
        "Only animate people who have agreed to it, and say that the video is generated.",
        (40, 40),
        (570, 420),
    )
    app = [("image", "image"), ("speech", "audio"), ("style", "emotion")]
    groups = spoken_groups(nodes, "renderer", "render", "save")
    write("difftalk_renderer", nodes, [note], groups, app)


def one_node() -> None:
    """The same with the one node that does it all."""
    nodes = [
        load_image((40, 300), (300, 420)),
        load_speech((40, 780), (300, 260)),
        Node(
            "talk",
            "DreamTalkTalk",
            (420, 300),
            (320, 600),
            {"image": ("image", 0), "audio": SPEECH, "emotion": "happy"},
        ),
        save_video(("talk", 0), (780, 300), "dreamtalk/talk"),
    ]
    note = Note(
        "## The shortest way\n\n"
        "One node from a picture and a recording to a video. For more control see the "
        "**talking_portrait** workflow.",
        (40, 40),
        (700, 150),
    )
    app = [("image", "image"), ("speech", "audio"), ("talk", "emotion"), ("talk", "intensity")]
    groups = [
        group("Picture and recording", nodes, "image", "speech"),
        group("Video", nodes, "talk", "save", color="#8A8"),
    ]
    write("talk_in_one_node", nodes, [note], groups, app)


def style_from_video() -> None:
    """Another voice in the manner of a clip."""
    nodes = [
        load_clip((40, 340)),
        track_motion((340, 340)),
        style_encoder((640, 340)),
        load_image((980, 340)),
        portrait((1280, 340)),
        load_speech((40, 960)),
        load_model((40, 1270)),
        speech_features((340, 960)),
        sampler((640, 960)),
        natural_motion((940, 960), head_motion=("track", 0)),
        render_video((1280, 960)),
        save_video(("render", 0), (1580, 960), "dreamtalk/style"),
    ]
    groups = [
        group("Style of the clip", nodes, "clip", "track", "style"),
        group("Picture", nodes, "image", "portrait"),
        group("Speech and motion", nodes, *(key for key in SPOKEN if key != "style")),
        group("Video", nodes, "render", "save", color="#8A8"),
    ]
    note = Note(
        "## Speak like the person in the video\n\n"
        "**Track Motion** reads the face in the clip, **Style Encoder** turns it into a style, "
        "and the recording is spoken in that style. The head moves as in the clip, too "
        "(**Natural Motion**, *head motion*).\n\n"
        "Take a clip of your own: 3 to 10 seconds in which somebody talks. To copy the whole "
        "performance instead, connect **Track Motion** straight to **Render Video**.",
        (40, 40),
        (870, 210),
    )
    app = [("clip", "file"), ("image", "image"), ("speech", "audio")]
    write("style_from_video", nodes, [note], groups, app)


def emotion_from_voice() -> None:
    """The emotion that the recording sounds like, and what was heard."""
    nodes = [
        load_image((40, 360)),
        load_speech((40, 980)),
        load_model((40, 1290)),
        portrait((340, 360)),
        speech_features((340, 980)),
        Node(
            "style",
            "DreamTalkStylePredictor",
            (680, 360),
            (270, 260),
            {
                "model": MODEL,
                "audio": SPEECH,
                "over_time": True,
                "features": ("features", 0),
                "portrait": ("portrait", 0),
            },
        ),
        Node("heard", "PreviewImage", (980, 360), (700, 400), {"images": ("style", 2)}),
        sampler((640, 980)),
        natural_motion((940, 980)),
        render_video((1280, 980)),
        save_video(("render", 0), (1580, 980), "dreamtalk/voice"),
    ]
    groups = [
        group("Picture", nodes, "image", "portrait"),
        group("What the voice sounds like", nodes, "style", "heard"),
        group("Speech and motion", nodes, *(key for key in SPOKEN if key != "style")),
        group("Video", nodes, "render", "save", color="#8A8"),
    ]
    note = Note(
        "## The emotion comes from the voice\n\n"
        "**Style Predictor** hears how the recording sounds and gives the style to speak it with; "
        "the picture below shows what it heard, second by second. With *over time* the face "
        "turns where the voice does; without, there is one style for all of it. Another seed "
        "gives another style that fits as well.\n\n"
        "Wrong? Choose the emotion yourself with **Style Preset**.",
        (40, 40),
        (870, 230),
    )
    app = [("image", "image"), ("speech", "audio")]
    write("emotion_from_voice", nodes, [note], groups, app)


def edit_motion() -> None:
    """Style over time, editing, and a picture of the result."""
    track = "0:neutral\n2.5:happy@1.2\n6:sad"
    nodes = [
        load_speech((40, 960)),
        load_model((40, 1270)),
        speech_features((340, 960)),
        Node(
            "style",
            "DreamTalkStyleTrack",
            (340, 1110),
            (270, 280),
            {"model": MODEL, "track": track},
        ),
        sampler((640, 960)),
        natural_motion((640, 1230)),
        Node(
            "edit",
            "DreamTalkEditMotion",
            (940, 960),
            (270, 560),
            {"motion": ("life", 0), "brows": 1.5, "channels": "cheeks*1.2"},
        ),
        Node(
            "plot",
            "DreamTalkPlotMotion",
            (680, 340),
            (700, 500),
            {"motion": ("edit", 0), "audio": SPEECH},
        ),
        Node(
            "save_motion",
            "DreamTalkSaveMotion",
            (1410, 340),
            (270, 180),
            {"motion": ("edit", 0), "format": "csv"},
        ),
        load_image((40, 340)),
        portrait((340, 340)),
        render_video((1280, 960), "edit"),
        save_video(("render", 0), (1580, 960), "dreamtalk/edit"),
    ]
    groups = [
        group("Picture", nodes, "image", "portrait"),
        group("What the face does", nodes, "plot", "save_motion"),
        group("Speech and motion", nodes, *SPOKEN, "edit"),
        group("Video", nodes, "render", "save", color="#8A8"),
    ]
    note = Note(
        "## Change the style over time, edit the motion, look at it\n\n"
        "**Style Track** begins neutral, becomes happy after 2.5 seconds and ends sad. "
        "**Edit Motion** lets the brows move more; single channels go by name. **Plot Motion** "
        "draws the result under the sound, and **Save Motion** writes it as a Live Link Face "
        ".csv that Blender and Unreal read.",
        (40, 40),
        (870, 210),
    )
    app = [("image", "image"), ("speech", "audio"), ("style", "track")]
    write("edit_motion", nodes, [note], groups, app)


if __name__ == "__main__":
    talking_portrait()
    one_node()
    difftalk_renderer()
    style_from_video()
    dub_a_video()
    two_people()
    emotion_from_voice()
    edit_motion()
    transparent_presenter()
    image_model_to_talk()
    official_checkpoint()

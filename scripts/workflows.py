"""Write the example workflows, in the form of the editor and in the form of POST /prompt.

    python -m scripts.workflows

A workflow is described once, below; both forms come from it, so they can't drift apart.
"""

from __future__ import annotations

from scripts.graphs import Node, Note, write
from scripts.workflow_parts import (
    MODEL,
    PICTURE,
    SPEECH,
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
    write("talking_portrait", nodes, [note], [], app)


def difftalk_renderer() -> None:
    """The chain with mouths that DiffTalk paints."""
    nodes = [
        *spoken_portrait(),
        Node("renderer", "DreamTalkLoadDiffTalk", (1240, 40), (270, 210)),
        render_video((1240, 320), renderer=("renderer", 0), features=("features", 0)),
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
    write("difftalk_renderer", nodes, [note], [], app)


def one_node() -> None:
    """The same with the one node that does it all."""
    nodes = [
        Node("image", "LoadImage", (40, 260), (300, 400), {"image": PICTURE}),
        load_speech((40, 730), (300, 240)),
        Node(
            "talk",
            "DreamTalkTalk",
            (420, 260),
            (320, 560),
            {"image": ("image", 0), "audio": SPEECH, "emotion": "happy"},
        ),
        save_video(("talk", 0), (820, 260), "dreamtalk/talk"),
    ]
    note = Note(
        "## The shortest way\n\n"
        "One node from a picture and a recording to a video. For more control see the "
        "**talking_portrait** workflow.",
        (40, 40),
        (700, 150),
    )
    app = [("image", "image"), ("speech", "audio"), ("talk", "emotion"), ("talk", "intensity")]
    write("talk_in_one_node", nodes, [note], [], app)


def style_from_video() -> None:
    """Another voice in the manner of a clip."""
    nodes = [
        load_clip((40, 320)),
        track_motion((340, 320)),
        style_encoder((640, 320)),
        load_model((340, 560)),
        load_speech((40, 790)),
        speech_features((640, 560)),
        sampler((940, 320)),
        load_image((340, 790)),
        portrait((640, 790)),
        natural_motion((940, 620), head_motion=("track", 0)),
        render_video((1240, 320)),
        save_video(("render", 0), (1540, 320), "dreamtalk/style"),
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
    write("style_from_video", nodes, [note], [], app)


def emotion_from_voice() -> None:
    """The emotion that the recording sounds like, and what was heard."""
    nodes = [
        load_image((340, 620)),
        load_speech((40, 320)),
        load_model((40, 640)),
        portrait((640, 620)),
        speech_features((340, 320)),
        Node(
            "style",
            "DreamTalkStylePredictor",
            (640, 320),
            (270, 240),
            {
                "model": MODEL,
                "audio": SPEECH,
                "over_time": True,
                "features": ("features", 0),
                "portrait": ("portrait", 0),
            },
        ),
        Node("heard", "PreviewImage", (940, 920), (700, 300), {"images": ("style", 2)}),
        sampler((940, 320)),
        natural_motion((940, 620)),
        render_video((1240, 320)),
        save_video(("render", 0), (1540, 320), "dreamtalk/voice"),
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
    write("emotion_from_voice", nodes, [note], [], app)


def edit_motion() -> None:
    """Style over time, editing, and a picture of the result."""
    track = "0:neutral\n2.5:happy@1.2\n6:sad"
    nodes = [
        load_speech((40, 320)),
        load_model((40, 640)),
        speech_features((340, 320)),
        Node(
            "style",
            "DreamTalkStyleTrack",
            (340, 480),
            (270, 240),
            {"model": MODEL, "track": track},
        ),
        sampler((640, 320)),
        natural_motion((640, 610)),
        Node(
            "edit",
            "DreamTalkEditMotion",
            (940, 320),
            (270, 420),
            {"motion": ("life", 0), "brows": 1.5, "channels": "cheeks*1.2"},
        ),
        Node(
            "plot",
            "DreamTalkPlotMotion",
            (940, 920),
            (700, 470),
            {"motion": ("edit", 0), "audio": SPEECH},
        ),
        Node(
            "save_motion",
            "DreamTalkSaveMotion",
            (640, 920),
            (270, 110),
            {"motion": ("edit", 0), "format": "csv"},
        ),
        load_image((40, 920)),
        portrait((340, 920)),
        render_video((1240, 320), "edit"),
        save_video(("render", 0), (1540, 320), "dreamtalk/edit"),
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
    write("edit_motion", nodes, [note], [], app)


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

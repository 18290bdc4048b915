"""Write the example workflows, in the form of the editor and in the form of POST /prompt.

    python -m scripts.workflows

A workflow is described once, below; both forms come from it, so they can't drift apart.
"""

from __future__ import annotations

from scripts.graphs import Group, Link, Node, Note, write

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


def talking_portrait() -> None:
    """The chain, node by node."""
    nodes = [
        *spoken_portrait(),
        Node(
            "render",
            "DreamTalkRenderVideo",
            (1240, 40),
            (270, 420),
            {"portrait": ("portrait", 0), "motion": ("life", 0), "audio": ("speech", 0)},
        ),
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
        Node(
            "render",
            "DreamTalkRenderVideo",
            (1240, 320),
            (270, 420),
            {
                "portrait": ("portrait", 0),
                "motion": ("life", 0),
                "audio": ("speech", 0),
                "renderer": ("renderer", 0),
                "features": ("features", 0),
            },
        ),
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
        Node("speech", "DreamTalkLoadSpeech", (40, 730), (300, 240), {"audio": RECORDING}),
        Node(
            "talk",
            "DreamTalkTalk",
            (420, 260),
            (320, 560),
            {"image": ("image", 0), "audio": ("speech", 0), "emotion": "happy"},
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
    model, speech = ("model", 0), ("speech", 0)
    nodes = [
        Node("clip", "LoadVideo", (40, 320), (270, 400), {"file": CLIP}),
        Node("track", "DreamTalkTrackMotion", (340, 320), (270, 180), {"video": ("clip", 0)}),
        Node(
            "style",
            "DreamTalkStyleEncoder",
            (640, 320),
            (270, 110),
            {"model": model, "motion": ("track", 0)},
        ),
        Node("model", "DreamTalkLoadModel", (340, 560), (270, 80)),
        Node("speech", "DreamTalkLoadSpeech", (40, 790), (270, 250), {"audio": RECORDING}),
        Node(
            "features",
            "DreamTalkSpeechFeatures",
            (640, 560),
            (270, 90),
            {"model": model, "audio": speech},
        ),
        Node(
            "sampler",
            "DreamTalkSampler",
            (940, 320),
            (270, 220),
            {"model": model, "features": ("features", 0), "style": ("style", 0)},
        ),
        Node("image", "LoadImage", (340, 790), (270, 380), {"image": PICTURE}),
        Node("portrait", "DreamTalkPortrait", (640, 790), (270, 380), {"image": ("image", 0)}),
        Node(
            "life",
            "DreamTalkNaturalMotion",
            (940, 620),
            (270, 240),
            {"motion": ("sampler", 0), "audio": speech, "head_motion": ("track", 0)},
        ),
        Node(
            "render",
            "DreamTalkRenderVideo",
            (1240, 320),
            (270, 420),
            {"portrait": ("portrait", 0), "motion": ("life", 0), "audio": speech},
        ),
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


def dub_a_video() -> None:
    """A filmed person says something else."""
    nodes = [
        Node("clip", "LoadVideo", (40, 300), (270, 400), {"file": CLIP}),
        Node("speech", "DreamTalkLoadSpeech", (40, 770), (270, 250), {"audio": RECORDING}),
        Node(
            "dub",
            "DreamTalkDub",
            (380, 300),
            (320, 560),
            {"video": ("clip", 0), "audio": ("speech", 0)},
        ),
        save_video(("dub", 0), (780, 300), "dreamtalk/dub"),
    ]
    note = Note(
        "## Only the mouth changes\n\n"
        "The person in the video says the recording. Every pixel outside of mouth and chin stays "
        "as it was decoded. Take a video of your own in **Load Video**: head and shoulders, the "
        "face turned to the camera most of the time.\n\n"
        "Only dub people who have agreed to it, and say that the video is generated.",
        (40, 40),
        (870, 190),
    )
    app = [("clip", "file"), ("speech", "audio")]
    write("dub_a_video", nodes, [note], [], app)


def two_people() -> None:
    """Two people in one picture share a recording."""
    nodes = [
        Node("image", "LoadImage", (40, 340), (300, 340), {"image": TWO_PEOPLE}),
        Node("speech", "DreamTalkLoadSpeech", (40, 750), (300, 250), {"audio": RECORDING}),
        Node(
            "dialogue",
            "DreamTalkDialogue",
            (400, 340),
            (340, 520),
            {
                "image": ("image", 0),
                "audio": ("speech", 0),
                "speakers": "0:left\n1:right\n6.9:left",
                "styles": "left=happy",
            },
        ),
        Node(
            "render",
            "DreamTalkRenderVideo",
            (800, 340),
            (300, 420),
            {
                "portrait": ("dialogue", 0),
                "motion": ("dialogue", 1),
                "audio": ("dialogue", 3),
                "more_faces": ("dialogue", 2),
            },
        ),
        save_video(("render", 0), (1160, 340), "dreamtalk/dialogue"),
    ]
    note = Note(
        "## Two people talk\n\n"
        "**Dialogue** gives each face its part of the recording; who has no turn listens: lips at "
        "rest, eyes on the speaker, a nod at a pause.\n\n"
        "- *speakers* says who speaks when, in seconds: `0:left 4.2:right 9:both`. Write *stereo* "
        "if each channel is one person, or connect each person's own recording to *audio* and "
        "*audio2*.\n"
        "- *styles* gives single faces an emotion: `left=happy right=sad@0.7`.\n\n"
        "Only animate people who have agreed to it, and say that the video is generated.",
        (40, 40),
        (870, 250),
    )
    app = [
        ("image", "image"),
        ("speech", "audio"),
        ("dialogue", "speakers"),
        ("dialogue", "styles"),
    ]
    write("two_people", nodes, [note], [], app)


def emotion_from_voice() -> None:
    """The emotion that the recording sounds like, and what was heard."""
    model, speech = ("model", 0), ("speech", 0)
    nodes = [
        Node("image", "LoadImage", (340, 620), (270, 380), {"image": PICTURE}),
        Node("speech", "DreamTalkLoadSpeech", (40, 320), (270, 250), {"audio": RECORDING}),
        Node("model", "DreamTalkLoadModel", (40, 640), (270, 80)),
        Node("portrait", "DreamTalkPortrait", (640, 620), (270, 380), {"image": ("image", 0)}),
        Node(
            "features",
            "DreamTalkSpeechFeatures",
            (340, 320),
            (270, 90),
            {"model": model, "audio": speech},
        ),
        Node(
            "style",
            "DreamTalkStylePredictor",
            (640, 320),
            (270, 240),
            {
                "model": model,
                "audio": speech,
                "over_time": True,
                "features": ("features", 0),
                "portrait": ("portrait", 0),
            },
        ),
        Node("heard", "PreviewImage", (940, 920), (700, 300), {"images": ("style", 2)}),
        Node(
            "sampler",
            "DreamTalkSampler",
            (940, 320),
            (270, 220),
            {"model": model, "features": ("features", 0), "style": ("style", 0)},
        ),
        Node(
            "life",
            "DreamTalkNaturalMotion",
            (940, 620),
            (270, 240),
            {"motion": ("sampler", 0), "audio": speech},
        ),
        Node(
            "render",
            "DreamTalkRenderVideo",
            (1240, 320),
            (270, 420),
            {"portrait": ("portrait", 0), "motion": ("life", 0), "audio": speech},
        ),
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
    model, speech = ("model", 0), ("speech", 0)
    track = "0:neutral\n2.5:happy@1.2\n6:sad"
    nodes = [
        Node("speech", "DreamTalkLoadSpeech", (40, 320), (270, 250), {"audio": RECORDING}),
        Node("model", "DreamTalkLoadModel", (40, 640), (270, 80)),
        Node(
            "features",
            "DreamTalkSpeechFeatures",
            (340, 320),
            (270, 90),
            {"model": model, "audio": speech},
        ),
        Node(
            "style",
            "DreamTalkStyleTrack",
            (340, 480),
            (270, 240),
            {"model": model, "track": track},
        ),
        Node(
            "sampler",
            "DreamTalkSampler",
            (640, 320),
            (270, 220),
            {"model": model, "features": ("features", 0), "style": ("style", 0)},
        ),
        Node(
            "life",
            "DreamTalkNaturalMotion",
            (640, 610),
            (270, 240),
            {"motion": ("sampler", 0), "audio": speech},
        ),
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
            {"motion": ("edit", 0), "audio": speech},
        ),
        Node(
            "save_motion",
            "DreamTalkSaveMotion",
            (640, 920),
            (270, 110),
            {"motion": ("edit", 0), "format": "csv"},
        ),
        Node("image", "LoadImage", (40, 920), (270, 380), {"image": PICTURE}),
        Node("portrait", "DreamTalkPortrait", (340, 920), (270, 380), {"image": ("image", 0)}),
        Node(
            "render",
            "DreamTalkRenderVideo",
            (1240, 320),
            (270, 420),
            {"portrait": ("portrait", 0), "motion": ("edit", 0), "audio": speech},
        ),
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


def transparent_presenter() -> None:
    """A cut-out person as a .webm with alpha."""
    nodes = [
        *spoken_portrait(),
        Node(
            "render",
            "DreamTalkRender",
            (1240, 40),
            (270, 260),
            {"portrait": ("portrait", 0), "motion": ("life", 0), "background": "transparent"},
        ),
        Node(
            "save",
            "SaveWEBM",
            (1540, 40),
            (400, 520),
            {
                "images": ("render", 0),
                "filename_prefix": "dreamtalk/presenter",
                "codec": "vp9",
                "fps": ("render", 2),
                "crf": 32.0,
            },
        ),
    ]
    next(n for n in nodes if n.key == "speech").inputs["duration"] = 4.0
    note = Note(
        "## A presenter without a background\n\n"
        "**Render Frames** with *background* at *transparent* cuts the person out, and **Save "
        "WEBM** (ComfyUI 0.33 or newer) writes the alpha: lay the .webm over slides in OBS, a "
        "browser or a video editor. It has no sound; all frames are in memory, so **Load "
        "Speech** takes only 4 seconds here.\n\n"
        "**Over a slide, with sound, of any length:** put **Render Video** and **Save Video** in "
        "their place, and connect **Load Image** with the slide to *background_image*. It is cut "
        "to the portrait's shape, so give the portrait the room that the slide needs.\n\n"
        "Only animate people who have agreed to it, and say that the video is generated.",
        (40, 40),
        (570, 420),
    )
    write(
        "transparent_presenter",
        nodes,
        [note],
        [],
        [("image", "image"), ("speech", "audio"), ("speech", "duration"), ("style", "emotion")],
    )


PORTRAIT_PROMPT = (
    "photo of a friendly woman, head and shoulders, facing the camera, closed mouth, neutral "
    "expression, soft daylight, plain background, sharp focus, 50mm"
)
NOT_WANTED = (
    "profile, tilted head, open mouth, teeth, hand, microphone, sunglasses, hair over the eyes, "
    "several people, text, watermark, blurry"
)


def image_model_to_talk() -> None:
    """A face that an image model paints, made to talk."""
    checkpoint = "v1-5-pruned-emaonly-fp16.safetensors"
    hosted = (
        f"https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/{checkpoint}"
    )
    clip = ("checkpoint", 1)
    painted = [
        Node(
            "checkpoint",
            "CheckpointLoaderSimple",
            (-1240, 340),
            (300, 100),
            {"ckpt_name": checkpoint},
            models=[{"name": checkpoint, "url": hosted, "directory": "checkpoints"}],
        ),
        Node(
            "wanted",
            "CLIPTextEncode",
            (-900, 340),
            (340, 170),
            {"clip": clip, "text": PORTRAIT_PROMPT},
            title="The portrait",
        ),
        Node(
            "unwanted",
            "CLIPTextEncode",
            (-900, 570),
            (340, 150),
            {"clip": clip, "text": NOT_WANTED},
            title="What would be hard to animate",
        ),
        Node(
            "size",
            "EmptyLatentImage",
            (-1240, 570),
            (300, 110),
            {"width": 512, "height": 512, "batch_size": 1},
        ),
        Node(
            "ksampler",
            "KSampler",
            (-520, 340),
            (270, 270),
            {
                "model": ("checkpoint", 0),
                "positive": ("wanted", 0),
                "negative": ("unwanted", 0),
                "latent_image": ("size", 0),
                "seed": 7,
                "control_after_generate": "fixed",
                "steps": 25,
                "cfg": 7.0,
                "sampler_name": "dpmpp_2m",
                "scheduler": "karras",
                "denoise": 1.0,
            },
        ),
        Node(
            "decode",
            "VAEDecode",
            (-520, 670),
            (270, 50),
            {"samples": ("ksampler", 0), "vae": ("checkpoint", 2)},
        ),
        Node("look", "PreviewImage", (-220, 340), (230, 300), {"images": ("decode", 0)}),
    ]
    chain = [node for node in spoken_portrait() if node.key != "image"]
    next(n for n in chain if n.key == "portrait").inputs["image"] = ("decode", 0)
    nodes = [
        *painted,
        *chain,
        Node(
            "render",
            "DreamTalkRenderVideo",
            (1240, 40),
            (270, 420),
            {"portrait": ("portrait", 0), "motion": ("life", 0), "audio": ("speech", 0)},
        ),
        save_video(("render", 0), (1540, 40), "dreamtalk/painted"),
    ]
    note = Note(
        "## A person who doesn't exist talks\n\n"
        "An image model paints the portrait (any checkpoint will do; this names Stable Diffusion "
        "1.5), and DreamTalk moves it. What animates well: head and shoulders, the face towards "
        "the camera, mouth closed, nothing in front of it, a plain background.\n\n"
        "Set the seed to *randomize* and queue until you like the face, then keep it *fixed*: "
        "the picture comes from the cache, and each further take only costs the motion.\n\n"
        "Say that the video is generated, and don't paint anybody who hasn't agreed to it.",
        (-1240, 40),
        (1020, 250),
    )
    frames = [
        Group("Image model", (-1260, 300, 1290, 440)),
        Group("DreamTalk", (20, 0, 1940, 860), "#8A8"),
    ]
    write(
        "image_model_to_talk",
        nodes,
        [note],
        frames,
        [
            ("wanted", "text"),
            ("ksampler", "seed"),
            ("speech", "audio"),
            ("style", "emotion"),
        ],
    )


def official_checkpoint() -> None:
    """The published weights, for those who have them."""
    page = "https://github.com/ali-vilab/dreamtalk"
    encoder = "wav2vec2_large_english_fp16.safetensors"
    hosted = (
        "https://huggingface.co/Comfy-Org/Wan_2.2_ComfyUI_Repackaged/resolve/main/"
        f"split_files/audio_encoders/{encoder}"
    )
    model, speech = ("model", 0), ("speech", 0)

    def file(name: str, folder: str = "dreamtalk", url: str = page) -> list[dict[str, str]]:
        return [{"name": name, "url": url, "directory": folder}]

    nodes = [
        Node("speech", "DreamTalkLoadSpeech", (40, 340), (270, 250), {"audio": RECORDING}),
        Node(
            "encoder",
            "AudioEncoderLoader",
            (40, 660),
            (270, 80),
            {"audio_encoder_name": encoder},
            models=file(encoder, "audio_encoders", hosted),
        ),
        Node(
            "encode",
            "AudioEncoderEncode",
            (340, 340),
            (270, 80),
            {"audio_encoder": ("encoder", 0), "audio": speech},
        ),
        Node(
            "model",
            "DreamTalkLoadModel",
            (340, 490),
            (270, 80),
            {"checkpoint": "denoising_network.pth"},
            models=file("denoising_network.pth", url=f"{page}#download-checkpoints"),
        ),
        Node(
            "features",
            "DreamTalkSpeechFeatures",
            (640, 340),
            (270, 90),
            {"model": model, "audio_encoder_output": ("encode", 0)},
        ),
        Node("clip", "LoadVideo", (40, 810), (270, 400), {"file": CLIP}),
        Node("track", "DreamTalkTrackMotion", (340, 640), (270, 180), {"video": ("clip", 0)}),
        Node(
            "style",
            "DreamTalkStyleEncoder",
            (640, 500),
            (270, 110),
            {"model": model, "motion": ("track", 0)},
        ),
        Node(
            "sampler",
            "DreamTalkSampler",
            (940, 340),
            (270, 220),
            {"model": model, "features": ("features", 0), "style": ("style", 0)},
        ),
        Node("image", "LoadImage", (340, 890), (270, 380), {"image": PICTURE}),
        Node("portrait", "DreamTalkPortrait", (640, 890), (270, 380), {"image": ("image", 0)}),
        Node(
            "renderer",
            "DreamTalkLoadPIRenderer",
            (640, 680),
            (270, 150),
            {"checkpoint": "renderer.pt"},
            models=file("renderer.pt"),
        ),
        Node(
            "life",
            "DreamTalkNaturalMotion",
            (940, 630),
            (270, 240),
            {"motion": ("sampler", 0), "audio": speech},
        ),
        Node(
            "render",
            "DreamTalkRenderVideo",
            (1240, 340),
            (270, 420),
            {
                "portrait": ("portrait", 0),
                "motion": ("life", 0),
                "audio": speech,
                "renderer": ("renderer", 0),
            },
        ),
        save_video(("render", 0), (1540, 340), "dreamtalk/official"),
    ]
    note = Note(
        "## With the published DreamTalk weights\n\n"
        "They are not free to pass on: ask the authors (the link is in the missing-models "
        "dialog). Then put\n\n"
        "- **denoising_network.pth** and **renderer.pt** into *models/dreamtalk*,\n"
        "- **wav2vec2_large_english_fp16.safetensors** into *models/audio_encoders*.\n\n"
        "The style comes from a clip; a *.mat* of the official repository goes through "
        "**Load Motion** instead.",
        (40, 40),
        (870, 240),
    )
    app = [("clip", "file"), ("image", "image"), ("speech", "audio")]
    write("official_checkpoint", nodes, [note], [], app)


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

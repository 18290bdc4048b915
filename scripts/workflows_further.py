"""Workflows beyond one portrait and one recording; ``scripts.workflows`` writes them, too."""

from __future__ import annotations

from scripts.graphs import Node, Note, write
from scripts.workflow_parts import (
    MODEL,
    SPEECH,
    SPOKEN,
    TWO_PEOPLE,
    group,
    load_clip,
    load_image,
    load_speech,
    natural_motion,
    portrait,
    render_video,
    sampler,
    save_video,
    spoken_groups,
    spoken_portrait,
    style_encoder,
    track_motion,
)


def dub_a_video() -> None:
    """A filmed person says something else."""
    nodes = [
        load_clip((40, 320)),
        load_speech((40, 820)),
        Node(
            "dub",
            "DreamTalkDub",
            (380, 320),
            (320, 600),
            {"video": ("clip", 0), "audio": SPEECH},
        ),
        save_video(("dub", 0), (740, 320), "dreamtalk/dub"),
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
    groups = [
        group("Film and recording", nodes, "clip", "speech"),
        group("Video", nodes, "dub", "save", color="#8A8"),
    ]
    write("dub_a_video", nodes, [note], groups, app)


def two_people() -> None:
    """Two people in one picture share a recording."""
    nodes = [
        Node("image", "LoadImage", (40, 380), (300, 340), {"image": TWO_PEOPLE}),
        load_speech((40, 780), (300, 260)),
        Node(
            "dialogue",
            "DreamTalkDialogue",
            (420, 380),
            (340, 560),
            {
                "image": ("image", 0),
                "audio": SPEECH,
                "speakers": "0:left\n1:right\n6.9:left",
                "styles": "left=happy",
            },
        ),
        Node(
            "render",
            "DreamTalkRenderVideo",
            (840, 380),
            (300, 540),
            {
                "portrait": ("dialogue", 0),
                "motion": ("dialogue", 1),
                "audio": ("dialogue", 3),
                "more_faces": ("dialogue", 2),
            },
        ),
        save_video(("render", 0), (1180, 380), "dreamtalk/dialogue"),
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
    groups = [
        group("Picture and recording", nodes, "image", "speech"),
        group("Who says what", nodes, "dialogue"),
        group("Video", nodes, "render", "save", color="#8A8"),
    ]
    write("two_people", nodes, [note], groups, app)


def transparent_presenter() -> None:
    """A cut-out person as a .webm with alpha."""
    nodes = [
        *spoken_portrait(),
        Node(
            "render",
            "DreamTalkRender",
            (1240, 40),
            (270, 480),
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
        spoken_groups(nodes, "render", "save"),
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
            (-1240, 380),
            (300, 110),
            {"ckpt_name": checkpoint},
            models=[{"name": checkpoint, "url": hosted, "directory": "checkpoints"}],
        ),
        Node(
            "wanted",
            "CLIPTextEncode",
            (-900, 380),
            (340, 180),
            {"clip": clip, "text": PORTRAIT_PROMPT},
            title="The portrait",
        ),
        Node(
            "unwanted",
            "CLIPTextEncode",
            (-900, 610),
            (340, 160),
            {"clip": clip, "text": NOT_WANTED},
            title="What would be hard to animate",
        ),
        Node(
            "size",
            "EmptyLatentImage",
            (-1240, 610),
            (300, 120),
            {"width": 512, "height": 512, "batch_size": 1},
        ),
        Node(
            "ksampler",
            "KSampler",
            (-520, 380),
            (270, 310),
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
            (-520, 740),
            (270, 60),
            {"samples": ("ksampler", 0), "vae": ("checkpoint", 2)},
        ),
        Node("look", "PreviewImage", (-220, 380), (220, 300), {"images": ("decode", 0)}),
    ]
    chain = [node for node in spoken_portrait() if node.key != "image"]
    next(n for n in chain if n.key == "portrait").inputs["image"] = ("decode", 0)
    nodes = [
        *painted,
        *chain,
        render_video((1240, 40)),
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
        group("Image model", nodes, *(node.key for node in painted)),
        group("Picture", nodes, "portrait"),
        group("Speech and motion", nodes, *SPOKEN),
        group("Video", nodes, "render", "save", color="#8A8"),
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

    def file(name: str, folder: str = "dreamtalk", url: str = page) -> list[dict[str, str]]:
        return [{"name": name, "url": url, "directory": folder}]

    nodes = [
        load_speech((40, 980)),
        Node(
            "encoder",
            "AudioEncoderLoader",
            (40, 1290),
            (270, 90),
            {"audio_encoder_name": encoder},
            models=file(encoder, "audio_encoders", hosted),
        ),
        Node(
            "encode",
            "AudioEncoderEncode",
            (340, 980),
            (270, 90),
            {"audio_encoder": ("encoder", 0), "audio": SPEECH},
        ),
        Node(
            "model",
            "DreamTalkLoadModel",
            (340, 1120),
            (270, 110),
            {"checkpoint": "denoising_network.pth"},
            models=file("denoising_network.pth", url=f"{page}#download-checkpoints"),
        ),
        Node(
            "features",
            "DreamTalkSpeechFeatures",
            (640, 980),
            (270, 100),
            {"model": MODEL, "audio_encoder_output": ("encode", 0)},
        ),
        load_clip((40, 360)),
        track_motion((340, 360)),
        style_encoder((640, 360)),
        sampler((640, 1130)),
        load_image((980, 360)),
        portrait((1280, 360)),
        Node(
            "renderer",
            "DreamTalkLoadPIRenderer",
            (1580, 360),
            (270, 240),
            {"checkpoint": "renderer.pt"},
            models=file("renderer.pt"),
        ),
        natural_motion((940, 980)),
        render_video((1280, 980), renderer=("renderer", 0)),
        save_video(("render", 0), (1580, 980), "dreamtalk/official"),
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
    groups = [
        group("Style of the clip", nodes, "clip", "track", "style"),
        group("Picture and renderer", nodes, "image", "portrait", "renderer"),
        group(
            "Speech and motion", nodes,
            "speech", "encoder", "encode", "model", "features", "sampler", "life",
        ),
        group("Video", nodes, "render", "save", color="#8A8"),
    ]  # fmt: skip
    write("official_checkpoint", nodes, [note], groups, app)

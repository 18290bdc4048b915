"""Draw the thumbnails of the example workflows, and the example clip, with the starter weights.

    python -m scripts.thumbnails

Writes ``workflows/NAME.jpg`` (what ComfyUI's template browser shows), ``samples/clip.mp4`` (a
speaking face to track, for the workflow that takes its style from a video) and
``samples/two_people.jpg`` (for the one in which two people talk). With
``two_people``, ``transparent_presenter`` or ``image_model_to_talk`` as arguments it writes only
these.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from dreamtalk.dialogue.faces import animate_faces
from dreamtalk.dialogue.split import split_track
from dreamtalk.dialogue.turns import parse_speaker_track
from dreamtalk.dubbing.film import VideoFilm
from dreamtalk.face.analysis import analyze_portrait
from dreamtalk.face.image import load_image
from dreamtalk.model import DreamTalkModel, load_model
from dreamtalk.motion.motion import Motion
from dreamtalk.motion.plot import plot_motion
from dreamtalk.pipeline import Dub, SpeechSource, animate, dub
from dreamtalk.render.background import background_of, over_background, with_mattes
from dreamtalk.render.group import together
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.render.registry import open_renderer
from dreamtalk.render.renderer import Renderer
from dreamtalk.render.video import Sound, write_video
from dreamtalk.speech.loading import load_speech
from dreamtalk.speech.speech import Speech
from scripts.contact_sheet import public_portraits
from scripts.workflows_further import PORTRAIT_PROMPT

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 640, 360
CLIP_SECONDS = 5.0
GROUP = ROOT / "samples" / "two_people.jpg"
GROUP_SIDE, GROUP_BAR = 400, 8
TRACK = "0:left 1:right 6.9:left"  # of samples/speech.wav: "Hello!", "I am only ...", "Maybe ..."


def moving(model: DreamTalkModel, speech: Speech, emotion: str, intensity: float = 1.0) -> Motion:
    """The example sentence in an emotion."""
    return animate(speech, model, model.preset(emotion, intensity))


def frame_of(renderer: Renderer, motion: Motion, wide: bool) -> np.ndarray:
    """The frame with the widest open (or the most closed) mouth of the first four seconds."""
    aperture = motion.channel("lipAperture")[5:100]
    index = 5 + int(aperture.argmax() if wide else aperture.argmin())
    part = motion.with_(
        expression=motion.expression[index : index + 1], head=motion.head[index : index + 1]
    )
    return next(iter(renderer.frames(part)))[0].numpy()


def strip(frames: list[np.ndarray]) -> Image.Image:
    """Pictures side by side, cut to fill a thumbnail."""
    width = WIDTH // len(frames)
    sheet = Image.new("RGB", (WIDTH, HEIGHT))
    for place, frame in enumerate(frames):
        picture = Image.fromarray(frame)
        scale = max(width / picture.width, HEIGHT / picture.height)
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
        left = (picture.width - width) // 2
        sheet.paste(picture.crop((left, 0, left + width, HEIGHT)), (place * width, 0))
    return sheet


def dubbed() -> list[np.ndarray]:
    """One moment of the example clip, as it is and with other words."""
    made = ROOT / "samples" / "dubbed.part.mkv"
    speech = SpeechSource(ROOT / "samples" / "speech.wav", start=2.0, duration=3.0)
    wanted = dub(Dub(ROOT / "samples" / "clip.mp4", speech, made, quality=8))
    pictures = [
        list(VideoFilm(path).pictures())[: len(wanted)]
        for path in (ROOT / "samples" / "clip.mp4", made)
    ]
    made.unlink()
    change = torch.tensor(
        [float(np.abs(np.int16(a) - b).sum()) for a, b in zip(*pictures, strict=True)]
    )
    change[wanted.channel("lidUpperLeftY") < -0.03] = 0  # not while it blinks
    at = int(change.argmax())
    return [shown[at] for shown in pictures]


def group_picture() -> None:
    """Two public-domain portraits as in a video call: Eileen Collins and Grace Hopper."""
    with Image.open(ROOT / "samples" / "portrait.png") as file:
        left = file.convert("RGB")
    with Image.open(public_portraits()["hopper"]) as file:
        right = file.convert("RGB").crop((20, 0, 500, 480))
    sheet = Image.new("RGB", (2 * GROUP_SIDE + GROUP_BAR, GROUP_SIDE), (32, 34, 38))
    for place, picture in ((0, left), (GROUP_SIDE + GROUP_BAR, right)):
        even = picture.resize((GROUP_SIDE, GROUP_SIDE), Image.Resampling.LANCZOS)
        sheet.paste(even, (place, 0))
    sheet.save(GROUP, quality=90)


def two_people() -> None:
    """The picture of two people, and one of them speaking while the other one listens."""
    group_picture()
    picture, model = load_image(GROUP), load_model()
    portraits = [analyze_portrait(picture, name) for name in ("1", "2")]
    speech = load_speech(ROOT / "samples" / "speech.wav")
    voices = split_track(speech, parse_speaker_track(TRACK), 2)
    styles = [model.preset("happy"), model.preset("neutral")]
    faces = animate_faces(portraits, voices, model, styles)
    renderers = [MeshRenderer(portrait) for portrait in portraits]
    renderer, motion = together(portraits, renderers, [motion for _, motion in faces])
    spoken = faces[1][1].channel("lipAperture")[:160]
    at = int(spoken.argmax())
    frame = next(
        f[at - done] for done, f in _frames(renderer, motion) if done <= at < done + len(f)
    )
    strip([frame.numpy()]).save(ROOT / "workflows" / "two_people.jpg", quality=85)


def _frames(renderer: Renderer, motion: Motion) -> Iterator[tuple[int, torch.Tensor]]:
    """Chunks of frames, with the number of their first."""
    done = 0
    for chunk in renderer.frames(motion):
        yield done, chunk
        done += len(chunk)


def transparent_presenter() -> None:
    """The cut-out person on the squares that stand for nothing, and over a slide."""
    model, picture = load_model(), load_image(ROOT / "samples" / "portrait.png")
    portraits = with_mattes([analyze_portrait(picture)])
    renderer = MeshRenderer(portraits[0])
    motion = moving(model, load_speech(ROOT / "samples" / "speech.wav"), "happy")
    at = 5 + int(motion.channel("lipAperture")[5:100].argmax())
    one = motion.with_(expression=motion.expression[at : at + 1], head=motion.head[at : at + 1])
    chunks = over_background(
        renderer.frames(one), renderer, portraits, one, background_of("transparent")
    )
    person = Image.fromarray(next(iter(chunks))[0].numpy(), "RGBA")
    person = person.resize((HEIGHT, HEIGHT), Image.Resampling.LANCZOS)
    rows, columns = np.mgrid[:HEIGHT, : WIDTH // 2] // 20
    squares = np.where((rows + columns) % 2, 205, 240).astype(np.uint8)
    sheet = Image.new("RGB", (WIDTH, HEIGHT), "#1f4e79")
    sheet.paste(Image.fromarray(squares), (0, 0))
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((WIDTH // 2, 0, WIDTH, 8), fill="#f2b134")
    draw.text((WIDTH // 2 + 22, 28), "Quarterly results", "white", ImageFont.load_default(24))
    for n, height in enumerate((60, 95, 80, 130, 165)):
        left = WIDTH // 2 + 24 + 30 * n
        draw.rectangle((left, 250 - height, left + 20, 250), fill="#9cc3e6")
    half = person.crop((20, 0, 20 + WIDTH // 2, HEIGHT))
    sheet.paste(half, (0, 0), half)
    small = person.resize((230, 230), Image.Resampling.LANCZOS)
    sheet.paste(small, (WIDTH - 215, HEIGHT - 230), small)
    sheet.save(ROOT / "workflows" / "transparent_presenter.jpg", quality=85)


def image_model_to_talk() -> None:
    """The words for the image model, and a face that speaks."""
    model = load_model()
    portrait = analyze_portrait(load_image(ROOT / "samples" / "portrait.png"))
    motion = moving(model, load_speech(ROOT / "samples" / "speech.wav"), "surprised")
    words = Image.new("RGB", (WIDTH // 2, HEIGHT), "#22252b")
    draw, font = ImageDraw.Draw(words), ImageFont.load_default(21)
    draw.rounded_rectangle((18, 18, WIDTH // 2 - 18, HEIGHT - 18), 10, "#353945", "#6f7787")
    lines = textwrap.fill(PORTRAIT_PROMPT, 25)
    draw.multiline_text((36, 40), lines, "#e8eaf0", font, spacing=10)
    spoken = frame_of(MeshRenderer(portrait), motion, wide=True)
    sheet = strip([np.asarray(words), spoken])
    sheet.save(ROOT / "workflows" / "image_model_to_talk.jpg", quality=85)


SINGLE = {
    "two_people": two_people,
    "transparent_presenter": transparent_presenter,
    "image_model_to_talk": image_model_to_talk,
}


def main() -> None:
    """Write all of them."""
    for name in sys.argv[1:] or SINGLE:
        SINGLE[name]()
    if sys.argv[1:]:
        return
    model = load_model()
    speech = load_speech(ROOT / "samples" / "speech.wav")
    picture = load_image(ROOT / "samples" / "portrait.png")
    portrait = analyze_portrait(picture)
    renderer, painted = MeshRenderer(portrait), open_renderer("difftalk", portrait)
    motions = {
        e: moving(model, speech, e) for e in ("neutral", "happy", "sad", "surprised", "angry")
    }
    still = (picture * 255).round().to(torch.uint8).numpy()
    happy = frame_of(renderer, motions["happy"], wide=True)
    sheets = {
        "talking_portrait": [still, frame_of(renderer, motions["neutral"], wide=False), happy],
        "talk_in_one_node": [still, happy],
        "style_from_video": [
            frame_of(renderer, motions["surprised"], wide=True),
            frame_of(renderer, motions["surprised"], wide=False),
        ],
        "emotion_from_voice": [
            frame_of(renderer, motions[e], wide=True) for e in ("happy", "angry", "sad")
        ],
        "difftalk_renderer": [
            frame_of(painted, motions["happy"], wide=True),
            frame_of(painted, motions["surprised"], wide=True),
        ],
        "official_checkpoint": [still, frame_of(renderer, motions["sad"], wide=True)],
    }
    for name, frames in sheets.items():
        strip(frames).save(ROOT / "workflows" / f"{name}.jpg", quality=85)
    plot = (plot_motion(motions["happy"], speech, width=960) * 255).to(torch.uint8).numpy()
    strip([plot]).save(ROOT / "workflows" / "edit_motion.jpg", quality=85)

    strong = moving(model, Speech(speech.waveform[: int(CLIP_SECONDS * 16_000)]), "surprised", 1.5)
    sound = Sound(ROOT / "samples" / "speech.wav")
    write_video(ROOT / "samples" / "clip.mp4", renderer.frames(strong), 25.0, sound, quality=23)
    strip(dubbed()).save(ROOT / "workflows" / "dub_a_video.jpg", quality=85)


if __name__ == "__main__":
    main()

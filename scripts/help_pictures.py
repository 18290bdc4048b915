"""Draw what the nodes' help pages show: a node's result from the example picture and recording.

    python -m scripts.help_pictures             # all of them
    python -m scripts.help_pictures DreamTalkTalk DreamTalkPortrait

Writes ``web/docs/images/NODE_ID.jpg`` with the starter weights; ``python -m scripts.node_texts``
puts new ones into the pages. A node that only loads or saves a file has none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dreamtalk.face.analysis import analyze_portrait
from dreamtalk.face.image import load_image
from dreamtalk.face.portrait import Portrait
from dreamtalk.model import DreamTalkModel, load_model
from dreamtalk.model.features import speech_features
from dreamtalk.model.heard_plot import plot_heard
from dreamtalk.motion.edit import adjust, concat, trim
from dreamtalk.motion.motion import Motion
from dreamtalk.motion.plot import plot_motion
from dreamtalk.options import EMOTIONS
from dreamtalk.pipeline import Voice, animate, heard_style
from dreamtalk.render.group import together
from dreamtalk.render.mesh import MeshRenderer, debug_sheet
from dreamtalk.render.mesh.debug import debug_views
from dreamtalk.render.registry import open_renderer
from dreamtalk.render.renderer import Renderer
from dreamtalk.speech.loading import load_speech
from dreamtalk.speech.speech import Features, Speech
from dreamtalk.style import Style
from dreamtalk.style.blend import blend_styles
from dreamtalk.style.track import style_track
from dreamtalk.tracking.track import track_video

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "web" / "docs" / "images"
CELL, CAPTION, GAP = 232, 22, 4  # px
WIDEST = 960  # px of a plot
PAPER, INK = (255, 255, 255), (32, 36, 44)
TRACK = "0:neutral 2.7:happy 5.4:sad"

Picture = npt.NDArray[np.uint8]
Cell = tuple[str, Picture]


@dataclass(frozen=True)
class Example:
    """What all pictures are made from."""

    model: DreamTalkModel
    speech: Speech
    portrait: Portrait

    @cached_property
    def renderer(self) -> MeshRenderer:
        return MeshRenderer(self.portrait)

    @cached_property
    def still(self) -> Picture:
        return bytes_of(self.portrait.image)

    def spoken(self, style: Style | str, liveliness: float = 0.0) -> Motion:
        """The recording in a style or an emotion."""
        said = self.model.preset(style) if isinstance(style, str) else style
        return animate(self.speech, self.model, said, liveliness=liveliness, features=self.features)

    @cached_property
    def features(self) -> Features:
        return speech_features(self.speech, self.model)

    @cached_property
    def clip(self) -> Motion:
        return track_video(ROOT / "samples" / "clip.mp4").motion

    @cached_property
    def happy(self) -> Motion:
        return self.spoken("happy", 1.0)


def bytes_of(picture: Tensor) -> Picture:
    """(H, W, 3) 0..1 or bytes -> uint8."""
    if picture.dtype != torch.uint8:
        picture = (picture * 255).round().clamp(0, 255).to(torch.uint8)
    return picture.numpy()


def frame(renderer: Renderer, motion: Motion, at: int) -> Picture:
    """One frame of a motion."""
    part = motion.with_(expression=motion.expression[at : at + 1], head=motion.head[at : at + 1])
    return next(iter(renderer.frames(part)))[0].numpy()


def widest(motion: Motion, start: float = 0.2, end: float = 4.0) -> int:
    """The frame with the widest open mouth between two times, in seconds."""
    first, last = round(start * motion.fps), round(end * motion.fps)
    return first + int(motion.channel("lipAperture")[first:last].argmax())


def narrowest(motion: Motion, start: float, end: float) -> int:
    """The frame with the most closed mouth between two times, in seconds."""
    first, last = round(start * motion.fps), round(end * motion.fps)
    return first + int(motion.channel("lipAperture")[first:last].argmin())


def sheet(cells: list[Cell], columns: int = 4) -> Image.Image:
    """Pictures with their captions, in rows."""
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    size = (columns * (CELL + GAP) - GAP, rows * (CELL + CAPTION + GAP) - GAP)
    made = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(15)
    for place, (caption, picture) in enumerate(cells):
        x, y = place % columns * (CELL + GAP), place // columns * (CELL + CAPTION + GAP)
        shown = Image.fromarray(picture).resize((CELL, CELL), Image.Resampling.LANCZOS)
        made.paste(shown, (x, y))
        draw.text((x + CELL / 2, y + CELL + CAPTION / 2), caption, INK, font, anchor="mm")
    return made


def moments(x: Example, motion: Motion, *places: int) -> list[Cell]:
    """Frames of a motion with their times."""
    return [(f"{at / motion.fps:.1f} s", frame(x.renderer, motion, at)) for at in places]


def talking(x: Example) -> Image.Image:
    """The picture, and the video at three times."""
    motion = x.happy
    places = (widest(motion, 0.2, 1.0), narrowest(motion, 1.0, 2.4), widest(motion, 2.4, 4.0))
    return sheet([("the picture", x.still), *moments(x, motion, *places)])


def emotions(x: Example) -> Image.Image:
    """The same moment in all eight emotions."""
    at = widest(x.spoken("neutral"))
    return sheet([(name, frame(x.renderer, x.spoken(name), at)) for name in EMOTIONS])


def blend(x: Example) -> Image.Image:
    """Two emotions, and what lies between them."""
    happy, surprised = x.model.preset("happy"), x.model.preset("surprised")
    styles = {
        "happy": happy,
        "half of each": blend_styles([happy, surprised], [1.0, 1.0]),
        "surprised": surprised,
    }
    at = widest(x.spoken("neutral"))
    return sheet([(name, frame(x.renderer, x.spoken(s), at)) for name, s in styles.items()])


def track(x: Example) -> Image.Image:
    """The emotion changes while somebody speaks."""
    motion = x.spoken(style_track(TRACK, x.model.preset))
    return sheet(
        [
            (f"{name}, {cell[0]}", cell[1])
            for name, start in (("neutral", 0.4), ("happy", 3.4), ("sad", 6.2))
            for cell in moments(x, motion, widest(motion, start, start + 1.2))
        ]
    )


def edited(x: Example) -> Image.Image:
    """Lips that move less and more."""
    motion = x.spoken("neutral")
    at = widest(motion)
    gains = {
        f"lips {gain:g}": adjust(motion, {"lips": gain, "jaw": gain}) for gain in (0.4, 1, 1.6)
    }
    brows = adjust(motion, offsets={"browInnerLeftY": 0.07, "browInnerRightY": 0.07})
    cells = [(name, frame(x.renderer, changed, at)) for name, changed in gains.items()]
    return sheet([*cells, ("brows raised", frame(x.renderer, brows, at))])


def alive(x: Example) -> Image.Image:
    """A blink, a glance and a turn of the head."""
    motion = x.spoken("neutral", 1.5)
    still = narrowest(motion, 0.0, 1.0)
    blink = int(motion.channel("lidUpperLeftY").argmin())
    glance = int(motion.channel("gazeLeftX").abs().argmax())
    turn = int(motion.head[:, 1].abs().argmax())
    names = {"at rest": still, "blink": blink, "glance": glance, "turn": turn}
    return sheet([(name, frame(x.renderer, motion, at)) for name, at in names.items()])


def analysed(x: Example) -> Image.Image:
    """What the face was found to be."""
    views = debug_views(x.renderer)
    return sheet([(name, views[name]) for name in ("landmarks", "matte")])


def frames(x: Example) -> Image.Image:
    """Some frames, and the mask of what may move."""
    motion = x.spoken("surprised")
    places = (narrowest(motion, 0.2, 1.0), widest(motion, 1.0, 2.0), widest(motion, 2.4, 4.0))
    mask = bytes_of(x.renderer.mask()[..., None].expand(-1, -1, 3).contiguous())
    return sheet([*moments(x, motion, *places), ("mask", mask)])


def two_faces(x: Example) -> Image.Image:
    """One picture, two faces, each with its own motion."""
    image = torch.cat([x.portrait.image.flip(1), x.portrait.image], dim=1)
    portraits = [analyze_portrait(image, which) for which in ("leftmost", "rightmost")]
    motions = [x.spoken("happy"), x.spoken("sad")]
    group, first = together(portraits, [MeshRenderer(p) for p in portraits], motions)
    at = widest(first)
    trimmed = [trim(m, at / m.fps, (at + 1) / m.fps) for m in motions]
    group, first = together(portraits, [MeshRenderer(p) for p in portraits], trimmed)
    made = Image.fromarray(next(iter(group.frames(first)))[0].numpy())
    return made.resize((2 * CELL, CELL), Image.Resampling.LANCZOS)


def painted(x: Example) -> Image.Image:
    """The same mouth by both renderers, from near."""
    difftalk = open_renderer("difftalk", x.portrait)
    motion = x.spoken("surprised")
    at = widest(motion)
    lips = x.portrait.landmarks[[61, 291, 0, 17], :2]
    (left, top), half = (lips.amin(0) + lips.amax(0)) / 2, int(0.75 * x.portrait.iod)
    box = (slice(int(top) - half, int(top) + half), slice(int(left) - half, int(left) + half))
    shown = {"mesh": x.renderer, "DiffTalk": difftalk}
    return sheet([(name, frame(r, motion, at)[box]) for name, r in shown.items()])


def heard(x: Example) -> Image.Image:
    """Which emotions are heard when."""
    voice = Voice(x.speech, x.features, x.portrait, 0)
    _, found = heard_style(x.model, voice, over_time=True)
    return Image.fromarray(bytes_of(plot_heard(found, x.speech, WIDEST)))


def joined(x: Example) -> Image.Image:
    """One motion melts into another."""
    parts = [trim(x.spoken(name), 0.0, 2.0) for name in ("happy", "sad")]
    return Image.fromarray(bytes_of(plot_motion(concat(parts, 0.4), width=WIDEST)))


def plotted(x: Example) -> Image.Image:
    """The curves of a motion under its sound."""
    return Image.fromarray(bytes_of(plot_motion(x.happy, x.speech, width=WIDEST)))


def tracked(x: Example) -> Image.Image:
    """What was read from the example clip."""
    return Image.fromarray(bytes_of(plot_motion(x.clip, width=WIDEST)))


def thumbnail(name: str) -> Callable[[Example], Image.Image]:
    """What ``scripts.thumbnails`` drew for a workflow of the node: from two frames of its video."""
    return lambda x: Image.open(ROOT / "workflows" / f"{name}.jpg")


def inspected(x: Example) -> Image.Image:
    """All layers of the portrait."""
    return Image.fromarray(bytes_of(debug_sheet(x.renderer, height=220)))


PICTURES: dict[str, Callable[[Example], Image.Image]] = {
    "DreamTalkTalk": talking,
    "DreamTalkDub": thumbnail("dub_a_video"),
    "DreamTalkDialogue": thumbnail("two_people"),
    "DreamTalkStylePreset": emotions,
    "DreamTalkStylePredictor": heard,
    "DreamTalkStyleBlend": blend,
    "DreamTalkStyleTrack": track,
    "DreamTalkTrackMotion": tracked,
    "DreamTalkEditMotion": edited,
    "DreamTalkJoinMotion": joined,
    "DreamTalkPlotMotion": plotted,
    "DreamTalkNaturalMotion": alive,
    "DreamTalkPortrait": analysed,
    "DreamTalkAddFace": two_faces,
    "DreamTalkInspectPortrait": inspected,
    "DreamTalkRender": frames,
    "DreamTalkLoadDiffTalk": painted,
}


def main(wanted: list[str]) -> None:
    """Draw them."""
    portrait = analyze_portrait(load_image(ROOT / "samples" / "portrait.png"))
    example = Example(load_model(), load_speech(ROOT / "samples" / "speech.wav"), portrait)
    IMAGES.mkdir(exist_ok=True)
    for node_id in wanted or PICTURES:
        made = PICTURES[node_id](example).convert("RGB")
        made.save(IMAGES / f"{node_id}.jpg", quality=82, optimize=True)
        sys.stdout.write(f"{node_id} {made.width} x {made.height}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

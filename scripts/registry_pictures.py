"""Draw the icon and the banner by which the ComfyUI registry shows the pack.

    python -m scripts.registry_pictures

Writes ``docs/images/icon.png`` (400 x 400) and ``docs/images/banner.png`` (1260 x 540, 21:9), which
``[tool.comfy]`` in ``pyproject.toml`` names. Nobody's face is shown: every shape is drawn from the
mean face of the ``face`` space (``FaceBasis``), moved by its channels, and from the waveform of
``samples/speech.wav``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from scipy.spatial import Delaunay

from dreamtalk.face import topology as t
from dreamtalk.face.basis import FaceBasis
from dreamtalk.face.pose import euler_matrix
from dreamtalk.motion import FACE
from dreamtalk.speech.loading import load_speech

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
ICON, BANNER = (400, 400), (1260, 540)  # px
FINE = 3  # pictures are drawn this much larger, and then reduced: edges without steps

Array = npt.NDArray[np.float64]
Colour = tuple[int, int, int]

NIGHT, DUSK = (20, 22, 46), (62, 38, 94)
WHITE, LIP, MOUTH, IRIS = (250, 248, 255), (236, 84, 108), (66, 16, 40), (44, 36, 84)
SOUND = (255, 196, 92)


@dataclass(frozen=True)
class Look:
    """One face of the pictures.

    Attributes:
        skin: colours of its brightest and its darkest triangle.
        channels: offsets by name, IOD; ``Both`` in a name stands for Left and Right.
        head: pitch, yaw and roll, radians.
    """

    skin: tuple[Colour, Colour]
    channels: dict[str, float]
    head: tuple[float, float, float] = (0.0, 0.0, 0.0)


OPEN = {"lipAperture": 0.2, "lipLowerY": -0.17, "chinY": -0.14, "lipUpperY": 0.03}
SMILE = {"mouthCornerBothY": 0.06, "mouthWidth": 0.08, "cheekBothY": 0.03, "lidLowerBothY": 0.012}
LOOKS = {
    "icon": Look(
        ((150, 226, 232), (38, 92, 150)), OPEN | SMILE | {"browOuterBothY": 0.05}, (0.0, 0.3, 0.06)
    ),
    "neutral": Look(((178, 190, 214), (70, 82, 116)), {"lipAperture": 0.02}, (0.0, 0.28, 0.0)),
    "happy": Look(((255, 222, 130), (206, 122, 56)), OPEN | SMILE, (-0.04, 0.16, 0.05)),
    "surprised": Look(
        ((150, 226, 232), (38, 92, 150)),
        OPEN
        | {"mouthWidth": -0.14, "browInnerBothY": 0.13, "browOuterBothY": 0.12}
        | {"lidUpperBothY": 0.04},
    ),
    "sad": Look(
        ((160, 178, 246), (58, 66, 148)),
        {"lipAperture": 0.08, "lipLowerY": -0.06, "mouthCornerBothY": -0.1}
        | {"browInnerBothY": 0.08, "browOuterBothY": -0.04, "lidUpperBothY": -0.02},
        (0.1, -0.14, -0.06),
    ),
    "angry": Look(
        ((255, 164, 142), (170, 52, 74)),
        OPEN
        | {
            "mouthWidth": 0.06,
            "mouthCornerBothY": -0.06,
            "browInnerBothY": -0.09,
            "browOuterBothY": 0.02,
        }
        | {"browFurrowBothX": -0.05, "lidUpperBothY": -0.01, "lidLowerBothY": 0.015},
        (0.05, -0.28, 0.0),
    ),
}


def points_of(look: Look) -> Array:
    """(478, 3) landmarks, IOD: x right and y down in the picture, z towards the camera."""
    row = torch.zeros(1, len(FACE))
    for name, value in look.channels.items():
        for side in ("Left", "Right") if "Both" in name else ("",):
            row[0, FACE.index[name.replace("Both", side)]] = value
    basis = FaceBasis.load()
    face = torch.from_numpy(basis.template).float() + basis.decode(row)[0]
    turned = face @ euler_matrix(torch.tensor([look.head]))[0].T
    return turned.double().numpy() * (1.0, -1.0, 1.0)


def between(first: Colour, second: Colour, share: float) -> Colour:
    """A colour on the way from one to another."""
    mixed = [round(a + share * (b - a)) for a, b in zip(first, second, strict=True)]
    return (mixed[0], mixed[1], mixed[2])


def triangles() -> npt.NDArray[np.int64]:
    """(N, 3) landmarks of the skin's triangles, without mouth and eyes."""
    flat = FaceBasis.load().template[:, :2]
    found = Delaunay(flat).simplices.astype(np.int64)
    holes = [
        {t.INNER_RIGHT, t.INNER_LEFT, *t.UPPER_INNER, *t.LOWER_INNER},
        *({*eye["corners"], *eye["upper"], *eye["lower"], *eye["iris"]} for eye in t.EYES),
    ]
    inside = [any(set(map(int, row)) <= hole for hole in holes) for row in found]
    return found[~np.array(inside)]


def draw_face(draw: ImageDraw.ImageDraw, look: Look, centre: Array, iod: float) -> None:
    """A face of lit triangles with eyes, brows and lips.

    Args:
        draw: where.
        look: how it looks.
        centre: (2,) px, where the middle of the eyes lies.
        iod: px between the outer corners of the eyes.
    """
    points = points_of(look)
    flat = points[:, :2] * iod + centre

    def outline(*rings: tuple[int, ...]) -> list[tuple[float, float]]:
        return [(float(x), float(y)) for ring in rings for x, y in flat[list(ring)]]

    skin = triangles()
    corners = points[skin]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals *= np.sign(normals[:, 2:])
    around = np.zeros_like(points)  # every landmark's normal: small triangles alone are rough
    for corner in range(3):
        np.add.at(around, skin[:, corner], normals)
    around /= np.linalg.norm(around, axis=1, keepdims=True) + 1e-9
    light = np.array([-0.5, -0.6, 0.7])
    shade = np.clip(around @ (light / np.linalg.norm(light)), 0.0, 1.0)[skin].mean(1)
    for index in np.argsort(corners[:, :, 2].mean(1)):
        colour = between(look.skin[1], look.skin[0], float(shade[index]))
        draw.polygon(outline(tuple(skin[index])), fill=colour, outline=colour)
    for eye in t.EYES:
        right, left = eye["corners"]
        almond = outline((right, *eye["upper"], left), eye["lower"][::-1])
        draw.polygon(almond, fill=WHITE)
        opening = abs(flat[eye["lower"][3], 1] - flat[eye["upper"][3], 1])
        radius = min(0.085 * iod, 0.62 * opening)
        x, y = flat[eye["iris"][0]]
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=IRIS)
        shine = 0.3 * radius
        x, y = x - 0.3 * radius, y - 0.4 * radius
        draw.ellipse((x - shine, y - shine, x + shine, y + shine), fill=WHITE)
        stroke = round(0.028 * iod)
        draw.line(almond[: len(eye["upper"]) + 2], fill=IRIS, width=stroke, joint="curve")
        draw.line(outline(eye["brow"]), fill=IRIS, width=round(0.06 * iod), joint="curve")
    lips = outline((t.MOUTH_RIGHT, *t.UPPER_RINGS[3], t.MOUTH_LEFT), t.LOWER_RINGS[3][::-1])
    inner = outline((t.INNER_RIGHT, *t.UPPER_INNER, t.INNER_LEFT), t.LOWER_INNER[::-1])
    draw.polygon(lips, fill=LIP)
    draw.polygon(inner, fill=MOUTH)
    nostrils = outline((98, 97, 2, 326, 327))
    draw.line(nostrils, fill=look.skin[1], width=round(0.03 * iod), joint="curve")


def ground(size: tuple[int, int]) -> Image.Image:
    """The night sky behind, lighter towards the lower right corner."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    share = ((across + down) / 2)[..., None]
    colours = np.array(NIGHT) + share * (np.array(DUSK) - np.array(NIGHT))
    return Image.fromarray(colours.round().astype(np.uint8))


def loudness(bars: int) -> Array:
    """(bars,) loudness of the example recording, from 0 to 1."""
    waveform = load_speech(ROOT / "samples" / "speech.wav").waveform.numpy()
    parts = np.array_split(waveform, bars)
    level = np.array([np.sqrt(np.mean(part**2)) for part in parts])
    return (level / level.max()) ** 0.7


def draw_sound(
    draw: ImageDraw.ImageDraw, levels: Array, left: float, right: float, middle: float, high: float
) -> None:
    """Rounded bars, as tall as it is loud, from ``left`` to ``right`` around ``middle``, px."""
    pitch = (right - left) / len(levels)
    width = 0.55 * pitch
    for place, level in enumerate(levels):
        x = left + (place + 0.5) * pitch
        half = max(width, high * float(level)) / 2
        box = (x - width / 2, middle - half, x + width / 2, middle + half)
        draw.rounded_rectangle(box, width / 2, fill=SOUND)


def icon() -> Image.Image:
    """A face that says something, and the sound of it, on a rounded square."""
    size = (ICON[0] * FINE, ICON[1] * FINE)
    picture = ground(size)
    draw = ImageDraw.Draw(picture)
    draw_sound(draw, np.array([0.3, 0.75, 1.0, 0.55]), 55, 305, 640, 420)
    draw_face(draw, LOOKS["icon"], np.array([745.0, 500.0]), 430.0)
    corner = Image.new("L", size)
    ImageDraw.Draw(corner).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 210, fill=255)
    picture.putalpha(corner)
    return picture.resize(ICON, Image.Resampling.LANCZOS)


def banner() -> Image.Image:
    """One recording, five emotions."""
    size = (BANNER[0] * FINE, BANNER[1] * FINE)
    picture = ground(size)
    draw = ImageDraw.Draw(picture)
    names = ("neutral", "happy", "surprised", "sad", "angry")
    step = size[0] / (len(names) + 0.4)
    for place, name in enumerate(names):
        centre = np.array([(place + 0.7) * step, 0.44 * size[1]])
        draw_face(draw, LOOKS[name], centre, 0.5 * step)
    draw_sound(draw, loudness(96), 0.05 * size[0], 0.95 * size[0], 0.87 * size[1], 0.15 * size[1])
    bold = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight="bold"))
    font = ImageFont.truetype(bold, round(0.1 * size[1]))
    draw.text((size[0] / 2, 0.1 * size[1]), "DreamTalk", fill=WHITE, font=font, anchor="mm")
    return picture.resize(BANNER, Image.Resampling.LANCZOS)


def main() -> None:
    """Write both."""
    icon().save(IMAGES / "icon.png", optimize=True)
    banner().save(IMAGES / "banner.png", optimize=True)


if __name__ == "__main__":
    main()

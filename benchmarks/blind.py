"""Blind pairs of drawn and painted mouths: which one reads as a photograph?

    python benchmarks/blind.py OUT PORTRAIT [PORTRAIT ...] [--pairs 36] [--weights FILE] [--seed 0]
    python benchmarks/blind.py --answers FILE --key OUT/key.json

The first form renders each portrait's visemes and smiles by the mesh renderer twice, with
``mouth=drawn`` and ``mouth=painted``, and writes sheets of six numbered pairs, A beside B: the
mouth three times as large, and the whole face. Which side is which is drawn by ``--seed``, and told
in ``key.json`` alone; so is the order. What is the same on both sides is left out.

The second form counts answers: a line a pair, its number and A, B or = for no difference. It prints
how often the painted one was taken and the 95 % interval of that share after Wilson (1927), pairs
without a choice left out, and the same by portrait and by mouth.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.face import analyze_portrait
from dreamtalk.face import topology as t
from dreamtalk.motion import Motion
from dreamtalk.render.mesh import MeshRenderer
from dreamtalk.render.mesh.mouth import painted as painted_mouth
from scripts.contact_sheet import PAPER, emotion, offsets, read_portrait, viseme

Picture = npt.NDArray[np.uint8]

SHOWN = ("drawn", "painted")
A_SHEET = 6
CLOSE, WHOLE = (420, 260), (260, 260)  # width and height of the mouth's and the face's picture, px
ENLARGED = 3
GAP, TITLE = 10, 22
LEAST = 6
"""Of 255: pairs that nowhere differ by more are no pairs."""


@dataclass(frozen=True)
class Pair:
    """The same frame with either mouth.

    Attributes:
        portrait, mouth: what it shows.
        frames: (2, H, W, 3) uint8, as in :data:`SHOWN`.
        marks: (478, 2) px of the landmarks in them.
    """

    portrait: str
    mouth: str
    frames: Picture
    marks: npt.NDArray[np.float32]


def mouths() -> dict[str, npt.NDArray[np.float32]]:
    """What is shown of every portrait, (31,) each."""
    smile = emotion("happy", 1.5)
    return {
        "AA": viseme("AA"),
        "IY": viseme("IY"),
        "S": viseme("S"),
        "smile, IY": smile + viseme("IY"),
        "smile, AE": smile + viseme("AE"),
        "wide open": offsets(lipAperture=0.2, lipLowerY=-0.16, lipUpperY=0.03, chinY=-0.13),
    }


def pairs_of(path: Path, rows: Mapping[str, npt.NDArray[np.float32]]) -> Iterable[Pair]:
    """All pairs of a portrait that differ."""
    portrait = analyze_portrait(torch.from_numpy(read_portrait(path).astype(np.float32) / 255))
    motion = Motion(torch.from_numpy(np.stack(list(rows.values()))), torch.zeros(len(rows), 6))
    renderers = [MeshRenderer(portrait, mouth=mouth) for mouth in SHOWN]
    both = [torch.cat(list(renderer.frames(motion))).numpy() for renderer in renderers]
    marks = renderers[0].landmarks(motion).numpy()
    for i, mouth in enumerate(rows):
        if int(np.abs(both[0][i].astype(int) - both[1][i]).max()) > LEAST:
            yield Pair(path.stem, mouth, np.stack([frames[i] for frames in both]), marks[i])


def cut(
    frame: Picture, middle: npt.NDArray[np.float32], scale: float, size: tuple[int, int]
) -> Picture:
    """A part of a frame, enlarged by ``scale``."""
    width, height = size
    shift = np.array(size) / 2 - scale * middle
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    made: Picture = cv2.warpAffine(
        frame, matrix, (width, height), flags=way, borderMode=cv2.BORDER_REPLICATE
    )  # type: ignore[assignment]
    return made


def shown(pair: Pair, side: int) -> Picture:
    """The mouth, three times as large or more if it is small, above the whole face."""
    frame, marks = pair.frames[side], pair.marks
    lips = marks[[i for ring in (*t.UPPER_RINGS, *t.LOWER_RINGS) for i in ring]]
    width = float(np.ptp(lips[:, 0]))
    low, high = marks.min(0), marks.max(0)
    scale = min(max(ENLARGED, 0.6 * CLOSE[0] / width), 0.85 * CLOSE[0] / width)
    close = cut(frame, (lips.min(0) + lips.max(0)) / 2, scale, CLOSE)
    face = cut(frame, (low + high) / 2, 0.8 * WHOLE[1] / float(high[1] - low[1]), WHOLE)
    beside = np.full((WHOLE[1], CLOSE[0] - WHOLE[0], 3), PAPER, np.uint8)
    return np.concatenate([close, np.concatenate([face, beside], 1)])


def sheet(pairs: list[Pair], first: int, sides: list[tuple[int, int]]) -> Image.Image:
    """Six pairs with their numbers: two in a row."""
    font = ImageFont.load_default(size=16)
    width, height = 2 * CLOSE[0] + 3 * GAP, CLOSE[1] + WHOLE[1] + TITLE + GAP
    page = Image.new("RGB", (2 * width, 3 * height), PAPER)
    draw = ImageDraw.Draw(page)
    for place, (pair, order) in enumerate(zip(pairs, sides, strict=True)):
        left, top = place % 2 * width + GAP, place // 2 * height
        for i, (letter, side) in enumerate(zip("AB", order, strict=True)):
            x = left + i * (CLOSE[0] + GAP)
            draw.text((x, top + 2), f"{first + place}  {letter}", (20, 20, 20), font)
            page.paste(Image.fromarray(shown(pair, side)), (x, top + TITLE))
    return page


def make(out: Path, portraits: list[Path], weights: Path | None, most: int, seed: int) -> None:
    """Write the sheets and the key."""
    if weights is not None:
        load = painted_mouth.load_mouth_painter
        painted_mouth.load_mouth_painter = lambda device: load(weights, device=device)
    rows = mouths()
    pairs = [pair for path in portraits for pair in pairs_of(path, rows)]
    draw = random.Random(seed)
    draw.shuffle(pairs)
    pairs = pairs[: most or None]
    orders = [draw.choice(((0, 1), (1, 0))) for _ in pairs]
    out.mkdir(parents=True, exist_ok=True)
    key = {}
    for at in range(0, len(pairs), A_SHEET):
        part = slice(at, at + A_SHEET)
        sheet(pairs[part], at + 1, orders[part]).save(out / f"sheet_{at // A_SHEET + 1:02}.png")
    for number, (pair, order) in enumerate(zip(pairs, orders, strict=True), 1):
        sides = {letter: SHOWN[side] for letter, side in zip("AB", order, strict=True)}
        key[number] = {"portrait": pair.portrait, "mouth": pair.mouth, **sides}
    (out / "key.json").write_text(json.dumps(key, indent=1))
    print(f"{len(pairs)} pairs on {-(-len(pairs) // A_SHEET)} sheets in '{out}'")


def read_answers(path: Path) -> dict[int, str]:
    """Number of the pair -> A, B or =."""
    answers = {}
    for line in path.read_text().splitlines():
        words = line.replace(":", " ").replace(",", " ").upper().split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2 or not words[0].isdigit() or words[1] not in ("A", "B", "="):
            raise SystemExit(f"a line is a number and A, B or =, not '{line}'")
        answers[int(words[0])] = words[1]
    return answers


def wilson(taken: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """The interval of a share; (0, 1) of nothing."""
    if of == 0:
        return 0.0, 1.0
    share, scale = taken / of, 1 + z * z / of
    middle = (share + z * z / (2 * of)) / scale
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / scale
    return middle - reach, middle + reach


def tally(answers: Mapping[int, str], key: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Lines of the table: all pairs, by portrait, by mouth."""
    groups: dict[str, list[str]] = {}
    for number, answer in answers.items():
        pair = key.get(str(number))
        if pair is None:
            raise SystemExit(f"the key has no pair {number}")
        for name in ("all", pair["portrait"], pair["mouth"]):
            groups.setdefault(name, []).append(pair.get(answer, "neither"))
    lines = ["| pairs | painted | drawn | neither | share painted | 95 % |", "|" + " --- |" * 6]
    for name, taken in groups.items():
        painted, drawn = taken.count("painted"), taken.count("drawn")
        low, high = wilson(painted, painted + drawn)
        share = f"{painted / (painted + drawn):.2f}" if painted + drawn else "-"
        lines.append(
            f"| {name} | {painted} | {drawn} | {taken.count('neither')} | {share} | "
            f"{low:.2f} .. {high:.2f} |"
        )
    return lines


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?", type=Path, help="the folder for sheets and key")
    parser.add_argument("portraits", nargs="*", type=Path)
    parser.add_argument("--weights", type=Path, help="of the painter; the built-in ones by default")
    parser.add_argument("--pairs", type=int, default=0, help="at most so many; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answers", type=Path)
    parser.add_argument("--key", type=Path)
    args = parser.parse_args()
    if args.answers is not None:
        if args.key is None:
            parser.error("--answers needs --key")
        print("\n".join(tally(read_answers(args.answers), json.loads(args.key.read_text()))))
        return
    if args.out is None or not args.portraits:
        parser.error("a folder and portraits, or --answers and --key")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    make(args.out, args.portraits, args.weights, args.pairs, args.seed)


if __name__ == "__main__":
    main()

"""A sheet of what the mesh renderer makes of portraits: mouths, eyes, emotions, head turns.

    python scripts/contact_sheet.py out/sheet.png [--portraits DIR] [--rows mouth eyes]
    python scripts/contact_sheet.py out/sheet.png --before CHECKOUT

The portraits are public-domain ones: the astronaut of ``samples/``, and Grace Hopper as matplotlib
ships her; ``--portraits`` adds the pictures of a folder. With ``--before`` another checkout's code
renders the same cells from the same pictures and motions in a process of its own: every row is
there before, after, and as the difference, eight times as strong, and the largest differences are
printed. Every number of the renderer that was tuned by eye can be tuned again on this sheet.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
LARGEST = 640  # px of a portrait's longer side: larger pictures are reduced before all else
GAIN = 8  # of the differences that are shown
REACH = {"head": 1.75}  # side of a row's cut-outs, in heights of the face
CLOSE = 1.15  # of the other rows
CELL, MARGIN, CAPTION, SIDE = 184, 6, 18, 92  # px
PAPER, INK, FAINT = (250, 250, 248), (30, 30, 30), (120, 120, 120)

Picture = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cell:
    """One picture of a row.

    Attributes:
        name: beneath it.
        expression: (31,) of the ``face`` space, IOD.
        head: (6,) pitch, yaw, roll in radians and the shift, IOD.
    """

    name: str
    expression: Values
    head: Values


@dataclass(frozen=True)
class Rendered:
    """A portrait's cells by one checkout's code.

    Attributes:
        frames: (N, H, W, 3) uint8.
        face: (4,) left, top, right and bottom of the landmarks, px.
    """

    frames: Picture
    face: npt.NDArray[np.float64]


def offsets(**values: float) -> Values:
    """Offsets by channel name; ``Both`` in a name stands for Left and Right."""
    from dreamtalk.motion import FACE

    row = np.zeros(len(FACE), np.float32)
    for name, value in values.items():
        sides = ("Left", "Right") if "Both" in name else ("",)
        for side in sides:
            row[FACE.index[name.replace("Both", side)]] = value
    return row


def _cell(name: str, expression: Values, head: Sequence[float] = (0, 0, 0, 0, 0, 0)) -> Cell:
    return Cell(name, expression, np.array(head, np.float32))


def viseme(phone: str) -> Values:
    """The middle of a phone that is held, in an average talker's neutral speech."""
    from dreamtalk.training.corpus.phones import Segment
    from dreamtalk.training.rules.compose import rule_motion

    edges = (0.0, 0.4, 0.8, 1.2)
    phones = ("sil", phone, "sil")
    segments = tuple(
        Segment(p, a, b) for p, a, b in zip(phones, edges[:-1], edges[1:], strict=True)
    )
    return rule_motion(segments, None)[15]


def emotion(name: str, intensity: float = 1.0) -> Values:
    """Offsets of an emotion, (31,), as the rules show it."""
    from dreamtalk.training.rules.expressions import emotion_offsets

    return (intensity * emotion_offsets(name)).astype(np.float32)


def all_rows() -> dict[str, list[Cell]]:
    """Row -> its cells, ten each."""
    rest = offsets()
    spoken = viseme("AE")
    return {
        "mouth": [
            _cell("rest", rest),
            *(_cell(p, viseme(p)) for p in ("M", "F", "S", "SH", "IY", "UW", "OW", "AE", "AA")),
        ],
        "eyes": [
            _cell("half shut", offsets(lidUpperBothY=-0.045)),
            _cell("blink", offsets(lidUpperBothY=-0.09)),
            _cell("left wink", offsets(lidUpperLeftY=-0.09, cheekLeftY=0.02)),
            _cell("wide", offsets(lidUpperBothY=0.025, browInnerBothY=0.05, browOuterBothY=0.05)),
            _cell("narrow", offsets(lidUpperBothY=-0.015, lidLowerBothY=0.025)),
            _cell("gaze left", offsets(gazeLeftX=0.05, gazeRightX=0.05)),
            _cell("gaze right", offsets(gazeLeftX=-0.05, gazeRightX=-0.05)),
            _cell("gaze up", offsets(gazeLeftY=0.03, gazeRightY=0.03)),
            _cell("gaze down", offsets(gazeLeftY=-0.03, gazeRightY=-0.03, lidUpperBothY=-0.02)),
            _cell("brows down", offsets(browInnerBothY=-0.06, browOuterBothY=-0.02)),
        ],
        "emotions": [
            *(
                _cell(e, emotion(e))
                for e in ("happy", "sad", "angry", "surprised", "fear", "disgusted", "contempt")
            ),
            _cell("happy, AE", emotion("happy") + spoken),
            _cell("angry, AE", emotion("angry") + spoken),
            _cell("sad x 1.5", emotion("sad", 1.5)),
        ],
        "head": [
            _cell("yaw 10", rest, (0, 0.175, 0, 0, 0, 0)),
            _cell("yaw 20", rest, (0, 0.35, 0, 0, 0, 0)),
            _cell("yaw -10", rest, (0, -0.175, 0, 0, 0, 0)),
            _cell("yaw -20", rest, (0, -0.35, 0, 0, 0, 0)),
            _cell("pitch 12", rest, (0.21, 0, 0, 0, 0, 0)),
            _cell("pitch -12", rest, (-0.21, 0, 0, 0, 0, 0)),
            _cell("roll 12", rest, (0, 0, 0.21, 0, 0, 0)),
            _cell("roll -12", rest, (0, 0, -0.21, 0, 0, 0)),
            _cell("nearer", rest, (0, 0, 0, 0, 0, 1.0)),
            _cell("yaw 15, AE", spoken, (0.05, 0.26, 0.05, 0, 0, 0)),
        ],
    }


def read_portrait(path: Path) -> Picture:
    """(H, W, 3) uint8, reduced to at most :data:`LARGEST` px."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def public_portraits() -> dict[str, Path]:
    """Name -> picture: what may be shown anywhere."""
    found = {"astronaut": ROOT / "samples" / "portrait.png"}
    try:
        from matplotlib import get_data_path
    except ImportError:
        return found
    return {**found, "hopper": Path(get_data_path(), "sample_data", "grace_hopper.jpg")}


def render_cells(picture: Picture, cells: Sequence[Cell]) -> Rendered:
    """A portrait in every cell's motion, by the ``dreamtalk`` that this process imports."""
    import torch

    from dreamtalk.face import analyze_portrait
    from dreamtalk.motion import Motion
    from dreamtalk.render.mesh import MeshRenderer

    portrait = analyze_portrait(torch.from_numpy(picture.astype(np.float32) / 255))
    motion = Motion(
        torch.from_numpy(np.stack([cell.expression for cell in cells])),
        torch.from_numpy(np.stack([cell.head for cell in cells])),
    )
    frames = torch.cat(list(MeshRenderer(portrait).frames(motion))).numpy()
    points = np.asarray(portrait.landmarks)[:, :2]
    return Rendered(frames, np.concatenate([points.min(0), points.max(0)]))


def render_by(
    checkout: Path, pictures: Mapping[str, Picture], cells: Sequence[Cell]
) -> dict[str, Rendered]:
    """The same, by the code of a checkout: it renders in a process of its own.

    Raises:
        RuntimeError: if it can't.
    """
    if not (checkout / "dreamtalk").is_dir():
        raise RuntimeError(f"'{checkout}' is no checkout: it has no folder dreamtalk")
    with tempfile.TemporaryDirectory() as folder:
        request, result = Path(folder, "request.npz"), Path(folder, "result.npz")
        np.savez(
            request,
            expressions=np.stack([cell.expression for cell in cells]),
            heads=np.stack([cell.head for cell in cells]),
            **{f"picture {name}": picture for name, picture in pictures.items()},
        )
        command = [sys.executable, __file__, str(result), "--child", str(checkout), str(request)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=checkout)
        if done.returncode:
            raise RuntimeError(f"the code of '{checkout}' can't render:\n{done.stderr}")
        with np.load(result) as made:
            return {n: Rendered(made[f"frames {n}"], made[f"face {n}"]) for n in pictures}


def _answer(request: Path, result: Path) -> None:
    """The other process's part."""
    import torch

    torch.set_num_threads(1)
    with np.load(request) as asked:
        cells = [
            Cell("", expression, head)
            for expression, head in zip(asked["expressions"], asked["heads"], strict=True)
        ]
        names = [key.partition(" ")[2] for key in asked.files if key.startswith("picture ")]
        made = {name: render_cells(asked[f"picture {name}"], cells) for name in names}
    arrays = {f"frames {name}": r.frames for name, r in made.items()}
    arrays |= {f"face {name}": r.face for name, r in made.items()}
    np.savez(result, **arrays)


def differences(before: Picture, after: Picture) -> npt.NDArray[np.int64]:
    """The largest difference of each frame, 0 to 255: (N,)."""
    apart = np.abs(after.astype(np.int16) - before.astype(np.int16))
    return apart.reshape(len(apart), -1).max(1).astype(np.int64)


def around_face(frames: Picture, face: npt.NDArray[np.float64], reach: float) -> Picture:
    """Cut to a square around the face, ``reach`` times as high as it: (N, S, S, 3)."""
    height, width = frames.shape[1:3]
    middle = (face[:2] + face[2:]) / 2
    side = int(min(reach * (face[3] - face[1]), height, width))
    left = int(np.clip(middle[0] - side / 2, 0, width - side))
    top = int(np.clip(middle[1] - side / 2, 0, height - side))
    return frames[:, top : top + side, left : left + side]


def draw_sheet(
    rows: Mapping[str, Sequence[Cell]],
    after: Mapping[str, Rendered],
    before: Mapping[str, Rendered] | None = None,
) -> Image.Image:
    """All rows of all portraits.

    Args:
        rows: row -> cells; the frames hold them one row after the other.
        after: portrait -> its cells.
        before: the same by other code: each row then is there three times.
    """
    font, small = ImageFont.load_default(size=15), ImageFont.load_default(size=12)
    columns = max(len(cells) for cells in rows.values())
    strips = list(_strips(rows, after, before))
    heights = [CELL + (CAPTION if captions else 0) + MARGIN for _, _, _, captions in strips]
    size = (SIDE + columns * (CELL + MARGIN) + MARGIN, MARGIN + sum(heights))
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    y = MARGIN
    for (title, note, pictures, captions), height in zip(strips, heights, strict=True):
        draw.multiline_text((MARGIN, y + CELL // 2 - 18), title, INK, font)
        draw.text((MARGIN, y + CELL // 2 + 24), note, FAINT, small)
        for place, picture in enumerate(pictures):
            x = SIDE + place * (CELL + MARGIN)
            resized = Image.fromarray(picture).resize((CELL, CELL), Image.Resampling.LANCZOS)
            sheet.paste(resized, (x, y))
            if captions:
                middle = (x + CELL // 2, y + CELL + CAPTION // 2)
                draw.text(middle, captions[place], INK, small, anchor="mm")
        y += height
    return sheet


Strip = tuple[str, str, Sequence[Picture], list[str]]
"""Title, note, pictures and captions of a line of the sheet."""


def _strips(
    rows: Mapping[str, Sequence[Cell]],
    after: Mapping[str, Rendered],
    before: Mapping[str, Rendered] | None,
) -> Iterator[Strip]:
    for name, made in after.items():
        first = 0
        for row, cells in rows.items():
            part = slice(first, first + len(cells))
            first += len(cells)
            title, captions = f"{name}\n{row}", [cell.name for cell in cells]
            reach = REACH.get(row, CLOSE)
            new = around_face(made.frames[part], made.face, reach)
            if before is None:
                yield title, "", list(new), captions
                continue
            old = around_face(before[name].frames[part], made.face, reach)
            apart = np.abs(new.astype(np.int16) - old) * GAIN
            largest = differences(before[name].frames[part], made.frames[part])
            yield title, "before", list(old), []
            yield title, "after", list(new), []
            notes = [f"{caption}: {most}" for caption, most in zip(captions, largest, strict=True)]
            yield title, f"apart x {GAIN}", list(np.minimum(apart, 255).astype(np.uint8)), notes


def compare(
    cells: Sequence[Cell], before: Mapping[str, Rendered], after: Mapping[str, Rendered]
) -> list[tuple[int, str]]:
    """The largest difference of each cell that differs, and whose it is; largest first."""
    found = [
        (int(most), f"{name}, {cell.name}")
        for name, made in after.items()
        for cell, most in zip(cells, differences(before[name].frames, made.frames), strict=True)
    ]
    return sorted((f for f in found if f[0]), key=lambda f: -f[0])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="the .png to write")
    parser.add_argument("--portraits", type=Path, help="a folder with further pictures")
    parser.add_argument("--people", nargs="*", help="only these portraits, by name")
    parser.add_argument("--rows", nargs="*", help="only these rows: mouth, eyes, emotions, head")
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    sys.path.insert(0, str((args.child[0] if args.child else ROOT).resolve()))
    if args.child:
        _answer(args.child[1], args.out)
        return 0
    paths = public_portraits()
    if args.portraits is not None:
        paths |= {
            p.stem: p for p in sorted(args.portraits.iterdir()) if p.suffix.lower() in SUFFIXES
        }
    people = args.people or list(paths)
    pictures = {n: read_portrait(p) for n, p in paths.items() if n in people}
    rows = {n: cells for n, cells in all_rows().items() if not args.rows or n in args.rows}
    if not pictures or not rows:
        parser.error(f"nothing to draw: people {', '.join(paths)}; rows {', '.join(all_rows())}")
    cells = [cell for part in rows.values() for cell in part]
    try:
        after = render_by(ROOT, pictures, cells)
        before = None if args.before is None else render_by(args.before, pictures, cells)
    except RuntimeError as error:
        parser.exit(1, f"{error}\n")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(rows, after, before).save(args.out)
    print(args.out)
    if before is not None:
        found = compare(cells, before, after)
        print(f"{len(found)} of {len(cells) * len(pictures)} cells differ; the largest difference "
              f"of 255: {found[0][0] if found else 0}")  # fmt: skip
        for most, name in found[:10]:
            print(f"  {most:3d}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

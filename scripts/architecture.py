"""Draw the floors of the house, as the import contract in ``pyproject.toml`` has them.

python scripts/architecture.py          # writes docs/images/architecture.svg
python scripts/architecture.py --check  # says whether it is up to date; exit status 1 if not
"""

from __future__ import annotations

import sys
from colorsys import hls_to_rgb
from html import escape
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
WORDS = {
    "nodes": "the graph surface: each node a few lines (ComfyUI)",
    "__main__": "python -m dreamtalk",
    "cli": "the parser, and how a command ends",
    "commands": "talk, dub, hear, ...",
    "arguments": "what commands share",
    "training": "corpus, data, stages, ...",
    "bench": "speed and memory",
    "batch": "many jobs",
    "streaming": "samples in, frames out",
    "dialogue": "several people: who says what, how the others listen",
    "pipeline": "jobs, parts, runs: speech -> video",
    "dubbing": "a filmed person says something else",
    "render": "contract, registry, group; mesh, pirenderer, difftalk",
    "difftalk": "latent diffusion that paints the mouth",
    "model": "model, sample, file, features",
    "diffusion": "schedule, samplers, guidance",
    "tracking": "video -> Motion",
    "speed": "the door to cpu",
    "cpu": "exact, optional speed",
    "networks": "as in the papers, plain torch",
    "motion": "Motion, spaces, bridges, files, life",
    "style": "style, blend, track",
    "face": "landmarker, portrait, basis, pose",
    "speech": "load, resample, log-mel, rows",
    "checkpoints": "weights files, by content",
    "devices": "where to compute",
    "options": "one table of options",
    "files": "whole or not at all",
    "curves": "easing, marks in time",
    "terminal": "standard streams, signals",
    "errors": "what a person can act on",
    "progress": "who is told",
}
WIDTH, ROW, GAP, TOP = 960, 62, 8, 34


def floors() -> list[list[str]]:
    """Rooms by floor, from the top."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(
        c for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers"
    )
    return [["nodes"], *([r.strip() for r in row.split(":")] for row in contract["layers"])]


def draw() -> str:
    """The picture as SVG."""
    rows = floors()
    height = TOP + len(rows) * (ROW + GAP) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="12" y="22" font-size="14" fill="#555">A module imports only from its own room, '
        "its own floor, or from a floor below.</text>",
    ]
    for floor, rooms in enumerate(rows):
        y = TOP + floor * (ROW + GAP)
        wide = (WIDTH - 2 * GAP - (len(rooms) - 1) * GAP) / len(rooms)
        red, green, blue = hls_to_rgb(0.57 + 0.025 * floor, 0.92, 0.45)
        shade = f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
        for place, room in enumerate(rooms):
            x = GAP + place * (wide + GAP)
            parts += [
                f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{ROW}" rx="7" '
                f'fill="{shade}" stroke="#8899aa"/>',
                f'<text x="{x + wide / 2:.1f}" y="{y + 26}" font-size="17" font-weight="bold" '
                f'text-anchor="middle" fill="#223">{escape(room)}</text>',
                f'<text x="{x + wide / 2:.1f}" y="{y + 47}" font-size="12.5" '
                f'text-anchor="middle" fill="#445">{escape(WORDS[room])}</text>',
            ]
    return "\n".join([*parts, "</svg>", ""])


def main() -> int:
    picture = draw()
    if "--check" in sys.argv:
        return 0 if PICTURE.is_file() and PICTURE.read_text(encoding="utf-8") == picture else 1
    PICTURE.write_text(picture, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

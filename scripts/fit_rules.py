"""Fit the viseme table to filmed talkers and write it.

    python scripts/fit_rules.py CLIPS --cache FOLDER [--write]

CLIPS and FOLDER are those of ``benchmarks/talkers.py``. Prints what the rules of each table are
worth on the clips, with the speakers left out of the fit one after the other; ``--write`` replaces
``dreamtalk/training/rules/calibrated.py`` and the tables of ``docs/rules.md``.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.model import load_model
from dreamtalk.training.measure.figures import features_of
from dreamtalk.training.measure.tables import table
from dreamtalk.training.measure.talkers import (
    EDGE,
    Talker,
    compare_talker,
    mean_figures,
    read_talkers,
)
from dreamtalk.training.rules.calibrate import (
    FILMED_WEIGHT,
    FITTED,
    Array,
    Spoken,
    fit_table,
    hand_table,
    heard_phones,
    left_out,
    prior_table,
    rescaled,
    tracks_of,
    trimmed,
)
from dreamtalk.training.rules.visemes import HAND

ROOT = Path(__file__).resolve().parent.parent

CODE = ROOT / "dreamtalk/training/rules/calibrated.py"
DOCUMENT = ROOT / "docs/rules.md"
QUOTES = '"""'
MARKS = "<!-- {0}: written by scripts/fit_rules.py -->", "<!-- end of {0} -->"


def spoken(talker: Talker, rows: torch.Tensor) -> Spoken:
    """A clip as the fit takes it."""
    weight = FILMED_WEIGHT if talker.kind == "filmed" else 1.0
    segments = heard_phones(rows)
    return trimmed(Spoken(talker.speaker, weight, segments, talker.waveform, talker.motion), EDGE)


def worth(talkers: list[Talker], clips: list[Spoken]) -> str:
    """The rules of the hand's table, of the prior and of tables that have not seen the speaker."""

    def line(name: str, tables: list[dict[str, Array]]) -> list[str]:
        figures = [
            compare_talker(tracks_of(one, clip), talker)
            for talker, clip, one in zip(talkers, clips, tables, strict=True)
        ]
        out = [name]
        for kind in ("filmed", "generated"):
            f = mean_figures([x for x, t in zip(figures, talkers, strict=True) if t.kind == kind])
            out += [f"{f.aperture:.2f} ({f.aperture_hp:.2f})", f"{f.width:.2f} ({f.width_hp:.2f})"]
            out += [f"{f.lag:+.1f}"]
        return out

    head = ("table", "filmed: aperture r (fast)", "width r (fast)", "lag",
            "generated: aperture r (fast)", "width r (fast)", "lag")  # fmt: skip

    def same(fitted: dict[str, Array]) -> list[dict[str, Array]]:
        return [fitted] * len(clips)

    return table(
        head,
        [
            line("written by hand", same(hand_table())),
            line("the prior: rounding narrows the aperture", same(prior_table())),
            line("fitted, the speaker left out", left_out(clips)),
            line("fitted, nobody left out", same(fit_table(clips))),
        ],
    )


def code(fitted: dict[str, Array]) -> str:
    """The module that holds the numbers."""
    rows = zip(HAND, *(fitted[name] for name, *_ in FITTED), strict=True)
    lines = [f'    "{p}": ({a:.3f}, {w:.3f}),\n' for p, a, w in rows if p != "sil"]
    head, _, rest = CODE.read_text(encoding="utf-8").partition("] = {")
    comment = rest[rest.index(QUOTES) :]
    return f"{head}] = {{\n{''.join(lines)}}}\n{comment}"


def numbers(fitted: dict[str, Array]) -> str:
    """The table of the document, in percent of IOD: by hand -> fitted."""
    hand = hand_table()
    rows = []
    for i, phone in enumerate(HAND):
        if phone != "sil":
            pairs = [(100 * hand[name][i], 100 * fitted[name][i]) for name, *_ in FITTED]
            rows.append((phone, *(f"{a:.1f} -> {b:.1f}" for a, b in pairs)))
    return table(("phone", *(name for name, *_ in FITTED)), rows)


def between_marks(text: str, name: str, inside: str) -> str:
    """A document with the part of that name replaced."""
    first, last = (mark.format(name) for mark in MARKS)
    pattern = re.compile(f"{re.escape(first)}.*?{re.escape(last)}", re.DOTALL)
    return pattern.sub(lambda _: f"{first}\n\n{inside}\n\n{last}", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="clips.csv, and what is tracked")
    parser.add_argument("--checkpoint", default="starter", help="whose hearing the phones are of")
    parser.add_argument("--write", action="store_true", help="the module and the document")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(args.checkpoint)
    talkers = read_talkers(args.clips, args.cache)
    clips = [spoken(t, features_of(model, t.waveform).rows) for t in talkers]
    gained = worth(talkers, clips)
    fitted = rescaled(fit_table(clips), clips)
    shown = numbers(fitted)
    print(f"{gained}\n\n{shown}")
    if args.write:
        CODE.write_text(code(fitted), encoding="utf-8")
        text = DOCUMENT.read_text(encoding="utf-8")
        for name, inside in (("worth", gained), ("table", shown)):
            text = between_marks(text, name, inside)
        DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

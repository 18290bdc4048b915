"""The starter's lips beside those of filmed people saying the same.

    python benchmarks/talkers.py CLIPS --cache FOLDER [--weights FILE ...] [--out TABLE.md]

CLIPS holds videos of people talking (none are in this repository), FOLDER a table ``clips.csv`` of
them (columns ``clip``, ``speaker``, ``kind``, ``lag``: seconds by which the lips are late against
the sound, negative where they run ahead; and ``text``, if it is known what they say) and keeps what
was tracked. Beside the weights stand the loudness alone, the tracked motion of another speaker, and
the tracked motion itself, which is what can be reached. Phones for the closures of p, b, m are
PocketSphinx's, which hears many words wrong: look at the row of the tracked motion for what they
are worth.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.model import load_model
from dreamtalk.training.measure.figures import features_of
from dreamtalk.training.measure.tables import table, write_document
from dreamtalk.training.measure.talkers import (
    Talker,
    TalkerFigures,
    compare_talker,
    loudness_motion,
    mean_figures,
    read_talkers,
)

HEAD = ("motion", "clips", "aperture r (fast)", "width r (fast)", "amplitude", "of the width",
        "aperture 10/50/90 %", "lag (frames)", "8-12 Hz", "p/b/m closed (chance)")  # fmt: skip
Maker = Callable[[Talker], np.ndarray]


def row(name: str, count: int | str, f: TalkerFigures) -> tuple[str, ...]:
    """A line of the table."""
    return (
        name, str(count), f"{f.aperture:.2f} ({f.aperture_hp:.2f})",
        f"{f.width:.2f} ({f.width_hp:.2f})", f"{f.amplitude:.2f}", f"{f.width_amplitude:.2f}",
        f"{f.low:.1f} / {f.median:.1f} / {f.high:.1f}", f"{f.lag:+.1f}", f"{f.jitter:.2f}",
        f"{f.closure:.2f} ({f.chance:.2f})",
    )  # fmt: skip


def others(talkers: list[Talker]) -> Maker:
    """The motion of the next clip of another speaker, repeated to the length."""

    def make(talker: Talker) -> np.ndarray:
        at = next(i for i, t in enumerate(talkers) if t.name == talker.name)
        after = [*talkers[at + 1 :], *talkers[:at]]
        other = next((t for t in after if t.speaker != talker.speaker), talker)
        return np.resize(other.motion, talker.motion.shape)

    return make


def weights(name: str, sampler: str, steps: int) -> Maker:
    """What a weights file makes of the voice, neutral."""
    model = load_model(name)

    def make(talker: Talker) -> np.ndarray:
        features = features_of(model, talker.waveform)
        return model.sample(features, model.preset("neutral"), steps, sampler).expression.numpy()

    return make


def measure(talkers: list[Talker], makers: dict[str, Maker], each: bool) -> str:
    """The tables: means by kind, and with ``each`` every clip."""
    found = {name: [compare_talker(make(t), t) for t in talkers] for name, make in makers.items()}
    kinds = sorted({t.kind for t in talkers})
    parts = []
    for kind in (*kinds, *([""] if len(kinds) > 1 else [])):
        chosen = [i for i, t in enumerate(talkers) if kind in ("", t.kind)]
        people = len({talkers[i].speaker for i in chosen})
        lines = [
            row(name, len(chosen), mean_figures([rows[i] for i in chosen]))
            for name, rows in found.items()
        ]
        parts.append(f"## {kind or 'all'}: {people} speakers\n\n{table(HEAD, lines)}")
    if each:
        for name, rows in found.items():
            lines = [row(t.name, t.kind, f) for t, f in zip(talkers, rows, strict=True)]
            parts.append(f"## Each clip: {name}\n\n{table(('clip', 'kind', *HEAD[2:]), lines)}")
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="clips.csv, and what is tracked")
    parser.add_argument("--weights", nargs="*", default=["starter"], help="one or several files")
    parser.add_argument("--samplers", nargs="*", default=["ddim:10"], help="NAME:STEPS each")
    parser.add_argument("--each", action="store_true", help="a table of the single clips, too")
    parser.add_argument("--out", type=Path, help="the tables as Markdown; else on the terminal")
    args = parser.parse_args()
    torch.set_num_threads(1)
    talkers = read_talkers(args.clips, args.cache)
    makers: dict[str, Maker] = {
        "the tracked motion": lambda talker: talker.motion,
        "loudness alone": loudness_motion,
        "another speaker's motion": others(talkers),
        **{
            f"{Path(name).stem}, {sampler} {steps}": weights(name, sampler, int(steps))
            for name in args.weights
            for sampler, steps in (way.split(":") for way in args.samplers)
        },
    }
    text = measure(talkers, makers, args.each)
    command = "python benchmarks/talkers.py CLIPS --cache FOLDER --out docs/figures/talkers.md"
    if args.out is None:
        print(text)
    else:
        write_document(args.out, command, text)


if __name__ == "__main__":
    main()

"""What speech encoders hear: phones, closures and articulation, one encoder beside another.

    python benchmarks/hearing.py --corpus C [--clips CLIPS --cache FOLDER]
        [--encoders NAME=FILE ...] [--recognizer ENCODER.ort --work W]
        [--recordings N] [--out TABLE.md]

C is the corpus folder of the training, of which the test split is heard as it is and degraded;
CLIPS and FOLDER are those of ``benchmarks/talkers.py``. FILE is a weights file or an ``encoder.pt``
that ``dreamtalk train speech`` left. The first encoder is what the others are compared with, best
one that was trained for as long in the old way: differences stand beside their standard error over
the recordings. With ``--recognizer`` the teacher of ``dreamtalk train teacher`` stands below them.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import fields
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.model import load_model
from dreamtalk.networks.speech_encoder import SpeechEncoder
from dreamtalk.training.corpus.recognizer import load_recognizer
from dreamtalk.training.corpus.recordings import read_corpus
from dreamtalk.training.measure.hearing import (
    Hearing,
    degraded,
    differences,
    ears_of,
    hear_recordings,
    hear_talkers,
    means,
)
from dreamtalk.training.measure.tables import table, write_document
from dreamtalk.training.measure.talkers import read_talkers
from dreamtalk.training.stages.run import load_encoder
from dreamtalk.training.stages.teacher import teacher_ears

COLUMNS = {
    "phones": "phones", "bilabials": "p/b/m found", "aperture": "aperture r", "width": "width r",
    "rules_aperture": "rules: aperture r", "rules_width": "rules: width r",
}  # fmt: skip
PROMPTS = "asterisk"
COMMAND = "python benchmarks/hearing.py --corpus C --clips CLIPS --cache FOLDER --encoders ..."


def encoder_of(file: str) -> SpeechEncoder:
    """Of a weights file, by name or path, or of stage 1."""
    if file.endswith(".pt"):
        return load_encoder(Path(file))
    encoder = load_model(file).speech_encoder
    if encoder is None:
        raise SystemExit(f"'{file}' brings no speech encoder")
    return encoder


def cell(mean: float, error: float) -> str:
    """A difference and its standard error; empty where nothing was measured."""
    return "" if math.isnan(mean) else f"{mean:+.3f} ± {error:.3f}"


def section(title: str, heard: dict[str, list[Hearing]]) -> str:
    """A table of one material: an encoder a line, differences from the first."""
    (first, reference), *others = heard.items()
    mean = means(reference)
    names = [f.name for f in fields(Hearing) if not math.isnan(getattr(mean, f.name))]
    lines = [(first, *(f"{getattr(mean, n):.3f}" for n in names))]
    for name, rows in others:
        found = differences(rows, reference)
        lines.append((name, *(cell(*found[n]) for n in names)))
    head = ("encoder", *(COLUMNS[n] for n in names))
    return f"## {title}\n\n{table(head, lines)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--clips", type=Path, help="filmed talkers")
    parser.add_argument("--cache", type=Path, help="clips.csv, and what is tracked")
    parser.add_argument("--encoders", nargs="+", default=["starter=starter"], metavar="NAME=FILE")
    parser.add_argument("--recognizer", type=Path, help="of 'dreamtalk train teacher'")
    parser.add_argument("--work", type=Path, default=Path(), help="folder of that command")
    parser.add_argument("--recordings", type=int, default=12, help="of each kind")
    parser.add_argument("--out", type=Path, help="the tables as Markdown; else on the terminal")
    args = parser.parse_args()
    torch.set_num_threads(1)
    ears = {
        name: ears_of(encoder_of(file))
        for name, _, file in (e.partition("=") for e in args.encoders)
    }
    if args.recognizer is not None:
        ears["the teacher"] = teacher_ears(args.work, load_recognizer(args.recognizer))
    test = list(read_corpus(args.corpus, "test"))
    kinds = {
        "Recorded prompts": [r for r in test if r.voice.startswith(PROMPTS)][: args.recordings],
        "Synthetic voices": [r for r in test if not r.voice.startswith(PROMPTS)][: args.recordings],
    }
    parts = []
    for kind, recordings in kinds.items():
        for how, change in ((f"{len(recordings)} as they are", None), ("degraded", degraded)):
            heard = {
                name: hear_recordings(e, recordings, *([] if change is None else [change]))
                for name, e in ears.items()
            }
            parts.append(section(f"{kind}, {how}", heard))
    if args.clips is not None:
        talkers = read_talkers(args.clips, args.cache)
        everybody = {name: hear_talkers(e, talkers) for name, e in ears.items()}
        for kind in (*sorted({t.kind for t in talkers}), ""):
            chosen = [i for i, t in enumerate(talkers) if kind in ("", t.kind)]
            heard = {name: [rows[i] for i in chosen] for name, rows in everybody.items()}
            parts.append(
                section(f"{kind or 'all'} talkers, {len(chosen)} clips".capitalize(), heard)
            )
    text = "\n\n".join(parts)
    if args.out is None:
        print(text)
    else:
        write_document(args.out, COMMAND, text)


if __name__ == "__main__":
    main()

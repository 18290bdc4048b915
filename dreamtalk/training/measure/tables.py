"""An evaluation as text for the terminal, as Markdown for the documents, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from ...errors import OutputError
from ...files.atomic import atomic_write
from ...style import EMOTIONS
from .evaluate import Evaluation

WRITTEN_BY = "<!-- Written by the command below; don't edit. -->"
_SPEECH = ("", "n", "aperture r", "width r", "lag (frames)", "p/b/m closed (chance)", "amplitude",
           "8-12 Hz", "pauses")  # fmt: skip
_TRANSFER = ("motion", "r with the clip's expression", "size")
_AIM = ("*aim*", "", "*.80*", "*.80*", "*±.50*", "*.85*", "*.85-1.15*", "*1.00*", "*0*")


def text(evaluation: Evaluation) -> str:
    """A table for the terminal."""
    width = max([len(name) for name, _, _ in evaluation.lines], default=10)
    head = f"{'':{width}s}   n  ap r  wid r    lag  closed (chance)  amplitude  8-12 Hz  pauses"
    lines = [head] if evaluation.lines else []
    for name, count, f in evaluation.lines:
        lines.append(
            f"{name:{width}s} {count:3d}  {f.aperture:.2f}   {f.width:.2f}  {f.lag:+.2f}"
            f"      {f.closure:.2f} ({f.chance:.2f})       {f.amplitude:.2f}"
            f"     {f.jitter:.2f}   {f.silence:.3f}"
        )
    if evaluation.lines:
        lines.append(
            f"{'wanted':{width}s}      >.80   >.80   <.50      >.85        .85-1.15    <1.00"
        )
    for title, (accuracy, matrix) in evaluation.emotions.items():
        lines.append(f"emotions, {title}: {accuracy:.3f} recognized (rows true, columns told):")
        lines += [
            f"  {e:10s} " + " ".join(f"{int(n):4d}" for n in row)
            for e, row in zip(EMOTIONS, matrix, strict=True)
        ]
    lines += [
        f"{title}: the clip's expression with r {r:.2f}, size {size:.2f}"
        for title, (r, size) in evaluation.style_transfer.items()
    ]
    if evaluation.shifts:
        figures = " ".join(f"{k}:{v:.2f}" for k, v in evaluation.shifts.items())
        lines.append(f"lip expert, accuracy at a shift of n frames: {figures}")
    return "\n".join(lines)


def markdown(evaluation: Evaluation, command: str) -> str:
    """The tables of the documents.

    Args:
        command: what writes them; it is named in them.
    """
    parts = [f"{WRITTEN_BY}\n\n`{command}`"]
    if evaluation.lines:
        speech = [
            (name.strip(), str(n), _short(f.aperture), _short(f.width), _short(f.lag),
             f"{_short(f.closure)} ({_short(f.chance)})", _short(f.amplitude), _short(f.jitter),
             _short(f.silence))
            for name, n, f in evaluation.lines
        ]  # fmt: skip
        parts.append("## Speech\n\n" + table(_SPEECH, [_AIM, *speech]))
    if evaluation.emotions:
        shares = [(title, _short(c.accuracy)) for title, c in evaluation.emotions.items()]
        parts.append("## Emotions recognized\n\n" + table(("motion", "recognized"), shares))
        for title, c in evaluation.emotions.items():
            counts = [
                (f"**{emotion}**", *(str(int(n)) if n else "" for n in row))
                for emotion, row in zip(EMOTIONS, c.matrix, strict=True)
            ]
            caption = f"{title[0].upper()}{title[1:]}: rows are what is acted, columns what is told"
            parts.append(f"{caption}\n\n" + table(("", *EMOTIONS), counts))
    if evaluation.style_transfer:
        sizes = [(t, _short(r), _short(size)) for t, (r, size) in evaluation.style_transfer.items()]
        parts.append("## What a style carries over\n\n" + table(_TRANSFER, sizes))
    if evaluation.shifts:
        shifts = ("moved by n frames", *(str(k) for k in evaluation.shifts))
        accuracies = ("accuracy", *(_short(v) for v in evaluation.shifts.values()))
        parts.append("## Lip expert\n\n" + table(shifts, [accuracies]))
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines: list[Sequence[str]] = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _short(value: float) -> str:
    """Two digits, without the zero before the point; ``-`` for what can't be measured."""
    if value != value:
        return "-"
    shown = f"{value:.2f}"
    shown = shown.removeprefix("-") if float(shown) == 0 else shown
    return shown.replace("0.", ".", 1) if shown.lstrip("-").startswith("0.") else shown


def save(evaluation: Evaluation, path: Path, command: str) -> None:
    """Write as Markdown (``.md``) or JSON (``.json``), whole or not at all.

    Raises:
        OutputError: if the suffix is another or the file can't be written.
    """
    check_report_name(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, "the report") as part:
        part.write_text(_REPORTS[path.suffix.lower()](evaluation, command), encoding="utf-8")


def check_report_name(path: Path) -> None:
    """Refuse a suffix that :func:`save` doesn't know.

    Raises:
        OutputError: then.
    """
    if path.suffix.lower() not in _REPORTS:
        raise OutputError(f"'{path.name}': a report is written as {' or '.join(_REPORTS)}")


def _as_json(evaluation: Evaluation, command: str) -> str:
    data = {
        "command": command,
        "speech": {name: {"recordings": n, **asdict(f)} for name, n, f in evaluation.lines},
        "emotions": {title: c.accuracy for title, c in evaluation.emotions.items()},
        "style_transfer": evaluation.style_transfer,
        "lip_expert": evaluation.shifts,
    }
    return json.dumps(data, indent=1)


_REPORTS: dict[str, Callable[[Evaluation, str], str]] = {".md": markdown, ".json": _as_json}


def write_document(path: Path, command: str, text: str) -> None:
    """Write what a benchmark measured as Markdown, behind the command that prints it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{WRITTEN_BY}\n\n`{command}`\n\n{text}\n", encoding="utf-8")

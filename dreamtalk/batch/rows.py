"""Rows of jobs, as text: from a table (.csv), from lines of JSON (.jsonl), or from a folder."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import DreamTalkError
from ..files.names import is_there

RECORDINGS = (
    ".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".wma", ".mp4",
    ".mov", ".mkv", ".webm", ".avi",
)  # fmt: skip
"""What counts as a recording in a folder; a table may name whatever FFmpeg reads."""
_HEIF = (".heic", ".heif")  # read with pillow-heif, which Pillow may not know of yet
_JOINTS = "-_. "
_DELIMITERS = ",;\t"
MAX_LINE = 1 << 20
"""Characters of a line of JSON."""


@dataclass(frozen=True)
class Row:
    """One job as it was written.

    Attributes:
        line: of the file, from 1; the place in a folder.
        values: column -> what is written there; empty cells are left out.
        problem: why the row can't be read; None if it can.
    """

    line: int
    values: Mapping[str, Any]
    problem: str | None = None


def read_rows(source: Path) -> list[Row]:
    """The rows of a jobs file, or of a folder of portraits and recordings.

    Raises:
        DreamTalkError: if there is no such file, nothing can be read of it, or no row is in it.
    """
    if os.path.isdir(source):
        return _folder_rows(source)
    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        raise DreamTalkError(f"'{source}' holds no jobs: give a .csv, a .jsonl or a folder")
    if not is_there(source):
        raise DreamTalkError(f"there is no jobs file '{source}'")
    try:
        text = source.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DreamTalkError(f"'{source}' can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DreamTalkError(
            f"'{source.name}' is no UTF-8 text (byte {error.start}): save it as CSV UTF-8"
        ) from None
    rows = list(reader(text, source.name))
    if not rows:
        raise DreamTalkError(f"'{source.name}' holds no jobs: write one a line")
    return rows


def _table_rows(text: str, name: str) -> Iterator[Row]:
    """Rows of a CSV file with a header; spreadsheets separate by commas, semicolons or tabs."""
    head = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [cell.strip() for cell in next(reader, [])]
    except csv.Error as error:
        raise DreamTalkError(f"line 1 of '{name}' can't be read: {error}") from None
    twice = next((c for c in columns if c and columns.count(c) > 1), None)
    if twice is not None:
        raise DreamTalkError(f"'{name}' has two columns '{twice[:80]}'")
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # a quote that nobody closes: where rows begin is lost
            yield Row(line, {}, f"can't be read: {error}")
            return
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
            yield Row(line, {}, f"has {len(cells)} cells, and the header has {len(columns)}")
            continue
        pairs = zip(columns, (cell.strip() for cell in cells), strict=False)
        yield Row(line, {column: cell for column, cell in pairs if column and cell})


def _json_rows(text: str, name: str) -> Iterator[Row]:
    for line, written in enumerate(text.split("\n"), 1):
        if not written.strip():
            continue
        try:
            if len(written) > MAX_LINE:
                raise ValueError(f"it is longer than {MAX_LINE} characters")
            values = json.loads(written)
        except (ValueError, RecursionError) as error:
            yield Row(line, {}, f"is no JSON: {str(error)[:200]}")
            continue
        if isinstance(values, dict):
            yield Row(line, {k: v for k, v in values.items() if v is not None and v != ""})
        else:
            yield Row(line, {}, 'is no object: write {"portrait": ..., "audio": ...}')


_READERS: dict[str, Callable[[str, str], Iterator[Row]]] = {
    ".csv": _table_rows, ".jsonl": _json_rows, ".ndjson": _json_rows,
}  # fmt: skip


def _folder_rows(folder: Path) -> list[Row]:
    """Every picture with every recording of its name; all with all where there is only one picture
    or one recording."""
    names = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name[0] != ".")
    known = {s for s, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    known -= {".mpg", ".mpeg", ".pdf"}
    pictures = [n for n in names if Path(n).suffix.lower() in known | set(_HEIF)]
    recordings = [n for n in names if Path(n).suffix.lower() in RECORDINGS]
    if not pictures or not recordings:
        missing = "pictures" if not pictures else "recordings"
        raise DreamTalkError(f"there are no {missing} in '{folder}'")
    if len(pictures) == 1 or len(recordings) == 1:
        pairs = [(p, r) for p in pictures for r in recordings]
    else:
        owners = {r: _owner(Path(r).stem, [Path(p).stem for p in pictures]) for r in recordings}
        pairs = [(p, r) for p in pictures for r in recordings if owners[r] == Path(p).stem]
    if not pairs:
        raise DreamTalkError(
            f"no recording in '{folder}' is named as a picture: call them anna.png, anna.wav, "
            "anna-2.wav, or write a jobs file"
        )
    return [Row(i, {"portrait": p, "audio": r}) for i, (p, r) in enumerate(pairs, 1)]


def _owner(recording: str, pictures: list[str]) -> str | None:
    """The longest name of a picture that a recording's name is, or begins with: anna, anna-2."""
    fitting = [
        p for p in pictures
        if recording == p or (recording.startswith(p) and recording[len(p)] in _JOINTS)
    ]  # fmt: skip
    return max(fitting, key=len, default=None)

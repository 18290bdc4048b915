"""Outputs that would be written over an input, or over each other: found before any work."""

from __future__ import annotations

import os
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

from ..errors import OutputError
from .atomic import check_writable

Paths: TypeAlias = "str | Path | Sequence[str | Path] | None"


def check_outputs(outputs: Mapping[str, Paths], inputs: Mapping[str, Paths]) -> None:
    """Refuse outputs that are an input or each other, or that can't be written.

    Files are compared as the disk sees them, through links of both kinds and through upper and
    lower case where the disk takes both for one. Folders of the outputs are made.

    Args:
        outputs: what it is, as people call it (``"the video"``) -> where it goes; None for nothing.
        inputs: what it is -> where it comes from: a file, several, or a folder whose files are
            all read. Files that are missing, and names that are no files, are passed over.

    Raises:
        OutputError: on the first that can't be; nothing has been written then.
    """
    written = _pairs(outputs)
    for what, path in written:
        for source, given in _pairs(inputs):
            if _reads(given, path):
                raise OutputError(
                    f"{what} would be written over {source} '{given}': give it another name"
                )
    for _, path in written:
        check_writable(path)
    for (what, path), (other, second) in combinations(written, 2):
        if _same_file(path, second):
            raise OutputError(
                f"{what} and {other} would be the same file '{path}': give them different names"
            )


def _pairs(named: Mapping[str, Paths]) -> list[tuple[str, Path]]:
    pairs = []
    for what, paths in named.items():
        if paths is not None:
            several = [paths] if isinstance(paths, (str, Path)) else paths
            pairs += [(what, Path(path)) for path in several]
    return pairs


def _reads(source: Path, output: Path) -> bool:
    """Whether an input is the output, or a folder that holds it already."""
    try:
        if not os.path.isdir(source):
            return os.path.samefile(source, output)
        inside = Path(os.path.realpath(output)).is_relative_to(os.path.realpath(source))
        return inside and output.exists()
    except (OSError, ValueError):  # one of them is not there
        return False


def _same_file(first: Path, second: Path) -> bool:
    """Whether two outputs, there or not yet, are one file; their folders are there."""
    try:
        return os.path.samefile(first, second)
    except OSError:
        pass
    one, two = (Path(os.path.realpath(path)) for path in (first, second))
    if one.exists() or two.exists() or not os.path.samefile(one.parent, two.parent):
        return False
    return one.name == two.name or (
        _folded(one.name) == _folded(two.name) and _folds_case(one.parent)
    )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _folds_case(folder: Path) -> bool:
    """Whether the disk takes upper and lower case of a name for the same."""
    probe = folder / f".case-{os.getpid()}-{secrets.token_hex(4)}.probe"
    try:
        probe.touch()
        return probe.with_name(probe.name.upper()).exists()
    finally:
        probe.unlink(missing_ok=True)

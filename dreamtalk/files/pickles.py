"""Files of torch from before its zip format, held to their size before torch reads them."""

from __future__ import annotations

import contextlib
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .bounded import BoundedReader

_PICKLES = 4
"""In a row: a magic number, the format's version, the machine, what was saved."""


def check_storages(file: BoundedReader) -> None:
    """Refuse tensors that are larger than the file; the place in the file stays.

    torch makes them as large as the pickle says before it looks for their numbers.

    Raises:
        ValueError: if they are.
    """
    begin, claimed, number = file.tell(), 0, 0
    for code, argument in _opcodes(file):
        if isinstance(argument, int) and code.startswith(("BININT", "INT", "LONG")):
            number = argument
        elif code == "BINPERSID":  # its tuple ends with the number of elements
            claimed += max(0, number)
            if number < 0 or claimed > file.length:
                raise ValueError("it describes tensors larger than the file")
    file.seek(begin)


def _opcodes(file: BoundedReader) -> Iterator[tuple[str, Any]]:
    """Up to where they are damaged: there torch's reader stops as well."""
    with contextlib.suppress(ValueError, EOFError):
        for _ in range(_PICKLES):
            for code, argument, _ in pickletools.genops(file):
                yield code.name, argument


def load_legacy(path: Path, load: Any) -> Any:
    """Give a file to torch's reader, when its tensors are no larger than it.

    Args:
        load: takes the open file.
    """
    with BoundedReader(path) as file:
        check_storages(file)
        return load(file)

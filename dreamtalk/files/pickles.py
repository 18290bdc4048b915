"""Files of torch from before its zip format, held to their size before torch reads them."""

from __future__ import annotations

import contextlib
import io
import os
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PICKLES = 4
"""In a row: a magic number, the format's version, the machine, what was saved."""


class BoundedReader(io.BufferedReader):
    """A file that is never asked for more bytes than it has left.

    A damaged length in a pickle otherwise makes Python take that many bytes of memory first.
    """

    def __init__(self, path: Path) -> None:
        raw = io.FileIO(path)
        super().__init__(raw)
        self._size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))

    def check_storages(self) -> None:
        """Refuse tensors that are larger than the file; the place in the file stays.

        torch makes them as large as the pickle says before it looks for their numbers.

        Raises:
            ValueError: if they are.
        """
        begin, claimed, number = self.tell(), 0, 0
        for code, argument in self._opcodes():
            if isinstance(argument, int) and code.startswith(("BININT", "INT", "LONG")):
                number = argument
            elif code == "BINPERSID":  # its tuple ends with the number of elements
                claimed += max(0, number)
                if number < 0 or claimed > self._size:
                    raise ValueError("it describes tensors larger than the file")
        self.seek(begin)

    def _opcodes(self) -> Iterator[tuple[str, Any]]:
        """Up to where they are damaged: there torch's reader stops as well."""
        with contextlib.suppress(ValueError, EOFError):
            for _ in range(_PICKLES):
                for code, argument, _ in pickletools.genops(self):
                    yield code.name, argument


def load_legacy(path: Path, load: Any) -> Any:
    """Give a file to torch's reader, when its tensors are no larger than it.

    Args:
        load: takes the open file.
    """
    with BoundedReader(path) as file:
        file.check_storages()
        return load(file)

"""Files of strangers that claim to be longer than they are."""

from __future__ import annotations

import io
import os
from pathlib import Path


class BoundedReader(io.BufferedReader):
    """A file whose ``read`` makes room for no more than what is left of it.

    Parsers ask for as many bytes as a damaged header claims, and Python reserves them at once: up
    to gigabytes for a file of a few.
    """

    def __init__(self, path: str | Path) -> None:
        raw = io.FileIO(os.fspath(path))
        super().__init__(raw)
        self.length = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """At most ``size`` bytes; all that are left if it is negative or None."""
        left = max(self.length - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))

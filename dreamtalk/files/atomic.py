"""Files that are whole or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError


@contextmanager
def atomic_write(path: str | Path, what: str = "") -> Iterator[Path]:
    """Write a file so that nobody ever sees half of it, not even after a crash.

    ::

        with atomic_write("talk.npz", "the motion") as part:
            part.write_bytes(data)

    The file appears under its name, in place of an older one, when the block is left; if the block
    raises, nothing is left behind and an older file stays as it was.

    Args:
        path: the file; its folder must be there.
        what: is written, for the message of an error: ``"the motion"``.

    Yields:
        A path in the same folder, with the same suffix, to write to.

    Raises:
        OutputError: if the block, or what follows it, fails with an ``OSError``: with the reason.
            Other exceptions pass.
    """
    path = Path(path)
    # by process and by chance: two threads may write the same file
    part = path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:  # PyAV's errors are OSErrors too
        target = f"{what} to '{path}'" if what else f"'{path}'"
        raise OutputError(
            f"can't write {target}: {error.strerror or error}. Choose another place"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)

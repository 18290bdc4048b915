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


def check_writable(path: str | Path) -> None:
    """Find out before hours of work whether the result can be written.

    Raises:
        OutputError: if the folder can't be made or the file can't be written.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"'{path}' is a folder: give the output a file name")
    probe = path.with_name(f".{path.stem}.{os.getpid()}.probe")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise OutputError(f"can't write '{path}': {error.strerror}") from error

"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError
from .names import device_name

_MIDDLE = re.compile(r"[0-9]+\.[0-9a-f]{8}")  # of the name of an unfinished file


@contextmanager
def atomic_write(path: str | Path, what: str = "") -> Iterator[Path]:
    """Write a file so that nobody ever sees half of it, not even after a crash.

    ::

        with atomic_write("talk.npz", "the motion") as part:
            part.write_bytes(data)

    The file appears under its name, in place of an older one, when the block is left; if the block
    raises, nothing is left behind and an older file stays as it was. A link stays a link: the file
    that it leads to is the one that is replaced.

    Args:
        path: the file; its folder must be there.
        what: is written, for the message of an error: ``"the motion"``.

    Yields:
        A path in the same folder, with the same suffix, to write to.

    Raises:
        OutputError: if the block, or what follows it, fails with an ``OSError``: with the reason.
            Other exceptions pass. Also if the path is no ordinary file.
    """
    target = _target(Path(path))
    # by process and by chance: two threads may write the same file
    begin, end = _part_name(target)
    part = target.with_name(f"{begin}{os.getpid()}.{secrets.token_hex(4)}{end}")
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        with suppress(OSError):
            shutil.copymode(target, part)  # of the file that is replaced, if there is one
        part.replace(target)
        _sync_folder(target.parent)
    except OSError as error:  # PyAV's errors are OSErrors too
        raise OutputError(_refusal(path, what, error)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def sweep_parts(path: str | Path) -> None:
    """Remove what :func:`atomic_write` left behind of a file when its process was killed.

    Only for a file that nobody writes at the moment.
    """
    target = Path(path)
    begin, end = _part_name(target)
    with suppress(OSError):
        for found in list(target.parent.iterdir()):
            middle = found.name[len(begin) : -len(end)]
            parted = found.name.startswith(begin) and found.name.endswith(end)
            if parted and _MIDDLE.fullmatch(middle):
                with suppress(OSError):
                    found.unlink()


def _part_name(target: Path) -> tuple[str, str]:
    """How the name of an unfinished file begins and ends.

    Of the name only as much as leaves room for the rest below the 255 bytes that file systems take.
    """
    stem = target.stem.encode("utf-8", "ignore")[:80].decode("utf-8", "ignore")
    return f".{stem}.", f".part{target.suffix[:16]}"


def check_writable(path: str | Path) -> None:
    """Find out before hours of work whether the result can be written.

    Raises:
        OutputError: if the folder can't be made, the file can't be written, or the path is a
            folder, a device, a pipe or a socket.
    """
    path = Path(path)
    target = _target(path)
    if target.is_dir():
        raise OutputError(f"'{path}' is a folder: give the output a file name")
    probe = target.with_name(f".{secrets.token_hex(4)}.{os.getpid()}.probe")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            probe.touch()
        finally:
            probe.unlink(missing_ok=True)
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise OutputError(_refusal(path, "", error)) from error


def _target(path: Path) -> Path:
    """The file behind a path, through links.

    Raises:
        OutputError: if it is there and is no ordinary file, or can't be looked at.
    """
    if os.name == "nt" and device_name(path.name):
        raise OutputError(f"'{path}' is the name of a device: choose another file name")
    try:
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return target  # the reason why it can't be written, if there is one, comes with writing
    except (OSError, ValueError) as error:  # a loop of links; a name that is too long or has a NUL
        raise OutputError(_refusal(path, "", error)) from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OutputError(
            f"'{path}' is a device, a pipe or a socket, and writing would put a file in its place: "
            "choose an ordinary file"
        )
    return target


def _refusal(path: str | Path, what: str, error: OSError | ValueError) -> str:
    target = f"{what} to '{path}'" if what else f"'{path}'"
    reason = getattr(error, "strerror", None) or error
    return f"can't write {target}: {reason}. Choose another place"


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power failure, on systems where folders can be opened."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

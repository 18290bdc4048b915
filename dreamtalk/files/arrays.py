"""Arrays from files of strangers: nothing is executed, and nothing is made larger than the file."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

MOST = 256 << 20
"""Bytes that an archive may unpack to whatever its size."""
_HEADER = 10  # bytes at least
RATIO = 100
"""Times its own size that a larger archive may unpack to; motions and pictures don't reach it."""


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz``, by name.

    Raises:
        ValueError: if it is no such file, holds pickles, claims more than it has, or unpacks to
            more than its size justifies.
        OSError: if it can't be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_unpacked(archive, os.path.getsize(path))
            found = {}
            for item in archive.infolist():
                with archive.open(item) as file:
                    name = item.filename.removesuffix(".npy")
                    found[name] = _read(file, item.file_size, item.filename)
            return found
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"it is no archive of arrays, or cut off ({error})") from error


def read_npy(path: str | Path) -> np.ndarray:
    """The array of an ``.npy``; raises as :func:`read_npz`."""
    with open(path, "rb") as file:
        return _read(file, os.path.getsize(path), Path(path).name)


def check_unpacked(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive that is a bomb.

    Args:
        size: of the archive, bytes.

    Raises:
        ValueError: if it unpacks to more than 256 MiB and to more than 100 times its size.
    """
    unpacked = sum(item.file_size for item in archive.infolist())
    check_unpacked_size(unpacked, size)


def check_unpacked_size(unpacked: int, size: int) -> None:
    """Refuse what ``size`` bytes unpack to if it is a bomb; raises as :func:`check_unpacked`."""
    if unpacked > max(MOST, RATIO * size):
        raise ValueError(
            f"{size} bytes unpack to {unpacked >> 20} MiB: a file like that is not opened"
        )


def _read(file: IO[bytes], size: int, name: str) -> np.ndarray:
    """One array, after its header was held against the bytes that there are."""
    try:
        version = npy.read_magic(file)
    except ValueError as error:
        raise ValueError(f"'{name}' does not begin as numpy's arrays do") from error
    if version != (1, 0):  # the others are for headers of more than 64 kB
        raise ValueError(f"'{name}' is of numpy's format {version}, and (1, 0) is read")
    try:
        shape, by_columns, kind = npy.read_array_header_1_0(file)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"the header of '{name}' is damaged") from error  # numpy's words: repr's
    if kind.hasobject:
        raise ValueError(f"'{name}' holds Python objects (a pickle), which are not loaded")
    count = 1
    for side in shape:
        count *= side
    if min(shape, default=0) < 0 or kind.itemsize * count > max(0, size - _HEADER):
        raise ValueError(f"'{name}' says that it is {list(shape)}, which is more than there is")
    data = file.read(kind.itemsize * count)
    if len(data) != kind.itemsize * count:
        raise ValueError(f"'{name}' is cut off")
    if kind.itemsize == 0:  # an array of empty texts
        if count > max(1 << 20, size):
            raise ValueError(f"'{name}' says that it is {list(shape)}, which can't be")
        return np.zeros(shape, kind)
    values = np.frombuffer(bytearray(data), kind)  # of its own, so that it can be written to
    return values.reshape(shape, order="F" if by_columns else "C")

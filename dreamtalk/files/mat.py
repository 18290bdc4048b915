"""Arrays of ``.mat`` files of strangers (MAT-file level 5, as MATLAB's documentation describes it).

scipy writes such files well, but trusts what it reads: damaged ones end the process or make it ask
for gigabytes. Here every length is held against what is left of the file.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from .arrays import check_unpacked_size

_HEADER = 128  # bytes
_ORDERS = {b"IM": "<", b"MI": ">"}
_MATRIX, _PACKED = 14, 15
_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_NUMBERS = range(6, 16)
"""Classes of matrices that hold numbers; the others are texts, cells, structures, sparse."""
_COMPLEX = 0x0800


def read_mat(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of real numbers, by name; what else is in the file is left out.

    Raises:
        ValueError: if it is no such file, damaged, or unpacks to more than its size justifies.
        OSError: if it can't be read.
    """
    with open(path, "rb") as file:
        data = memoryview(file.read())
    order = _ORDERS.get(bytes(data[126:_HEADER]))
    if order is None or len(data) < _HEADER:
        raise ValueError(
            "it is no MAT-file of level 5 (save as -v7 in MATLAB; 7.3 is another format)"
        )
    found, unpacked = {}, 0
    for kind, body in _elements(data[_HEADER:], order):
        if kind == _PACKED:
            body, unpacked = _unpacked(body, unpacked, len(data))
            kind, body = next(_elements(body, order), (0, body))
        if kind == _MATRIX and (item := _matrix(body, order)) is not None:
            found[item[0]] = item[1]
    return found


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Types and contents of the elements that follow one another.

    Raises:
        ValueError: if one is longer than what is left.
    """
    at = 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, at)
        if kind >> 16:  # up to four bytes that stand in the tag itself
            kind, length, begin = kind & 0xFFFF, kind >> 16, at + 4
            most, after = at + 8, at + 8
        else:
            begin, most = at + 8, len(data)
            # whole words, but for packed elements
            after = begin + length + (-length % 8 if kind != _PACKED else 0)
        if begin + length > most:
            raise ValueError("it is damaged or cut off: an array is longer than the file")
        yield kind, data[begin : begin + length]
        at = after


def _unpacked(packed: memoryview, before: int, size: int) -> tuple[memoryview, int]:
    """A packed element's contents, and how much has been unpacked with it."""
    unpack, parts, rest = zlib.decompressobj(), [], bytes(packed)
    try:
        while rest and not unpack.eof:
            parts.append(unpack.decompress(rest, 1 << 20))
            rest = unpack.unconsumed_tail
            before += len(parts[-1])
            check_unpacked_size(before, size)
    except zlib.error as error:
        raise ValueError(f"it is damaged: {error}") from error
    return memoryview(b"".join(parts)), before


def _matrix(body: memoryview, order: str) -> tuple[str, np.ndarray] | None:
    """Name and values of a matrix, or None if it holds no real numbers."""
    parts = list(islice(_elements(body, order), 4))
    if len(parts) < 4:
        return None
    flags, sizes, name, values = parts
    if len(flags[1]) != 8 or flags[0] != 6 or sizes[0] != 5 or name[0] != 1:
        raise ValueError("it is damaged: an array does not say what it is")
    (about,) = struct.unpack_from(f"{order}I", flags[1])
    if about & 0xFF not in _NUMBERS or about & _COMPLEX or values[0] not in _TYPES:
        return None
    stored = np.dtype(order + _TYPES[values[0]])
    shape = np.frombuffer(sizes[1], order + "i4", len(sizes[1]) // 4).tolist()
    numbers = np.frombuffer(
        values[1][: len(values[1]) // stored.itemsize * stored.itemsize], stored
    )
    if len(shape) < 2 or min(shape) < 0 or math.prod(shape) != len(numbers):
        raise ValueError(f"it is damaged: {len(numbers)} numbers for an array of {tuple(shape)}")
    label = bytes(name[1]).decode("latin-1")
    native = numbers.astype(stored.newbyteorder("="))
    return label, native.reshape(shape, order="F")

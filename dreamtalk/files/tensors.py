"""Tensors on disk, read and written without trusting the file or the disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import OutputError
from .atomic import atomic_write

MAX_HEADER = 100_000_000
"""Bytes: safetensors' own limit for the description of the tensors."""
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read a safetensors file, by plain reading.

    The library of that name maps files into memory: when a file is cut off while it is mapped, or
    any time later while a tensor of it is in use, the process dies of SIGBUS.

    Returns:
        The metadata, and name -> tensor, which depend on the file no more.

    Raises:
        ValueError: if it is no such file, or damaged.
        OSError: if it can't be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MAX_HEADER, size - 8):
            raise ValueError("it has no valid header")
        try:
            header = json.loads(file.read(length))
            metadata = {str(k): str(v) for k, v in (header.pop("__metadata__", None) or {}).items()}
            places = [_place(name, entry) for name, entry in header.items()]
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("its header is damaged") from error
        end = 0
        for name, begin, stop, *_ in sorted(places, key=lambda place: place[1:3]):
            if begin != end:
                raise ValueError(f"the tensors before '{name}' leave a gap or lie over each other")
            end = stop
        if 8 + length + end != size:
            raise ValueError(f"it is {size} bytes long, not {8 + length + end}")
        state = {}
        for name, begin, stop, shape, dtype in places:
            tensor = torch.empty(shape, dtype=dtype)
            if stop > begin:
                file.seek(8 + length + begin)
                room: Any = tensor.reshape(-1).view(torch.uint8).numpy()
                if file.readinto(room) != stop - begin:
                    raise ValueError(f"it ends within '{name}'")
            state[name] = tensor
    return metadata, state


def _place(name: str, entry: Any) -> tuple[str, int, int, tuple[int, ...], torch.dtype]:
    """Name, first byte, byte after the last, shape and type of a tensor.

    Raises:
        ValueError, KeyError, TypeError: if the description can't be.
    """
    if entry["dtype"] not in _DTYPES:
        raise ValueError(f"'{name}' has the unknown type {entry['dtype']}")
    dtype = _DTYPES[entry["dtype"]]
    begin, stop = entry["data_offsets"]
    shape = tuple(entry["shape"])
    if not all(type(number) is int for number in (begin, stop, *shape)):
        raise TypeError(f"'{name}' is not described in whole numbers")
    needed = torch.empty((), dtype=dtype).element_size()
    for side in shape:
        needed *= side
    if begin < 0 or min(shape, default=0) < 0 or stop - begin != needed:
        raise ValueError(f"'{name}' of shape {shape} does not take {stop - begin} bytes")
    return name, begin, stop, shape, dtype


def save_torch(path: str | Path, values: Any) -> None:
    """``torch.save``, whole or not at all.

    Raises:
        OutputError: if the file can't be written.
    """
    try:
        with atomic_write(path, "the checkpoint") as part, part.open("wb") as file:
            torch.save(values, file)
    except RuntimeError as error:  # torch's writer says so of a full disk
        raise OutputError(f"can't write the checkpoint to '{path}': {error}") from error

"""Values as ``.npz``: arrays by name and a word that says what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DreamTalkError
from .arrays import read_npz
from .atomic import atomic_write
from .names import is_there

_FORMAT = "dreamtalk."


def save_values(path: str | Path, kind: str, values: Mapping[str, Any]) -> None:
    """Write arrays, whole or not at all.

    Args:
        path: the ``.npz``.
        kind: what they are: ``"speech"``.
        values: name -> array, number or text.

    Raises:
        OutputError: if the file can't be written.
    """
    with atomic_write(path, f"the {kind}") as part, part.open("wb") as file:
        np.savez(file, format=np.array(_FORMAT + kind), **values)


def load_values(
    path: str | Path, kind: str, error: type[DreamTalkError], names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Read what :func:`save_values` wrote. Nothing in the file is executed (no pickles).

    Args:
        path: the ``.npz``.
        kind: what must be in it.
        error: which error a file that is not that deserves.
        names: arrays that must be there.

    Returns:
        name -> array.

    Raises:
        DreamTalkError: of the type ``error``: if there is no such file, it is damaged, or it is
            something else; the message says which.
    """
    path = Path(path)
    if not is_there(path):
        raise error(f"there is no {kind} file '{path}'")
    try:
        values = read_npz(path)
    except Exception as fault:
        # the reader meets arbitrary bytes: whatever it trips over, the file is at fault
        raise error(f"'{path.name}' is no {kind} file, or is damaged: {reason(fault)}") from fault
    found = str(values.get("format", ""))
    if found != _FORMAT + kind:
        said = f"it holds a '{found.removeprefix(_FORMAT)}'" if found else "it doesn't say what"
        raise error(f"'{path.name}' is no {kind} file: {said}")
    missing = [name for name in names if name not in values]
    if missing:
        raise error(f"'{path.name}' is a damaged {kind} file: it has no '{missing[0]}'")
    return values


@contextmanager
def making(path: str | Path, kind: str, error: type[DreamTalkError]) -> Iterator[None]:
    """A value is made of a file's arrays: whatever fails meanwhile, the file is at fault.

    Raises:
        DreamTalkError: of the type ``error``.
    """
    try:
        yield
    except DreamTalkError:
        raise
    except Exception as fault:
        raise error(f"'{Path(path).name}' is a damaged {kind} file: {reason(fault)}") from fault


def reason(fault: Exception) -> str:
    """Why a file can't be read, for people: what a reader tripped over in its own terms is none."""
    told = str(fault).strip().splitlines()
    if told and isinstance(fault, (ValueError, OSError, DreamTalkError)):
        return told[0][:200]
    return "its contents are not what such a file holds"

"""Settings of a network out of a file's config, which may hold anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")
_MOST = 1 << 16
"""Of any size: far beyond the official ones, and small enough to be tried."""
_LONGEST = 1024
"""Nor has a list of sizes more entries."""


def settings_from(cls: type[T], values: Mapping[str, Any], what: str) -> T:
    """A dataclass of sizes: whole numbers from 1, floats from 0 to 2, switches, lists of those.

    Args:
        cls: a frozen dataclass whose fields have defaults, which say what they are.
        values: by the fields' names; JSON's lists become tuples.
        what: the network, for the errors: ``"denoiser"``.

    Raises:
        ValueError: on a name that this version does not know, or a value that can't be.
    """
    known = {field.name: field.default for field in fields(cls)}  # type: ignore[arg-type]
    assert MISSING not in known.values(), f"{cls.__name__} has a field without a default"
    unknown = set(values) - set(known)
    if unknown:
        raise ValueError(f"unknown {what} settings: {', '.join(sorted(unknown))}")
    made = {}
    for name, value in values.items():
        made[name] = tuple(value) if isinstance(value, list) else value
        if not _fits(made[name], known[name]):
            raise ValueError(f"{name} can't be {str(value)[:40]!r}")
    return cls(**made)


def _fits(value: Any, like: Any) -> bool:
    if isinstance(like, tuple):
        if not isinstance(value, tuple) or len(value) > _LONGEST:
            return False
        if any(isinstance(entry, float) for entry in like):
            return all(_fits(entry, 1.0) for entry in value)
        return all(type(entry) is int and 0 <= entry <= _MOST for entry in value)  # indices too
    if isinstance(like, bool):
        return isinstance(value, bool)
    if isinstance(like, int):
        return type(value) is int and 1 <= value <= _MOST
    return type(value) in (int, float) and 0 <= value <= 2

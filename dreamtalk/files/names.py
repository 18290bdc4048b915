"""Names of files that come from elsewhere (a workflow, a job, a table), kept inside a folder."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from ..errors import DreamTalkError

MAX_NAME = 255
"""Bytes of a file name that common file systems take."""
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.I)
_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # show a name backwards
_WILDCARD = re.compile(r"%[^%/\\]*%")  # ComfyUI's %date:hh:mm%


def user_path(text: str) -> Path:
    """A path as people write it: ``~`` is their home, also where no shell has looked at it."""
    return Path(os.path.expanduser(text))


def is_there(path: str | Path) -> bool:
    """Whether there is such a file; none if no file could have that name.

    ``Path.is_file`` raises where a name is too long, before Python 3.14.
    """
    return os.path.isfile(path)


def device_name(name: str) -> bool:
    """Whether Windows takes a file name for a device, as ``NUL`` and ``com1.npz``."""
    return _DEVICES.fullmatch(name.strip()) is not None


def name_problem(name: str) -> str | None:
    """Why a relative name may not be used below a folder; None if it may.

    Looks at the text alone, before the disk (or, with ``\\\\server``, the network) is touched. The
    rules of all systems hold on each, so that a workflow means the same everywhere.
    """
    if not name.strip():
        return "it is empty"
    if name[0] in "/\\" or re.match(r"[A-Za-z]:", name):
        return "it is not below the folder: give a relative name"
    if any(unicodedata.category(c) in ("Cc", "Cs") or c in _OVERRIDES for c in name):
        return "it holds characters that can't be shown"
    for part in re.split(r"[/\\]", name):
        # what a careless program makes of it: full-width dots become dots
        plain = unicodedata.normalize("NFKC", part).strip()
        if plain == ".." or part.strip() == "..":
            return "'..' leads out of the folder"
        if "/" in plain or "\\" in plain:
            return f"'{part}' holds something that looks like a slash"
        if ":" in _WILDCARD.sub("", part):
            return f"'{part}' holds a colon"
        if device_name(part):
            return f"'{part}' is the name of a device on Windows"
        if len(os.fsencode(part)) > MAX_NAME:
            return f"a part of it is {len(os.fsencode(part))} bytes long, {MAX_NAME} at most"
    return None


def is_inside(path: str | Path, folders: Iterable[str | Path]) -> bool:
    """Whether a path, with all links followed, is one of the folders or below one."""
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)


def check_name(name: str, what: str) -> None:
    """Refuse a name that could leave its folder.

    Args:
        name: relative, of a file or a beginning of one.
        what: it is, for the message: ``"the recording"``.

    Raises:
        DreamTalkError: with the name and the reason.
    """
    problem = name_problem(name)
    if problem is not None:
        shown = name if len(name) <= 80 else name[:80] + "..."
        raise DreamTalkError(f"{what} can't be {shown!r}: {problem}")

"""Spoken lines of an adventure game: hours of actors speaking English, without a transcript.

Flight of the Amazon Queen, as Debian's package ``flight-of-the-amazon-queen`` brings it: one file,
``queen.1c``, with a table of its members at the beginning. The game may be shared and modified, but
not sold (its licence is in the package); the sounds are MP3 at 11,025 Hz.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path

from ...errors import DreamTalkError

_MAGIC = b"QTBL"
_HEAD = 15
_MEMBER = struct.Struct(">12sBII")  # name, bundle, offset, size
_SMALLEST, _LARGEST = 2400, 20_000
"""Bytes of a member: shorter ones are exclamations and noises."""
_BYTES = 2000
"""A second."""


def unpack_lines(path: Path, folder: Path, hours: float, seed: int = 0) -> int:
    """Write lines chosen at random into a folder, as many as last about so many hours.

    Returns:
        How many there are.

    Raises:
        DreamTalkError: if it is no such file.
    """
    data = path.read_bytes()
    if data[:4] != _MAGIC or len(data) < _HEAD:
        raise DreamTalkError(f"'{path}' is no 'queen.1c' of Flight of the Amazon Queen")
    count = int.from_bytes(data[_HEAD - 2 : _HEAD], "big")
    members = [_MEMBER.unpack_from(data, _HEAD + i * _MEMBER.size) for i in range(count)]
    lines = [
        (name.rstrip(b"\0").decode("ascii"), data[offset : offset + size])
        for name, _, offset, size in members
        if _SMALLEST < size < _LARGEST and name.rstrip(b"\0").endswith(b".SB")
    ]
    random.Random(seed).shuffle(lines)
    folder.mkdir(parents=True, exist_ok=True)
    left, made = hours * 3600 * _BYTES, 0
    for name, sound in lines:
        if left <= 0:
            break
        (folder / name).with_suffix(".mp3").write_bytes(sound)
        left, made = left - len(sound), made + 1
    return made

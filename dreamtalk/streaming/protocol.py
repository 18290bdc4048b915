"""What goes over the WebSocket of ``dreamtalk serve``: PCM and JSON in, JPEG and JSON out."""

from __future__ import annotations

import json
import struct
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import AudioError, DreamTalkError, OutputError

HEADER = struct.Struct("<Id")
"""Before each JPEG: the frame's number, and when it is to be shown in s of the stream."""
MOST_MESSAGE = 1 << 20
"""Bytes of a message, about 33 s of speech."""
MOST_WAITING = 60.0
"""s of speech that may wait to be said."""
COMMANDS: dict[str, tuple[str, ...]] = {
    "start": ("emotion", "intensity", "idle"),
    "emotion": ("emotion", "intensity"),
    "flush": (),
    "cancel": (),
    "close": (),
}
"""Types of JSON messages and what they may say."""


def read_samples(data: bytes) -> Tensor:
    """16-bit little-endian mono PCM at 16 kHz -> (N,) float32 in -1..1.

    Raises:
        AudioError: if it is half a sample.
    """
    if len(data) % 2:
        raise AudioError(f"{len(data)} bytes are no 16-bit samples: send an even number")
    return torch.from_numpy(np.frombuffer(data, "<i2").astype(np.float32) / 32768.0)


def read_command(text: str) -> dict[str, Any]:
    """A JSON message, with nothing in it that is not known.

    Raises:
        DreamTalkError: on anything else.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise DreamTalkError(f"a message that is not JSON: {text[:40]!r}") from None
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(kind, str) or kind not in COMMANDS:
        raise DreamTalkError(f"no message of a known type ({', '.join(COMMANDS)}): {text[:60]!r}")
    unknown = [name for name in message if name not in ("type", *COMMANDS[kind])]
    if unknown:
        takes = ", ".join(COMMANDS[kind]) or "nothing"
        raise DreamTalkError(f"'{kind}' has no '{unknown[0][:40]}': it takes {takes}")
    return message


def write_frame(index: int, seconds: float, frame: np.ndarray, quality: int) -> bytes:
    """A frame (H, W, 3) uint8 RGB as one binary message.

    Raises:
        OutputError: if it can't be written as JPEG.
    """
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise OutputError("a frame can't be written as JPEG")
    return HEADER.pack(index, seconds) + jpeg.tobytes()


def read_frame(message: bytes) -> tuple[int, float, bytes]:
    """Number, s and JPEG of a binary message: for clients in Python."""
    index, seconds = HEADER.unpack_from(message)
    return index, seconds, message[HEADER.size :]

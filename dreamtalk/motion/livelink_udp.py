"""Live Link Face over UDP: a motion is sent frame by frame, as an iPhone sends a face.

Unreal Engine, and all that listens for Epic's app, takes one datagram a frame. Everything in it is
big-endian (network order), and texts have no ending zero:

=============  ======================================================================
uint8          version of the packet, 6
int32, bytes   length and text of the device id, a UUID
int32, bytes   length and text of the subject's name, UTF-8
int32          frame number: time of day in frames
float32        part of a frame that the time of day is beyond it
int32, int32   frames a second, numerator and denominator
uint8          number of values, 61
float32 x 61   :data:`~.livelink.LIVE_CHANNELS`: shapes in 0..1, rotations in radians
=============  ======================================================================
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

import numpy as np

from ..errors import MotionError, OutputError
from ..files.timeline import exact_rate
from ..options import checked
from ..progress import Progress, silent
from .edit import resample
from .livelink import LIVE_CHANNELS, live_values
from .motion import Motion
from .rig import rig_scores

VERSION = 6
PORT = 11111
"""Where receivers listen unless they are told otherwise."""
SUBJECT = "DreamTalk"
DEVICE = str(uuid.uuid5(uuid.NAMESPACE_DNS, "dreamtalk")).upper()
"""A UUID like a phone's; some receivers count on its 36 characters."""
_MOST_NAME = 255  # bytes of a text: receivers have room for so many
_TIME = struct.Struct(">ifii")
_VALUES = struct.Struct(f">{len(LIVE_CHANNELS)}f")
_DAY = 86_400
_LAST_PART = 1.0 - 2.0**-20  # a part of a frame is below 1, in float32 too
_NAP = 0.05  # s between two looks at whether the work is cancelled


@dataclass(frozen=True)
class LiveFrame:
    """What one datagram says.

    Attributes:
        values: 61 numbers in the order of ``LIVE_CHANNELS``.
        number: frames since midnight.
        part: of a frame beyond that, 0..1.
        rate: frames a second.
        subject: what the receiver calls the face.
        device: UUID of the sender.
    """

    values: tuple[float, ...]
    number: int
    part: float
    rate: Fraction
    subject: str = SUBJECT
    device: str = DEVICE


@dataclass(frozen=True)
class Target:
    """Where datagrams go.

    Attributes:
        family: ``socket.AF_INET`` or ``AF_INET6``.
        address: as ``sendto`` takes it; its first two members are the IP address and the port.
    """

    family: int
    address: tuple[object, ...]

    @property
    def near(self) -> bool:
        """Whether it is this machine or one of a local network, not one of the internet."""
        return not ipaddress.ip_address(str(self.address[0]).partition("%")[0]).is_global


@dataclass(frozen=True)
class Sent:
    """How a stream went: frames sent, and those left out because their time was over."""

    frames: int
    skipped: int


def encode_frame(frame: LiveFrame) -> bytes:
    """The datagram of a frame.

    Raises:
        MotionError: if there are not 61 values, there is no rate, or a number has no room.
    """
    if len(frame.values) != len(LIVE_CHANNELS):
        raise MotionError(f"a live frame has {len(LIVE_CHANNELS)} values, not {len(frame.values)}")
    if frame.rate <= 0:
        raise MotionError(f"a live frame with {frame.rate} frames a second has no rate")
    stamp = (frame.number, frame.part, frame.rate.numerator, frame.rate.denominator)
    try:
        return b"".join((
            bytes([VERSION]), _text(frame.device), _text(frame.subject), _TIME.pack(*stamp),
            bytes([len(frame.values)]), _VALUES.pack(*frame.values),
        ))  # fmt: skip
    except (struct.error, OverflowError, UnicodeEncodeError) as error:
        raise MotionError(
            f"a live frame with the number {frame.number} at {frame.rate} a second can't be sent: "
            f"{error}"
        ) from error


def _text(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack(">i", len(data)) + data


def decode_frame(data: bytes) -> LiveFrame:
    """What a datagram says.

    Raises:
        MotionError: if it is none of this kind, or tells of no face.
    """
    try:
        if data[0] != VERSION:
            raise MotionError(f"a Live Link Face packet is of version {VERSION}, not {data[0]}")
        device, place = _read_text(data, 1)
        subject, place = _read_text(data, place)
        number, part, numerator, denominator = _TIME.unpack_from(data, place)
        place += _TIME.size
        if data[place] != len(LIVE_CHANNELS):
            raise MotionError(
                f"a Live Link Face packet has {len(LIVE_CHANNELS)} values, not {data[place]}"
            )
        if numerator <= 0 or denominator <= 0:
            raise MotionError(f"a packet at {numerator}/{denominator} frames a second has no rate")
        values = _VALUES.unpack_from(data, place + 1)
        return LiveFrame(values, number, part, Fraction(numerator, denominator), subject, device)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        why = "a text in it is none" if isinstance(error, UnicodeDecodeError) else "it is cut off"
        raise MotionError(
            f"{len(data)} bytes are no Live Link Face packet with a face: {why}"
        ) from error


def _read_text(data: bytes, place: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">i", data, place)
    start = place + 4
    if not 0 <= length <= len(data) - start:
        raise MotionError(f"a text of {length} bytes doesn't fit into a packet of {len(data)}")
    return data[start : start + length].decode("utf-8"), start + length


def find_target(text: str) -> Target:
    """Look a destination up.

    Args:
        text: ``host:port``, ``host`` (port 11111) or ``[IPv6 address]:port``.

    Raises:
        OutputError: if it is no address, or no machine of that name is known.
    """
    shown = str(text) if len(str(text)) <= 80 else str(text)[:80] + "..."
    text = text.strip() if isinstance(text, str) else ""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        host = host if closed else ""
    elif text.count(":") > 1:
        host, rest = text, ""
    else:
        host, colon, digits = text.partition(":")
        rest = colon + digits
    port = rest.removeprefix(":") if rest else str(PORT)
    # isdecimal takes digits of other scripts too, which int() reads
    readable = host and host.isprintable() and port.isascii() and port.isdigit()
    if not readable or (rest and not rest.startswith(":")):
        raise OutputError(
            f"can't stream to '{shown}': write HOST:PORT, for example 127.0.0.1:{PORT}"
        )
    if len(port) > 5 or not 1 <= int(port) <= 65535:
        raise OutputError(f"can't stream to '{shown}': a port is a number from 1 to 65535")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no name of a machine"
        raise OutputError(f"can't stream to '{shown}': {reason}. Is the name right?") from error
    family, _, _, _, address = found[0]
    return Target(int(family), tuple(address))


def check_subject(subject: str) -> None:
    """Raises :class:`OutputError` if a subject's name is empty or too long for receivers."""
    try:
        length = len(subject.strip() and subject.encode("utf-8"))
    except (AttributeError, UnicodeEncodeError):  # no text; half a pair of UTF-16, as from JSON
        length = 0
    if not 0 < length <= _MOST_NAME:
        raise OutputError(
            f"subject can't be {str(subject)[:80]!r}: give a name of 1 to {_MOST_NAME} bytes"
        )


def stream_motion(
    motion: Motion,
    to: Target,
    subject: str = SUBJECT,
    fps: float = 0.0,
    loop: bool = False,
    progress: Progress = silent,
) -> Sent:
    """Send a motion in real time, each frame when its time has come.

    Times are counted from the beginning, so that the stream keeps to the clock however long it is.
    A frame whose successor is due already is left out.

    Args:
        motion: in any space; what is sent are scores for a rig, see :mod:`.rig`.
        to: from :func:`find_target`.
        subject: what the receiver calls the face.
        fps: frames a second to send, the motion resampled; 0 is its own.
        loop: begin again at the end, until ``progress`` raises.
        progress: told frames of the present pass, at least twenty times a second; may raise.

    Raises:
        MotionError: if the motion is empty or ``fps`` out of its range.
        OutputError: if the subject's name can't be one, or the network takes nothing.
    """
    checked(MotionError, **{"live.fps": fps})
    check_subject(subject)
    if len(motion) == 0:
        raise MotionError("the motion has no frames to send")
    scores = rig_scores(resample(motion, fps or motion.fps))
    values, rate = live_values(scores).astype(np.float32), exact_rate(scores.fps)
    first, total = _now() * rate, len(values)
    sent = skipped = index = 0
    with socket.socket(to.family, socket.SOCK_DGRAM) as channel:
        if to.family == socket.AF_INET:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        start = time.perf_counter()
        while loop or index < total:
            due = start + float(index / rate)
            while True:
                progress(index % total, total)
                left = due - time.perf_counter()
                if left <= 0:
                    break
                time.sleep(min(left, _NAP))
            late = int((time.perf_counter() - start) * rate) - index
            if late > 0:
                late = late if loop else min(late, total - 1 - index)
                skipped, index = skipped + late, index + late
            moment = first + index
            frame = LiveFrame(
                tuple(values[index % total].tolist()),
                int(moment) % int(_DAY * rate),
                min(float(moment % 1), _LAST_PART),
                rate,
                subject,
            )
            try:
                channel.sendto(encode_frame(frame), to.address)
            except OSError as error:
                raise OutputError(
                    f"can't stream to {to.address[0]}:{to.address[1]}: {error.strerror or error}"
                ) from error
            sent, index = sent + 1, index + 1
        progress(total, total)
    return Sent(sent, skipped)


def _now() -> Fraction:
    """Seconds since midnight, in local time as phones count their time code."""
    now = datetime.now()
    return Fraction(now.hour * 3600 + now.minute * 60 + now.second) + Fraction(
        now.microsecond, 1_000_000
    )

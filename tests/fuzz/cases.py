"""What every property shares: damaged bytes and texts, absurd values, and the limits of a case."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from dreamtalk.errors import DreamTalkError

T = TypeVar("T")
SECONDS = 30.0
"""Of one case: inputs are of a few kilobytes, and take milliseconds on a machine that is free."""
BYTES = 768 << 20
"""Of memory that one case may add: threads and their heaps take some, inputs few."""
_NOT_FOR_PEOPLE = (
    "object has no attribute", "NoneType", "out of range for", "index out of range",
    "not subscriptable", "unsupported operand", "unexpected keyword", "KeyError", "object at 0x",
    "Unable to allocate", "must be real number", "positional argument", "not iterable",
    "Traceback", "np.float", "dtype(", "unhashable", "internal assert",
)  # fmt: skip


class CaseTimeout(BaseException):
    """A case took too long. No Exception: nothing that catches those may hide it."""


def works_or_says(work: Callable[[], T], touched: bool = False) -> T | None:
    """Do a case: it returns, or raises a DreamTalkError that a person can act on."""
    with limits(touched=touched):
        try:
            return work()
        except Exception as error:
            # the pack has the library under a name of its own: the class there is another one
            if DreamTalkError.__name__ not in [kind.__name__ for kind in type(error).__mro__]:
                raise
            readable(str(error))
            return None


def readable(message: str) -> None:
    """Fail if a message is no sentence for people."""
    assert len(message) >= 15, f"says next to nothing: {message!r}"
    assert len(message) < 700, f"too long: {message!r}"
    found = [phrase for phrase in _NOT_FOR_PEOPLE if phrase in message]
    assert not found, f"not for people ({found[0]}): {message!r}"
    assert not re.search(r" at 0x[0-9a-f]{6}", message), f"an address: {message!r}"


@contextmanager
def limits(seconds: float = SECONDS, room: int = BYTES, touched: bool = False) -> Iterator[None]:
    """End a case that hangs, and fail if it took memory that its input does not justify.

    With ``touched``, what was asked for but never written to doesn't count: FFmpeg makes room for
    texts as long as a damaged tag claims, up to 2 GiB, and frees it when the file has ended.
    """
    size, most = ("VmRSS", "VmHWM") if touched else ("VmSize", "VmPeak")
    alarm = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()

    def stop(*_: object) -> None:
        raise CaseTimeout(f"a case took longer than {seconds} s")

    faulthandler.dump_traceback_later(10 * seconds, exit=True, file=sys.__stderr__)
    before, peak = _memory(size), _memory(most)
    if alarm:
        old = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
        faulthandler.cancel_dump_traceback_later()
    taken = _memory(most)
    assert taken <= max(peak, before + room), f"{(taken - before) >> 20} MiB were taken"


def _memory(name: str) -> int:
    """Bytes, as Linux counts them; 0 elsewhere, where only the time is limited."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    found = re.search(rf"{name}:\s+(\d+) kB", text)
    return int(found[1]) << 10 if found else 0


ABSURD_BYTES = [
    b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\x00\x00\x00",
    b"\xff" * 8, b"\x00\x00\x00\x00\x00\x00\xf0\x7f", b"\x00\x00\xc0\x7f", b"\xfe\xff\xff\xff",
]  # fmt: skip
ABSURD_NUMBERS = [
    "nan", "inf", "-inf", "1e308", "-1e308", "1e39", "0", "-0.0", "-1", "1e-320", "1" * 400,
    "99999999999999999999", "", "x", "NaN", "Infinity", "1_0", "0x10", "٣", "½", "1e5", "86401",
    "-5", "1,5", " ", "\x00", "True", "None",
]  # fmt: skip
ABSURD_VALUES: list[Any] = [
    float("nan"), float("inf"), -float("inf"), 1e308, 1e39, -1e9, -1, 0, 10**400, 2**64, 1e-320,
    None, "", "x", "1", [], {}, (), True, b"1", 1j, object,
]  # fmt: skip
"""What a widget, an option or a field can be set to through an interface that checks nothing."""


@st.composite
def damaged(draw: st.DrawFn, originals: dict[str, bytes]) -> tuple[str, bytes]:
    """A name of an original, and its bytes with up to six things wrong."""
    name = draw(st.sampled_from(sorted(originals)))
    data = bytearray(originals[name])
    for _ in range(draw(st.integers(0, 6))):
        # the beginning of a file says what the rest is
        last = len(data) - 1 if draw(st.booleans()) else min(len(data) - 1, 96)
        at = draw(st.integers(0, max(0, last)))
        how = draw(st.sampled_from(["flip", "absurd", "cut", "insert", "repeat", "drop"]))
        if how == "flip" and data:
            data[at] ^= draw(st.integers(1, 255))
        elif how == "absurd":
            chunk = draw(st.sampled_from(ABSURD_BYTES))
            data[at : at + len(chunk)] = chunk
        elif how == "cut":
            del data[at:]
        elif how == "insert":
            data[at:at] = draw(st.binary(max_size=16))
        elif how == "repeat":
            data[at:at] = data[at : at + 64]
        elif how == "drop":
            del data[at : at + draw(st.integers(1, 64))]
    return name, bytes(data)


@st.composite
def damaged_text(draw: st.DrawFn, originals: dict[str, str]) -> tuple[str, str]:
    """A name of an original, and its text with some of its numbers and words made absurd."""
    name = draw(st.sampled_from(sorted(originals)))
    tokens = re.split(r"([-+]?[\d.]+(?:e[-+]?\d+)?|\w+)", originals[name])
    for _ in range(draw(st.integers(1, 5))):
        index = draw(st.integers(0, len(tokens) - 1))
        if draw(st.booleans()):  # numbers and words, not what is between them
            index |= 1
        if index < len(tokens):
            tokens[index] = draw(st.sampled_from(ABSURD_NUMBERS) | st.text(max_size=4))
    return name, "".join(tokens)


def unused(folder: Path, suffix: str) -> Path:
    """The file of a case, in place of the one before: nothing piles up over 10,000 cases."""
    return folder / f"case{os.getpid()}{suffix}"

"""Signals that end a process, as an exception that cleans up on its way."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = ("SIGTERM", "SIGHUP", "SIGBREAK")  # the last is Windows' closing of a console
_AGAIN = 1.0  # s


class Ended(BaseException):
    """A signal asks this process to end. Like ``KeyboardInterrupt`` no ``Exception``.

    Attributes:
        status: the exit status that shells know for it: 143 for SIGTERM, 129 for SIGHUP.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.status = 128 + number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Meanwhile SIGTERM and SIGHUP raise :class:`Ended` in the main thread.

    Signals that are ignored (``nohup``) or that somebody else handles stay as they are. Only the
    first counts, so that cleaning up is not cut short. An exception is lost where a library calls
    Python from C and does not look (a destructor, a callback of a codec): so it is raised again
    every second, until it has got through.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    first: list[int] = []
    over = threading.Event()

    def remind() -> None:
        while not over.wait(_AGAIN):
            _interrupt(first[0])

    def end(number: int, frame: FrameType | None) -> None:
        if not first:
            first.append(number)
            threading.Thread(target=remind, daemon=True).start()
        elif over.is_set() or _unwinding():
            return
        raise Ended(first[0])

    try:
        for number in ours:
            signal.signal(number, end)
        yield
        if first:
            raise Ended(first[0])
    finally:
        over.set()
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int) -> None:
    """Send a signal to the main thread, where it also ends a wait if the system can do that."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


def _unwinding() -> bool:
    """Whether the exception is on its way, and this is within what cleans up after it."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, Ended):
        error = error.__context__
    return error is not None

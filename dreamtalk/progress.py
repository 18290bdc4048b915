"""How long work reports on itself, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)``. It may raise to cancel the work: code that holds resources
releases them in ``finally`` and lets the exception pass."""


def silent(done: int, total: int) -> None:
    """The listener that nobody hears."""


class Steps:
    """Counts the steps of work that is done in parts, whoever does them.

    Args:
        progress: whom to tell.
        total: steps of the whole work.
    """

    def __init__(self, progress: Progress = silent, total: int = 0) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._pass_on: Callable[[Callable[[], None]], None] | None = None
        progress(0, total)

    def tell(self) -> None:
        """One more step is done. Raises when the work was cancelled; let it pass."""
        if self._pass_on is None:
            self._count()
        else:
            self._pass_on(self._count)

    @contextmanager
    def told_through(self, pass_on: Callable[[Callable[[], None]], None]) -> Iterator[None]:
        """Meanwhile ``pass_on`` brings each count to the thread that may tell the progress."""
        self._pass_on = pass_on
        try:
            yield
        finally:
            self._pass_on = None

    def _count(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)

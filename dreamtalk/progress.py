"""How long work reports on itself, without knowing who listens: progress, and named stages."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from .terminal.console import tell

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)``. It may raise to cancel the work: code that holds resources
releases them in ``finally`` and lets the exception pass."""


def silent(done: int, total: int) -> None:
    """The listener that nobody hears."""


@dataclass(frozen=True)
class Stage:
    """One stage of a job while it runs.

    Attributes:
        note: says something about the result: ``note("250 frames")``.
        progress: told how far the stage is.
    """

    note: Callable[[str], None]
    progress: Progress


Stages = Callable[[str], AbstractContextManager[Stage]]
"""``with stages("motion") as stage: ...`` around every stage of a job, with its name."""


@contextmanager
def silent_stages(name: str) -> Iterator[Stage]:
    """Stages that nobody hears."""
    yield Stage(lambda _: None, silent)


@contextmanager
def terminal_stages(name: str) -> Iterator[Stage]:
    """On stderr: a bar while the stage runs, then what was done and how long it took."""
    notes: list[str] = []
    start = time.perf_counter()
    with terminal_bar(name) as progress:
        yield Stage(notes.append, progress)
    took = time.perf_counter() - start
    tell(f"  {name:<9} {took:7.2f} s  {' '.join(notes)}".rstrip())


@contextmanager
def terminal_bar(name: str) -> Iterator[Progress]:
    """A progress bar that is there only while the work lasts, and only on a terminal."""
    if not sys.stderr.isatty():
        yield silent
        return
    from tqdm import tqdm

    with tqdm(total=0, desc=f"  {name}", leave=False, file=sys.stderr) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield progress


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

    def tell(self, steps: int = 1) -> None:
        """Further steps are done. Raises when the work was cancelled; let it pass."""
        if self._pass_on is None:
            self._count(steps)
        else:
            self._pass_on(lambda: self._count(steps))

    @contextmanager
    def told_through(self, pass_on: Callable[[Callable[[], None]], None]) -> Iterator[None]:
        """Meanwhile ``pass_on`` brings each count to the thread that may tell the progress."""
        self._pass_on = pass_on
        try:
            yield
        finally:
            self._pass_on = None

    def _count(self, steps: int) -> None:
        self._done += steps
        self._progress(self._done, self._total)

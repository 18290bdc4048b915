"""How long work reports on itself, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)``. It may raise to cancel the work: code that holds resources
releases them in ``finally`` and lets the exception pass."""


def silent(done: int, total: int) -> None:
    """The listener that nobody hears."""

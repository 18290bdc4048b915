"""What must not happen when a file from elsewhere is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Trap:
    """Calls something when it is unpickled by a reader that runs what it reads."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call, self.arguments

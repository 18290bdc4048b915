"""What can be set of a painter."""

from __future__ import annotations

from dataclasses import dataclass

from ..options import checked, default


@dataclass(frozen=True)
class MeshPainterOptions:
    """Of the painter ``mesh``.

    Attributes:
        lips: how much of the reference frame's lips shows, 0..1; the rest are the filmed ones.

    Raises:
        DreamTalkError: on another value.
    """

    lips: float = default("painter.lips")

    def __post_init__(self) -> None:
        checked(**{"painter.lips": self.lips})

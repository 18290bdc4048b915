"""What can be set of a painter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MeshPainterOptions:
    """Of the painter ``mesh``.

    Attributes:
        lips: how much of the reference frame's lips shows, 0..1; the rest are the filmed ones.
    """

    lips: float = 1.0

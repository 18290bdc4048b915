"""What can be set of the mesh renderer."""

from __future__ import annotations

from dataclasses import dataclass

from ...options import checked, default


@dataclass(frozen=True)
class MeshOptions:
    """How a portrait is moved.

    Attributes:
        mouth: ``drawn``, or ``painted``: see :mod:`.mouth.painted`.
    """

    mouth: str = default("mouth")

    def __post_init__(self) -> None:
        checked(mouth=self.mouth)

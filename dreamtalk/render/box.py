"""A part of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels, right and bottom excluded."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)"""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """(rows, columns) for indexing a picture."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def slices_in(self, outer: Box) -> tuple[slice, slice]:
        """(rows, columns) of this box for indexing what ``outer`` was cut out of a picture."""
        return (
            slice(self.y0 - outer.y0, self.y1 - outer.y0),
            slice(self.x0 - outer.x0, self.x1 - outer.x0),
        )

    @classmethod
    def around(
        cls, low: np.ndarray, high: np.ndarray, width: int, height: int, least: int = 2
    ) -> Box:
        """The smallest box that holds ``low`` (x, y) .. ``high``, cut to (width, height)."""
        x0, y0 = (int(v) for v in np.floor(low))
        x1, y1 = (int(v) + 1 for v in np.ceil(high))
        x0, y0 = max(0, min(x0, width - least)), max(0, min(y0, height - least))
        return cls(x0, y0, min(width, max(x1, x0 + least)), min(height, max(y1, y0 + least)))

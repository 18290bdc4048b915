"""``Style``: how somebody speaks, as a code of a checkpoint's style encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..options import EMOTIONS

__all__ = ["EMOTIONS", "Style"]

if TYPE_CHECKING:  # the names of the emotions are wanted where torch is not loaded yet
    from torch import Tensor


@dataclass(frozen=True)
class Style:
    """A style code.

    Attributes:
        code: (d,) float32, or (T, d) for a style that changes over time: one code per motion frame
            at 25 fps, the last one holds beyond the end.
        model: fingerprint of the checkpoint that it belongs to.
        intensity: guidance scale w of classifier-free guidance that shows it as meant: 0 is the
            null style, 1 as recorded, above 2 lip sync suffers (DreamTalk, section 3.3).
            (T,) for one that changes along with the code.
        name: for people.
    """

    code: Tensor
    model: str
    intensity: float | Tensor = 1.0
    name: str = ""

"""What can be set of the renderer ``difftalk``."""

from __future__ import annotations

from dataclasses import dataclass

from ...difftalk.mouth.painter import MouthOptions
from ...difftalk.paint import PaintOptions
from ...options import checked, default


@dataclass(frozen=True)
class DiffTalkOptions:
    """How the mouth is painted.

    Attributes:
        steps: network calls a frame; 0 takes what suits the weights: 1 for ours, 15 for the
            published form.
        seed: of the noise.
        from_speech: paint what is heard instead of the motion's lips. The published form always
            does; ours can, and is then less exact.
        placed: of ours: the lips that are corrected, those of the ``frame`` that the mesh renderer
            made, or the portrait's, bent there (``reference``).
        detail: of ours: px of the 128 px crop below which detail outside of the opening stays the
            mesh renderer's.
        crispness: of ours: how much what is painted is sharpened.
        strength: of ours: how much of what the network changes outside of the opening shows.
        feather: of the published form: width of the pasted square's fading edge.
    """

    steps: int = default("painted.steps")
    seed: int = 0
    from_speech: bool = default("painted.from_speech")
    placed: str = default("painted.placed")
    detail: float = default("painted.detail")
    strength: float = default("painted.strength")
    crispness: float = default("painted.crispness")
    feather: float = default("feather")

    def __post_init__(self) -> None:
        checked(feather=self.feather, **{"painted.from_speech": self.from_speech})
        self.mouth()
        self.square()

    def mouth(self) -> MouthOptions:
        """As our own painter takes them."""
        return MouthOptions(
            steps=self.steps or MouthOptions.steps,
            placed=self.placed,
            detail=self.detail,
            strength=self.strength,
            crispness=self.crispness,
            seed=self.seed,
        )

    def square(self) -> PaintOptions:
        """As the published form takes them."""
        return PaintOptions(steps=self.steps or PaintOptions.steps, seed=self.seed)

"""The contract between motion and frames, which every renderer keeps."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from ..motion.motion import Motion
from ..progress import Progress, silent
from ..speech.speech import Features


@dataclass(frozen=True)
class NoOptions:
    """Of a renderer or painter that has nothing to set."""


class Renderer(Protocol):
    """What turns motion into frames of one portrait. Made once per portrait.

    A renderer keeps no state between frames: two :meth:`frames` of one renderer may run at once,
    and a frame is a function of the portrait, the motion and the speech alone.
    """

    @property
    def space(self) -> str:
        """The motion space that it takes; motion in another goes through the bridge."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames, px."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about what will not look its best in this portrait, and why."""
        ...

    def mask(self) -> Tensor:
        """What may differ from the picture: (H, W) float32 in 0..1, of the frames' size."""
        ...

    def frames(
        self, motion: Motion, features: Features | None = None, progress: Progress = silent
    ) -> Generator[Tensor, None, None]:
        """Frames in turn, in constant memory.

        What doesn't fit together is an error of the call, not of the first frame. Who takes no more
        frames closes the generator, and with it whatever works ahead.

        Args:
            motion: in the renderer's space.
            features: of the speech, for renderers that listen too; None where there is none.
            progress: told the frames done; may raise to cancel.

        Yields:
            (n, H, W, 3) uint8 on the CPU, ``len(motion)`` frames in all.
        """
        ...


@runtime_checkable
class Carries(Protocol):
    """A renderer that knows where its frames take their pixels from."""

    def carrier(self, layer: np.ndarray, motion: Motion) -> Callable[[slice], Tensor] | None:
        """Let a layer of the portrait go along with the person.

        Args:
            layer: (H, W, C) float32 with up to four channels, of the portrait's size.
            motion: as in :meth:`Renderer.frames`.

        Returns:
            What makes of a run of n frames the layer in them, (n, H, W, C) float32 on the CPU;
            None if that can't be known.
        """
        ...

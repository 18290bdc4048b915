"""The contract of what paints a new mouth into filmed frames.

The frames that a painter sees are a part of the film around the face, the same part for all frames
of one :class:`Take`; it need not know where in the film that is. What it returns is laid over the
film by its mask: where the mask is 0 the film's own bytes stay, whatever was painted there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..errors import MotionError
from ..motion.motion import Motion
from ..progress import Progress, silent
from ..speech.speech import Features


@dataclass(frozen=True)
class Reference:
    """Good frames of one shot, for what a filmed frame does not show: teeth, lips at rest.

    Attributes:
        pictures: (K, H, W, 3) uint8, K at least 1. The first is the best frame with closed lips
            (sharp, frontal; see :mod:`.reference`), then comes the one that shows most teeth for
            its opening, then wide openings; less where they are the same.
        landmarks: (K, 478, 3) float32 px of the pictures: x right, y down, z away from the camera.
        channels: (K, 31) float32, what the face does in them in the ``face`` space, as offsets from
            ``neutral``.
        neutral: (31,) float32, the person's neutral face as absolute channels.
    """

    pictures: Tensor
    landmarks: Tensor
    channels: Tensor
    neutral: Tensor


@dataclass(frozen=True)
class Take:
    """Frames of one shot that follow each other, and what their mouth shall do.

    Attributes:
        pictures: (N, H, W, 3) uint8, N at least 1.
        landmarks: (N, 478, 3) float32 px of the pictures, z away from the camera; of the mouth that
            was filmed.
        wanted: N frames in the ``face`` space at the film's frame rate, offsets from the person's
            neutral face. Lips and jaw are the new ones; eyes, brows, cheeks and nose are those that
            were filmed. The head is not used: it is where the landmarks are.
        filmed: the same with the lips and the jaw that were filmed.
        first: the number of the first frame in the dubbed film, for what is drawn per frame.
        times: (N,) float64, where in the speech each frame is, s.
        features: of the whole speech, for painters that listen too; None where there are none.
    """

    pictures: Tensor
    landmarks: Tensor
    wanted: Motion
    filmed: Motion
    first: int
    times: Tensor
    features: Features | None = None

    def __post_init__(self) -> None:
        parts = (self.pictures, self.landmarks, self.wanted, self.filmed, self.times)
        lengths = {len(part) for part in parts}
        if len(lengths) != 1:
            raise MotionError(f"a take's parts must be of equally many frames, not {lengths}")

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class Painted:
    """Frames with a new mouth.

    Attributes:
        pictures: (N, H, W, 3) uint8 on the CPU.
        mask: (N, H, W) float32 in 0..1: how much of ``pictures`` shows; 0 keeps the film's bytes.
    """

    pictures: Tensor
    mask: Tensor


class ShotPainter(Protocol):
    """Paints the mouths of one shot.

    Takes come in the order of the dubbed film, so a painter may carry something from one to the
    next. A shot that the film comes back to is prepared anew.
    """

    def paint(self, take: Take, progress: Progress = silent) -> Painted:
        """New mouths for some frames.

        Args:
            take: the frames, as few or as many as fit into memory.
            progress: told the frames done; may raise to cancel.
        """
        ...


class MouthPainter(Protocol):
    """Makes the painters of shots. Holds the networks, nothing of a film."""

    def prepare(self, reference: Reference) -> ShotPainter:
        """The painter of one shot."""
        ...

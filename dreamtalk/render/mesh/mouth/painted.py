"""Between the lips: what is drawn there, in the light that the small DiffTalk paints.

The network sees the renderer's own frame, with the portrait as the reference. Its picture is softer
than the drawn one and truer in its light and shade, which is all that is taken of it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ....curves.easing import smoothstep
from ....difftalk.mouth.file import load_mouth_painter
from ....difftalk.mouth.light import light_gains, relight
from ....difftalk.mouth.painter import MouthFrames, MouthOptions, PersonMouthPainter
from ....face import topology as t
from ....face.channels import LIP_CHANNELS
from ....face.portrait import Portrait

OPTIONS = MouthOptions(placed="reference")
LEAST_MM, FULL_MM = 0.8, 2.5
"""Lips this far apart begin to be lit anew, and are so fully."""


class PaintedMouth:
    """Lights the openings of one portrait's mouth.

    Args:
        portrait: the analysed picture.
        picture: (H, W, 3) uint8 of it.
        mm: px per mm of the face.
        device: where the network works.
    """

    def __init__(
        self, portrait: Portrait, picture: Tensor, mm: float, device: torch.device
    ) -> None:
        self._mm = mm
        self._rest = portrait.rest[: len(LIP_CHANNELS)].cpu()
        self._painter = PersonMouthPainter(
            load_mouth_painter(device=device),
            picture.numpy(),
            portrait.landmarks.cpu().numpy(),
            self._rest,
            OPTIONS,
        )

    def paint(self, frames: Tensor, marks: Tensor, channels: Tensor, moves: Tensor) -> None:
        """Light frames anew, in place.

        Args:
            frames: (n, H, W, 3) uint8 on the CPU.
            marks: (n, 478, 2) px, where the landmarks lie in them.
            channels: (n, 31) offsets from the portrait.
            moves: (n,) 0 where the mouth is as in the portrait .. 1.
        """
        gap = (marks[:, list(t.LOWER_INNER)] - marks[:, list(t.UPPER_INNER)]).norm(dim=-1).amax(1)
        share = smoothstep(LEAST_MM, FULL_MM, gap / self._mm) * moves
        open_ones = torch.nonzero(share > 0.01)[:, 0]
        if len(open_ones) == 0:  # closed lips show nothing, and cost nothing
            return
        pictures, places = frames[open_ones].numpy(), marks[open_ones].numpy()
        lips = channels[open_ones, : len(LIP_CHANNELS)].cpu() + self._rest
        cuts = self._painter.cuts(MouthFrames(pictures, places, places, lips))
        gains = 1 + share[open_ones, None, None].numpy() * (
            light_gains(cuts.painted, cuts.base, cuts.lips) - 1
        )
        for index, gain, matrix in zip(open_ones.tolist(), gains, cuts.matrices, strict=True):
            relight(frames[index].numpy(), gain, matrix)

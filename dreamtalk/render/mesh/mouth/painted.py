"""Between the lips: what the small DiffTalk paints there, mixed with what was drawn.

The network sees the renderer's own frame, with the portrait as the reference, and paints the
opening of the lips alone. Its picture is softer than the drawn one and truer in its tones; where
they disagree about a tooth, the mean of the two is nearer to the truth than either.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ....curves.easing import smoothstep
from ....difftalk.mouth.file import load_mouth_painter
from ....difftalk.mouth.painter import MouthFrames, MouthOptions, MouthPainter
from ....face import topology as t
from ....face.channels import LIP_CHANNELS
from ....face.portrait import Portrait

OPTIONS = MouthOptions(opening=0.6, strength=0.0, crispness=1.0)
"""Of the opening, about half and half; outside of it, nothing."""
LEAST_MM, FULL_MM = 0.8, 2.5
"""Lips this far apart begin to show what is painted, and show it fully."""


class PaintedMouth:
    """Paints the openings of one portrait's mouth.

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
        self._painter = MouthPainter(
            load_mouth_painter(device=device),
            picture.numpy(),
            portrait.landmarks.cpu().numpy(),
            self._rest,
            OPTIONS,
        )

    def paint(self, frames: Tensor, marks: Tensor, channels: Tensor, moves: Tensor) -> None:
        """Paint into frames, in place.

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
        painted, masks = self._painter.paint(MouthFrames(pictures, places, places, lips))
        for index, picture, made, mask in zip(
            open_ones.tolist(), pictures, painted, masks, strict=True
        ):
            rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
            box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            part = picture[box].astype(np.float32)
            mixed = part + float(share[index]) * mask[box][..., None] * (made[box] - part)
            frames[index][box] = torch.from_numpy((mixed + 0.5).astype(np.uint8))

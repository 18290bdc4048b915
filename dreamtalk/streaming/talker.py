"""``Talker``: samples in, frames of a portrait out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..model import DreamTalkModel
from ..motion.bridges import convert
from ..motion.motion import Motion
from ..render.renderer import Renderer
from ..style.style import Style
from .stream import CANCEL, MotionStream, StreamSettings


class Talker:
    """A portrait that says what is pushed, while it comes in.

    ``push``, ``idle``, ``flush``, ``cancel`` and ``change_style`` are those of
    :class:`MotionStream`, with frames (n, H, W, 3) uint8 instead of motion. One talker is for one
    thread at a time; model and renderer can be shared by many.

    Args:
        model: a checkpoint with a speech encoder of its own, as the starter has.
        renderer: of the portrait; one that does not listen to the speech itself.
        style: how it speaks: neutral by default.
        settings, **options: look-ahead, seed and so on: a :class:`StreamSettings`, or its fields.

    Raises:
        SpaceMismatchError: see :class:`MotionStream`.
    """

    def __init__(
        self,
        model: DreamTalkModel,
        renderer: Renderer,
        style: Style | None = None,
        settings: StreamSettings | None = None,
        **options: Any,
    ) -> None:
        self.renderer = renderer
        self.motion = MotionStream(
            model, style or model.preset("neutral"), settings or StreamSettings(**options)
        )

    def push(self, samples: Tensor | np.ndarray) -> Tensor:
        """Frames whose look-ahead is there with these samples: (n, H, W, 3) uint8, n >= 0."""
        return self.render(self.motion.push(samples))

    def idle(self, seconds: float) -> Tensor:
        """Frames of somebody who says nothing for so long."""
        return self.render(self.motion.idle(seconds))

    def flush(self) -> Tensor:
        """Frames that wait for what comes next, as if silence came."""
        return self.render(self.motion.flush())

    def cancel(self, seconds: float = CANCEL) -> Tensor:
        """Frames of a face that stops talking and comes to rest."""
        return self.render(self.motion.cancel(seconds))

    def change_style(self, style: Style, transition: float = 0.8) -> None:
        """Speak in another style from now on."""
        self.motion.change_style(style, transition)

    def render(self, motion: Motion) -> Tensor:
        """Frames of a motion, (n, H, W, 3) uint8; each by itself, so that pieces don't matter."""
        height, width = self.renderer.size
        if len(motion) == 0:
            return torch.zeros(0, height, width, 3, dtype=torch.uint8)
        given = convert(motion, self.renderer.space)
        singles = (
            given.with_(
                expression=given.expression[i : i + 1],
                head=given.head[i : i + 1],
                pose=None if given.pose is None else given.pose[i : i + 1],
            )
            for i in range(len(given))
        )
        return torch.cat([frame for one in singles for frame in self.renderer.frames(one)])

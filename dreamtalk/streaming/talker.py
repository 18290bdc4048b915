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
        self._waiting: Motion | None = None
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
        return self.render(self.motion.flush(), last=True)

    def cancel(self, seconds: float = CANCEL) -> Tensor:
        """Frames of a face that stops talking and comes to rest."""
        return self.render(self.motion.cancel(seconds), last=True)

    def change_style(self, style: Style, transition: float = 0.8) -> None:
        """Speak in another style from now on."""
        self.motion.change_style(style, transition)

    def render(self, motion: Motion, last: bool = False) -> Tensor:
        """Frames of a motion, as many as make whole groups of ``settings.together``.

        Groups are rendered one by one, so that the pieces in which motion comes don't matter.

        Args:
            motion: what follows the last one.
            last: nothing more comes for now: render what is left, too.

        Returns:
            (n, H, W, 3) uint8
        """
        if self._waiting is not None:
            motion = _joined(self._waiting, motion)
        size = self.motion.settings.together
        count = len(motion) if last else len(motion) // size * size
        self._waiting = _part(motion, slice(count, None)) if count < len(motion) else None
        frames = [torch.zeros(0, *self.renderer.size, 3, dtype=torch.uint8)]
        for start in range(0, count, size):
            group = _part(motion, slice(start, min(start + size, count)))
            frames += self.renderer.frames(convert(group, self.renderer.space))
        return torch.cat(frames) if len(frames) != 2 else frames[1]


def _part(motion: Motion, part: slice) -> Motion:
    return motion.with_(expression=motion.expression[part], head=motion.head[part])


def _joined(first: Motion, second: Motion) -> Motion:
    return first.with_(
        expression=torch.cat([first.expression, second.expression]),
        head=torch.cat([first.head, second.head]),
    )

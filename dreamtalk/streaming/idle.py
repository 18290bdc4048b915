"""A loop of a face that says nothing, without a seam."""

from __future__ import annotations

from typing import Any

import torch

from ..curves.easing import smoothstep
from ..errors import MotionError
from ..model import DreamTalkModel
from ..motion.motion import Motion
from ..motion.natural import add_natural_motion
from ..options import checked, default
from ..pipeline import animate
from ..speech.speech import FPS, SAMPLE_RATE, Speech
from ..style.style import Style

_OVERLAP = 1.0
"""s in which the end melts into the beginning."""
_START = 1.0
"""s that are left out at first: the head leaves the portrait's pose there."""


def idle_loop(
    model: DreamTalkModel,
    style: Style,
    seconds: float = default("idle.seconds"),
    seed: int = default("seed"),
    liveliness: float = default("liveliness"),
) -> Motion:
    """Motion of somebody who listens, without a seam: its first frame follows its last.

    Breath, head and eyes go on for a second beyond the end and melt into the beginning. Blinks are
    added to the loop itself, whole ones only.

    Args:
        model: the checkpoint.
        style: of this checkpoint.
        seconds: length; rounded to whole frames.
        seed: for all that is drawn.
        liveliness: scale of all motion.

    Returns:
        25 fps.

    Raises:
        DreamTalkError: on values out of range.
    """
    checked(MotionError, liveliness=liveliness, **{"idle.seconds": seconds})
    frames, overlap, skip = round(seconds * FPS), round(_OVERLAP * FPS), round(_START * FPS)
    samples = round((frames + overlap + skip) / FPS * SAMPLE_RATE)
    still = animate(Speech(torch.zeros(samples)), model, style, seed=seed, liveliness=0)
    parts: dict[str, Any] = {"gaze": liveliness, "head": liveliness, "breathing": liveliness}
    moving = add_natural_motion(still, None, seed, blinks=0, **parts)
    phase = torch.arange(overlap) / overlap
    weight = smoothstep(0.0, 1.0, phase)[:, None]

    def closed(values: torch.Tensor) -> torch.Tensor:
        loop = values[skip : skip + frames].clone()
        tail = values[skip + frames : skip + frames + overlap]
        loop[:overlap] = weight * loop[:overlap] + (1.0 - weight) * tail
        return loop

    looped = moving.with_(
        expression=closed(moving.expression),
        head=closed(moving.head),
        pose=None if moving.pose is None else closed(moving.pose),
    )
    off: dict[str, Any] = {"gaze": 0.0, "head": 0.0, "breathing": 0.0}
    return add_natural_motion(looped, None, seed, blinks=liveliness, **off)

"""The light of a painted mouth, on what a frame shows between its lips.

The network's picture is truer in its brightness than a drawn mouth and softer in all else. So the
frame keeps what it shows, its colours included, and is made brighter or darker by as much as the
network's coarse brightness differs from its own. A factor, not a sum: what is dark stays dark, and
the hollow behind the teeth doesn't turn to fog.
"""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from ...curves.easing import smoothstep
from .crop import Array, Bytes
from .geometry import opening_distance, within
from .overlay import cut_room, enlarged, fading

COARSE = 0.6
"""px of the crop: what is finer in the brightness stays the frame's."""
BRIGHTER, DARKER = 0.5, 0.25
"""Of the network's difference: where the two disagree, the truth lies between them, and the network
errs to the dark."""
TEETH = (0.25, 0.6)
"""Of the brightness of the skin around: what is darker than the first gets no brighter, be it wrong
or not. Light in a cavity shows its red, and a mouth without a dark does not look like one."""
MOST, LEAST = 1.6, 1 / 1.3
"""How many times as bright anything can get."""
_BLACK = 40.0
"""Of 255, added to both: where it is dark there is little light to be scaled."""
_RIM, _SOFT = 0.5, 2.0
"""px of the crop by which the light reaches onto the lips, and over which it ends."""
_SEEN = 0.002
"""Changes of brightness by less than this show nowhere."""


def light_gains(painted: Tensor, base: Tensor, lips: Tensor) -> Array:
    """How many times as bright the openings of mouths shall be.

    Args:
        painted, base: (N, 3, 64, 80) in -1..1, what the network made of what.
        lips: (N, 68, 2) px of the crop.

    Returns:
        (N, 64, 80) float32 in :data:`LEAST` .. :data:`MOST`; 1 on the lips and around them.
    """
    made, shown = (127.5 * (x.mean(1) + 1).numpy() for x in (painted, base))
    depth = opening_distance(lips)
    shows = within(depth, _RIM, _SOFT).numpy() * fading()
    gains = np.ones(made.shape, np.float32)
    for index, inside in enumerate(within(depth).numpy()):
        weight = np.maximum(_coarse(inside), 0.05)
        light, wanted = (_coarse(inside * x[index]) / weight + _BLACK for x in (shown, made))
        more = wanted / light - 1
        skin = max(float(shown[index][depth[index].numpy() < -_SOFT].mean()), 1.0)
        more = np.where(more > 0, smoothstep(*TEETH, (light - _BLACK) / skin) * more, more)
        change = np.log1p(np.where(more > 0, BRIGHTER, DARKER) * more)
        limit = np.where(more > 0, np.log(MOST), -np.log(LEAST))
        gains[index] += shows[index] * (np.exp(limit * np.tanh(change / limit)) - 1)
    return gains


def relight(frame: Bytes, gain: Array, matrix: Array) -> None:
    """Make the opening of a mouth brighter and darker, in place.

    Args:
        frame: (H, W, 3) uint8.
        gain: (64, 80) of :func:`light_gains`.
        matrix: (2, 3), px of the frame -> px of the crop.
    """
    rows, columns = (np.flatnonzero((np.abs(gain - 1) > _SEEN).any(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return
    margin = 2
    box = (columns[0] - margin, rows[0] - margin, columns[-1] + margin, rows[-1] + margin)
    room, to_cut = cut_room(frame, matrix, box)
    part = frame[room]
    change = enlarged(gain - 1, to_cut, part.shape, cv2.BORDER_CONSTANT)
    part[:] = (part * (1 + change[..., None]) + 0.5).clip(0, 255).astype(np.uint8)


def _coarse(values: Array) -> Array:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), COARSE), np.float32)

"""What the new lips do: the speech's motion on the resting mouth of the person who is dubbed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..curves.easing import smoothstep
from ..face.basis import FaceBasis
from ..motion.edit import smooth
from ..motion.motion import Motion
from ..motion.neutral import neutral_channels
from ..motion.spaces import FACE
from ..options import default
from ..speech.speech import FPS
from .trace import Trace

Array = npt.NDArray[np.float32]

MOUTH = [FACE.index[name] for name in FACE.regions["mouth"]]
_APERTURE = FACE.index["lipAperture"]

EASE = 0.12
"""s in which the filmed mouth goes over into the new one beside pictures that pass untouched."""
REST = 0.3
"""s in which lips come to rest after the end of the speech."""


def person_neutral(trace: Trace) -> npt.NDArray[np.float64]:
    """(31,) absolute channels of the person's neutral face, from all pictures of the film."""
    return neutral_channels(trace.channels[trace.found].astype(np.float64))


def filmed_motion(trace: Trace, rate: float) -> Motion:
    """What the face does in the film, where it is seen: for a style.

    Returns:
        At 25 fps against the mean face, as :func:`track_video` counts by default; stretches
        without a face are left out, and the head is still.
    """
    basis = FaceBasis.load()
    times = np.flatnonzero(trace.found) / rate
    values = trace.channels[trace.found] - basis.neutral.numpy()
    steady = np.arange(0, times[-1] + 0.5 / rate, 1 / FPS)
    nearest = np.abs(times[np.searchsorted(times, steady).clip(max=len(times) - 1)] - steady)
    before = np.abs(times[(np.searchsorted(times, steady) - 1).clip(min=0)] - steady)
    kept = steady[np.minimum(nearest, before) <= 1 / rate + 1 / FPS]
    read = np.stack([np.interp(kept, times, column) for column in values.T], axis=1)
    motion = Motion(
        FACE.limited(torch.from_numpy(read.astype(np.float32))), torch.zeros(len(read), 6), FPS
    )
    return smooth(motion, default("track.smoothing"))


def spoken_lips(motion: Motion) -> Motion:
    """A sampled motion whose lips and jaw count from its own resting mouth.

    A model speaks with the mouth of its style: a lasting smile is in it, and in the person's
    neutral face too. Taken off here, it counts once.

    Args:
        motion: in the ``face`` space.
    """
    neutral = neutral_channels(motion.expression.cpu().double().numpy())
    expression = motion.expression.clone()
    expression[:, MOUTH] -= torch.from_numpy(neutral[MOUTH]).to(expression)
    return motion.with_(expression=FACE.limited(expression))


def lips_at(lips: Motion, times: npt.NDArray[np.float64]) -> Array:
    """(N, 13) mouth channels at times in s; at rest after the end."""
    own = np.arange(len(lips)) / lips.fps
    values = lips.expression[:, MOUTH].cpu().numpy()
    read = np.stack([np.interp(times, own, column) for column in values.T], axis=1)
    after = smoothstep(0.0, REST, times - lips.duration)
    return np.asarray(read * (1 - after)[:, None], np.float32)


def strengths(found: npt.NDArray[np.bool_], rate: float) -> Array:
    """How far each picture of one shot is dubbed: (T,) 0..1.

    0 where there is no face, 1 further than :data:`EASE` from such pictures; the ends of the shot
    are no such ends.
    """
    if found.all():
        return np.ones(len(found), np.float32)
    reach = max(1.0, EASE * rate)
    return smoothstep(0.0, reach, distance_transform_edt(found)).astype(np.float32)


def blended(filmed: Array, spoken: Array, strength: Array) -> Tensor:
    """Channels (N, 31) with new lips.

    Args:
        filmed: (N, 31) offsets from the person's neutral.
        spoken: (N, 13) mouth channels.
        strength: (N,) how far they are the new ones.
    """
    wanted = filmed.copy()
    wanted[:, MOUTH] += strength[:, None] * (spoken - wanted[:, MOUTH])
    wanted[:, _APERTURE] = wanted[:, _APERTURE].clip(min=0)
    return torch.from_numpy(wanted.astype(np.float32))

"""Life for a face that only talks: blinks, gaze, idle head motion and breath.

A denoiser trained on expression coefficients gives a face that never blinks and never moves its
head (DreamTalk names it as a limitation). Everything here is drawn from statistics of filmed
speech and added after the sampler, so it serves any checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import MotionError
from ..options import checked
from ..speech.speech import Speech
from .blinks import RATE, Blink, closure_curves, draw_blinks
from .bridges import add_head_to_pose, face_to_scores, map_offsets, to_face
from .edit import closure_sum
from .gaze import LID_FOLLOWS, draw_gaze, hold_on_viewer, iris_offsets
from .idle import draw_breath, draw_head
from .motion import Motion
from .noise import spawn
from .prosody import Prosody, analyse
from .spaces import FACE

CLOSED_UPPER_LID = FACE.eyes[0].shut
"""IOD that the upper lid travels to shut an open eye."""
CLOSED_LOWER_LID = 0.012
"""IOD that the lower lid rises meanwhile."""
_BROW_BEAT = 0.010  # IOD: brows rise with a stressed syllable
_NOSTRIL_BREATH = 0.0015  # IOD
_LESS_AWAY = 0.5  # of the looks away at random, where it is said whom somebody looks at
_EYES_REACH = np.deg2rad(20.0)  # beyond it the head must turn


@dataclass(frozen=True)
class Attention:
    """What somebody looks at and answers to, beside what everybody does by themselves.

    Attributes:
        gaze: (n, 2) radians, where the eyes look to: left and up.
        head: (n, 6), how the head goes along.
        emphasis: (n,) 0..1, how much the brows rise.
    """

    gaze: np.ndarray
    head: np.ndarray
    emphasis: np.ndarray


def add_natural_motion(
    motion: Motion,
    speech: Speech | Prosody | None = None,
    seed: int = 0,
    blinks: float = 1.0,
    gaze: float = 1.0,
    head: float = 1.0,
    breathing: float = 1.0,
    attention: Attention | None = None,
) -> Motion:
    """Add blinks, small gaze shifts, idle head motion and breathing.

    The four parts draw from generators of their own on the CPU: changing one strength leaves the
    others as they were, and the same seed gives the same motion on any machine and at any frame
    rate. A blink moves the lids from where they are to shut, so it adds up with a squint; where
    the motion blinks by itself nothing is added.

    Args:
        motion: in any space; ``arkit`` and ``bfm`` get what their channels can show.
        speech: what is said or its cues, for pauses and stress; None for a listener.
        seed: of the dice.
        blinks: scales how often: 0 = never, 1 = as measured (about 24 a minute).
        gaze: scales gaze shifts and the reflex that holds the eyes on the viewer while the head
            moves.
        head: scales idle head motion (standard deviation about 2 degrees at 1), and the small
            brow beats that go with stress.
        breathing: scales breath.
        attention: what the face looks at instead of the viewer, scaled with gaze and head.

    Returns:
        A new motion; with all strengths 0 the same object.

    Raises:
        MotionError: if a strength is negative, above 3 or not a number.
    """
    strengths = {"blinks": blinks, "gaze": gaze, "head": head, "breathing": breathing}
    named = {f"natural.{name}": value for name, value in strengths.items()}
    checked(MotionError, seed=seed, **named)
    if not any(strengths.values()) or len(motion) == 0:
        return motion
    times = np.arange(len(motion)) / motion.fps
    prosody = speech if isinstance(speech, Prosody) else analyse(speech, motion.duration)
    # one stream each: numpy's PCG64 on the CPU is the same everywhere
    streams = spawn(np.random.default_rng(int(seed) % 2**63), 4)
    pose = np.zeros((len(motion), 6))
    volume = emphasis = np.zeros(len(motion))
    iris = np.zeros((len(motion), 2))
    if breathing:
        breath, drawn_volume = draw_breath(prosody, times, streams[3])
        pose += breathing * breath
        volume = breathing * drawn_volume
    if head:
        life = draw_head(prosody, times, streams[2])
        pose += head * life.head
        emphasis = head * life.emphasis
    if attention is not None:
        pose += head * attention.head
        emphasis = np.maximum(emphasis, head * attention.emphasis)
    if gaze:
        angles = draw_gaze(prosody, times, streams[1])
        if attention is not None:
            angles = _LESS_AWAY * angles + attention.gaze
        angles = angles + hold_on_viewer(pose)
        if attention is not None:
            angles = np.clip(angles, -_EYES_REACH, _EYES_REACH)
        iris = gaze * iris_offsets(angles)
    offsets = life_offsets(volume, emphasis, iris)
    closures = np.zeros((2, len(motion)))
    if blinks:
        drawn = draw_blinks(prosody, motion.duration, streams[0], RATE * blinks)
        own = eye_closure(motion).numpy()
        kept = [blink for blink in drawn if not _already_shut(blink, own, motion.fps)]
        closures = np.stack(closure_curves(kept, times))
    return with_life(motion, offsets, pose, closures)


def life_offsets(volume: np.ndarray, emphasis: np.ndarray, iris: np.ndarray) -> np.ndarray:
    """What breath (n,), emphasis (n,) and the path of the irises (n, 2) do: (n, 31) ``face``."""
    offsets = np.zeros((len(volume), len(FACE)))
    _add(offsets, ("noseWingLeftY", "noseWingRightY"), _NOSTRIL_BREATH * volume)
    _add(offsets, ("browInnerLeftY", "browInnerRightY"), _BROW_BEAT * emphasis)
    _add(offsets, ("browOuterLeftY", "browOuterRightY"), 0.8 * _BROW_BEAT * emphasis)
    _add(offsets, ("gazeLeftX", "gazeRightX"), iris[:, 0])
    _add(offsets, ("gazeLeftY", "gazeRightY"), iris[:, 1])
    _add(offsets, ("lidUpperLeftY", "lidUpperRightY"), LID_FOLLOWS * iris[:, 1])
    _add(offsets, ("lidLowerLeftY", "lidLowerRightY"), 0.3 * LID_FOLLOWS * iris[:, 1])
    return offsets


def eye_closure(motion: Motion) -> Tensor:
    """How far the eyes are shut by the motion itself, (T,) 0 open .. 1 shut."""
    telling = motion if motion.motion_space.eyes else to_face(motion)
    left, right = telling.motion_space.eyes
    both = (closure_sum(telling, left) + closure_sum(telling, right)) / 2
    return (both / left.shut).clamp(0.0, 1.0)


def _already_shut(blink: Blink, closure: np.ndarray, fps: float) -> bool:
    first, last = int((blink.start - 0.1) * fps), int((blink.end + 0.1) * fps) + 1
    return bool((closure[max(0, first) : last] > 0.5).any())


def _add(offsets: np.ndarray, channels: tuple[str, ...], curve: np.ndarray) -> None:
    for channel in channels:
        offsets[:, FACE.index[channel]] += curve


def _shut(expression: Tensor, closures: np.ndarray) -> Tensor:
    """Move the lids of a ``face`` expression from where they are to shut."""
    result = expression.clone()
    for side, closure in zip(("Left", "Right"), closures, strict=True):
        amount = torch.from_numpy(closure).to(result)
        for name, shut in (
            (f"lidUpper{side}Y", CLOSED_UPPER_LID),
            (f"lidLower{side}Y", CLOSED_LOWER_LID),
        ):
            column = FACE.index[name]
            lid = result[:, column]
            # a lid that is lower than shut already stays where it is
            target = torch.clamp(lid, max=shut) if shut < 0 else torch.clamp(lid, min=shut)
            result[:, column] = lid + amount * (target - lid)
    return result


def with_life(
    motion: Motion, offsets: np.ndarray, pose: np.ndarray, closures: np.ndarray
) -> Motion:
    """A motion with ``face`` offsets (n, 31), a head pose (n, 6), closures (2, n) of the eyes."""
    added = torch.from_numpy(offsets).to(motion.expression)
    expression = _ADDERS[motion.space](motion, added, closures)
    head = motion.head + torch.from_numpy(pose).to(motion.head)
    posed = None if motion.pose is None else add_head_to_pose(motion.pose, torch.from_numpy(pose))
    return motion.with_(expression=expression, head=head, pose=posed)


def _add_to_face(motion: Motion, added: Tensor, closures: np.ndarray) -> Tensor:
    return _shut(motion.expression + added, closures)


def _add_to_scores(motion: Motion, added: Tensor, closures: np.ndarray) -> Tensor:
    aim = map_offsets(motion.expression, "arkit", "face") + added
    expression = face_to_scores(aim, guess=motion.expression)
    for side, closure in zip(("Left", "Right"), closures, strict=True):
        column = motion.motion_space.index[f"eyeBlink{side}"]
        open_ = expression[:, column]
        expression[:, column] = open_ + torch.from_numpy(closure).to(open_) * (1.0 - open_)
    return expression


def _add_to_coefficients(motion: Motion, added: Tensor, closures: np.ndarray) -> Tensor:
    shut = _shut(torch.zeros_like(added), closures)
    moved = motion.expression + map_offsets(added, "face", motion.space)
    return moved + map_offsets(shut, "face", motion.space)


# how a space takes ``face`` offsets (T, 31) and the closure (2, T) of the left and the right eye
_ADDERS: dict[str, Callable[[Motion, Tensor, np.ndarray], Tensor]] = {
    "face": _add_to_face,
    "arkit": _add_to_scores,
    "bfm": _add_to_coefficients,
}

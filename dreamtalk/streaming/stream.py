"""``MotionStream``: samples in, motion out, with a bounded look-ahead and in constant memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..curves.easing import minimum_jerk
from ..errors import AudioError, SpaceMismatchError
from ..model import DreamTalkModel
from ..motion.motion import Motion
from ..options import checked, default
from ..speech.speech import FPS, SAMPLE_RATE
from ..speed import run_parallel
from ..style.style import Style
from .cues import Cues
from .life import Life
from .listener import FRAME, Listener
from .speaking import FrameSampler

_ROWS = 50  # a second
CANCEL = 0.4
"""s in which the face comes to rest."""


@dataclass(frozen=True)
class StreamSettings:
    """How a stream is made.

    Attributes:
        lookahead: s of speech, from the beginning of a frame on, that are heard before the frame
            is made; in steps of 0.02. The motion is late by as much and is the better for it.
        steps: of the DDIM sampler.
        guidance: multiplies the style's intensity.
        seed: for all that is drawn.
        liveliness: scale of blinks, gaze, head motion and breathing; 0 for none.
        gain: linear, that brings the speech to the common level; None judges it on the way.
        together: frames that are rendered at once; the first ones wait for the last. The motion
            does not depend on it.
    """

    lookahead: float = default("stream.lookahead")
    steps: int = default("stream.steps")
    guidance: float = default("guidance")
    seed: int = default("seed")
    liveliness: float = default("liveliness")
    gain: float | None = None
    together: int = default("stream.together")

    def __post_init__(self) -> None:
        checked(
            guidance=self.guidance, seed=self.seed, liveliness=self.liveliness,
            **{"stream.lookahead": self.lookahead, "stream.steps": self.steps,
               "stream.together": self.together},
        )  # fmt: skip
        if self.gain is not None:
            checked(**{"stream.gain": self.gain})

    @property
    def ahead(self) -> int:
        """The look-ahead in feature rows of 20 ms."""
        return max(1, round(self.lookahead * _ROWS))


class MotionStream:
    """Motion of speech that is still being said.

    A frame is a function of the samples up to its look-ahead, and of nothing that comes later:
    the pieces in which they are pushed make no difference. Frame i is for what is heard from
    40 i ms on. Memory and work a frame are constant.

    Attributes:
        sound: (640 n,) float32, what is heard with the n frames that were returned last; with a
            look-ahead of less than a frame 320 samples of it come with the frame after.

    Args:
        model: a checkpoint with a speech encoder of its own, as the starter has.
        style: of this checkpoint.
        settings: see there.

    Raises:
        SpaceMismatchError: if the checkpoint hears through wav2vec2, which looks at whole
            recordings; or the style belongs to another one.
    """

    def __init__(
        self, model: DreamTalkModel, style: Style, settings: StreamSettings | None = None
    ) -> None:
        self.settings = s = settings or StreamSettings()
        if model.speech_encoder is None:
            raise SpaceMismatchError(
                f"the checkpoint '{model.title}' hears through {model.feature_kind}, which looks "
                "at whole recordings: stream with a checkpoint that brings its own speech "
                "encoder, as the starter does"
            )
        self._space = model.space
        self._channels = model.denoiser.config.expression_dim
        self._listener = Listener(model.speech_encoder, model.config.window, s.ahead, s.gain)
        self._sampler = FrameSampler(model, style, s.steps, s.guidance, s.seed)
        self._cues, self._life = Cues(), Life(s.seed, s.liveliness, FPS)
        self.sound = torch.zeros(0)
        self._shown: Tensor | None = None
        self._leaving: Tensor | None = None  # the expression that speech was cancelled in
        self._left = 0  # frames since

    @property
    def frame(self) -> int:
        """The next frame's number: so many were made."""
        return self._listener.frame

    def push(self, samples: Tensor | np.ndarray) -> Motion:
        """More speech.

        Args:
            samples: (N,) float in -1..1, mono at 16 kHz; silence too is to be pushed, while
                nothing is said.

        Returns:
            The frames whose look-ahead is there now, none at all perhaps; 25 fps.

        Raises:
            AudioError: if the samples are of another shape, or not finite.
        """
        self._listener.hear(_checked(samples))
        return self._made(lambda: self._listener.ready)

    def idle(self, seconds: float) -> Motion:
        """The same as so many seconds of silence.

        Raises:
            AudioError: if it is no length of time.
        """
        checked(AudioError, duration=seconds)
        return self.push(torch.zeros(round(seconds * SAMPLE_RATE)))

    def flush(self) -> Motion:
        """The frames that wait for what comes next, as if silence came.

        Together with what was returned before they are as many as an offline motion has. What is
        pushed afterwards follows directly.
        """
        # rounded as the length of a recording is
        frames = round(self.frame + self._listener.waiting / FRAME) - self.frame
        if frames <= 0:
            self._listener.pad(0)
            return self._made(lambda: False)
        return self._finish(frames)

    def cancel(self, seconds: float = CANCEL) -> Motion:
        """Stop talking: what waits is dropped, and the face comes to rest.

        Args:
            seconds: that it takes.

        Returns:
            The frames of that way.
        """
        checked(**{"stream.cancel": seconds})
        self._listener.forget()
        self._leaving, self._left = self._shown, 0
        return self._finish(max(1, round(seconds * FPS)))

    def change_style(self, style: Style, transition: float = default("transition")) -> None:
        """Speak in another style from now on; ``transition`` seconds lie between the two."""
        checked(transition=transition)
        self._sampler.change_style(style, round(transition * FPS))

    def _finish(self, frames: int) -> Motion:
        """So many frames, then silence; the look-ahead they need is not kept."""
        listener, last = self._listener, self._listener.frame + frames
        listener.pad(frames * FRAME)
        listener.pad(frames * FRAME + self.settings.ahead * (FRAME // 2))
        made = self._made(lambda: listener.frame < last)
        listener.pad(0)
        return made

    def _made(self, more: Callable[[], bool]) -> Motion:
        frames: list[Motion] = []
        sound: list[Tensor] = []

        def make(_: None) -> None:
            while more():
                frames.append(self._next())
                sound.append(self._listener.said)

        run_parallel(make, [None], 1)  # on one thread: the operations are small
        self.sound = torch.cat(sound) if sound else torch.zeros(0)
        return Motion(
            torch.cat([f.expression for f in frames]) if frames else torch.zeros(0, self._channels),
            torch.cat([f.head for f in frames]) if frames else torch.zeros(0, 6),
            FPS,
            self._space,
        )

    def _next(self) -> Motion:
        frame = self._listener.frame
        rows, fresh = self._listener.next()
        self._cues.hear(fresh, self._listener.level.room)
        expression = self._sampler.next(frame, rows)
        if self._leaving is not None:
            self._left += 1
            phase = torch.tensor(self._left / (0.75 * CANCEL * FPS)).clamp(max=1.0)
            expression = self._leaving + minimum_jerk(phase) * (expression - self._leaving)
            if phase == 1.0:
                self._leaving = None
        self._shown = expression
        motion = Motion(expression[None], torch.zeros(1, 6), FPS, self._space)
        return self._life.add(motion, self._cues)


def _checked(samples: Tensor | np.ndarray) -> Tensor:
    values = torch.as_tensor(samples)
    if values.ndim != 1 or not (values.is_floating_point() or values.numel() == 0):
        raise AudioError(
            f"samples are (N,) float in -1..1 at 16 kHz, not {tuple(values.shape)} {values.dtype}"
        )
    if not torch.isfinite(values).all():
        raise AudioError("the samples hold NaN or infinite values")
    return values.detach().float().cpu().clamp(-1.0, 1.0)

"""The whole way, in two steps: speech -> motion, and portrait + motion -> video."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from .errors import DreamTalkError
from .model import DreamTalkModel, speech_features
from .motion.bridges import convert
from .motion.files import load_motion
from .motion.motion import Motion
from .motion.natural import add_natural_motion
from .progress import Progress, silent
from .render.video import AI_COMMENT, Sound, write_video
from .speech.speech import Speech
from .style import Style
from .tracking.track import track_video

MOTION_FILES: tuple[str, ...] = (".npz", ".mat", ".csv", ".jsonl", ".npy")


class Renderer(Protocol):
    """What turns a motion into frames of one portrait."""

    @property
    def space(self) -> str:
        """The motion space that it takes."""
        ...

    def frames(
        self, motion: Motion, chunk: int = 8, progress: Progress = silent
    ) -> Iterator[Tensor]:
        """(n, H, W, 3) uint8 each, for all frames of the motion in turn."""
        ...


def choose_style(
    model: DreamTalkModel, emotion: str = "neutral", clip: str | Path | None = None,
    intensity: float = 1.0, progress: Progress = silent,
) -> Style:  # fmt: skip
    """A style from a preset or from a clip.

    Args:
        model: the checkpoint.
        emotion: which preset, unless there is a clip.
        clip: a video, or a motion file, of somebody who speaks the way that is wanted.
        intensity: guidance scale.

    Raises:
        DreamTalkError: if the checkpoint has no such preset, or the clip can't be used.
    """
    if clip is None:
        return model.preset(emotion, intensity)
    if Path(clip).suffix.lower() in MOTION_FILES:
        motion = load_motion(clip)
    else:
        motion = track_video(clip, progress=progress).motion
    style = model.encode_style(convert(motion, model.space), name=Path(clip).stem)
    return Style(style.code, style.model, intensity, style.name)


def animate(
    speech: Speech, model: DreamTalkModel, style: Style, steps: int = 10,
    guidance: float | None = None, seed: int = 0, liveliness: float = 1.0,
    progress: Progress = silent, sync: float = 0.0,
) -> Motion:  # fmt: skip
    """Speech -> motion.

    Args:
        speech: what is said.
        model: the checkpoint.
        style: how it is said; of the same checkpoint.
        steps: DDIM steps.
        guidance: scale of classifier-free guidance; the style's intensity by default.
        seed: for all that is drawn.
        liveliness: scale of blinks, gaze, head motion and breathing; 0 for the bare sampler.
        sync: scale of the lip expert's guidance, 0 for none.

    Returns:
        25 fps, as many frames as the speech lasts.
    """
    features = speech_features(speech, model)
    motion = model.sample(
        features, style, steps=steps, guidance=guidance, seed=seed, progress=progress, sync=sync
    )
    motion = fit_length(motion, speech.num_frames(motion.fps))
    if liveliness > 0:
        motion = add_natural_motion(
            motion, speech, seed,
            blinks=liveliness, gaze=liveliness, head=liveliness, breathing=liveliness,
        )  # fmt: skip
    return motion


def fit_length(motion: Motion, frames: int) -> Motion:
    """Cut a motion, or hold its last frame, so that it has that many frames."""
    if len(motion) == frames:
        return motion
    if frames < 1:
        raise DreamTalkError(f"a motion of {frames} frames was asked for")

    def fitted(values: Tensor) -> Tensor:
        return values[torch.arange(frames).clamp(max=len(values) - 1)]

    pose = None if motion.pose is None else fitted(motion.pose)
    return motion.with_(expression=fitted(motion.expression), head=fitted(motion.head), pose=pose)


def render_video(
    renderer: Renderer, motion: Motion, out: str | Path, sound: Sound | None = None,
    comment: str | None = AI_COMMENT, progress: Progress = silent,
) -> int:  # fmt: skip
    """Portrait (within the renderer) + motion -> mp4, in constant memory.

    A motion in another space than the renderer's goes through the bridge.

    Returns:
        The number of frames written.

    Raises:
        OutputError: if the file can't be written; then nothing is left behind.
    """
    motion = convert(motion, renderer.space)
    with closing(renderer.frames(motion, progress=progress)) as chunks:  # type: ignore[type-var]
        return write_video(out, chunks, motion.fps, sound, comment)

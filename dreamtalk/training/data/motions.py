"""Stage 2's data: feature rows and rule motion of every recording, and random windows of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...motion.spaces import FACE, LIP_CHANNELS
from ...networks.speech_encoder import SpeechEncoder
from ...progress import Progress, silent
from ...style import EMOTIONS
from ..corpus.augment import augment
from ..corpus.codecs import CODECS, through_codec
from ..corpus.recordings import Recording
from ..rules.compose import SpeakingStyle, gestural_score, random_style, slow_noise, styled_motion
from .identity import random_identity

Values = npt.NDArray[np.float32]

EDGE_SHARE = 0.15
"""Share of windows whose first or last frame is made an edge of the recording."""
IDENTITY_SHARE = 0.15
"""Share of style clips that carry a person's proportions."""
CODED_SHARE = 0.1
"""Share of degraded copies that go through a codec as well."""
STD_FLOOR = 0.008
"""Smallest deviation, IOD, that channels are divided by: what a tracker's noise is."""
_GAZE = [FACE.index[c] for c in ("gazeLeftX", "gazeLeftY", "gazeRightX", "gazeRightY")]
_UPPER_LIDS = [FACE.index[c] for c in ("lidUpperLeftY", "lidUpperRightY")]


@dataclass(frozen=True)
class MotionBatch:
    """Windows of speech with the motion to predict, and a style clip each.

    Attributes:
        windows: (B, N, W, D) feature rows around each frame.
        motion: (B, N, 31) standardized.
        clip: (B, L, 31) standardized, from another stretch of the same recording and style.
        padding: (B, L) true where the clip is padding.
        emotion: (B,) index into ``EMOTIONS``.
        take: (B,) index into ``MotionData.takes``.
    """

    windows: Tensor
    motion: Tensor
    clip: Tensor
    padding: Tensor
    emotion: Tensor
    take: Tensor

    @property
    def rows(self) -> Tensor:
        """(B, 2N, D): the two rows of each frame, out of the middle of its window."""
        middle = self.windows.shape[2] // 2
        return self.windows[:, :, middle : middle + 2].flatten(1, 2)


@dataclass(frozen=True)
class Take:
    """A recording acted in one style."""

    recording: int
    style: SpeakingStyle
    motion: Values


class MotionData:
    """All takes of a list of recordings.

    Args:
        recordings: the corpus.
        encoder: trained; its rows are cached.
        seed: of styles, degradations and batches.
        copies: differently degraded copies of each recording.
        window: feature rows on each side of a frame.
        clip: frames of the longest style clip.
        unsure: rows with the encoder's dropout on, so that the denoiser learns to live with phone
            posteriors that are as unsure as they are on voices the encoder has not heard.
    """

    def __init__(
        self,
        recordings: list[Recording],
        encoder: SpeechEncoder,
        seed: int = 0,
        copies: int = 2,
        window: int = 3,
        clip: int = 128,
        unsure: bool = True,
        progress: Progress = silent,
    ) -> None:
        self.seed, self.window, self.clip = seed, window, clip
        self.rows = [
            cached_rows(r, encoder, [seed, i], copies, unsure) for i, r in enumerate(recordings)
        ]
        self.takes: list[Take] = []
        for i, recording in enumerate(recordings):
            progress(i, len(recordings))
            rng = random.Random(f"styles/{seed}/{i}")
            frames = len(self.rows[i][0]) // 2
            score = gestural_score(recording.segments, recording.waveform, frames)
            # a voice that sounds like an emotion is acted in that one, any other voice in all
            acted = (recording.emotion,) * 2 if recording.emotion else EMOTIONS
            for k, emotion in enumerate(acted):
                style = random_style(rng, emotion)
                if recording.emotion:
                    style = replace(style, intensity=recording.intensity)
                self.takes.append(Take(i, style, styled_motion(score, style, seed=i * 8 + k)))
        progress(len(recordings), len(recordings))
        everything = np.concatenate([t.motion for t in self.takes])
        self.mean = torch.from_numpy(everything.mean(0))
        self.std = torch.from_numpy(np.maximum(everything.std(0), STD_FLOOR))

    def batch(self, step: int, size: int, frames: int) -> MotionBatch:
        """The batch of a step: always the same for the same step."""
        rng = np.random.Generator(np.random.PCG64([self.seed, 7, step]))
        items = [self._item(rng, frames) for _ in range(size)]
        windows, motion, clip, padding, emotion, take = (
            np.stack(p) for p in zip(*items, strict=True)
        )
        mean, std = self.mean.numpy(), self.std.numpy()
        return MotionBatch(
            torch.from_numpy(windows.astype(np.float32)),
            torch.from_numpy((motion - mean) / std),
            torch.from_numpy(((clip - mean) / std * ~padding[..., None]).astype(np.float32)),
            torch.from_numpy(padding),
            torch.from_numpy(emotion),
            torch.from_numpy(take),
        )

    def _item(self, rng: np.random.Generator, frames: int) -> tuple[np.ndarray, ...]:
        number = int(rng.integers(len(self.takes)))
        take = self.takes[number]
        copies = self.rows[take.recording]
        rows = copies[int(rng.integers(len(copies)))]
        total = len(take.motion)
        start = int(rng.integers(max(1, total - frames + 1)))
        at = np.minimum(np.arange(start, start + frames), total - 1)
        index = 2 * at[:, None] + np.arange(-self.window, self.window + 1)
        # recordings begin and end anywhere: the rows beyond are zero there, and the lips must not
        # take that for a sound
        low = 2 * start if rng.random() < EDGE_SHARE else 0
        high = 2 * int(at[-1]) + 2 if rng.random() < EDGE_SHARE else len(rows)
        inside = (index >= low) & (index < min(high, len(rows)))
        windows = rows[np.clip(index, 0, len(rows) - 1)] * inside[..., None]
        length = int(rng.integers(self.clip // 3, self.clip + 1))
        first = int(rng.integers(max(1, total - length)))
        clip = np.zeros((self.clip, take.motion.shape[1]), np.float32)
        piece = disturb_clip(take.motion[first : first + length], rng)
        clip[: len(piece)] = piece
        padding = np.arange(self.clip) >= len(piece)
        emotion = np.int64(EMOTIONS.index(take.style.emotion))
        return (
            np.asarray(windows),
            take.motion[at],
            clip,
            padding,
            np.asarray(emotion),
            np.asarray(number),
        )


def cached_rows(
    recording: Recording, encoder: SpeechEncoder, seed: list[int], copies: int, unsure: bool
) -> list[npt.NDArray[np.float16]]:
    """Feature rows of degraded copies of a recording, (R, D) each."""
    found = []
    encoder.train(unsure)
    for copy in range(copies):
        rng = np.random.Generator(np.random.PCG64([*seed, copy]))
        torch.manual_seed(int(rng.integers(1 << 30)))
        degraded = augment(recording.waveform, rng)
        if rng.random() < CODED_SHARE:
            degraded = through_codec(degraded, str(rng.choice(sorted(CODECS))))
        rows = encoder.encode(torch.from_numpy(degraded))
        found.append(rows.numpy().astype(np.float16))
    encoder.eval()
    return found


def disturb_clip(clip: Values, rng: np.random.Generator) -> Values:
    """What a tracked clip has beside the style: blinks, gaze, tracking noise, a badly known
    neutral face or none."""
    rest = rng.uniform(0, 0.005)
    if rng.random() < IDENTITY_SHARE:
        clip = clip + (rng.uniform(0.2, 1) * random_identity(rng)).astype(np.float32)
    out = clip + rng.normal(0, 0.003, clip.shape) + rng.normal(0, rest, clip.shape[1:])
    count = len(clip)
    for axis in (0, 1):
        gaze = rng.normal(0, 0.008) + 0.008 * slow_noise(count, 25, int(rng.integers(1 << 30)))
        out[:, _GAZE[axis]] += gaze
        out[:, _GAZE[axis + 2]] += gaze
    if rng.random() < 0.7:
        at = int(rng.integers(0, 60))
        while at < count:
            shut = np.exp(-0.5 * ((np.arange(count) - at) / 1.6) ** 2) * rng.uniform(0.04, 0.07)
            out[:, _UPPER_LIDS] -= shut[:, None]
            at += int(rng.integers(35, 130))
    result: Values = out.astype(np.float32)
    return result


def mouth_weights(std: Tensor) -> Tensor:
    """Loss weights per channel, (31,): lips before the rest, aperture first.

    Args:
        std: (31,) deviation of each channel over the corpus.
    """
    weights = torch.ones(len(FACE))
    weights[: len(LIP_CHANNELS)] = 2.0
    weights[FACE.index["lipAperture"]] = 6.0
    weights[FACE.index["mouthWidth"]] = 4.0
    # channels that hardly move are noise where they are divided by the floor
    return weights * torch.where(std <= STD_FLOOR, 0.5, 1.0)

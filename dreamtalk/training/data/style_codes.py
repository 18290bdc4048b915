"""What the style predictor learns to predict: style codes of made-up people in every emotion."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...files.atomic import atomic_write
from ...model import DreamTalkModel
from ...progress import Progress, silent
from ...style import EMOTIONS
from ..corpus.recordings import Recording
from ..rules.compose import GesturalScore, gestural_score
from .heard import HeardSpeech
from .speakers import Speaker, make_speaker

TAKES = 3
"""Clips of each person in each emotion."""
INTENSITIES = (0.45, 1.25)
_SETTLED = 25
"""Frames at the beginning of a clip that are left out."""


@dataclass(frozen=True)
class StyleCodes:
    """Codes of every person, emotion and take, and what a picture taken meanwhile would show.

    Attributes:
        speakers: P people.
        codes: (P, 8, TAKES, d) float32, of the trained style encoder.
        intensities: (P, 8, TAKES) of the emotion.
        expressions: (P, 8, TAKES, 31) IOD, on average over the clip.
        mean, std: (d,) of all codes.
    """

    speakers: tuple[Speaker, ...]
    codes: npt.NDArray[np.float32]
    intensities: npt.NDArray[np.float32]
    expressions: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32]

    def take(self, speaker: int, emotion: int, intensity: float) -> int:
        """The take whose intensity is nearest."""
        return int(np.abs(self.intensities[speaker, emotion] - intensity).argmin())


@torch.no_grad()
def make_codes(
    model: DreamTalkModel,
    recordings: Sequence[Recording],
    people: int,
    seed: int,
    shape_dim: int,
    progress: Progress = silent,
) -> StyleCodes:
    """Codes of ``people`` made-up people.

    Args:
        model: whose style encoder makes them.
        recordings: whose phones are acted; some dozen are enough.
    """
    length = model.config.max_style_length
    scores = [gestural_score(r.segments, r.waveform, _SETTLED + length) for r in recordings]
    speakers = tuple(make_speaker(seed, i, shape_dim) for i in range(people))
    codes, strengths, shown = [], [], []
    for i, speaker in enumerate(speakers):
        progress(i, people)
        clips, own = _clips(speaker, scores, random.Random(f"takes/{seed}/{i}"))
        values = (torch.from_numpy(clips) - model.motion_mean) / model.motion_std
        codes.append(model.denoiser.encode_style(values).float().numpy())
        strengths.append(own)
        shown.append(clips.mean(1))
    shape = (people, len(EMOTIONS), TAKES)
    flat = np.stack(codes).reshape(*shape, -1)
    every = flat.reshape(-1, flat.shape[-1])
    return StyleCodes(
        speakers, flat, np.stack(strengths).reshape(shape).astype(np.float32),
        np.stack(shown).reshape(*shape, -1), every.mean(0), every.std(0) + 1e-3,
    )  # fmt: skip


def cached_codes(
    path: Path,
    model: DreamTalkModel,
    recordings: Sequence[Recording],
    people: int,
    seed: int,
    shape_dim: int,
    progress: Progress = silent,
) -> StyleCodes:
    """What :func:`make_codes` made before with the same settings, else now."""
    voices = ",".join(r.voice for r in recordings)
    stamp = f"{model.fingerprint} {people} {seed} {shape_dim} {TAKES} {voices}"
    names = ("codes", "intensities", "expressions", "mean", "std")
    if path.exists():
        with np.load(path, allow_pickle=False) as data:
            if str(data["stamp"]) == stamp:
                speakers = tuple(make_speaker(seed, i, shape_dim) for i in range(people))
                return StyleCodes(speakers, *(data[name] for name in names))
    made = make_codes(model, recordings, people, seed, shape_dim, progress)
    with atomic_write(path, "the codes") as part, part.open("wb") as file:
        np.savez(file, stamp=np.array(stamp), **{name: getattr(made, name) for name in names})
    return made


def _clips(
    speaker: Speaker, scores: Sequence[GesturalScore], rng: random.Random
) -> tuple[npt.NDArray[np.float32], list[float]]:
    clips, strengths = [], []
    low, high = INTENSITIES
    for emotion in EMOTIONS:
        for take in range(TAKES):
            strength = low + (high - low) * (take + rng.random()) / TAKES
            score = scores[rng.randrange(len(scores))]
            seed = rng.randrange(1 << 30)
            clips.append(speaker.motion(score, emotion, strength, seed)[_SETTLED:])
            strengths.append(strength)
    return np.stack(clips), strengths


@dataclass(frozen=True)
class PredictorBatch:
    """Speech, portraits and the codes to predict.

    Attributes:
        speech: (B, K, token_dim)
        padding: (B, K) true where the speech is padding.
        shape: (B, S) of the portrait: another picture of the same person.
        leaked: (B, S) of a picture out of the clip itself, its shape measured with the expression.
        code: (B, d) standardized.
        emotion: (B,) index into ``EMOTIONS``.
        speaker, take: (B,) into the codes.
    """

    speech: Tensor
    padding: Tensor
    shape: Tensor
    leaked: Tensor
    code: Tensor
    emotion: Tensor
    speaker: Tensor
    take: Tensor


class PredictorData:
    """Draws batches: any speech of an emotion with any person's code in it.

    Voices and faces are drawn apart, so that a voice tells the emotion and nothing of the habits.

    Args:
        heard: speech by the name of its part.
        shares: of a batch, by that name.
        codes: of the people.
        seed: of the batches.
    """

    def __init__(
        self,
        heard: dict[str, list[HeardSpeech]],
        shares: dict[str, float],
        codes: StyleCodes,
        seed: int,
    ) -> None:
        self.codes, self.seed = codes, seed
        parts = [name for name in shares if heard.get(name)]
        total = sum(shares[name] for name in parts)
        self._parts = [
            (heard[name], _balanced(heard[name]), shares[name] / total) for name in parts
        ]
        every = np.concatenate([h.tokens.astype(np.float32) for p in parts for h in heard[p]])
        self.token_mean = torch.from_numpy(every.mean(0))
        self.token_std = torch.from_numpy(np.maximum(every.std(0), 1e-3))

    def batch(self, step: int, size: int, most: int) -> PredictorBatch:
        """The batch of a step: always the same for the same step.

        Args:
            most: tokens of the longest speech.
        """
        rng = np.random.Generator(np.random.PCG64([self.seed, 43, step]))
        # all of a batch about as long: short speech as often as long one, and little padding
        length = round(float(np.exp(rng.uniform(np.log(3), np.log(most)))))
        shares = [share for _, _, share in self._parts]
        drawn = []
        for part in rng.choice(len(self._parts), size, p=shares):
            heard, weights, _ = self._parts[int(part)]
            one = heard[int(rng.choice(len(heard), p=weights))]
            drawn.append((one, _stretch(one.tokens, rng, length)))
        return self.collate(drawn, rng)

    def collate(
        self, drawn: Sequence[tuple[HeardSpeech, npt.NDArray[np.float16]]], rng: np.random.Generator
    ) -> PredictorBatch:
        """Speech with a person drawn for each."""
        longest = max(len(tokens) for _, tokens in drawn)
        codes, shapes, leaks, speech, padding = [], [], [], [], []
        labels, people, takes = [], [], []
        for one, tokens in drawn:
            emotion = EMOTIONS.index(one.emotion)
            person = int(rng.integers(len(self.codes.speakers)))
            take = self.codes.take(person, emotion, one.intensity or rng.uniform(*INTENSITIES))
            speaker = self.codes.speakers[person]
            codes.append(self.codes.codes[person, emotion, take])
            shapes.append(speaker.portrait(rng))
            leaks.append(speaker.portrait(rng, self.codes.expressions[person, emotion, take]))
            rest = longest - len(tokens)
            speech.append(np.pad(tokens.astype(np.float32), ((0, rest), (0, 0))))
            padding.append(np.arange(longest) >= len(tokens))
            labels.append(emotion)
            people.append(person)
            takes.append(take)
        code = (np.stack(codes) - self.codes.mean) / self.codes.std
        values = (torch.from_numpy(np.stack(speech)) - self.token_mean) / self.token_std
        return PredictorBatch(
            values, torch.from_numpy(np.stack(padding)), torch.from_numpy(np.stack(shapes)),
            torch.from_numpy(np.stack(leaks)), torch.from_numpy(code.astype(np.float32)),
            torch.tensor(labels), torch.tensor(people), torch.tensor(takes),
        )  # fmt: skip


def _balanced(heard: Sequence[HeardSpeech]) -> npt.NDArray[np.float64]:
    """Every emotion of a part as often as any other, and every voice within it."""
    emotions = np.array([h.emotion for h in heard])
    voices = np.array([h.voice for h in heard])
    weights = np.zeros(len(heard))
    for emotion in set(emotions.tolist()):
        inside = emotions == emotion
        names = set(voices[inside].tolist())
        for voice in names:
            same = inside & (voices == voice)
            weights[same] = 1.0 / len(names) / same.sum()
    result: npt.NDArray[np.float64] = weights / weights.sum()
    return result


def _stretch(
    tokens: npt.NDArray[np.float16], rng: np.random.Generator, length: int
) -> npt.NDArray[np.float16]:
    """A random stretch of so many tokens, or all there are."""
    length = min(length, len(tokens))
    start = int(rng.integers(len(tokens) - length + 1))
    return tokens[start : start + length]

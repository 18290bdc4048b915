"""The style predictor's training: speech, portraits and the trained style encoder's codes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...diffusion.schedule import VarianceSchedule
from ...errors import DreamTalkError
from ...face.shape import FaceShapes
from ...model import DreamTalkModel, load_model
from ...model.style_predictor import LoadedPredictor, save_style_predictor
from ...networks.style_predictor import StylePredictor, StylePredictorConfig
from ...progress import Progress, silent
from ...style import EMOTIONS
from ..corpus.emodb import HELD_OUT, read_emodb
from ..corpus.recordings import Recording, read_corpus
from ..data.heard import HeardSpeech, acted_sounds, cached, corpus_sounds, hear
from ..data.style_codes import PredictorBatch, PredictorData, cached_codes
from ..recipe import read_recipe
from .loops import LoopSettings, train

DEFAULT = Path(__file__).parents[1] / "style_predictor.toml"
VARIANTS: dict[str, str] = {
    "full": "as in the paper",
    "regression": "the same network without noise and diffusion time",
    "no-speaker": "without the portrait",
    "leaked": "the portrait's shape out of the clip itself, measured with its expression",
}
"""What is trained, and for comparison."""


@dataclass(frozen=True)
class PredictorRecipe:
    """Every number of the training.

    Attributes:
        loop: of the optimizer.
        network: sizes, beside those that the data sets.
        batch, tokens: size of a batch and longest speech in it.
        people: made-up people whose codes are learned.
        clips: recordings whose phones they say.
        joined: recordings out of EmoDB's clips.
        copies: differently degraded copies, with other vocal tracts, by part; 1 by default.
        calm: recordings of the corpus that nothing was asked of, at most.
        shares: of a batch, by part.
        portrait: share of a batch whose portrait is seen.
        shift, noise: deviations of what is added to the standardized tokens of a recording: the
            same to all of them, as another voice or microphone does, and to each its own.
        emotion_weight: of the cross-entropy of the emotion beside the code's error.
        smoothing: of its labels.
        calm_bias: what the finished predictor adds to the logit of neutral.
    """

    loop: LoopSettings = field(default_factory=LoopSettings)
    network: dict[str, Any] = field(default_factory=dict)
    batch: int = 64
    tokens: int = 48
    people: int = 500
    clips: int = 48
    joined: int = 2000
    copies: dict[str, int] = field(default_factory=dict)
    calm: int = 120
    shares: dict[str, float] = field(default_factory=dict)
    portrait: float = 0.8
    shift: float = 0.0
    noise: float = 0.0
    emotion_weight: float = 0.5
    smoothing: float = 0.1
    calm_bias: float = 0.0


def load_predictor_recipe(path: Path | None = None) -> PredictorRecipe:
    """Read a recipe; the released predictor's by default.

    Raises:
        DreamTalkError: if it can't be read or names something unknown.
    """
    what = "recipe of a style predictor"
    return read_recipe(path or DEFAULT, PredictorRecipe, ("loop",), what)


def train_style_predictor(
    recipe: PredictorRecipe,
    corpus: Path,
    emodb: Path,
    work: Path,
    checkpoint: str = "starter",
    variant: str = "full",
    steps: int | None = None,
    without: tuple[str, ...] = HELD_OUT,
    progress: Progress = silent,
) -> Path:
    """Train, or go on. What was heard is kept in ``work/heard``.

    Args:
        checkpoint: whose speech and style encoders are used; the predictor is for it alone.
        variant: of ``VARIANTS``.
        steps: instead of the recipe's.
        without: actors of EmoDB that are not heard.

    Returns:
        ``work/style-predictor/style_predictor.safetensors``, or in the folder of the variant.

    Raises:
        DreamTalkError: if there is no such variant, or the checkpoint has no speech encoder.
    """
    if variant not in VARIANTS:
        raise DreamTalkError(f"no variant '{variant}': there are {', '.join(VARIANTS)}")
    model = load_model(checkpoint)
    recordings = list(read_corpus(corpus))
    data = predictor_data(recipe, model, recordings, emodb, work, without, progress)
    config = StylePredictorConfig.from_dict({
        "token_dim": len(data.token_mean), "shape_dim": shape_dim(),
        "code_dim": model.config.d_model, "emotions": len(EMOTIONS),
        "diffuses": variant != "regression", **recipe.network,
    })  # fmt: skip
    torch.manual_seed(recipe.loop.seed)
    network = StylePredictor(config)
    schedule = VarianceSchedule(config.diffusion_steps, config.beta_first, config.beta_last)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        batch = data.batch(step, recipe.batch, recipe.tokens)
        return predictor_loss(network, schedule, batch, recipe, variant)

    name = "style-predictor" + ("" if variant == "full" else f"-{variant}")
    loop = recipe.loop if steps is None else replace(recipe.loop, steps=steps)
    train(network, loss, loop, work / name, progress)
    target = work / name / "style_predictor.safetensors"
    loaded = LoadedPredictor(
        network.half().float(), data.token_mean, data.token_std,
        torch.from_numpy(data.codes.mean), torch.from_numpy(data.codes.std),
        torch.from_numpy(data.codes.codes.mean((0, 2))),
        model.fingerprint, model.feature_kind, recipe.calm_bias,
    )  # fmt: skip
    save_style_predictor(loaded, target, variant=variant, steps=loop.steps)
    return target


def shape_dim() -> int:
    """Numbers of a face shape."""
    return len(FaceShapes.load().spread)


def predictor_data(
    recipe: PredictorRecipe,
    model: DreamTalkModel,
    recordings: list[Recording],
    emodb: Path,
    work: Path,
    without: tuple[str, ...],
    progress: Progress = silent,
) -> PredictorData:
    """What is heard, and codes to predict from it.

    Raises:
        DreamTalkError: if the checkpoint has no speech encoder.
    """
    encoder, folder = model.speech_encoder, work / "heard"
    if encoder is None:
        raise DreamTalkError(
            f"the checkpoint '{model.title}' brings no speech encoder to hear with"
        )
    seed = recipe.loop.seed
    parts = split_recordings(recordings, recipe.calm)
    settings: dict[str, Any] = {"model": model.fingerprint, "seed": seed}
    heard: dict[str, list[HeardSpeech]] = {}
    for name, chosen in parts.items():
        if not chosen:
            continue
        found: list[HeardSpeech] = []
        for copy in range(recipe.copies.get(name, 1)):
            key = {**settings, "count": len(chosen), "copy": copy}
            sounds = hear(corpus_sounds(chosen, seed + copy), encoder, name, seed + copy)
            found += cached(folder / f"{name}-{copy}.npz", key, sounds, len(chosen), progress)
        heard[name] = found
    key = {**settings, "joined": recipe.joined, "without": list(without)}
    sounds = hear(
        acted_sounds(read_emodb(emodb), recipe.joined, seed, without), encoder, "emodb", seed
    )
    path = folder / f"emodb-{'-'.join(without) or 'all'}.npz"
    heard["emodb"] = cached(path, key, sounds, recipe.joined, progress)
    codes = cached_codes(
        folder / "codes.npz", model, spread_over(recordings, recipe.clips), recipe.people, seed,
        shape_dim(), progress,
    )  # fmt: skip
    return PredictorData(heard, recipe.shares, codes, seed)


def split_recordings(recordings: list[Recording], calm: int) -> dict[str, list[Recording]]:
    """Acted ones, prompts read by people, and other calm ones of which at most so many."""
    return {
        "acted": [r for r in recordings if r.emotion],
        "prompts": spread_over(
            [r for r in recordings if not r.emotion and r.voice.startswith("asterisk/")], calm
        ),
        "calm": spread_over(
            [r for r in recordings if not r.emotion and not r.voice.startswith("asterisk/")], calm
        ),
    }


def spread_over(recordings: list[Recording], most: int) -> list[Recording]:
    """At most so many, evenly out of all."""
    if len(recordings) <= most:
        return recordings
    return [recordings[int(i)] for i in np.linspace(0, len(recordings) - 1, most)]


def predictor_loss(
    network: StylePredictor,
    schedule: VarianceSchedule,
    batch: PredictorBatch,
    recipe: PredictorRecipe,
    variant: str = "full",
) -> tuple[Tensor, dict[str, float]]:
    """``||s_0 - S(s_t, t, A, I)||^2`` (DreamTalk, equation 7), and the emotion's cross-entropy
    where the noise hides the code."""
    size = len(batch.code)
    t = torch.randint(1, schedule.num_steps + 1, (size,))
    noisy = schedule.add_noise(batch.code, t, torch.randn_like(batch.code))
    known = torch.rand(size) < recipe.portrait
    shape = batch.leaked if variant == "leaked" else batch.shape
    speaker = None if variant == "no-speaker" else shape
    speech = batch.speech + recipe.noise * torch.randn_like(batch.speech)
    speech = speech + recipe.shift * torch.randn_like(speech[:, :1])
    found = network(noisy, t, speech, speaker, batch.padding, known)
    error = F.mse_loss(found.code, batch.code)
    hidden = 1 - schedule.alpha_bars[t] if network.config.diffuses else torch.ones(size)
    named = F.cross_entropy(
        found.logits, batch.emotion, reduction="none", label_smoothing=recipe.smoothing
    )
    emotion = (hidden * named).mean() / hidden.mean()
    right = (found.logits.argmax(1) == batch.emotion).float()
    figures = {
        "code": error.item(), "emotion": emotion.item(),
        "accuracy": ((hidden * right).sum() / hidden.sum()).item(),
    }  # fmt: skip
    return error + recipe.emotion_weight * emotion, figures

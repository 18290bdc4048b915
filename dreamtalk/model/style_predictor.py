"""The style that a speech asks for: DreamTalk's style predictor (section 3.4), as it is used."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checkpoints import STYLE_PREDICTOR, load_weights, read_checkpoint, save_checkpoint
from ..diffusion.samplers import FrameNoise, sample_ddim
from ..diffusion.schedule import VarianceSchedule
from ..errors import CheckpointError, SpaceMismatchError
from ..files.values import reason
from ..networks.style_predictor import StylePredictor, StylePredictorConfig
from ..speech.speech import Features, Speech
from ..speech.tokens import speech_tokens
from ..style.style import EMOTIONS
from .model import DreamTalkModel

PREDICTOR_FILE = Path(__file__).resolve().parents[1] / "weights" / "style_predictor.safetensors"
DRAWS = 8
"""Codes that are drawn; the one nearest to the others is taken, so that what a speech sounds like
mostly is what its face shows."""
SPAN = 40
"""Tokens that are heard at once, two a second; longer speech is heard in spans."""
_BUFFERS = ("token_mean", "token_std", "code_mean", "code_std", "emotion_codes")


@dataclass(frozen=True)
class LoadedPredictor:
    """A trained predictor.

    Attributes:
        network: it.
        token_mean, token_std: (D,) that speech tokens are standardized by.
        code_mean, code_std: (d,) that codes are.
        emotion_codes: (8, d) the mean code of each emotion.
        model: fingerprint of the checkpoint whose codes it predicts.
        feature_kind: of the rows in the tokens.
        calm: what is added to the logit of neutral: most people speak calmly, more often than the
            voices of the training.
    """

    network: StylePredictor
    token_mean: Tensor
    token_std: Tensor
    code_mean: Tensor
    code_std: Tensor
    emotion_codes: Tensor
    model: str
    feature_kind: str
    calm: float = 0.0

    @property
    def longest(self) -> int:
        """Most tokens that are heard at once."""
        return SPAN

    def tokens(self, features: Features, speech: Speech) -> Tensor:
        """Standardized tokens of a speech: (K, D), two a second.

        Raises:
            SpaceMismatchError: if the features are of another kind.
        """
        if features.kind != self.feature_kind:
            raise SpaceMismatchError(
                f"the style predictor hears '{self.feature_kind}' features, not '{features.kind}': "
                "choose an emotion or the style of a clip for this checkpoint"
            )
        return (speech_tokens(features, speech) - self.token_mean) / self.token_std


def load_style_predictor(model: DreamTalkModel, path: str | Path | None = None) -> LoadedPredictor:
    """The predictor for a checkpoint.

    Args:
        path: a file of ``dreamtalk train style-predictor``; the built-in one, which is for the
            starter, by default.

    Raises:
        CheckpointError: if the file is something else.
        SpaceMismatchError: if it was trained for another checkpoint.
    """
    checkpoint = read_checkpoint(path or PREDICTOR_FILE).require(STYLE_PREDICTOR)
    config = checkpoint.config
    try:
        network = StylePredictor(StylePredictorConfig.from_dict(config["network"]))
        fingerprint, kind = str(config["model"]), str(config["features"])
        calm = float(config["calm"])
        buffers = {name: checkpoint.state[name].float() for name in _BUFFERS}
    except (KeyError, ValueError, TypeError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else reason(error)
        raise CheckpointError(
            f"the style predictor '{checkpoint.path.name}' is damaged: {why}"
        ) from error
    load_weights(network, checkpoint.section("network"), checkpoint.path, "a style predictor")
    if fingerprint != model.fingerprint:
        raise SpaceMismatchError(
            f"the style predictor '{checkpoint.path.name}' was trained for the checkpoint "
            f"{fingerprint}, not for '{model.title}' ({model.fingerprint}): choose an emotion, or "
            "train one for it (dreamtalk train style-predictor)"
        )
    return LoadedPredictor(
        network.float().eval(), **buffers, model=fingerprint, feature_kind=kind, calm=calm
    )


def save_style_predictor(loaded: LoadedPredictor, path: str | Path, **extra: Any) -> None:
    """Write one of our files, in half precision; whole or not at all.

    Args:
        **extra: more for the config, such as metrics.
    """
    state = {f"network.{k}": v for k, v in loaded.network.state_dict().items()}
    state |= {name: getattr(loaded, name) for name in _BUFFERS}
    config = {
        **extra, "network": loaded.network.config.to_dict(), "model": loaded.model,
        "features": loaded.feature_kind, "calm": loaded.calm, "emotions": list(EMOTIONS),
    }  # fmt: skip
    save_checkpoint(path, STYLE_PREDICTOR, state, config, torch.float16, _BUFFERS)


@torch.no_grad()
def predict_code(
    loaded: LoadedPredictor,
    tokens: Tensor,
    shape: Tensor | None = None,
    seed: int = 0,
    steps: int = 10,
    draws: int = DRAWS,
    emotion: int | None = None,
) -> Tensor:
    """The style code of at most ``max_tokens`` speech tokens.

    Args:
        tokens: (K, D) standardized.
        shape: (S,) of the portrait's face.
        draws: samples, of which the one nearest to the others is taken; 1 for a plain sample.
        emotion: index of the one that was heard: only draws that show it count, and if there is
            none, the mean code of the emotion, so that face and words agree.

    Returns:
        (d,)
    """
    network, width = loaded.network, len(loaded.code_mean)
    noise = FrameNoise(width, seed).draw(0, draws)
    speech = tokens.expand(draws, -1, -1)
    speaker = None if shape is None else shape.expand(draws, -1)
    if network.config.diffuses:
        config = network.config
        schedule = VarianceSchedule(config.diffusion_steps, config.beta_first, config.beta_last)
        codes = sample_ddim(
            lambda x, t: network(x, t, speech, speaker).code, noise, schedule, steps
        )
    else:
        codes = network(noise, noise.new_zeros(draws), speech, speaker).code
    if emotion is not None:
        means = (loaded.emotion_codes - loaded.code_mean) / loaded.code_std
        codes = codes[torch.cdist(codes, means).argmin(1) == emotion]
        if len(codes) == 0:
            return loaded.emotion_codes[emotion].clone()
    code = codes[torch.cdist(codes, codes).sum(1).argmin()]
    return code * loaded.code_std + loaded.code_mean


@torch.no_grad()
def hear(loaded: LoadedPredictor, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
    """How likely each emotion is, whoever speaks: stretches of tokens (B, K, D) -> (B, 8).

    Args:
        padding: (B, K) true where there are no tokens.
    """
    network, count = loaded.network, len(tokens)
    last = tokens.new_full((count,), float(network.config.diffusion_steps))
    noise = FrameNoise(len(loaded.code_mean), 0).draw(0, 1).expand(count, -1)
    logits = network(noise, last, tokens, None, padding).logits
    logits[:, EMOTIONS.index("neutral")] += loaded.calm
    return logits.softmax(-1)


def code_of_speech(
    loaded: LoadedPredictor,
    tokens: Tensor,
    shape: Tensor | None,
    seed: int,
    steps: int,
    emotion: int,
) -> Tensor:
    """The style code of any number of tokens: (K, D) -> (d,).

    Args:
        emotion: that was heard in them; of speech longer than 20 s the spans count in which it is
            the likeliest.
    """
    parts = _spans(len(tokens))
    if len(parts) > 1:
        told = torch.cat([hear(loaded, tokens[None, part]) for part in parts])
        same = told.argmax(1) == emotion
        same[told[:, emotion].argmax()] = True
        parts = [part for part, counts in zip(parts, same.tolist(), strict=True) if counts]
    codes = [
        predict_code(loaded, tokens[part], shape, seed, steps, emotion=emotion) for part in parts
    ]
    return torch.stack(codes).mean(0)


def _spans(count: int) -> list[slice]:
    """Spans of about equal length that cover so many tokens."""
    pieces = -(-count // SPAN)
    edges = [round(i * count / pieces) for i in range(pieces + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]

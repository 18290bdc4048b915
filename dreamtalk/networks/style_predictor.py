"""DreamTalk's style predictor S(s_t, t, A, I) -> s_0 (section 3.4): the style code of a speech.

A transformer encoder reads one sequence: tokens of the speech, the diffusion time, the speaker, the
noised style code, and a learned query whose output is the clean code. From the same output a linear
layer tells how likely each emotion is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .transformer import Encoder, PositionTable, time_sinusoid

_MOST = 1 << 14
_SPEECH, _TIME, _SPEAKER, _NOISY, _QUERY = range(5)


@dataclass(frozen=True)
class StylePredictorConfig:
    """Sizes.

    Attributes:
        token_dim: width of a speech token.
        shape_dim: numbers of a face shape.
        code_dim: width of the style code.
        emotions: that are told apart.
        d_model, heads, layers, ff: of the transformer.
        max_tokens: longest speech.
        dropout: while training.
        diffusion_steps, beta_first, beta_last: the linear variance schedule.
        diffuses: False for a regression of the same size, which sees neither noise nor time.
    """

    token_dim: int = 238
    shape_dim: int = 16
    code_dim: int = 96
    emotions: int = 8
    d_model: int = 64
    heads: int = 4
    layers: int = 2
    ff: int = 128
    max_tokens: int = 64
    dropout: float = 0.1
    diffusion_steps: int = 1000
    beta_first: float = 1e-4
    beta_last: float = 0.02
    diffuses: bool = True

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StylePredictorConfig:
        """Inverse of :meth:`to_dict`.

        Raises:
            ValueError: on a name that this version does not know, or a size that can't be.
        """
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown style predictor settings: {', '.join(sorted(unknown))}")
        made = cls(**values)
        for field in fields(cls):
            value = getattr(made, field.name)
            if isinstance(field.default, bool):
                fits = isinstance(value, bool)
            elif isinstance(field.default, int):
                fits = type(value) is int and 1 <= value <= _MOST
            else:
                fits = isinstance(value, (int, float)) and 0 <= value < 1
            if not fits:
                raise ValueError(f"{field.name} can't be {str(value)[:40]!r}")
        return made


class Prediction(NamedTuple):
    """What the network says.

    Attributes:
        code: (B, code_dim) the clean style code, standardized.
        logits: (B, emotions)
    """

    code: Tensor
    logits: Tensor


class StylePredictor(nn.Module):
    """The network; what goes in and comes out is standardized by whoever calls it."""

    def __init__(self, config: StylePredictorConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or StylePredictorConfig()
        self.embed_speech = nn.Linear(c.token_dim, c.d_model)
        self.embed_time = nn.Sequential(
            nn.Linear(c.d_model, c.d_model), nn.SiLU(), nn.Linear(c.d_model, c.d_model)
        )
        self.embed_speaker = nn.Sequential(
            nn.Linear(c.shape_dim, c.d_model), nn.SiLU(), nn.Linear(c.d_model, c.d_model)
        )
        self.embed_code = nn.Linear(c.code_dim, c.d_model)
        self.kinds = nn.Parameter(0.02 * torch.randn(5, c.d_model))
        self.no_speaker = nn.Parameter(0.02 * torch.randn(c.d_model))
        self.positions = PositionTable(c.max_tokens, c.d_model)
        self.drop_speech = nn.Dropout(c.dropout)
        self.encoder = Encoder(c.d_model, c.heads, c.ff, c.layers, c.dropout)
        self.to_code = nn.Linear(c.d_model, c.code_dim)
        self.to_emotion = nn.Linear(c.d_model, c.emotions)

    def forward(
        self,
        noisy: Tensor,
        t: Tensor,
        speech: Tensor,
        speaker: Tensor | None = None,
        padding: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Prediction:
        """Predict the clean code.

        Args:
            noisy: (B, code_dim) s_t.
            t: (B,) diffusion time.
            speech: (B, K, token_dim), K at most ``max_tokens``.
            speaker: (B, shape_dim) face shapes, or None for no portrait.
            padding: (B, K) true where the speech is padding.
            known: (B,) false where the speaker counts as not known.
        """
        batch, kinds = len(speech), self.kinds
        heard = self.positions(self.drop_speech(self.embed_speech(speech))) + kinds[_SPEECH]
        person = self.no_speaker.expand(batch, -1)
        if speaker is not None:
            seen = self.embed_speaker(speaker)
            person = seen if known is None else torch.where(known[:, None], seen, person)
        if self.config.diffuses:
            time = self.embed_time(time_sinusoid(t, self.config.d_model).to(speech.dtype))
            code = self.embed_code(noisy)
        else:
            time = code = torch.zeros_like(person)
        single = [
            time + kinds[_TIME], person + kinds[_SPEAKER], code + kinds[_NOISY],
            kinds[_QUERY].expand(batch, -1),
        ]  # fmt: skip
        sequence = torch.cat([heard, torch.stack(single, 1)], 1)
        if padding is not None:
            padding = torch.cat([padding, padding.new_zeros(batch, len(single))], 1)
        found = self.encoder(sequence, padding)[:, -1]
        return Prediction(self.to_code(found), self.to_emotion(found))

"""The starter's speech encoder: log-mel -> feature rows at 50 Hz.

A small convolutional network instead of wav2vec2. Its rows carry what the lips need, named: phone
posteriors (closures depend on them), the style-free articulation, and a learned part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ..progress import Progress, silent
from ..speech.loading import speech_gain
from ..speech.logmel import BANDS, HOP, log_mel, warp_matrix
from .settings import settings_from

ROW = 2 * HOP
"""Samples a row: 50 rows a second."""
_LOUD, _SPREAD = -6.0, 4.0  # about the mean and deviation of log-mel values of speech
_SILENCE = 20  # rows
_MEL_CONTEXT = 4  # log-mel frames that may differ at a cut
LEVEL = 0.08
"""Root mean square of active speech that recordings are brought to."""
MAX_GAIN = 1000.0
_SILENCE_RMS = 1e-5
_WIDEST = 256  # dilation, in rows: padding by more would take memory that no file justifies
_MOST_WARPS = 16
BILABIALS = (19, 29, 32)
"""Columns of the phone posteriors that are b, m and p."""
_FLOOR = 8.0  # nats below certainty at which posteriors end
_BESIDE = 0.4
_REST = 6  # frames of silence on each side at which lips rest
_HEARD, _SURE = 0.1, 0.5
"""Posteriors from which on a closure is suspected, and taken for sure."""


@dataclass(frozen=True)
class SpeechEncoderConfig:
    """Sizes.

    Attributes:
        width: channels of the trunk.
        dilations: one residual block each.
        phones: classes of the phone posterior.
        curves: articulation curves, predicted without style.
        hidden: learned part of a row.
        aux: what the learned part must be able to tell in training.
        dropout: while training.
        warps: vocal tracts (factors on frequency) that a recording is heard with at inference;
            the rows are averaged, which corrects a voice that differs from those of the training.
    """

    width: int = 128
    dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4)
    phones: int = 44
    curves: int = 6
    hidden: int = 46
    aux: int = 15
    dropout: float = 0.1
    warps: tuple[float, ...] = (1.0,)

    @property
    def row_dim(self) -> int:
        """Width of a feature row."""
        return self.phones + self.curves + self.hidden

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {**asdict(self), "dilations": list(self.dilations), "warps": list(self.warps)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SpeechEncoderConfig:
        """Inverse of :meth:`to_dict`.

        Raises:
            ValueError: on a name that this version does not know.
        """
        made = settings_from(cls, values, "speech encoder")
        if not all(1 <= dilation <= _WIDEST for dilation in made.dilations):
            raise ValueError(f"dilations can't be {str(list(made.dilations))[:40]!r}")
        if not 1 <= len(made.warps) <= _MOST_WARPS or min(made.warps) < 0.5:
            raise ValueError(f"warps can't be {str(list(made.warps))[:40]!r}")
        return made

    def least_weights(self) -> int:
        """How many numbers a network of these sizes has at least."""
        out = self.phones + self.curves + self.hidden
        return (4 * len(self.dilations) * self.width + out) * self.width


class SpeechOutput(NamedTuple):
    """What the encoder says of R rows.

    Attributes:
        rows: (B, R, row_dim) features for the denoiser.
        logits: (B, R, phones)
        curves: (B, R, curves) standardized articulation.
        aux: (B, R, aux) for training.
    """

    rows: Tensor
    logits: Tensor
    curves: Tensor
    aux: Tensor


class _Block(nn.Module):
    """Residual dilated convolution; normalized over channels only, so that time can be cut
    anywhere."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return x + self.dropout(self.out(F.gelu(self.mix(h))))

    def inside(self, x: Tensor) -> Tensor:
        """As ``forward`` at inference, of rows (B, R, width), without those that hear an end."""
        reach = self.mix.dilation[0]
        h = F.gelu(_inside(self.mix, self.norm(x)))
        return x[:, reach:-reach] + F.linear(h, self.out.weight[..., 0], self.out.bias)


def _inside(conv: nn.Conv1d, rows: Tensor) -> Tensor:
    """A convolution of three taps without padding as one product: (B, R, in) -> fewer rows."""
    reach = conv.dilation[0]
    taps = rows.unfold(1, 2 * reach + 1, 1)[..., ::reach]
    return F.linear(taps.flatten(2), conv.weight.flatten(1), conv.bias)


class SpeechEncoder(nn.Module):
    """Waveform at 16 kHz -> feature rows at 50 Hz; row r is centred on 20 r + 10 ms."""

    def __init__(self, config: SpeechEncoderConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or SpeechEncoderConfig()
        self.stem = nn.Conv1d(2 * BANDS, c.width, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(c.width, d, c.dropout) for d in c.dilations)
        self.norm = nn.LayerNorm(c.width)
        self.to_phones = nn.Linear(c.width, c.phones)
        self.to_curves = nn.Linear(c.width, c.curves)
        self.to_hidden = nn.Linear(c.width, c.hidden)
        self.to_aux = nn.Linear(c.hidden, c.aux)

    @property
    def row_dim(self) -> int:
        """Width of a feature row."""
        return self.config.row_dim

    @property
    def context(self) -> int:
        """Rows on each side that a row can see."""
        return 1 + sum(self.config.dilations)

    def forward(self, mel: Tensor) -> SpeechOutput:
        """Log-mel (B, 2R, 64), natural logarithms -> what the encoder says of R rows."""
        pairs = rearrange((mel - _LOUD) / _SPREAD, "b (r two) f -> b (two f) r", two=2)
        h = self.stem(pairs)
        for block in self.blocks:
            h = block(h)
        return self._output(h.transpose(1, 2))

    def _output(self, x: Tensor) -> SpeechOutput:
        """From the trunk (B, R, width)."""
        trunk = self.norm(x)
        logits = self.to_phones(trunk)
        curves = self.to_curves(trunk)
        hidden = torch.tanh(self.to_hidden(trunk))
        # 0 where the phone is sure, -1 where it is out of the question
        posterior = F.log_softmax(logits, dim=-1).clamp(min=-_FLOOR) / _FLOOR
        rows = torch.cat([posterior, curves, hidden], dim=-1)
        return SpeechOutput(rows, logits, curves, self.to_aux(hidden))

    @torch.no_grad()
    def encode(self, waveform: Tensor, chunk: int = 1500, progress: Progress = silent) -> Tensor:
        """Feature rows of a recording of any length, in constant memory.

        Whatever its level, the speech is brought to a common one first.

        Args:
            waveform: (N,) float32 at 16 kHz, N >= 1.
            chunk: rows at a time; the result does not depend on it.
            progress: told the rows done; may raise to cancel.

        Returns:
            (R, row_dim), R = round(N / 320), at least 1.
        """
        rows = num_rows(waveform.numel())
        device = self.stem.weight.device
        # before and after a recording is silence, not nothing: the network takes a cut for a sound
        total = rows + 2 * _SILENCE
        padded = waveform.new_zeros(total * ROW)
        said = waveform[: rows * ROW]
        # in place: of an hour every copy takes 230 MB
        torch.mul(said, level_gain(waveform), out=padded[_SILENCE * ROW :][: len(said)])
        found = []
        for start in range(_SILENCE, _SILENCE + rows, chunk):
            progress(start - _SILENCE, rows)
            stop = min(start + chunk, _SILENCE + rows)
            first, last = max(start - self.context, 0), min(stop + self.context, total)
            part = self.hear(_mel(padded, first, last, total).to(device))
            found.append(part[start - first : stop - first])
        progress(rows, rows)
        return torch.cat(found)

    @torch.no_grad()
    def hear(self, mel: Tensor) -> Tensor:
        """Feature rows of a stretch, averaged over the vocal tracts of the configuration.

        Args:
            mel: (2 R, 64) natural logarithms. Rows nearer than ``context`` to an end hear the cut,
                unless it is the recording's.

        Returns:
            (R, row_dim)
        """
        rows: Tensor = self(self._warped(mel)).rows.mean(0)
        return rows

    @torch.no_grad()
    def hear_inside(self, mel: Tensor) -> Tensor:
        """As :meth:`hear`, without the rows that hear a cut, which are not computed either.

        Of short stretches most are such rows.

        Args:
            mel: (2 R, 64) natural logarithms, R > 2 ``context``.

        Returns:
            (R - 2 * context, row_dim)
        """
        pairs = ((self._warped(mel) - _LOUD) / _SPREAD).unflatten(1, (-1, 2)).flatten(2)
        h = _inside(self.stem, pairs)
        for block in self.blocks:
            h = cast(_Block, block).inside(h)
        rows: Tensor = self._output(h).rows.mean(0)
        return rows

    def _warped(self, mel: Tensor) -> Tensor:
        """(2 R, 64) -> the same through several vocal tracts, (B, 2 R, 64)."""
        warps = (1.0,) if self.training else self.config.warps
        return torch.stack([mel @ warp_matrix(w).to(mel) for w in warps])


def heard_closures(rows: Tensor) -> Tensor:
    """How sure the encoder is that the lips are shut, frame by frame: for b, m and p, and in the
    middle of silence that lasts half a second, as well as before and after all that is said.

    Args:
        rows: (2N, row_dim) or more wide, as :meth:`SpeechEncoder.encode` makes them; a single row
            is a frame, too.

    Returns:
        (N,) 0 where b, m and p are out of the question, 1 where they are likelier than not.
    """
    rows = rows.expand(2, -1) if len(rows) == 1 else rows
    heard_lips = heard_bilabials(rows)
    silent = (rows[: 2 * len(heard_lips), 0].float() * _FLOOR).exp().reshape(-1, 2).amin(1)[None]
    lasting = -F.max_pool1d(F.pad(-silent, (_REST, _REST), value=-1.0), 2 * _REST + 1, 1)
    eased = F.avg_pool1d(F.pad(lasting, (2, 2), mode="replicate"), 5, 1)[0]
    return torch.maximum(heard_lips, eased)


def heard_bilabials(rows: Tensor) -> Tensor:
    """The same for b, m and p alone, for which a frame needs its neighbours and no more."""
    heard = (rows[:, list(BILABIALS)].float() * _FLOOR).exp().sum(1)
    pairs = heard[: len(heard) // 2 * 2].reshape(-1, 2).amax(1)
    sure = ((pairs - _HEARD) / (_SURE - _HEARD)).clamp(0, 1)
    beside = F.pad(sure, (1, 1))
    # lips don't shut within one frame: that would flicker
    return torch.maximum(sure, _BESIDE * torch.maximum(beside[:-2], beside[2:]))


def level_gain(waveform: Tensor) -> float:
    """The linear gain that brings active speech to the common level; 1 for digital silence.

    Args:
        waveform: (N,) float32 at 16 kHz: a whole recording, so that its parts keep their balance.
    """
    return speech_gain(waveform, LEVEL, MAX_GAIN, _SILENCE_RMS)


def num_rows(samples: int) -> int:
    """Rows of a waveform of so many samples, at least 1."""
    return max(1, round(samples / ROW))


def _mel(waveform: Tensor, first: int, last: int, total: int) -> Tensor:
    """Log-mel of rows ``first..last``, exactly as the whole waveform would give it."""
    before = min(_MEL_CONTEXT, 2 * first)
    after = min(_MEL_CONTEXT, 2 * (total - last))
    mel = log_mel(waveform[first * ROW - before * HOP : last * ROW + after * HOP])
    return mel[before : len(mel) - after]

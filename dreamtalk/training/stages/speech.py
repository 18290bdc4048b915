"""Stage 1: the speech encoder learns phones and articulation from degraded speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from ...networks.speech_encoder import LEVEL, ROW, SpeechEncoder
from ...speech.logmel import BANDS, log_mel, warp_matrix
from ...speech.speech import SAMPLE_RATE
from ..corpus.augment import augment, resample_window
from ..corpus.codecs import CODECS, through_codec
from ..corpus.phones import BILABIALS, LABIODENTALS, PHONE_INDEX, PHONES
from ..corpus.recordings import Recording
from ..data.targets import TARGET_RATE, Targets, make_targets

NATURAL = frozenset({"asterisk", "piper", "kokoro", "hibari", "heard"})
"""Engines whose voices sound like people, and people."""
NATURAL_SHARE = 0.55
"""Share of windows drawn from these alone."""
CODED = 6
"""Every so many recordings, one goes through a codec."""


WARPS = tuple(round(float(f), 3) for f in np.exp(np.linspace(-0.16, 0.16, 13)))
"""Vocal tracts that the spectra of windows are changed to, beside their change of speed."""
WARPED_SHARE = 0.6
MASKED_SHARE = 0.4
"""Share of windows that lack a few bands, as small loudspeakers and rooms take them away."""


@dataclass(frozen=True)
class SpeechBatch:
    """Windows of degraded speech with their targets, R rows each."""

    waveform: Tensor  # (B, R * 320)
    clean: Tensor  # (B, R * 320)
    phones: Tensor  # (B, R)
    curves: Tensor  # (B, R, 6)
    aux: Tensor  # (B, R, 15)
    posteriors: Tensor  # (B, R, 44) of a teacher; zeros without one


class SpeechData:
    """Recordings with targets, and random windows of them.

    Args:
        recordings: the corpus.
        seed: of windows and degradations.
        posteriors: what a teacher reads of each recording, (R, 44).
    """

    def __init__(
        self,
        recordings: list[Recording],
        seed: int = 0,
        posteriors: Sequence[npt.NDArray[np.float16]] | None = None,
    ) -> None:
        names = sorted(CODECS)
        self.recordings = [
            replace(r, waveform=through_codec(r.waveform, names[i // CODED % len(names)]))
            if i % CODED == CODED - 1
            else r
            for i, r in enumerate(recordings)
        ]
        self.targets: list[Targets] = [make_targets(r) for r in recordings]
        self.seed, self.posteriors = seed, posteriors
        natural = [i for i, r in enumerate(recordings) if r.voice.split("/")[0] in NATURAL]
        self.pools = [p for p in (range(len(recordings)), natural) if len(p)]

    def batch(self, step: int, size: int, rows: int) -> SpeechBatch:
        """The batch of a step: always the same for the same step."""
        rng = np.random.Generator(np.random.PCG64([self.seed, step]))
        items = [self._window(rng, rows) for _ in range(size)]
        return SpeechBatch(*(torch.from_numpy(np.stack(part)) for part in zip(*items, strict=True)))

    def _window(self, rng: np.random.Generator, rows: int) -> tuple[np.ndarray, ...]:
        pool = self.pools[-1] if rng.random() < NATURAL_SHARE else self.pools[0]
        index = pool[int(rng.integers(len(pool)))]
        waveform, targets = self.recordings[index].waveform, self.targets[index]
        factor = float(np.exp(rng.uniform(-0.16, 0.16)))
        count = rows * ROW
        start = rng.uniform(
            -0.1, max(0.1, len(waveform) / SAMPLE_RATE - factor * count / SAMPLE_RATE)
        )
        clean = resample_window(waveform, start * SAMPLE_RATE, factor, count)
        other = self.recordings[int(rng.integers(len(self.recordings)))].waveform
        offset = int(rng.integers(max(1, len(other) - count)))
        babble = np.resize(other[offset : offset + count], count)
        degraded = augment(clean, rng, babble)
        cells = len(targets.phones)
        at = (start + factor * np.arange(rows) * ROW / SAMPLE_RATE) * TARGET_RATE
        middle = at + factor * 0.5 * ROW / SAMPLE_RATE * TARGET_RATE
        inside = (middle >= 0) & (middle < cells)
        phones = np.where(inside, targets.phones[np.clip(middle, 0, cells - 1).astype(int)], 0)
        read = np.zeros((rows, len(PHONES)), np.float32)
        if self.posteriors is not None:
            known = self.posteriors[index]
            nearest = (middle / TARGET_RATE * SAMPLE_RATE / ROW).astype(int)
            read[inside] = known[np.clip(nearest, 0, len(known) - 1)][inside]
            read[~inside, PHONE_INDEX["sil"]] = 1
        return (
            degraded, clean, phones, _interpolate(targets.curves, at),
            _interpolate(targets.aux, at), read,
        )  # fmt: skip


def _interpolate(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Linear interpolation of (G, C) at fractional cells; the ends hold."""
    at = np.clip(at, 0, len(values) - 1.001)
    low = at.astype(int)
    share = (at - low)[:, None].astype(np.float32)
    out: np.ndarray = values[low] * (1 - share) + values[low + 1] * share
    return out


def phone_weights() -> Tensor:
    """Class weights (44,): what the lips must not miss counts more."""
    weights = torch.ones(len(PHONES))
    for phone in BILABIALS | LABIODENTALS:
        weights[PHONE_INDEX[phone]] = 1.6
    weights[0] = 0.7
    return weights


def vary_spectra(mel: Tensor) -> Tensor:
    """Other vocal tracts and missing bands, drawn from torch's generator: (B, M, 64) -> the same.

    Few of the corpus's voices are natural; this makes others of them that keep pitch and timing.
    """
    size = len(mel)
    factors = torch.randint(len(WARPS), (size,))
    warps = torch.stack([warp_matrix(WARPS[k]) for k in factors.tolist()])
    warps[torch.rand(size) >= WARPED_SHARE] = torch.eye(BANDS)
    mel = mel @ warps
    first, width = torch.randint(BANDS, (size,)), torch.randint(1, 10, (size,))
    width[torch.rand(size) >= MASKED_SHARE] = 0
    band = torch.arange(BANDS)
    masked = (band >= first[:, None]) & (band < (first + width)[:, None])
    return torch.where(masked[:, None], mel.mean((1, 2), keepdim=True), mel)


def speech_loss(
    encoder: SpeechEncoder,
    batch: SpeechBatch,
    teaching: float = 0.0,
    kept: SpeechEncoder | None = None,
) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy of the phones plus squared error of the curves.

    Args:
        teaching: weight of the cross-entropy with the teacher's posteriors.
        kept: an encoder that what a row holds beside the posteriors stays that of, as it is for
            clean speech, instead of the targets. Networks that were trained on its rows then take
            those of the new encoder.
    """
    out = encoder(vary_spectra(log_mel(batch.waveform)))
    phones = F.cross_entropy(
        out.logits.flatten(0, 1),
        batch.phones.flatten(),
        weight=phone_weights(),
        label_smoothing=0.02,
    )
    accuracy = (out.logits.argmax(-1) == batch.phones).float().mean()
    figures = {"phones": phones.item(), "accuracy": accuracy.item()}
    total = phones
    if teaching:
        taught = -(batch.posteriors * out.logits.log_softmax(-1)).sum(-1).mean()
        figures["taught"] = taught.item()
        total = total + teaching * taught
    if kept is None:
        curves, other = F.mse_loss(out.curves, batch.curves), F.mse_loss(out.aux, batch.aux)
        figures |= {"curves": curves.item(), "aux": other.item()}
        return total + 2.0 * curves + other, figures
    with torch.no_grad():
        clean = batch.clean * (LEVEL / (batch.clean.square().mean(-1, keepdim=True).sqrt() + 1e-4))
        wanted = kept(log_mel(clean)).rows
    phones_end, curves_end = encoder.config.phones, encoder.config.phones + encoder.config.curves
    curves = F.mse_loss(out.curves, wanted[..., phones_end:curves_end])
    hidden = F.mse_loss(out.rows[..., curves_end:], wanted[..., curves_end:])
    figures |= {"curves": curves.item(), "hidden": hidden.item()}
    return total + 2.0 * curves + 3.0 * hidden, figures

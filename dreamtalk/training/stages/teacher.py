"""A teacher of phones for stage 1: a small network reads them off a large recognizer's features.

It learns from the corpus, whose phones are known, and is then right far more often than our
encoder. What it reads is kept for the training of ours, and it writes down the phones of recordings
that nobody has transcribed, which makes them a part of the corpus.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import DreamTalkError
from ...files.atomic import atomic_write
from ...files.tensors import save_torch
from ...networks.speech_encoder import num_rows
from ...progress import Progress, silent
from ...speech.speech import SAMPLE_RATE
from ..corpus.phones import PHONE_INDEX, PHONES
from ..corpus.recognizer import WIDTH, Listen, at_rows
from ..corpus.recordings import Recording, read_corpus, save_recordings
from ..corpus.utterance import Samples
from ..measure.hearing import Ears, row_phones
from ..rules.calibrate import heard_phones
from .loops import LoopSettings, train

log = logging.getLogger("dreamtalk")

Halves = npt.NDArray[np.float16]
"""What a recognizer hears at our rows, (R, 288), kept for a whole corpus."""
HEARD = "heard"
"""Voice and part of the corpus of recordings whose phones the teacher has written down."""
POSTERIORS = "posteriors.npz"
_READER = "reader.pt"
_SETTINGS = LoopSettings(steps=400, learning_rate=2e-3, warmup=50, ema=0.98, save_every=400)
_ITEMS, _ROWS = 14, 150
_SECONDS = 26.0
_PAUSES = (0.05, 0.2, 0.4)
_LEVEL = 0.07
_FLOOR = 8.0  # nats, as in the rows of our encoder


class PhoneReader(nn.Module):
    """Features at our rows (B, R, 288) -> logits of the phones (B, R, 44)."""

    def __init__(self, width: int = 192) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.near = nn.Conv1d(WIDTH, width, 5, padding=2)
        self.mix = nn.Conv1d(width, width, 3, padding=1)
        self.out = nn.Conv1d(width, len(PHONES), 1)
        self.dropout = nn.Dropout(0.2)

    def forward(self, features: Tensor) -> Tensor:
        h = F.gelu(self.near(self.dropout(self.norm(features)).transpose(1, 2)))
        h = h + self.dropout(F.gelu(self.mix(h)))
        return self.out(h).transpose(1, 2)


def train_teacher(
    corpus: Path,
    work: Path,
    listen: Listen,
    sounds: Iterable[Samples] = (),
    seed: int = 0,
    steps: int | None = None,
    progress: Progress = silent,
) -> str:
    """Train the reader, hear ``sounds`` into the corpus and keep what it reads of everything.

    Args:
        listen: of :func:`~dreamtalk.training.corpus.recognizer.load_recognizer`.
        sounds: speech without a transcript, 16 kHz; replaces what the corpus had of such.

    Returns:
        How many of the spoken rows of the test split it reads right.
    """
    known = [r for r in read_corpus(corpus) if r.voice != HEARD]
    frames = [_features(listen, r.waveform, progress, i, len(known)) for i, r in enumerate(known)]
    labels = [row_phones(r.segments, len(f)) for r, f in zip(known, frames, strict=True)]
    reader = fit_reader(frames, labels, work / "teacher", seed, steps)
    save_torch(work / "teacher" / _READER, reader.state_dict())
    heard = [heard_recording(reader, listen, x) for x in _joined(sounds, seed)]
    if heard:
        for old in (corpus / "train").glob(f"{HEARD}-*.npz"):
            old.unlink()
        save_recordings(corpus, HEARD, heard)
    # in the corpus's order, so that a number is enough to find them again
    of_known = iter(frames)
    kept = [
        read_phones(reader, next(of_known) if r.voice != HEARD else _features(listen, r.waveform))
        for r in read_corpus(corpus)
    ]
    with atomic_write(work / "teacher" / POSTERIORS) as part, part.open("wb") as file:
        np.savez(file, *[x.exp().numpy().astype(np.float16) for x in kept])
    return _accuracy(reader, listen, list(read_corpus(corpus, "test")))


def load_posteriors(work: Path, recordings: Sequence[Recording]) -> list[npt.NDArray[np.float16]]:
    """What the teacher reads of a corpus: (R, 44) of each recording.

    Raises:
        DreamTalkError: if it has not been heard, or was another corpus.
    """
    path = work / "teacher" / POSTERIORS
    if not path.exists():
        raise DreamTalkError(f"there is no '{path}': run 'dreamtalk train teacher' first")
    with np.load(path, allow_pickle=False) as data:
        found = [data[f"arr_{i}"] for i in range(len(data.files))]
    if [len(x) for x in found] != [num_rows(len(r.waveform)) for r in recordings]:
        raise DreamTalkError(f"'{path}' is of another corpus: run 'dreamtalk train teacher' again")
    return found


def teacher_ears(work: Path, listen: Listen) -> Ears:
    """What the teacher of a work folder hears, to be measured beside encoders: phones only.

    Raises:
        DreamTalkError: if there is none.
    """
    path = work / "teacher" / _READER
    if not path.exists():
        raise DreamTalkError(f"there is no '{path}': run 'dreamtalk train teacher' first")
    reader = PhoneReader().eval()
    reader.load_state_dict(torch.load(path, weights_only=True))

    def hear(waveform: Samples) -> npt.NDArray[np.float64]:
        read = read_phones(reader, _features(listen, waveform)).double().numpy()
        rows = np.maximum(read, -_FLOOR) / _FLOOR
        return np.concatenate([rows, np.zeros((len(rows), 2))], 1)

    return hear


def fit_reader(
    frames: Sequence[Halves],
    labels: Sequence[npt.NDArray[np.int64]],
    folder: Path,
    seed: int,
    steps: int | None = None,
) -> PhoneReader:
    """A reader of features at rows with their phones."""
    torch.manual_seed(seed)
    reader = PhoneReader()
    rows = min(_ROWS, *(len(x) for x in frames))

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.Generator(np.random.PCG64([seed, 31, step]))
        picks = rng.integers(len(frames), size=_ITEMS)
        starts = [int(rng.integers(len(frames[i]) - rows + 1)) for i in picks]
        x = np.stack([frames[i][a : a + rows] for i, a in zip(picks, starts, strict=True)])
        y = np.stack([labels[i][a : a + rows] for i, a in zip(picks, starts, strict=True)])
        said = torch.from_numpy(y)
        logits = reader(torch.from_numpy(x.astype(np.float32)))
        value = F.cross_entropy(logits.flatten(0, 1), said.flatten(), label_smoothing=0.02)
        return value, {"accuracy": (logits.argmax(-1) == said).float().mean().item()}

    settings = _SETTINGS if steps is None else LoopSettings(**{**vars(_SETTINGS), "steps": steps})
    train(reader, loss, settings, folder)
    return reader.eval()


@torch.no_grad()
def read_phones(reader: PhoneReader, features: Halves) -> Tensor:
    """Log-posteriors (R, 44) of features at rows."""
    logits: Tensor = reader(torch.from_numpy(features.astype(np.float32))[None])
    return logits[0].log_softmax(-1)


def heard_recording(reader: PhoneReader, listen: Listen, waveform: Samples) -> Recording:
    """A recording with the phones that the teacher hears in it."""
    read = read_phones(reader, _features(listen, waveform))
    segments = heard_phones(read.clamp(min=-_FLOOR) / _FLOOR)
    return Recording(waveform, segments, HEARD)


def _features(
    listen: Listen, waveform: Samples, progress: Progress = silent, number: int = 0, count: int = 1
) -> Halves:
    progress(number, count)
    rows = at_rows(listen(waveform), num_rows(len(waveform)))
    out: Halves = rows.astype(np.float16)
    return out


def _joined(sounds: Iterable[Samples], seed: int) -> Iterator[Samples]:
    """Short sounds one after another at one level, until they are as long as other recordings."""
    rng = np.random.Generator(np.random.PCG64([seed, 32]))
    pieces: list[Samples] = []
    for sound in sounds:
        level = float(np.sqrt(np.mean(sound**2)))
        if level < 1e-3:
            continue
        pause = np.zeros(int(rng.choice(_PAUSES) * SAMPLE_RATE), np.float32)
        pieces += [pause, (sound * np.float32(_LEVEL / level)).astype(np.float32)]
        if sum(len(p) for p in pieces) > _SECONDS * SAMPLE_RATE:
            yield np.concatenate(pieces)
            pieces = []
    if pieces:
        yield np.concatenate(pieces)


def _accuracy(reader: PhoneReader, listen: Listen, recordings: Sequence[Recording]) -> str:
    right, spoken = 0, 0
    for recording in recordings:
        features = _features(listen, recording.waveform)
        said = row_phones(recording.segments, len(features))
        told = read_phones(reader, features).argmax(-1).numpy()
        talking = said != PHONE_INDEX["sil"]
        right += int((told == said)[talking].sum())
        spoken += int(talking.sum())
    return f"{right / max(1, spoken):.3f} of {spoken} spoken rows of the test split are read right"

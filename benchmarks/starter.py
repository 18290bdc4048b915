"""What guidance does to the starter: lip-sync guidance and the intensity of emotions.

    python benchmarks/starter.py --corpus C --out docs/figures/guidance.md

C is a corpus with a test split (``dreamtalk train corpus --corpus C --split test``). Writes the
tables, and a picture of them with ``--plot``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from dreamtalk.model import DreamTalkModel, load_model
from dreamtalk.motion.spaces import LIP_CHANNELS
from dreamtalk.speech.speech import SAMPLE_RATE, Features
from dreamtalk.style import EMOTIONS, Style
from dreamtalk.training.corpus.phones import BILABIALS
from dreamtalk.training.corpus.recordings import Recording, read_corpus
from dreamtalk.training.measure.conditions import CONDITIONS
from dreamtalk.training.measure.emotions import EmotionClassifier, pieces
from dreamtalk.training.measure.figures import (
    Figures,
    closure_rate,
    evaluate_speech,
    features_of,
    moved_segments,
)
from dreamtalk.training.measure.tables import table, write_document
from dreamtalk.training.rules.compose import rule_motion
from dreamtalk.training.rules.expressions import emotion_offsets

LIPS = len(LIP_CHANNELS)
SCALES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
COLUMNS = ("p/b/m closed (chance)", "P_sync", "aperture r", "emotion")
STRONG = ("happy", "angry", "surprised")
HARD: dict[str, tuple[Callable[[Recording], Recording], tuple[str, ...], float]] = {
    "as recorded": (lambda recording: recording, ("neutral",), 1.0),
    "emotions at intensity 1": (lambda recording: recording, STRONG, 1.0),
    "emotions at intensity 2": (lambda recording: recording, STRONG, 2.0),
    "noise at 5 dB": (CONDITIONS["noise at 5 dB"], ("neutral",), 1.0),
    "whispered": (CONDITIONS["whispered"], ("neutral",), 1.0),
    "sung": (CONDITIONS["sung"], ("neutral",), 1.0),
}
"""What is done to a recording, emotions and their intensity."""
INTENSITIES = (0.0, 0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class EmotionFigures:
    """All emotions, at one setting of the guidances.

    Attributes:
        sync: the lip expert's mean P_sync.
        strength: of each emotion but neutral, share of the rule's upper face.
        recognized: share of pieces that the classifier tells right.
    """

    sync: float
    strength: tuple[float, ...]
    recognized: float

    @property
    def mean(self) -> float:
        return sum(self.strength) / len(self.strength)


def emotion_strength(expression: torch.Tensor, emotion: str) -> float:
    """How much of the rule's shape of an emotion the mean upper face shows."""
    shape = torch.from_numpy(emotion_offsets(emotion)).float()[LIPS:]
    return float(expression.mean(0)[LIPS:] @ shape / (shape @ shape))


@torch.no_grad()
def measure_emotions(
    model: DreamTalkModel,
    classifier: EmotionClassifier,
    features: Features,
    sync: float = 0.0,
    intensity: float = 1.0,
) -> EmotionFigures:
    """Every emotion on the same speech."""
    assert model.lip_expert is not None
    scores, strength, right, total = [], [], 0, 0
    for index, emotion in enumerate(EMOTIONS):
        style = model.preset(emotion, intensity)
        motion = model.sample(features, style, sync=sync).expression
        lips = ((motion - model.motion_mean) / model.motion_std)[None, :, :LIPS]
        rows = features.rows[None, : 2 * len(motion)]
        scores.append(model.lip_expert.log_sync(rows, lips, style.code[None]).exp().mean())
        if index:
            strength.append(emotion_strength(motion, emotion))
        told = [classifier.classify(piece) == index for piece in pieces(motion.numpy())]
        right, total = right + sum(told), total + len(told)
    return EmotionFigures(float(torch.stack(scores).mean()), tuple(strength), right / max(total, 1))


def sweep(model: DreamTalkModel, recordings: list[Recording], plot: Path | None) -> str:
    """Both sweeps as tables.

    Args:
        plot: draw them there, too.
    """
    features = features_of(model, recordings[0].waveform[: 16 * 16_000])
    classifier = EmotionClassifier(recordings)
    swept: list[tuple[Figures, EmotionFigures]] = []
    for scale in SCALES:
        figures = evaluate_speech(model, recordings, sync=scale)
        swept.append((figures, measure_emotions(model, classifier, features, sync=scale)))
    graded = [measure_emotions(model, classifier, features, intensity=w) for w in INTENSITIES]
    if plot is not None:
        draw(swept, graded, plot)
    head = ("scale", "P_sync", "aperture r", "width r", "closed (chance)", "emotion", "recognized")
    guided = [
        (f"{scale:g}", f"{shown.sync:.3f}", f"{f.aperture:.3f}", f"{f.width:.3f}",
         f"{f.closure:.2f} ({f.chance:.2f})", f"{shown.mean:.2f}", f"{shown.recognized:.2f}")
        for scale, (f, shown) in zip(SCALES, swept, strict=True)
    ]  # fmt: skip
    strengths = [
        (f"{w:g}", f"{shown.sync:.3f}", f"{shown.mean:.2f}", *(f"{s:.2f}" for s in shown.strength))
        for w, shown in zip(INTENSITIES, graded, strict=True)
    ]
    return "\n\n".join((
        "## Lip-sync guidance where it is hard: scales 0 and 1",
        under_conditions(model, recordings),
        "## Lip-sync guidance", table(head, guided),
        "## Intensity: guidance scale of the style, share of the rule's upper face",
        table(("intensity", "P_sync", "mean", *EMOTIONS[1:]), strengths),
    ))  # fmt: skip


def under_conditions(model: DreamTalkModel, recordings: list[Recording]) -> str:
    """Lip-sync guidance where it is needed: closures (chance), P_sync, aperture r with the rule."""
    short = [first_seconds(recording, 12.0) for recording in recordings]
    rows = []
    for name, (change, emotions, intensity) in HARD.items():
        heard = [change(recording) for recording in short]
        features = [features_of(model, recording.waveform) for recording in heard]
        cells = []
        for scale in (0.0, 1.0):
            found = [
                judge(model, recording, rows_of, model.preset(emotion, intensity), scale)
                for recording, rows_of in zip(heard, features, strict=True)
                for emotion in emotions
            ]
            closed, chance, score, likeness, shown = mean_of_known(np.array(found))
            cells += [f"{closed:.2f} ({chance:.2f})", f"{score:.2f}", f"{likeness:.2f}"]
            cells += [f"{shown:.2f}"] if emotions != ("neutral",) else ["-"]
        rows.append((name, *cells))
    head = ("", *(f"{what}, {scale}" for scale in ("0", "1") for what in COLUMNS))
    return table(head, rows)


def mean_of_known(rows: np.ndarray) -> np.ndarray:
    """Means of columns (n, k) over what is no NaN: (k,)."""
    known = ~np.isnan(rows)
    return np.where(known, rows, 0).sum(0) / np.maximum(known.sum(0), 1)


@torch.no_grad()
def judge(
    model: DreamTalkModel, recording: Recording, features: Features, style: Style, scale: float
) -> tuple[float, ...]:
    """Closures, their chance, P_sync, aperture r with the neutral rule, share of the emotion."""
    motion = model.sample(features, style, sync=scale).expression
    aperture = motion[:, 0].numpy().astype(float)
    target = rule_motion(recording.segments, recording.waveform, frames=len(motion))[:, 0]
    closing = [s for s in recording.segments if s.phone in BILABIALS]
    chance = np.nanmean([closure_rate(aperture, moved_segments(closing, i)) for i in range(3)])
    lips = ((motion - model.motion_mean) / model.motion_std)[None, :, :LIPS]
    assert model.lip_expert is not None
    score = model.lip_expert.log_sync(
        features.rows[None, : 2 * len(motion)], lips, style.code[None]
    )
    shown = emotion_strength(motion, style.name) if style.name != "neutral" else float("nan")
    return (
        closure_rate(aperture, closing), float(chance), float(score.exp().mean()),
        float(np.corrcoef(aperture, target)[0, 1]), shown,
    )  # fmt: skip


def first_seconds(recording: Recording, seconds: float) -> Recording:
    """The beginning of a recording."""
    waveform = recording.waveform[: int(seconds * SAMPLE_RATE)]
    segments = tuple(s for s in recording.segments if s.end <= seconds)
    return replace(recording, waveform=waveform, segments=segments)


def draw(
    swept: list[tuple[Figures, EmotionFigures]], graded: list[EmotionFigures], path: Path
) -> None:
    """The sweeps as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(SCALES, [a.sync for _, a in swept], "o-", label="P_sync")
    left.plot(SCALES, [f.aperture for f, _ in swept], "s-", label="aperture r")
    left.plot(SCALES, [a.mean for _, a in swept], "^-", label="emotion, share of the rule's")
    left.set_xlabel("scale of the lip-sync guidance")
    left.set_ylim(0, 1.3)
    left.legend()
    right.plot(INTENSITIES, [a.sync for a in graded], "o-", label="P_sync")
    right.plot(INTENSITIES, [a.mean for a in graded], "^-", label="emotion, share of the rule's")
    right.set_xlabel("intensity of the emotion")
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    FigureCanvasAgg(figure).print_figure(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--checkpoint", default="starter")
    parser.add_argument("--recordings", type=int, default=4)
    parser.add_argument("--hard", action="store_true", help="only the table of hard conditions")
    parser.add_argument("--out", type=Path, help="the tables as Markdown; else on the terminal")
    parser.add_argument("--plot", type=Path, help="the sweeps as a picture")
    args = parser.parse_args()
    torch.set_num_threads(1)
    recordings = list(read_corpus(args.corpus, "test"))[: args.recordings]
    model = load_model(args.checkpoint)
    command = f"python benchmarks/starter.py --corpus C --recordings {args.recordings}"
    if args.hard:
        tables = under_conditions(model, recordings)
        command += " --hard --out docs/figures/lip-sync.md"
    else:
        tables = sweep(model, recordings, args.plot)
        command += " --out docs/figures/guidance.md --plot docs/images/starter-guidance.png"
    if args.out is None:
        print(tables)
    else:
        write_document(args.out, command, tables)


if __name__ == "__main__":
    main()

"""DreamTalk's ablation of the lip expert, with our networks (section 4.4 of the paper).

    python benchmarks/sync_ablation.py --corpus C --work W --out docs/figures/sync-ablation.md

W holds what ``dreamtalk train sync`` left with ``--expert none``, ``style-blind`` and
``style-aware`` at several weights: the same denoiser, trained on with the same steps and seeds. All
are judged by the same lip expert, the released one, and against the rules and phones of the
corpus's test split.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.starter import HARD, first_seconds, judge, mean_of_known
from dreamtalk.model import DreamTalkModel, load_model
from dreamtalk.training.corpus.recordings import Recording, read_corpus
from dreamtalk.training.measure.figures import evaluate_speech, features_of
from dreamtalk.training.measure.tables import table, write_document

CONDITIONS = ("as recorded", "emotions at intensity 1", "emotions at intensity 2", "noise at 5 dB")
HEAD = (
    "trained on with", "weight", "aperture r", "width r", "jitter", "condition",
    "p/b/m closed (chance)", "P_sync", "emotion",
)  # fmt: skip


def rows_of(model: DreamTalkModel, label: tuple[str, str], recordings: list[Recording]) -> list:
    """One row a condition."""
    speech = evaluate_speech(model, recordings)
    known = (*label, f"{speech.aperture:.3f}", f"{speech.width:.3f}", f"{speech.jitter:.2f}")
    rows = []
    for name in CONDITIONS:
        change, emotions, intensity = HARD[name]
        heard = [change(recording) for recording in recordings]
        found = [
            judge(model, recording, features, model.preset(emotion, intensity), 0.0)
            for recording in heard
            for features in [features_of(model, recording.waveform)]
            for emotion in emotions
        ]
        closed, chance, score, _, shown = mean_of_known(np.array(found))
        cells = (f"{closed:.3f} ({chance:.2f})", f"{score:.3f}")
        emotion_shown = f"{shown:.3f}" if emotions != ("neutral",) else "-"
        rows.append((*(known if not rows else [""] * len(known)), name, *cells, emotion_shown))
    return rows


def label_of(folder: Path) -> tuple[str, str]:
    """What a folder of ``train sync`` was trained with: expert and weight."""
    words = folder.name.removeprefix("sync-")
    expert, _, weight = words.rpartition("-")
    return (words, "-") if words == "none" else (expert or "style-aware", weight)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recordings", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--out", type=Path, help="the table as Markdown; else on the terminal")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = list(read_corpus(args.corpus, "test"))
    recordings = [first_seconds(one, args.seconds) for one in found[: args.recordings]]
    referee = load_model("starter")
    runs = [(("before", "-"), referee)]
    for folder in sorted(args.work.glob("sync-*")):
        runs.append((label_of(folder), load_model(folder / "starter.safetensors")))
    rows = []
    for label, model in runs:
        model.lip_expert = referee.lip_expert
        rows += rows_of(model, label, recordings)
    text = table(HEAD, rows)
    command = (
        f"python benchmarks/sync_ablation.py --corpus C --work W --recordings {len(recordings)}"
    )
    if args.out is None:
        print(text)
    else:
        write_document(args.out, f"{command} --out {args.out}", text)


if __name__ == "__main__":
    main()

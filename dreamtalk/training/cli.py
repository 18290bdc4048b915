"""``dreamtalk train corpus|speech|denoiser|export|evaluate``: one command per stage."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..progress import Progress

Stage = Callable[[argparse.Namespace, Progress], str]


def add_train_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``train`` with its stages; each parsed command has ``run(args)``, as the other
    commands."""
    train: argparse.ArgumentParser = subparsers.add_parser(
        "train", help="make the corpus, train the networks, measure them"
    )
    stages = train.add_subparsers(dest="stage", required=True, metavar="STAGE")

    corpus = stages.add_parser("corpus", help="speech from the engines on this machine")
    corpus.add_argument("--hours", type=float, default=2.6)
    corpus.add_argument("--seed", type=int, default=0)
    corpus.add_argument("--split", choices=("train", "test"), default="train")
    corpus.set_defaults(run=_command(_corpus))

    speech = stages.add_parser("speech", help="stage 1: the speech encoder")
    speech.set_defaults(run=_command(_speech))
    denoiser = stages.add_parser("denoiser", help="stage 2: the denoiser, and the weights file")
    denoiser.set_defaults(run=_command(_denoiser))
    for stage in (speech, denoiser):
        stage.add_argument("--config", type=Path, help="a recipe (toml); the starter's by default")
        stage.add_argument("--steps", type=int, help="instead of the recipe's")
        stage.add_argument("--work", type=Path, required=True, help="checkpoints and curves")

    evaluate = stages.add_parser("evaluate", help="figures on held-out voices and texts")
    evaluate.add_argument("--checkpoint", default="starter")
    evaluate.add_argument("--recordings", type=int, default=24)
    evaluate.add_argument("--steps", type=int, default=10, help="sampler steps")
    evaluate.set_defaults(run=_command(_evaluate))
    for stage in (corpus, speech, denoiser, evaluate):
        stage.add_argument("--corpus", type=Path, required=True, help="folder of the corpus")
    return train


def _command(stage: Stage) -> Callable[[argparse.Namespace], None]:
    def run(args: argparse.Namespace) -> None:
        with _bar(args.stage) as progress:
            report = stage(args, progress)
        sys.stdout.write(report + "\n")

    return run


@contextmanager
def _bar(name: str) -> Iterator[Progress]:
    from tqdm import tqdm

    with tqdm(total=0, desc=f"  {name}", leave=False, disable=None, file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def _corpus(args: argparse.Namespace, progress: Progress) -> str:
    from .corpus.recordings import build_corpus

    count = build_corpus(args.corpus, args.hours, args.seed, args.split, progress=progress)
    return f"{count} recordings in {args.corpus / args.split}"


def _speech(args: argparse.Namespace, progress: Progress) -> str:
    from .recipe import load_recipe
    from .stages import train_speech

    recipe = load_recipe(args.config)
    return str(train_speech(recipe, args.corpus, args.work, args.steps, progress))


def _denoiser(args: argparse.Namespace, progress: Progress) -> str:
    from .recipe import load_recipe
    from .stages import train_denoiser

    recipe = load_recipe(args.config)
    return str(train_denoiser(recipe, args.corpus, args.work, args.steps, progress))


def _evaluate(args: argparse.Namespace, progress: Progress) -> str:
    from ..model import load_model
    from .corpus.recordings import read_corpus
    from .evaluation import evaluate_emotions, evaluate_speech

    model = load_model(args.checkpoint)
    recordings = list(read_corpus(args.corpus, "test"))[: args.recordings]
    clean = evaluate_speech(model, recordings, args.steps, progress=progress)
    rough = evaluate_speech(model, recordings, args.steps, degraded=True, progress=progress)
    accuracy, confusion = evaluate_emotions(model, recordings[:6], steps=args.steps)
    return (
        f"clean speech, {len(recordings)} recordings\n{clean.table()}\n"
        f"with rooms, noise and codecs\n{rough.table()}\n"
        f"emotions named right {accuracy:.3f}\n{confusion}"
    )

"""``dreamtalk train corpus|speech|denoiser|export|evaluate``: one command per stage."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..console import bar
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
    corpus.add_argument(
        "--part", default="base", choices=("base", "piper", "kokoro", "prompts"),
        help="base: flite, festival, espeak-ng; prompts: recorded fr, it, ru (en for --split test)",
    )  # fmt: skip
    corpus.add_argument("--split", choices=("train", "test"), default="train")
    corpus.set_defaults(run=_command(_corpus))

    speech = stages.add_parser("speech", help="stage 1: the speech encoder")
    speech.set_defaults(run=_command(_speech))
    denoiser = stages.add_parser("denoiser", help="stage 2: the denoiser, and the weights file")
    denoiser.set_defaults(run=_command(_denoiser))
    expert = stages.add_parser("lip-expert", help="stage 3: the lip expert, added to the weights")
    expert.set_defaults(run=_command(_lip_expert))
    sync = stages.add_parser("sync", help="stage 4: the denoiser goes on with L_sync")
    sync.set_defaults(run=_command(_sync))
    for stage in (speech, denoiser, expert, sync):
        stage.add_argument("--config", type=Path, help="a recipe (toml); the starter's by default")
        stage.add_argument("--steps", type=int, help="instead of the recipe's")
        stage.add_argument("--work", type=Path, required=True, help="checkpoints and curves")

    evaluate = stages.add_parser("evaluate", help="figures on held-out voices and texts")
    evaluate.add_argument("--checkpoint", default="starter")
    evaluate.add_argument("--recordings", type=int, default=24)
    evaluate.add_argument("--steps", type=int, default=10, help="sampler steps")
    evaluate.add_argument(
        "--conditions", action="store_true", help="also noise, a child's voice, whispering, ..."
    )
    evaluate.add_argument("--sync", type=float, default=0.0, help="lip-sync guidance")
    evaluate.set_defaults(run=_command(_evaluate))
    for stage in (corpus, speech, denoiser, expert, sync, evaluate):
        stage.add_argument("--corpus", type=Path, required=True, help="folder of the corpus")
    return train


def _command(stage: Stage) -> Callable[[argparse.Namespace], None]:
    def run(args: argparse.Namespace) -> None:
        with bar(args.stage) as progress:
            report = stage(args, progress)
        sys.stdout.write(report + "\n")

    return run


def _corpus(args: argparse.Namespace, progress: Progress) -> str:
    from .corpus.recordings import build_corpus, save_recordings

    if args.part == "prompts":
        from .corpus.prompts import prompt_recordings

        count = 0
        for language in ("en",) if args.split == "test" else ("fr", "it", "ru"):
            found = prompt_recordings(language, progress=progress)
            count += save_recordings(args.corpus, f"prompts-{language}", found, args.split)
    else:
        engines = None if args.part == "base" else (args.part,)
        count = build_corpus(
            args.corpus, args.hours, args.seed, args.split, engines, args.part, progress=progress
        )
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


def _lip_expert(args: argparse.Namespace, progress: Progress) -> str:
    from .recipe import load_recipe
    from .stages import train_lip_expert

    recipe = load_recipe(args.config)
    return train_lip_expert(recipe, args.corpus, args.work, args.steps, progress)


def _sync(args: argparse.Namespace, progress: Progress) -> str:
    from .recipe import load_recipe
    from .stages import train_sync

    return str(train_sync(load_recipe(args.config), args.corpus, args.work, args.steps, progress))


def _evaluate(args: argparse.Namespace, progress: Progress) -> str:
    from ..model import load_model
    from .corpus.recordings import read_corpus
    from .evaluation import evaluate_emotions, evaluate_speech

    model = load_model(args.checkpoint)
    everything = list(read_corpus(args.corpus, "test"))
    recorded = [r for r in everything if r.voice.startswith("asterisk")][: args.recordings]
    voices = [r for r in everything if not r.voice.startswith("asterisk")][: args.recordings]
    lines = []
    for name, recordings, degraded in (
        ("held-out synthetic voices and texts", voices, False),
        ("the same with rooms, noise and codecs", voices, True),
        ("recorded prompts of an unheard speaker", recorded, False),
    ):
        if recordings:
            figures = evaluate_speech(
                model, recordings, args.steps, degraded, args.sync, progress=progress
            )
            lines.append(f"{name} ({len(recordings)} recordings)\n{figures.table()}")
    if args.conditions:
        from .conditions import CONDITIONS

        for name, change in CONDITIONS.items():
            changed = [change(r) for r in voices]
            figures = evaluate_speech(model, changed, args.steps, progress=progress)
            lines.append(f"{name}\n{figures.table()}")
    accuracy, confusion = evaluate_emotions(model, everything[:6], steps=args.steps)
    lines.append(f"emotions named right {accuracy:.3f}\n{confusion}")
    return "\n".join(lines)

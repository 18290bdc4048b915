"""``dreamtalk train corpus|speech|denoiser|lip-expert|sync|pictures|...``: the stages."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..files.clashes import check_outputs
from ..files.names import user_path
from ..progress import Progress, terminal_bar
from ..terminal.console import say

Stage = Callable[[argparse.Namespace, Progress], str]
PARTS = ("base", "acted", "piper", "hibari", "kokoro", "prompts", "sung")


def add_train_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``train`` with its stages; each parsed command has ``run(args)``, as the other
    commands."""
    train: argparse.ArgumentParser = subparsers.add_parser(
        "train", help="make the corpus, train the networks, measure them"
    )
    stages = train.add_subparsers(dest="stage", required=True, metavar="STAGE")
    _add_corpus(stages)
    _add_speech(stages)
    _add_teacher(stages)
    _add_denoiser(stages)
    _add_lip_expert(stages)
    _add_sync(stages)
    _add_style_predictor(stages)
    _add_difftalk(stages)
    _add_coverage(stages)
    _add_evaluate(stages)
    _add_pictures(stages)
    return train


def _add_corpus(stages: Any) -> None:
    corpus = stages.add_parser("corpus", help="speech from the engines on this machine")
    corpus.add_argument("--hours", type=float, default=2.6)
    corpus.add_argument("--seed", type=int, default=0)
    corpus.add_argument(
        "--part", default="base", choices=PARTS,
        help="base: flite, festival, espeak-ng; acted: voices that sound like an emotion; prompts: "
        "recorded fr, it, ru (en for --split test); sung: songs out of the speech that is there; "
        "else a neural engine, which needs packages",
    )  # fmt: skip
    corpus.add_argument("--split", choices=("train", "test"), default="train")
    _add_corpus_folder(corpus)
    corpus.set_defaults(run=_command(_corpus))


def _add_speech(stages: Any) -> None:
    speech = stages.add_parser("speech", help="stage 1: the speech encoder")
    _add_recipe(speech)
    _add_init(speech)
    _add_corpus_folder(speech)
    speech.set_defaults(run=_command(_speech))


def _add_teacher(stages: Any) -> None:
    teacher = stages.add_parser(
        "teacher", help="before stage 1: a recognizer tells the phones of the corpus, and of more"
    )
    teacher.add_argument(
        "--recognizer", type=user_path, required=True, help="Moonshine's encoder_model.ort"
    )
    teacher.add_argument(
        "--sounds", type=user_path, help="folder of speech without transcripts, for the corpus"
    )
    teacher.add_argument("--steps", type=int, help="of the reader's training")
    teacher.add_argument("--work", type=user_path, required=True, help="what it reads")
    _add_corpus_folder(teacher)
    teacher.set_defaults(run=_command(_teacher))


def _add_denoiser(stages: Any) -> None:
    denoiser = stages.add_parser("denoiser", help="stage 2: the denoiser, and the weights file")
    _add_recipe(denoiser)
    _add_init(denoiser)
    _add_corpus_folder(denoiser)
    denoiser.set_defaults(run=_command(_denoiser))


def _add_lip_expert(stages: Any) -> None:
    expert = stages.add_parser("lip-expert", help="stage 3: the lip expert, added to the weights")
    _add_recipe(expert)
    _add_corpus_folder(expert)
    expert.set_defaults(run=_command(_lip_expert))


def _add_sync(stages: Any) -> None:
    sync = stages.add_parser("sync", help="stage 4: the denoiser goes on with L_sync")
    sync.add_argument(
        "--expert",
        default="style-aware",
        help="whose L_sync: style-aware; or, to compare, style-blind or none",
    )
    sync.add_argument("--weight", type=float, help="of L_sync, instead of the recipe's")
    _add_recipe(sync)
    _add_corpus_folder(sync)
    sync.set_defaults(run=_command(_sync))


def _add_style_predictor(stages: Any) -> None:
    predictor = stages.add_parser(
        "style-predictor", help="stage 5: the style that a speech asks for"
    )
    predictor.add_argument(
        "--emodb", type=user_path, required=True, help="folder of the clips of EmoDB"
    )
    predictor.add_argument(
        "--checkpoint", type=os.path.expanduser, default="starter", help="whose styles are learned"
    )
    predictor.add_argument(
        "--variant", default="full", help="full, or for comparison regression, no-speaker, leaked"
    )
    _add_recipe(predictor)
    _add_corpus_folder(predictor)
    predictor.set_defaults(run=_command(_style_predictor))


def _add_difftalk(stages: Any) -> None:
    difftalk = stages.add_parser("difftalk", help="the small DiffTalk that paints mouths")
    difftalk.add_argument(
        "--frames", type=user_path, required=True, help="folder of shards (shard_*.npz)"
    )
    difftalk.add_argument(
        "--speech", type=user_path, help="folder of recordings, to learn to listen too"
    )
    difftalk.add_argument("--config", type=user_path, help="a recipe (toml); ours by default")
    difftalk.add_argument("--steps", type=int, help="instead of the recipe's")
    difftalk.add_argument("--work", type=user_path, required=True, help="checkpoints and curves")
    difftalk.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    difftalk.add_argument(
        "--devices", type=int, default=1,
        help="of that kind, which share every batch; needs lightning-fabric",
    )  # fmt: skip
    difftalk.add_argument(
        "--precision", help="32, bf16 (mixed), or auto: what is quick; instead of the recipe's"
    )
    difftalk.add_argument(
        "--export", action="store_true", help="write the weights that WORK holds, train no further"
    )
    difftalk.set_defaults(run=_command(_difftalk))


def _add_coverage(stages: Any) -> None:
    coverage = stages.add_parser("coverage", help="phones and diphones of a corpus")
    coverage.add_argument("--split", choices=("train", "test"), default="train")
    _add_corpus_folder(coverage)
    coverage.set_defaults(run=_command(_coverage))


def _add_evaluate(stages: Any) -> None:
    evaluate = stages.add_parser("evaluate", help="figures on held-out voices and texts")
    evaluate.add_argument("--checkpoint", type=os.path.expanduser, default="starter")
    evaluate.add_argument("--recordings", type=int, default=16, help="for each line")
    evaluate.add_argument("--steps", type=int, default=10, help="sampler steps")
    evaluate.add_argument(
        "--conditions", action="store_true", help="also noise, a child's voice, whispering, ..."
    )
    evaluate.add_argument("--sync", type=float, default=0.0, help="lip-sync guidance")
    evaluate.add_argument(
        "--clips",
        type=user_path,
        help="folder of tracked clips, PERSON_EMOTION.npz: styles from them",
    )
    evaluate.add_argument("--out", type=user_path, help="also as tables (.md) or as JSON")
    _add_corpus_folder(evaluate)
    evaluate.set_defaults(run=_command(_evaluate))


def _add_pictures(stages: Any) -> None:
    pictures = stages.add_parser(
        "pictures", help="speaking frames of many people, each drawn from one portrait"
    )
    pictures.add_argument("--portraits", type=user_path, required=True, help="folder of pictures")
    pictures.add_argument("--head", type=user_path, required=True, help="ICT-FaceKit, as .npz")
    pictures.add_argument("--out", type=user_path, required=True, help="folder of the frames")
    pictures.add_argument("--frames", type=int, default=25000)
    pictures.add_argument("--seed", type=int, default=0)
    pictures.add_argument(
        "--check", type=int, default=0, help="look at that many frames with the landmarker"
    )
    pictures.add_argument(
        "--motions", type=user_path, nargs="+", default=(), metavar="FILE",
        help="motions that drive the lips; visemes by chance otherwise",
    )  # fmt: skip
    pictures.set_defaults(run=_command(_pictures))


def _add_recipe(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("--config", type=user_path, help="a recipe (toml); the starter's by default")
    stage.add_argument("--steps", type=int, help="instead of the recipe's")
    stage.add_argument("--work", type=user_path, required=True, help="checkpoints and curves")


def _add_init(stage: argparse.ArgumentParser) -> None:
    stage.add_argument(
        "--init",
        type=os.path.expanduser,
        help="begin with the weights of this file ('starter': the built-in)",
    )


def _add_corpus_folder(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("--corpus", type=user_path, required=True, help="folder of the corpus")


def _command(stage: Stage) -> Callable[[argparse.Namespace], None]:
    def run(args: argparse.Namespace) -> None:
        with terminal_bar(args.stage) as progress:
            report = stage(args, progress)
        if report:
            say(report)

    return run


def _corpus(args: argparse.Namespace, progress: Progress) -> str:
    from .corpus.recordings import build_corpus, save_recordings

    if args.part == "prompts":
        from .corpus.prompts import prompt_recordings

        count = 0
        for language in ("en",) if args.split == "test" else ("fr", "it", "ru"):
            found = prompt_recordings(language, progress=progress)
            count += save_recordings(args.corpus, f"prompts-{language}", found, args.split)
    elif args.part == "sung":
        from .corpus.singing import add_songs

        count = add_songs(args.corpus, args.hours, args.seed, progress)
    else:
        count = build_corpus(
            args.corpus, args.hours, args.seed, args.split, corpus_engines(args.part), args.part,
            acted=args.part == "acted", progress=progress,
        )  # fmt: skip
    return f"{count} recordings in {args.corpus / args.split}"


def corpus_engines(part: str) -> tuple[str, ...] | None:
    """The engines that a part of the corpus is spoken by; None for the usual ones."""
    from .corpus.voices import hibari, world
    from .corpus.voices.engines import available

    if part == "base":
        return None
    if part == "acted":
        # its one voice acts by WORLD
        acts = hibari.installed() and world.installed()
        return (*available(), "hibari") if acts else available()
    return (part,)


def _coverage(args: argparse.Namespace, progress: Progress) -> str:
    from .corpus.recordings import read_corpus
    from .measure.coverage import measure_coverage

    return measure_coverage(read_corpus(args.corpus, args.split)).table()


def _speech(args: argparse.Namespace, progress: Progress) -> str:
    from .recipe import load_recipe
    from .stages.run import train_speech

    recipe = load_recipe(args.config)
    made = train_speech(recipe, args.corpus, args.work, args.steps, args.init, progress)
    return f"{made}\ncurves in {made.parent}"


def _teacher(args: argparse.Namespace, progress: Progress) -> str:
    from ..speech.loading import load_speech
    from .corpus.recognizer import load_recognizer
    from .stages.teacher import train_teacher

    listen = load_recognizer(args.recognizer)
    files = [] if args.sounds is None else sorted(f for f in args.sounds.iterdir() if f.is_file())
    sounds = (load_speech(file).waveform.numpy() for file in files)
    return train_teacher(
        args.corpus, args.work, listen, sounds, steps=args.steps, progress=progress
    )


def _denoiser(args: argparse.Namespace, progress: Progress) -> str:
    from .recipe import load_recipe
    from .stages.run import train_denoiser

    recipe = load_recipe(args.config)
    made = train_denoiser(recipe, args.corpus, args.work, args.steps, args.init, progress)
    return f"{made}\ncurves in {made.parent}"


def _lip_expert(args: argparse.Namespace, progress: Progress) -> str:
    from .recipe import load_recipe
    from .stages.run import train_lip_expert

    recipe = load_recipe(args.config)
    report = train_lip_expert(recipe, args.corpus, args.work, args.steps, progress)
    return f"{report}\n{args.work / 'lip-expert' / 'starter.safetensors'}"


def _sync(args: argparse.Namespace, progress: Progress) -> str:
    from .recipe import load_recipe
    from .stages.run import train_sync

    made = train_sync(
        load_recipe(args.config), args.corpus, args.work, args.steps, progress, args.expert,
        args.weight,
    )  # fmt: skip
    return f"{made}\ncurves in {made.parent}"


def _pictures(args: argparse.Namespace, progress: Progress) -> str:
    from .pictures.frames import make_frames
    from .pictures.measure import measure_frames

    made = make_frames(
        args.portraits, args.head, args.out, args.frames, args.seed, progress, args.motions
    )
    report = f"{made}: {args.out}"
    if args.check:
        report += "\n\n" + measure_frames(args.out, args.check, args.seed, progress)
    return report


def _style_predictor(args: argparse.Namespace, progress: Progress) -> str:
    from .stages.style_predictor import load_predictor_recipe, train_style_predictor

    made = train_style_predictor(
        load_predictor_recipe(args.config), args.corpus, args.emodb, args.work, args.checkpoint,
        args.variant, args.steps, progress=progress,
    )  # fmt: skip
    return f"{made}\ncurves in {made.parent}"


def _difftalk(args: argparse.Namespace, progress: Progress) -> str:
    from .stages.devices import first_process
    from .stages.difftalk import export_checkpoint, train_difftalk
    from .stages.mouth_loss import load_difftalk_recipe

    recipe = load_difftalk_recipe(args.config)
    if args.export:
        export_checkpoint(recipe, args.work, args.work / "difftalk.safetensors")
        return str(args.work / "difftalk.safetensors")
    if args.precision is not None:
        recipe = replace(recipe, precision=args.precision)
    made = train_difftalk(
        recipe, args.frames, args.work, args.steps, args.speech, args.device, progress,
        devices=args.devices,
    )  # fmt: skip
    return f"{made}\ncurves in {made.parent}" if first_process() else ""


def _evaluate(args: argparse.Namespace, progress: Progress) -> str:
    from ..model import load_model
    from .measure import tables
    from .measure.evaluate import evaluate

    if args.out is not None:
        tables.check_report_name(args.out)
        check_outputs(
            {"the report": args.out},
            {"the checkpoint": args.checkpoint, "the corpus": args.corpus, "the clips": args.clips},
        )
    found = evaluate(
        load_model(args.checkpoint), args.corpus, args.recordings, args.steps, args.conditions,
        args.sync, args.clips, progress,
    )  # fmt: skip
    if args.out is not None:
        tables.save(found, args.out, _evaluate_command(args))
    return tables.text(found)


def _evaluate_command(args: argparse.Namespace) -> str:
    """What was asked for, without the folders of this machine."""
    options = [
        f"--checkpoint {Path(args.checkpoint).name}" if args.checkpoint != "starter" else "",
        f"--recordings {args.recordings} --steps {args.steps}",
        "--conditions" if args.conditions else "",
        f"--sync {args.sync:g}" if args.sync else "",
        "--clips CLIPS" if args.clips else "",
    ]
    given = " ".join(option for option in options if option)
    out = args.out.name if args.out.is_absolute() else args.out.as_posix()
    return f"dreamtalk train evaluate --corpus C {given} --out {out}"

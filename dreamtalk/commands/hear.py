"""What is heard in a recording: ``dreamtalk hear`` and ``dreamtalk visemes``."""

from __future__ import annotations

import argparse
from typing import Any

from ..arguments import add_option
from ..files.names import user_path
from ..terminal.console import say


def add_hear_parser(commands: Any) -> None:
    """Add ``hear``."""
    hear = commands.add_parser("hear", help="recording -> which emotions are heard in it")
    hear.add_argument(
        "--audio", required=True, type=user_path, help="the recording (audio or video)"
    )
    for name in ("start", "duration", "checkpoint", "device"):
        add_option(hear, name)
    hear.add_argument(
        "--out", type=user_path, metavar="PNG", help="also draw the probabilities over time"
    )
    hear.set_defaults(run=run_hear)


def run_hear(args: argparse.Namespace) -> None:
    """recording -> which emotions are heard in it"""
    from ..face.image import check_picture_name, save_image
    from ..files.clashes import check_outputs
    from ..model import load_model, speech_features
    from ..model.heard_plot import plot_heard
    from ..pipeline import Voice, heard_style
    from ..speech.loading import load_speech

    if args.out is not None:
        check_picture_name(args.out)
        check_outputs({"the plot": args.out}, {"the recording": args.audio})
    speech = load_speech(args.audio, args.start, args.duration or None)
    model = load_model(args.checkpoint, args.device)
    voice = Voice(speech, speech_features(speech, model))
    style, heard = heard_style(model, voice, over_time=True)
    if args.out is not None:
        save_image(plot_heard(heard, speech), args.out)
    say(f"{heard.words()}\n{style.name}")


def add_visemes_parser(commands: Any) -> None:
    """Add ``visemes``."""
    visemes = commands.add_parser("visemes", help="recording -> 15 mouth shapes over time, as JSON")
    visemes.add_argument(
        "--audio", required=True, type=user_path, help="the recording (audio or video)"
    )
    visemes.add_argument("--out", required=True, type=user_path, help="the .json to write")
    for name in ("start", "duration", "visemes.fps", "checkpoint", "device"):
        add_option(visemes, name)
    visemes.set_defaults(run=run_visemes)


def run_visemes(args: argparse.Namespace) -> None:
    """recording -> 15 mouth shapes over time, as JSON"""
    from ..files.clashes import check_outputs
    from ..model import load_model, speech_features
    from ..speech.loading import load_speech
    from ..speech.visemes import check_viseme_name, viseme_track

    check_viseme_name(args.out)
    check_outputs({"the visemes": args.out}, {"the recording": args.audio})
    speech = load_speech(args.audio, args.start, args.duration or None)
    features = speech_features(speech, load_model(args.checkpoint, args.device))
    viseme_track(features, args.fps, speech.num_frames(args.fps)).save(args.out)
    say(f"{args.out}")

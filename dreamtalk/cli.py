"""The ``dreamtalk`` command: a parser, and jobs for the pipeline."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from . import __version__
from .arguments import (
    add_dialogue,
    add_option,
    add_output,
    add_performance,
    add_settings,
    add_shot,
    add_style,
    settings_of,
)
from .batch.cli import add_batch_parser
from .bench.cli import add_bench_parser
from .errors import DreamTalkError
from .files.names import user_path
from .options import OPTIONS, default
from .progress import terminal_stages
from .streaming.cli import add_stream_parsers
from .terminal.console import flush_streams, open_streams, say, tell
from .terminal.signals import Ended, ended_by_signals
from .training.cli import add_train_parser

# Only what the parser needs is imported here: torch takes seconds, and --help should not.
if TYPE_CHECKING:
    from .motion.motion import Motion
    from .pipeline import Performance, Shot

_FILES = ".npz, .mat (Deep3DFaceRecon), .csv (Live Link Face), .npy, .jsonl, .glb (a moving head)"
_LONGEST = 500  # characters of an error of the parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status.

    0 done, 1 error, 130 interrupted, 143 and 129 ended by SIGTERM and SIGHUP.
    """
    open_streams()
    try:
        return _run(argv)
    finally:
        flush_streams()


def _run(argv: Sequence[str] | None) -> int:
    # Threads of torch's pool that wait for each other at full speed make small operations twenty
    # times slower as soon as something else runs on the machine. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The same for numpy's: here its products are small, and two threads take twice the time of one.
    # On other processors torch computes with OpenBLAS too, and may want its threads.
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = build_parser()
    args = parser.parse_args(argv)
    if [] in vars(args).values():  # a second "--" in place of a file, before Python 3.13
        parser.error("a file's name is missing: '--' stands once, before the names")
    _set_up_logging(args.verbose)
    try:
        with ended_by_signals():
            args.run(args)
    except DreamTalkError as error:
        if args.verbose:
            logging.getLogger("dreamtalk").exception("where it happened")
        tell(f"dreamtalk: error: {error}")
        return 1
    except KeyboardInterrupt:
        tell("dreamtalk: interrupted")
        return 130
    except Ended as end:
        tell(f"dreamtalk: {end}")
        return end.status
    return 0


class _Stderr(logging.Handler):
    """Writes to whatever ``sys.stderr`` is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(self.format(record))


def _set_up_logging(verbose: bool) -> None:
    """Log warnings, or everything of ours, to stderr; other packages' details help nobody."""
    handler = _Stderr()
    handler.setFormatter(logging.Formatter("dreamtalk: %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("dreamtalk").setLevel(logging.DEBUG if verbose else logging.NOTSET)


# ----------------------------------------------------------------------------------------- parser


class _Parser(argparse.ArgumentParser):
    """Tells the mistakes without repeating words of any length."""

    def error(self, message: str) -> NoReturn:
        super().error(message if len(message) < _LONGEST else f"{message[:_LONGEST]} ...")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all sub-commands."""
    parser = _Parser(
        prog="dreamtalk", description="A portrait and a recording become a talking video."
    )
    parser.add_argument("--version", action="version", version=f"dreamtalk {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more, with tracebacks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    talk = commands.add_parser("talk", help="portrait + recording -> video")
    talk.add_argument("--portrait", required=True, type=user_path, help="a picture of a person")
    add_option(talk, "face")
    add_performance(talk)
    add_dialogue(talk)
    add_shot(talk)
    talk.add_argument(
        "--save-motion", type=user_path, metavar="FILE", help=f"keep the motion: {_FILES}"
    )
    talk.set_defaults(run=run_talk)

    animate = commands.add_parser("animate", help="recording -> motion file")
    add_performance(animate)
    animate.add_argument("--out", required=True, type=user_path, help=f"the motion file: {_FILES}")
    animate.set_defaults(run=run_animate)

    render = commands.add_parser("render", help="portrait + motion file -> video")
    render.add_argument("--portrait", required=True, type=user_path, help="a picture of a person")
    render.add_argument(
        "--face", action="append",
        help=f"{OPTIONS['face'].help}; with several motions, once for each (from the left by "
        "default)",
    )  # fmt: skip
    render.add_argument(
        "--motion", required=True, type=user_path, action="append",
        help="a motion file; give it again for every further --face",
    )  # fmt: skip
    render.add_argument(
        "--neutral", type=user_path, action="append",
        help="a motion file of the same person who acts nothing: their resting face is taken off "
        "(for .mat, .npy and .csv); with several motions, once for each",
    )  # fmt: skip
    render.add_argument("--audio", type=user_path, help="the sound of the video")
    add_shot(render)
    render.set_defaults(run=run_render)

    track = commands.add_parser("track", help="video -> motion file")
    track.add_argument("--video", required=True, type=user_path, help="a video of a face")
    track.add_argument("--out", required=True, type=user_path, help=f"the motion file: {_FILES}")
    add_option(track, "neutral")
    track.set_defaults(run=run_track)

    dub = commands.add_parser(
        "dub", help="video + recording -> video in which only the mouth changes"
    )
    dub.add_argument("--video", required=True, type=user_path, help="a video of a person")
    dub.add_argument(
        "--audio", required=True, type=user_path, help="what the person is to say (audio or video)"
    )
    for name in ("start", "duration", "face", "fit"):
        add_option(dub, name)
    style = dub.add_mutually_exclusive_group()
    add_style(style, "the way the person speaks in the video")
    for name in (
        "intensity", "checkpoint", "steps", "sampler", "guidance", "sync", "seed", "painter",
    ):  # fmt: skip
        add_option(dub, name)
    add_settings(dub, "painter", "lips=0.5")
    add_output(dub)
    dub.add_argument(
        "--save-motion", type=user_path, metavar="FILE", help=f"keep what the face does: {_FILES}"
    )
    dub.set_defaults(run=run_dub)

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

    visemes = commands.add_parser("visemes", help="recording -> 15 mouth shapes over time, as JSON")
    visemes.add_argument(
        "--audio", required=True, type=user_path, help="the recording (audio or video)"
    )
    visemes.add_argument("--out", required=True, type=user_path, help="the .json to write")
    for name in ("start", "duration", "visemes.fps", "checkpoint", "device"):
        add_option(visemes, name)
    visemes.set_defaults(run=run_visemes)

    plot = commands.add_parser("plot", help="motion file -> picture of its curves")
    plot.add_argument("--motion", required=True, type=user_path, help="a motion file")
    plot.add_argument("--audio", type=user_path, help="its sound, drawn on top")
    plot.add_argument(
        "--out", required=True, type=user_path, help="the .png, .svg or .pdf to write"
    )
    plot.set_defaults(run=run_plot)

    convert = commands.add_parser("convert", help="official checkpoint -> safetensors")
    convert.add_argument("source", type=user_path, help="a .pth, .pt or .safetensors checkpoint")
    convert.add_argument("out", type=user_path, help="the .safetensors to write")
    add_option(convert, "dtype")
    convert.set_defaults(run=run_convert)

    add_bench_parser(commands)
    add_batch_parser(commands)
    add_stream_parsers(commands)
    add_train_parser(commands)
    return parser


# ------------------------------------------------------------------------------------------- jobs


def run_talk(args: argparse.Namespace) -> None:
    """portrait + recording -> video"""
    from .dialogue.job import Dialogue, talk_together
    from .pipeline import Talk, talk

    if args.speakers is not None or args.other_audio:
        if args.face != default("face"):
            raise DreamTalkError(
                "--face names one who talks alone: with several give --faces, as '1 3'"
            )
        faces = tuple(args.faces.replace(",", " ").split())
        dialogue = Dialogue(
            _performance(args), _shot(args, faces, args.start), args.speakers,
            tuple(args.other_audio or ()), tuple(args.other_at or ()), args.styles,
            args.save_motion,
        )  # fmt: skip
        talk_together(dialogue, terminal_stages)
    elif args.faces or args.styles or args.other_at:
        raise DreamTalkError(
            "several faces can't talk before it is said who speaks when: give --speakers "
            "'0:left 4.2:right', or --other-audio for everybody's own recording"
        )
    else:
        job = Talk(_performance(args), _shot(args, (args.face,), args.start), args.save_motion)
        talk(job, terminal_stages)
    say(f"{args.out}")


def run_animate(args: argparse.Namespace) -> None:
    """recording -> motion file"""
    from .motion.files import save_motion
    from .pipeline import check_performance, perform

    job = _performance(args)
    check_performance(job, args.out)
    motion = perform(job, terminal_stages)
    save_motion(motion, args.out)
    say(f"{args.out}")


def run_render(args: argparse.Namespace) -> None:
    """portrait + motion file -> video"""
    from .pipeline import check_shot, shoot

    job = _shot(args, _faces(args.face, len(args.motion)), 0.0)
    check_shot(job, {"a motion": args.motion, "a resting face": args.neutral})
    motions = _load_motions(args.motion, args.neutral or [])
    shoot(job, motions, terminal_stages)
    say(f"{args.out}")


def run_track(args: argparse.Namespace) -> None:
    """video -> motion file"""
    from .files.clashes import check_outputs
    from .motion.files import check_motion_name, save_motion
    from .tracking.track import track_video

    check_motion_name(args.out)
    check_outputs({"the motion": args.out}, {"the video": args.video})
    with terminal_stages("tracking") as stage:
        tracked = track_video(args.video, neutral=args.neutral, progress=stage.progress)
        stage.note(f"{tracked.frames} frames, face found in {tracked.found:.0%} of the time")
    save_motion(tracked.motion, args.out)
    say(f"{args.out}")


def run_dub(args: argparse.Namespace) -> None:
    """video + recording -> video in which only the mouth changes"""
    from .pipeline import Dub, Sampling, SpeechSource, StyleChoice, dub

    style = None
    if args.emotion or args.style or args.style_track:
        emotion = args.emotion or default("emotion")
        style = StyleChoice(emotion, args.style, args.style_track, args.intensity)
    job = Dub(
        args.video, SpeechSource(args.audio, args.start, args.duration), args.out, style,
        args.intensity, Sampling(args.steps, args.sampler, args.guidance, args.sync, args.seed),
        args.face, args.painter, settings_of(args.painter_option, "painter"), args.fit,
        args.checkpoint, args.quality, not args.no_label, args.mark, args.save_motion, args.device,
    )  # fmt: skip
    dub(job, terminal_stages)
    say(f"{args.out}")


def run_hear(args: argparse.Namespace) -> None:
    """recording -> which emotions are heard in it"""
    from .face.image import check_picture_name, save_image
    from .files.clashes import check_outputs
    from .model import load_model, speech_features
    from .model.heard_plot import plot_heard
    from .pipeline import Voice, heard_style
    from .speech.loading import load_speech

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


def run_visemes(args: argparse.Namespace) -> None:
    """recording -> 15 mouth shapes over time, as JSON"""
    from .files.clashes import check_outputs
    from .model import load_model, speech_features
    from .speech.loading import load_speech
    from .speech.visemes import check_viseme_name, viseme_track

    check_viseme_name(args.out)
    check_outputs({"the visemes": args.out}, {"the recording": args.audio})
    speech = load_speech(args.audio, args.start, args.duration or None)
    features = speech_features(speech, load_model(args.checkpoint, args.device))
    viseme_track(features, args.fps, speech.num_frames(args.fps)).save(args.out)
    say(f"{args.out}")


def run_plot(args: argparse.Namespace) -> None:
    """motion file -> picture of its curves"""
    from .files.clashes import check_outputs
    from .motion.files import load_motion
    from .motion.plot import check_plot_name, save_plot
    from .speech.loading import load_speech

    check_plot_name(args.out)
    check_outputs({"the plot": args.out}, {"the motion": args.motion, "the sound": args.audio})
    motion = load_motion(args.motion)
    save_plot(args.out, motion, load_speech(args.audio) if args.audio else None)
    say(f"{args.out}")


def run_convert(args: argparse.Namespace) -> None:
    """official checkpoint -> safetensors"""
    from .checkpoints import convert

    with terminal_stages("convert") as stage:
        stage.note(convert(args.source, args.out, args.dtype))
    say(f"{args.out}")


def _performance(args: argparse.Namespace) -> Performance:
    from .pipeline import Performance, Sampling, SpeechSource, StyleChoice

    return Performance(
        SpeechSource(args.audio, args.start, args.duration),
        StyleChoice(args.emotion, args.style, args.style_track, args.intensity),
        Sampling(args.steps, args.sampler, args.guidance, args.sync, args.seed),
        args.liveliness,
        args.checkpoint,
        args.device,
    )


def _shot(args: argparse.Namespace, faces: tuple[str, ...], start: float) -> Shot:
    from .pipeline import Shot

    return Shot(
        args.portrait, args.out, faces, args.points, args.renderer,
        settings_of(args.renderer_option, "renderer"), args.audio, start, args.quality,
        not args.no_label, args.debug, args.device, args.mark, args.fps, args.background,
        args.open_mouth,
    )  # fmt: skip


def _load_motions(paths: list[Path], neutrals: list[Path]) -> list[Motion]:
    """The motions, without the resting faces of their persons if those are given."""
    from .motion.files import load_motion

    if not neutrals:
        return [load_motion(path) for path in paths]
    if len(neutrals) != len(paths):
        raise DreamTalkError(
            f"--motion is given {len(paths)} times and --neutral {len(neutrals)} times: give each "
            "motion the resting face of its person"
        )
    return [
        load_motion(path, neutral=load_motion(rest))
        for path, rest in zip(paths, neutrals, strict=True)
    ]


def _faces(chosen: list[str] | None, motions: int) -> tuple[str, ...]:
    """Which face each motion is for."""
    if not chosen:
        return (default("face"),) if motions == 1 else tuple(str(i + 1) for i in range(motions))
    if len(chosen) != motions:
        raise DreamTalkError(
            f"--motion is given {motions} times and --face {len(chosen)} times: give each face "
            "its motion"
        )
    return tuple(chosen)


if __name__ == "__main__":
    sys.exit(main())

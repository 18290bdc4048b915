"""The ``dreamtalk`` command."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__
from .console import bar, native_logs_hidden, set_up_logging, stage
from .errors import DreamTalkError
from .style import EMOTIONS
from .training.cli import add_train_parser

# Only what the parser needs is imported here: torch takes seconds, and --help should not.
if TYPE_CHECKING:
    from .model import DreamTalkModel
    from .motion.motion import Motion
    from .pipeline import Renderer
    from .speech.speech import Speech
    from .style import Style

DTYPES: tuple[str, ...] = ("fp32", "fp16", "bf16")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 1 error, 130 interrupted."""
    # Threads of torch's pool that wait for each other at full speed make small operations twenty
    # times slower as soon as something else runs on the machine. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    args = build_parser().parse_args(argv)
    set_up_logging(args.verbose)
    try:
        args.run(args)
    except DreamTalkError as error:
        if args.verbose:
            logging.getLogger("dreamtalk").exception("where it happened")
        print(f"dreamtalk: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("dreamtalk: interrupted", file=sys.stderr)
        return 130
    return 0


_FILES = ".npz, .mat (Deep3DFaceRecon), .csv (Live Link Face), .npy, .jsonl"


def build_parser() -> argparse.ArgumentParser:
    """The parser of all sub-commands."""
    parser = argparse.ArgumentParser(
        prog="dreamtalk", description="A portrait and a recording become a talking video."
    )
    parser.add_argument("--version", action="version", version=f"dreamtalk {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more, with tracebacks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    talk = commands.add_parser("talk", help="portrait + recording -> video")
    _add_portrait(talk)
    _add_speech(talk)
    _add_motion(talk)
    _add_render(talk)
    talk.add_argument("--out", required=True, type=Path, help="the mp4 to write")
    talk.add_argument("--save-motion", type=Path, metavar="FILE", help="keep the motion (.npz)")
    talk.set_defaults(run=run_talk)

    animate = commands.add_parser("animate", help="recording -> motion file")
    _add_speech(animate)
    _add_motion(animate)
    animate.add_argument("--out", required=True, type=Path, help="the .npz to write")
    animate.set_defaults(run=run_animate)

    render = commands.add_parser("render", help="portrait + motion file -> video")
    _add_portrait(render, several=True)
    render.add_argument(
        "--motion", required=True, type=Path, action="append",
        help="a motion file; give it again for every further --face",
    )  # fmt: skip
    render.add_argument(
        "--neutral", type=Path, action="append",
        help="a motion file of the same person who acts nothing: their resting face is taken off "
        "(for .mat, .npy and .csv); with several motions, once for each",
    )  # fmt: skip
    render.add_argument("--audio", type=Path, help="the sound of the video")
    _add_render(render)
    render.add_argument("--out", required=True, type=Path, help="the mp4 to write")
    render.set_defaults(run=run_render)

    track = commands.add_parser("track", help="video -> motion file")
    track.add_argument("--video", required=True, type=Path, help="a video of a face")
    track.add_argument("--out", required=True, type=Path, help=f"the motion file: {_FILES}")
    track.add_argument(
        "--neutral", choices=("mean", "clip", "none"), default="mean",
        help="what counts as the neutral face: the average person's, the clip's own resting face, "
        "or none (absolute values)",
    )  # fmt: skip
    track.set_defaults(run=run_track)

    plot = commands.add_parser("plot", help="motion file -> picture of its curves")
    plot.add_argument("--motion", required=True, type=Path, help="a motion file")
    plot.add_argument("--audio", type=Path, help="its sound, drawn on top")
    plot.add_argument("--out", required=True, type=Path, help="the .png, .svg or .pdf to write")
    plot.set_defaults(run=run_plot)

    convert = commands.add_parser("convert", help="official checkpoint -> safetensors")
    convert.add_argument("source", type=Path, help="a .pth, .pt or .safetensors checkpoint")
    convert.add_argument("out", type=Path, help="the .safetensors to write")
    convert.add_argument("--dtype", choices=DTYPES, default="fp32")
    convert.set_defaults(run=run_convert)

    bench = commands.add_parser("bench", help="how long each stage takes on this machine")
    bench.add_argument("--portrait", required=True, type=Path, help="a picture of a person")
    bench.add_argument("--audio", required=True, type=Path, help="a recording")
    bench.add_argument("--duration", type=float, default=10.0, help="seconds of it to use")
    _add_device(bench)
    bench.set_defaults(run=run_bench)

    add_train_parser(commands)
    return parser


def _add_portrait(parser: argparse.ArgumentParser, several: bool = False) -> None:
    parser.add_argument("--portrait", required=True, type=Path, help="a picture of a person")
    text = "of several faces: largest, leftmost, rightmost or a number from the left"
    if several:
        parser.add_argument(
            "--face", action="append",
            help=f"{text}; with several motions, once for each (from the left by default)",
        )  # fmt: skip
    else:
        parser.add_argument("--face", default="largest", help=text)


def _add_speech(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--audio", required=True, type=Path, help="the recording (audio or video)")
    parser.add_argument("--start", type=float, default=0.0, help="seconds to leave out at first")
    parser.add_argument("--duration", type=float, help="seconds to use at most")


def _add_motion(parser: argparse.ArgumentParser) -> None:
    style = parser.add_mutually_exclusive_group()
    style.add_argument("--emotion", choices=EMOTIONS, default="neutral")
    style.add_argument(
        "--style-track", metavar="TEXT",
        help="emotions over time: '0:neutral 2.5:happy@1.2 6:sad'",
    )  # fmt: skip
    style.add_argument(
        "--style", type=Path, metavar="CLIP",
        help="speak like this clip: a video or a motion file (.npz, .mat, ...)",
    )  # fmt: skip
    parser.add_argument(
        "--intensity", type=float, default=1.0, help="of the emotion or style: 0 none, 2 strong"
    )
    parser.add_argument("--checkpoint", default="starter", help="'starter' or a file")
    parser.add_argument("--steps", type=int, default=10, help="DDIM steps")
    parser.add_argument("--guidance", type=float, help="guidance scale, in place of the intensity")
    parser.add_argument(
        "--sync",
        type=float,
        default=0.0,
        help="lip-sync guidance by the lip expert: 0 none, 2 strong",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--liveliness", type=float, default=1.0,
        help="blinks, gaze, head motion and breathing: 0 none, 1 natural, 2 lively",
    )  # fmt: skip
    _add_device(parser)


def _add_render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--renderer", default="mesh", help="'mesh', or the file of a PIRenderer checkpoint"
    )
    parser.add_argument(
        "--no-label", action="store_true", help="don't note in the file that it is AI-generated"
    )
    parser.add_argument(
        "--debug", type=Path, metavar="PNG",
        help="also draw the mesh renderer's layers and masks: why a portrait looks wrong",
    )  # fmt: skip
    _add_device(parser)


def _add_device(parser: argparse.ArgumentParser) -> None:
    if "--device" not in parser._option_string_actions:
        parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps ...")


def run_talk(args: argparse.Namespace) -> None:
    """portrait + recording -> video"""
    from .render.video import check_writable

    for path in filter(None, (args.out, args.save_motion)):
        check_writable(path)
    speech = _load_speech(args)
    renderer = _load_renderer(args)
    motion = _animate(args, speech)
    if args.save_motion:
        motion.save(args.save_motion)
    _render(args, renderer, motion, args.start)


def run_animate(args: argparse.Namespace) -> None:
    """recording -> motion file"""
    from .render.video import check_writable

    check_writable(args.out)
    _animate(args, _load_speech(args)).save(args.out)
    print(f"{args.out}")


def run_render(args: argparse.Namespace) -> None:
    """portrait + motion file -> video"""
    from .render.video import check_writable

    check_writable(args.out)
    faces = _faces(args.face, len(args.motion))
    motions = _load_motions(args.motion, args.neutral or [])
    if args.audio is not None:
        from .speech.loading import load_speech

        load_speech(args.audio, duration=1.0)  # a bad file is an error now, not after the work
    if len(motions) > 1:
        _render_group(args, faces, motions)
    else:
        args.face = faces[0]
        _render(args, _load_renderer(args), motions[0], 0.0)


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


def _faces(chosen: list[str] | None, motions: int) -> list[str]:
    """Which face each motion is for."""
    if not chosen:
        return ["largest"] if motions == 1 else [str(i + 1) for i in range(motions)]
    if len(chosen) != motions:
        raise DreamTalkError(
            f"--motion is given {motions} times and --face {len(chosen)} times: give each face "
            "its motion"
        )
    return chosen


def run_track(args: argparse.Namespace) -> None:
    """video -> motion file"""
    from .motion.files import save_motion
    from .render.video import check_writable
    from .tracking.track import track_video

    check_writable(args.out)
    with (
        stage("tracking") as note,
        native_logs_hidden(args.verbose),
        bar("tracking") as progress,
    ):
        tracked = track_video(args.video, neutral=args.neutral, progress=progress)
        note(f"{tracked.frames} frames, face found in {tracked.found:.0%} of the time")
    save_motion(tracked.motion, args.out)
    print(f"{args.out}")


def run_plot(args: argparse.Namespace) -> None:
    """motion file -> picture of its curves"""
    from .motion.files import load_motion
    from .motion.plot import save_plot
    from .speech.loading import load_speech

    motion = load_motion(args.motion)
    save_plot(args.out, motion, load_speech(args.audio) if args.audio else None)
    print(f"{args.out}")


def run_bench(args: argparse.Namespace) -> None:
    """how long each stage takes on this machine"""
    from .bench import bench

    _check_device(args.device)
    with native_logs_hidden(args.verbose):
        report = bench(args.portrait, args.audio, args.duration, args.device)
    print(report)


def run_convert(args: argparse.Namespace) -> None:
    """official checkpoint -> safetensors"""
    from .convert import convert
    from .render.video import check_writable

    check_writable(args.out)
    with stage("convert"):
        convert(args.source, args.out, args.dtype)
    print(f"{args.out}")


def _load_speech(args: argparse.Namespace) -> Speech:
    from .speech.loading import load_speech

    with stage("speech") as note:
        speech = load_speech(args.audio, args.start, args.duration)
        note(f"{speech.duration:.1f} s")
    return speech


def _animate(args: argparse.Namespace, speech: Speech) -> Motion:
    from .model import load_model
    from .pipeline import animate

    _check_device(args.device)
    with stage("model"):
        model = load_model(args.checkpoint, args.device)
    style = _style(args, model)
    with stage("motion") as note, bar("motion") as progress:
        motion = animate(
            speech, model, style, steps=args.steps, guidance=args.guidance, seed=args.seed,
            sync=args.sync,
            liveliness=args.liveliness, progress=progress,
        )  # fmt: skip
        note(f"{len(motion)} frames")
    return motion


def _style(args: argparse.Namespace, model: DreamTalkModel) -> Style:
    from .pipeline import choose_style
    from .style.track import style_track

    if args.style_track is not None:
        return style_track(args.style_track, model.preset)
    if args.style is None:
        return choose_style(model, args.emotion, intensity=args.intensity)
    with stage("style") as note, native_logs_hidden(args.verbose), bar("style") as progress:
        style = choose_style(model, clip=args.style, intensity=args.intensity, progress=progress)
        note(str(args.style))
    return style


def _load_renderer(args: argparse.Namespace) -> Renderer:
    from .face import analyze_portrait, load_image, save_image

    _check_device(args.device)
    with stage("portrait") as note, native_logs_hidden(args.verbose):
        portrait = analyze_portrait(load_image(args.portrait), args.face)
        height, width = portrait.size
        note(f"{width}x{height} px")
    with stage("renderer") as note:
        note(str(args.renderer))
        if args.renderer == "mesh":
            from .render.mesh import MeshRenderer, debug_sheet

            renderer = MeshRenderer(portrait, device=args.device)
            if args.debug is not None:
                save_image(debug_sheet(renderer), args.debug)
            return renderer
        from .render.pirenderer import load_pirenderer

        return load_pirenderer(args.renderer, device=args.device).for_portrait(portrait)


def _render(args: argparse.Namespace, renderer: Renderer, motion: Motion, start: float) -> None:
    from .pipeline import render_video
    from .render.video import AI_COMMENT, Sound

    sound = Sound(args.audio, start=start) if args.audio is not None else None
    comment = None if args.no_label else AI_COMMENT
    with stage("video") as note, bar("frames") as progress:
        frames = render_video(renderer, motion, args.out, sound, comment, progress)
        note(f"{frames} frames, {frames / motion.fps:.1f} s")
    print(f"{args.out}")


def _render_group(args: argparse.Namespace, faces: list[str], motions: list[Motion]) -> None:
    """Several faces of one picture, each with its own motion."""
    from contextlib import closing

    from .face import analyze_portrait, load_image, save_image
    from .motion.bridges import to_face
    from .render.group import render_several
    from .render.mesh import MeshRenderer, debug_sheet
    from .render.video import AI_COMMENT, Sound, write_video

    if args.renderer != "mesh":
        raise DreamTalkError("only the mesh renderer animates several faces at once")
    _check_device(args.device)
    with stage("portrait") as note, native_logs_hidden(args.verbose):
        picture = load_image(args.portrait)
        portraits = [analyze_portrait(picture, face) for face in faces]
        note(f"{len(faces)} faces")
    with stage("renderer"):
        renderers = [MeshRenderer(portrait, device=args.device) for portrait in portraits]
        if args.debug is not None:
            save_image(debug_sheet(*renderers), args.debug)
    sound = Sound(args.audio) if args.audio is not None else None
    with stage("video") as note, bar("frames") as progress:
        group = [to_face(motion) for motion in motions]
        with closing(render_several(renderers, group, progress=progress)) as chunks:  # type: ignore[type-var]
            comment = None if args.no_label else AI_COMMENT
            frames = write_video(args.out, chunks, motions[0].fps, sound, comment)
        note(f"{frames} frames, {frames / motions[0].fps:.1f} s")
    print(f"{args.out}")


def _check_device(name: str) -> None:
    import torch

    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DreamTalkError(f"the device '{name}' can't be used here: {reason}") from None


if __name__ == "__main__":
    sys.exit(main())

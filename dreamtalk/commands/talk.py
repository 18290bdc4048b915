"""``dreamtalk talk``, and its halves ``animate`` and ``render``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arguments import (
    MOTION_FILES,
    add_dialogue,
    add_option,
    add_performance,
    add_shot,
    settings_of,
)
from ..errors import DreamTalkError
from ..files.names import user_path
from ..options import OPTIONS, default
from ..progress import terminal_stages
from ..terminal.console import say

if TYPE_CHECKING:
    from ..motion.motion import Motion
    from ..pipeline import Performance, Shot


def add_talk_parser(commands: Any) -> None:
    """Add ``talk``."""
    talk = commands.add_parser("talk", help="portrait + recording -> video")
    talk.add_argument("--portrait", required=True, type=user_path, help="a picture of a person")
    add_option(talk, "face")
    add_performance(talk)
    add_dialogue(talk)
    add_shot(talk)
    talk.add_argument(
        "--save-motion", type=user_path, metavar="FILE", help=f"keep the motion: {MOTION_FILES}"
    )
    talk.set_defaults(run=run_talk)


def run_talk(args: argparse.Namespace) -> None:
    """portrait + recording -> video"""
    from ..dialogue.job import Dialogue, talk_together
    from ..pipeline import Talk, talk

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


def add_animate_parser(commands: Any) -> None:
    """Add ``animate``."""
    animate = commands.add_parser("animate", help="recording -> motion file")
    add_performance(animate)
    animate.add_argument(
        "--out", required=True, type=user_path, help=f"the motion file: {MOTION_FILES}"
    )
    animate.set_defaults(run=run_animate)


def run_animate(args: argparse.Namespace) -> None:
    """recording -> motion file"""
    from ..motion.files import save_motion
    from ..pipeline import check_performance, perform

    job = _performance(args)
    check_performance(job, args.out)
    motion = perform(job, terminal_stages)
    save_motion(motion, args.out)
    say(f"{args.out}")


def add_render_parser(commands: Any) -> None:
    """Add ``render``."""
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


def run_render(args: argparse.Namespace) -> None:
    """portrait + motion file -> video"""
    from ..pipeline import check_shot, shoot

    job = _shot(args, _faces(args.face, len(args.motion)), 0.0)
    check_shot(job, {"a motion": args.motion, "a resting face": args.neutral})
    motions = _load_motions(args.motion, args.neutral or [])
    shoot(job, motions, terminal_stages)
    say(f"{args.out}")


def _performance(args: argparse.Namespace) -> Performance:
    from ..pipeline import Performance, Sampling, SpeechSource, StyleChoice

    return Performance(
        SpeechSource(args.audio, args.start, args.duration),
        StyleChoice(args.emotion, args.style, args.style_track, args.intensity),
        Sampling(args.steps, args.sampler, args.guidance, args.sync, args.seed),
        args.liveliness,
        args.checkpoint,
        args.device,
    )


def _shot(args: argparse.Namespace, faces: tuple[str, ...], start: float) -> Shot:
    from ..pipeline import Shot

    return Shot(
        args.portrait, args.out, faces, args.points, args.renderer,
        settings_of(args.renderer_option, "renderer"), args.audio, start, args.quality,
        not args.no_label, args.debug, args.device, args.mark, args.fps, args.background,
        args.open_mouth,
    )  # fmt: skip


def _load_motions(paths: list[Path], neutrals: list[Path]) -> list[Motion]:
    """The motions, without the resting faces of their persons if those are given."""
    from ..motion.files import load_motion

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

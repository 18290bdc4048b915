"""Arguments that several commands share, made from the table of options."""

from __future__ import annotations

import argparse
import os
from typing import Any

from .errors import DreamTalkError
from .files.names import user_path
from .options import OPTIONS

MOTION_FILES = (
    ".npz, .mat (Deep3DFaceRecon), .csv (Live Link Face), .npy, .jsonl, .glb (a moving head)"
)
_MAY_BE_FILES = ("checkpoint", "renderer", "painter", "background")
_VIDEOS = ".mp4, .mov, .mkv, .webm, or .gif without sound"


def add_option(parser: Any, name: str, **settings: Any) -> None:
    """An argument of the table in ``options``; its range is checked where it is used."""
    option = OPTIONS[name]
    kind: Any = os.path.expanduser if name in _MAY_BE_FILES else type(option.default)
    short = name.rpartition(".")[2].replace("_", "-")
    parser.add_argument(
        f"--{short}", type=kind, default=option.default, choices=option.choices or None,
        help=f"{option.help} (default: {option.default})", **settings,
    )  # fmt: skip


def add_performance(parser: argparse.ArgumentParser) -> None:
    """What is said, and how: the arguments from a recording to a motion."""
    parser.add_argument(
        "--audio", required=True, type=user_path, help="the recording (audio or video)"
    )
    for name in ("start", "duration"):
        add_option(parser, name)
    add_style(parser.add_mutually_exclusive_group())
    for name in (
        "intensity", "checkpoint", "steps", "sampler", "guidance", "sync", "seed", "liveliness",
        "device",
    ):  # fmt: skip
        add_option(parser, name)


def add_dialogue(parser: argparse.ArgumentParser) -> None:
    """The arguments of several people in one picture."""
    parser.add_argument(
        "--speakers", metavar="TEXT",
        help="several people, one recording: who speaks when, as '0:left 4.2:right 9:both'; names "
        "are left, middle, right, both, all, none or a number from the left; or 'stereo': one "
        "person on each channel",
    )  # fmt: skip
    parser.add_argument(
        "--other-audio", type=user_path, action="append", metavar="FILE",
        help="several people, a recording of each: --audio is the leftmost one's, this is the "
        "next one's; repeat it for more",
    )  # fmt: skip
    parser.add_argument(
        "--other-at", type=float, action="append", metavar="SECONDS",
        help="when that recording begins (default: 0); once for each --other-audio",
    )  # fmt: skip
    parser.add_argument(
        "--faces", default="", metavar="TEXT",
        help="of the picture who takes part, as '1 3' (default: everybody)",
    )  # fmt: skip
    parser.add_argument(
        "--styles", default="", metavar="TEXT",
        help="emotions of single faces: 'left=happy right=sad@0.7'; 'auto' as they sound; others "
        "take --emotion or --style",
    )  # fmt: skip


def add_style(group: Any, otherwise: str = "") -> None:
    """The arguments that say how it is said.

    Args:
        group: of which one is given.
        otherwise: what holds if none is; by default the emotion of the table of options.
    """
    if otherwise:
        option = OPTIONS["emotion"]
        group.add_argument(
            "--emotion", choices=option.choices, help=f"{option.help} (default: {otherwise})"
        )
    else:
        add_option(group, "emotion")
    group.add_argument(
        "--style-track", metavar="TEXT",
        help="emotions over time: '0:neutral 2.5:happy@1.2 6:sad'; --intensity holds for those "
        "without @; 'auto' hears them in the recording",
    )  # fmt: skip
    group.add_argument(
        "--style", type=user_path, metavar="CLIP",
        help="speak like this clip: a video or a motion file (.npz, .mat, ...); with the "
        "expression of this picture; or 'auto': as the recording sounds",
    )  # fmt: skip


def add_shot(parser: argparse.ArgumentParser) -> None:
    """What is shown: the arguments from a motion to a video, those of the output too."""
    parser.add_argument(
        "--points", metavar="TEXT",
        help="where the face is, for drawings and animals in which none is found: 'eyeRight "
        "210,180 eyeLeft 290,178 mouthRight 220,260 mouthLeft 280,262', in px; also nose, chin",
    )  # fmt: skip
    add_open_mouth_option(parser)
    add_option(parser, "renderer")
    add_settings(parser, "renderer", "feather=0.1")
    add_option(parser, "fps")
    mouth = OPTIONS["mouth"]
    parser.add_argument(  # a setting of the renderer that deserves a name of its own
        "--mouth", action="append", dest="renderer_option", type="mouth={}".format,
        metavar=f"{{{','.join(mouth.choices)}}}",
        help=f"{mouth.help} (default: {mouth.default}); like --renderer-option mouth=...",
    )  # fmt: skip
    add_option(parser, "background")
    parser.add_argument(
        "--debug", type=user_path, metavar="PNG",
        help="also draw the mesh renderer's layers and masks: why a portrait looks wrong",
    )  # fmt: skip
    add_output(parser)


def add_open_mouth_option(parser: argparse.ArgumentParser) -> None:
    """``--open-mouth``, for whatever shows a portrait."""
    parser.add_argument(
        "--open-mouth", type=user_path, metavar="PICTURE",
        help="another picture of the person, with a smile or an open mouth, whose teeth and tongue "
        "are shown instead of drawn ones (mesh renderer)",
    )  # fmt: skip


def add_settings(parser: argparse.ArgumentParser, what: str, example: str) -> None:
    """``--renderer-option`` and its kind; :func:`settings_of` reads them."""
    parser.add_argument(
        f"--{what}-option", action="append", metavar="NAME=VALUE",
        help=f"set something of the {what}, for example {example}; repeat it for more",
    )  # fmt: skip


def add_output(parser: argparse.ArgumentParser) -> None:
    """How the video is made and written."""
    add_option(parser, "quality")
    parser.add_argument(
        "--no-label", action="store_true", help="don't note in the file that it is AI-generated"
    )
    parser.add_argument(
        "--mark", action="store_true", help=f"{OPTIONS['visible_mark'].help} (default: not)"
    )
    if parser.get_default("device") is None:  # what samples a motion has it already
        add_option(parser, "device")
    parser.add_argument(
        "--out", required=True, type=user_path, help=f"the video to write: {_VIDEOS}"
    )


def settings_of(pairs: list[str] | None, what: str) -> dict[str, str]:
    """What was set with ``--WHAT-option``, by name.

    Raises:
        DreamTalkError: on what is not NAME=VALUE.
    """
    options = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise DreamTalkError(f"--{what}-option '{pair}': write NAME=VALUE")
        options[name.strip()] = value.strip()
    return options

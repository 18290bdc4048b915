"""Every option that people set: its default, its range and what it does, in one table.

The command's arguments, the nodes' widgets and the library's checks are made from it, so that an
option means the same and begins at the same value everywhere. Nothing heavy is imported here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .errors import DreamTalkError

EMOTIONS: tuple[str, ...] = (
    "neutral", "happy", "sad", "angry", "surprised", "fear", "disgusted", "contempt",
)  # fmt: skip
AUTO = "auto"
"""In the place of an emotion, a clip or a track: what the voice sounds like."""
SAMPLERS: tuple[str, ...] = ("ddim", "dpm", "ddpm")
FACE_CHOICES: tuple[str, ...] = ("largest", "leftmost", "rightmost")
NEUTRALS: tuple[str, ...] = ("mean", "clip", "none")
MOUTHS: tuple[str, ...] = ("drawn", "painted")
PLACED: tuple[str, ...] = ("frame", "reference")
FITS: tuple[str, ...] = ("loop", "hold", "cut")
DTYPES: tuple[str, ...] = ("fp32", "fp16", "bf16")
FRAME_RATES: tuple[int, ...] = (24, 25, 30, 50, 60)
"""Frames a second that a list offers; any other can be typed where numbers are."""
MAX_SEED = 0xFFFFFFFFFFFFFFFF
DAY = 86_400.0
"""Seconds: longest recording that an option can name a place in."""


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        default: what holds if nothing is said.
        help: one sentence for people, without the default.
        low, high: the range of a number, both included.
        step: of a widget for it.
        choices: of an option that is one of a list.
        seed: whether a widget may draw a new value for every run.
        least: of a number that is not 0, where 0 stands for something else than so much.
    """

    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    seed: bool = False
    least: float | None = None

    def problem(self, value: Any) -> str | None:
        """Why a value can't be, as the end of a sentence; None if it can."""
        if self.choices:
            known = isinstance(value, str) and value in self.choices
            return None if known else f"choose one of {', '.join(self.choices)}"
        if isinstance(self.default, bool):
            return None if value in (True, False) else "give true or false"
        if self.low is None or self.high is None:
            return None
        whole = isinstance(self.default, int)
        least = self.low if self.least is None else self.least
        wanted = f"give a {'whole ' if whole else ''}number from {least} to {self.high}"
        wanted += "" if self.least is None else f", or {self.low:g}"
        try:
            in_range = least <= value <= self.high or (value == self.low and least > self.low)
            fits = math.isfinite(value) and in_range
        except (TypeError, ValueError, OverflowError, RuntimeError):
            return wanted  # a text, a list, an integer beyond every float, a tensor of several
        return None if fits and (not whole or value == int(value)) else wanted


OPTIONS: dict[str, Option] = {
    "emotion": Option("neutral", "the emotion to speak with", choices=EMOTIONS),
    "intensity": Option(
        1.0, "how strongly the emotion or style shows: 0 not at all, 1 as it is, 2 strong",
        0.0, 3.0, 0.05,
    ),
    "steps": Option(10, "denoising steps of ddim and dpm; ddpm makes all", 1, 1000, 1),
    "sampler": Option(
        "ddim", "ddim and dpm (second order) are fast and repeatable; ddpm is the slow, original "
        "sampler", choices=SAMPLERS,
    ),
    "guidance": Option(
        1.0, "multiplies the intensity: the product is the scale of classifier-free guidance",
        0.0, 4.0, 0.05,
    ),
    "sync": Option(
        0.0, "lip-sync guidance: closes the lips where p, b and m are heard, follows the lip "
        "expert; 0 none, 1 for noise, whispering, song, strong emotions, 2 strong", 0.0, 4.0, 0.1,
    ),
    "seed": Option(
        0, "the same seed gives the same motion, on every machine", 0, MAX_SEED, 1, seed=True
    ),
    "liveliness": Option(
        1.0, "blinks, gaze, head motion and breathing: 0 none, 1 natural, 2 lively",
        0.0, 3.0, 0.05,
    ),
    "quality": Option(
        18, "constant rate factor of h264: lower is better and larger; 18 looks lossless, 28 is "
        "small", 0, 51, 1,
    ),
    "start": Option(0.0, "seconds to leave out at first", 0.0, DAY, 0.1),
    "duration": Option(0.0, "seconds to use at most, 0 for all", 0.0, DAY, 0.1),
    "face": Option(
        "largest", "of several faces: largest, leftmost, rightmost or a number from the left"
    ),
    "neutral": Option(
        "mean", "what counts as the neutral face: the average person's, the clip's own resting "
        "face, or none (absolute values)", choices=NEUTRALS,
    ),
    "checkpoint": Option("starter", "'starter' for the built-in weights, or a file"),
    "renderer": Option("mesh", "the name of a renderer, or the file of its weights"),
    "mouth": Option(
        "drawn", "what the mesh renderer shows between the lips: drawn teeth and tongue, or the "
        "same in the light that the built-in DiffTalk paints there, which is slower",
        choices=MOUTHS,
    ),
    "painter": Option("mesh", "who paints the mouth: a painter's name, or the file of its weights"),
    "fit": Option(
        "loop", "where speech and film differ in length: loop is as long as the speech and lets a "
        "shorter film run to and fro, hold is as long as the longer one with a last picture that "
        "stays or lips that rest, cut is as long as the shorter one", choices=FITS,
    ),
    "device": Option("cpu", "where to compute: cpu, cuda, cuda:1, mps ..."),
    "dtype": Option("fp32", "number format of the weights", choices=DTYPES),
    "label": Option(True, "note in the file that the video is AI-generated"),
    "visible_mark": Option(False, "write 'AI-generated' small at the lower edge of every frame"),
    "background": Option(
        "keep", "what is behind the person: keep, transparent, a colour (#00b140, white) or the "
        "file of a picture",
    ),
    "max_size": Option(
        1024, "scale larger pictures down to so many pixels on their longer side; 0 keeps the size",
        0, 8192, 8,
    ),
    "transition": Option(0.8, "seconds that a change of style takes", 0.0, 10.0, 0.1),
    "weight": Option(
        1.0, "how much a style counts in a blend; only proportions matter", 0.0, 100.0, 0.05
    ),
    "frame_rate": Option(25.0, "frames a second", 1.0, 1000.0, 0.01),
    "fps": Option(
        0.0, "frames a second of the video, for example 24, 29.97 or 60: the motion is read off "
        "more or less often, no frame is repeated; 0 keeps the motion's",
        0.0, 240.0, 0.01, least=1.0,
    ),
    "file.fps": Option(
        0.0, "frames a second, for files that don't say or say it wrongly; 0 takes the file's own",
        0.0, 1000.0, 0.01, least=1.0,
    ),
    "max_gap": Option(0.5, "seconds without a face that are interpolated", 0.0, 60.0, 0.1),
    "crossfade": Option(0.3, "seconds in which two motions overlap", 0.0, 10.0, 0.05),
    "feather": Option(
        0.08, "width of a square's fading edge, as a share of its side", 0.0, 0.5, 0.01
    ),
    "painted.steps": Option(
        0, "network calls a frame; 0 takes what suits the weights: few for ours, 15 for the "
        "published form", 0, 500, 1,
    ),
    "painted.from_speech": Option(
        False, "paint what is heard instead of the lips that the motion wants"
    ),
    "painted.placed": Option(
        "frame", "the lips that are corrected: those of the frame, or the reference's, bent there",
        choices=PLACED,
    ),
    "painted.detail": Option(
        1.0, "px of the 128 px crop: finer detail outside of the opening stays the frame's; 0 "
        "takes all from the network", 0.0, 8.0, 0.1,
    ),
    "painted.crispness": Option(
        0.5, "how much what is painted is sharpened: 0 leaves it as soft as the network made it",
        0.0, 4.0, 0.1,
    ),
    "painted.strength": Option(
        1.0, "how much of what the network changes outside of the opening shows", 0.0, 1.0, 0.05
    ),
    "painter.lips": Option(
        1.0, "how much of the reference frame's lips shows; the rest are the filmed ones",
        0.0, 1.0, 0.05,
    ),
    "width": Option(1600, "width of a plot in pixels", 320, 8192, 16),
    "height": Option(360, "height of each picture on a sheet, in pixels", 64, 1080, 8),
    "natural.blinks": Option(1.0, "how often the eyes blink", 0.0, 3.0, 0.05),
    "natural.gaze": Option(1.0, "how much the eyes wander", 0.0, 3.0, 0.05),
    "natural.head": Option(1.0, "how much the head moves", 0.0, 3.0, 0.05),
    "natural.breathing": Option(1.0, "how deep the breath shows", 0.0, 3.0, 0.05),
    "edit.gain": Option(1.0, "factor of a region or channel", -10.0, 10.0, 0.05),
    "edit.offset": Option(0.0, "what is added to a region or channel", -100.0, 100.0, 0.01),
    "edit.smoothing": Option(0.0, "seconds to smooth over", 0.0, 1.0, 0.01),
    "edit.shift": Option(0.0, "seconds to move later", -DAY, DAY, 0.02),
    "edit.range_start": Option(
        0.0, "seconds from which gains, offsets and smoothing hold", 0.0, DAY, 0.1
    ),
    "edit.range_end": Option(
        0.0, "seconds until which they hold; 0 is the motion's end", 0.0, DAY, 0.1
    ),
    "edit.ease": Option(0.3, "seconds that they take to come and to go", 0.0, 10.0, 0.05),
    "edit.speed": Option(1.0, "faster above 1, slower below", 0.1, 10.0, 0.05),
    "track.smoothing": Option(
        0.02, "seconds of smoothing that take the tracker's tremor out", 0.0, 1.0, 0.01
    ),
    "stream.lookahead": Option(
        0.16, "seconds of speech heard beyond a frame's beginning before it is made: less is "
        "quicker, more is better", 0.02, 1.0, 0.02,
    ),
    "stream.steps": Option(4, "denoising steps of a frame", 1, 50, 1),
    "stream.together": Option(
        1, "frames rendered together: with 2 each first one waits 40 ms for the next, and both "
        "take a third less work", 1, 8, 1,
    ),
    "stream.gain": Option(1.0, "factor that brings speech to the common level", 0.001, 1000.0),
    "stream.cancel": Option(0.4, "seconds in which a face comes to rest", 0.04, 5.0, 0.04),
    "idle.seconds": Option(10.0, "length of the loop in seconds", 2.0, 600.0, 0.04),
    "serve.port": Option(8765, "port to listen on; 0 takes any that is free", 0, 65535, 1),
    "serve.sessions": Option(2, "people who can be served at a time", 1, 64, 1),
    "serve.minutes": Option(30.0, "minutes after which a session ends", 0.01, 1440.0, 1.0),
    "serve.jpeg": Option(85, "quality of the pictures that are sent", 1, 100, 1),
    "live.fps": Option(
        0.0, "frames a second to send; 0 takes the motion's own", 0.0, 240.0, 0.01, least=1.0
    ),
    "live.loop": Option(False, "begin again at the end, until you stop it"),
    "visemes.fps": Option(60.0, "frames a second of the track", 1.0, 240.0, 0.01),
    "bench.duration": Option(10.0, "seconds of the recording to use", 0.1, 3600.0, 0.1),
}  # fmt: skip
"""A name with a dot belongs to one step: ``natural.head`` scales idle motion, ``edit.gain`` any."""


def default(name: str) -> Any:
    """What holds if nothing is said about an option."""
    return OPTIONS[name].default


def checked(error: type[DreamTalkError] = DreamTalkError, /, **values: Any) -> None:
    """Check values of options by their names in the table.

    Args:
        error: which error a value that can't be deserves.

    Raises:
        DreamTalkError: of that type, on the first that can't be; the message names the option, the
            value and the range.
    """
    for name, value in values.items():
        problem = OPTIONS[name].problem(value)
        if problem is not None:
            said = repr(value) if not isinstance(value, int) or abs(value) < 1 << 128 else "so much"
            raise error(f"{name.rpartition('.')[2]} can't be {said[:80]}: {problem}")


def read_settings(kind: type, values: Mapping[str, Any], owner: str) -> Any:
    """Settings of a renderer or painter by name; text is read as the type of its default.

    Args:
        kind: a dataclass of what can be set, with defaults.
        values: what is set.
        owner: whose settings they are, for messages.

    Raises:
        DreamTalkError: on a setting that there is not, or a value of another type.
    """
    known = {field.name: field.default for field in fields(kind)}
    read = {}
    for name, value in values.items():
        if name not in known:
            have = f"it has {', '.join(known)}" if known else "it has none"
            raise DreamTalkError(f"{owner} has no option '{name}': {have}")
        read[name] = _read(value, known[name], name) if isinstance(value, str) else value
    return kind(**read)


def _read(text: str, default: Any, name: str) -> Any:
    """Text from a command line as a value like the default."""
    if isinstance(default, str):
        return text
    words = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
    if isinstance(default, bool) or default is None:
        if text.lower() in words:
            return words[text.lower()]
        raise DreamTalkError(f"{name} can't be '{text}': give true or false")
    try:
        return type(default)(text)
    except ValueError:
        raise DreamTalkError(f"{name} can't be '{text}': give a number like {default}") from None

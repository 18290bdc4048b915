"""Rows -> jobs whose options, names and files are checked before any work."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..dialogue.job import Dialogue
from ..dialogue.styles import parse_face_styles
from ..errors import DreamTalkError
from ..face.analysis import check_face_name
from ..face.image import check_picture_name
from ..face.points import parse_points
from ..files.names import check_name, is_inside, is_there
from ..model import STARTER
from ..motion.files import check_motion_name
from ..options import OPTIONS, checked
from ..pipeline import Performance, Sampling, Shot, SpeechSource, StyleChoice, Talk
from ..render.background import needs_file
from ..render.registry import known_renderers
from ..render.video import container_of
from .rows import Row

REPORTS = "report"
"""The folder below the outputs that is ours; no output may lie in it."""
_REQUIRED = {"portrait": "the portrait", "audio": "the recording"}
_OPTIONAL = {"style": "the style's clip", "open_mouth": "the open mouth"}
_INPUTS = {**_REQUIRED, **_OPTIONAL}
_FILES_OR_WORDS = {
    "checkpoint": "the checkpoint", "renderer": "the renderer", "background": "the background",
}  # fmt: skip
_OUTPUTS = {"out": "the video", "save_motion": "the motion", "debug": "the layers"}
_NAMES_CHECKED: dict[str, Callable[[str], object]] = {
    "out": container_of, "save_motion": check_motion_name, "debug": check_picture_name,
}  # fmt: skip
_TEXTS = ("style_track", "points", "face", "device")
_TOGETHER = ("speakers", "faces", "styles")
"""What only a conversation has."""
_PLAIN = {
    field.name
    for part in (Performance, Sampling, Shot, SpeechSource, StyleChoice)
    for field in fields(part)
    if field.name in OPTIONS
}
COLUMNS = sorted(
    {
        *_INPUTS, *_FILES_OR_WORDS, *_OUTPUTS, *_TEXTS, *_TOGETHER, *_PLAIN,
        "mark", "no_label", "renderer_option",
    }
)  # fmt: skip
"""What a row may say, as ``dreamtalk talk`` calls it; with - or _."""
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class BatchJob:
    """One job of many.

    Attributes:
        name: of its video, relative to the folder of outputs: what the report calls it.
        line: of the jobs file.
        talk: what to do: one person talks, or several do.
        fingerprint: changes with the options and with the input files.
    """

    name: str
    line: int
    talk: Talk | Dialogue
    fingerprint: str

    @property
    def outputs(self) -> list[Path]:
        """All files that the job writes."""
        shot = self.talk.shot
        return [p for p in (shot.out, self.talk.save_motion, shot.debug) if p is not None]


@dataclass(frozen=True)
class Refusal:
    """A row that is no job.

    Attributes:
        line: of the jobs file.
        name: of the video, as far as it is known.
        reason: a sentence.
    """

    line: int
    name: str
    reason: str


def make_jobs(
    rows: Sequence[Row], inputs: Path, out: Path, shared: Mapping[str, str] | None = None
) -> tuple[list[BatchJob], list[Refusal]]:
    """Check rows and make jobs of them; nothing is written.

    Args:
        rows: as they were read.
        inputs: the folder that portraits, recordings and all other inputs of rows lie below.
        out: the folder that outputs lie below.
        shared: options of all rows that don't say otherwise. They come from whoever runs the batch,
            and may name files anywhere.

    Raises:
        DreamTalkError: on a shared option that can't be.
    """
    given = _named(shared or {})
    for name in (*_REQUIRED, *_OUTPUTS):
        if name in given:
            raise DreamTalkError(f"--option {name}: each job has its own, so write it in its row")
    read, refused = [], []
    for row in rows:
        try:
            if row.problem is not None:
                raise DreamTalkError(row.problem)
            values = _named(row.values)
            for name in _REQUIRED:
                if name not in values:
                    raise DreamTalkError(f"no {name} is given")
            read.append((row.line, _kept_inside(values, inputs), values))
        except DreamTalkError as error:
            refused.append(Refusal(row.line, str(row.values.get("out", ""))[:200], str(error)))
    jobs: list[BatchJob] = []
    taken: dict[str, int] = {}
    sources = {os.path.realpath(path) for _, files, _ in read for path in files.values()}
    for (line, files, values), name in zip(read, _output_names(read), strict=True):
        try:
            job = _job(line, name, {**given, **values}, files, inputs, out)
            for path in job.outputs:
                if os.path.realpath(path) in sources:
                    raise DreamTalkError(f"'{path}' would be written over an input")
                key = _folded(path.relative_to(out).as_posix())
                if taken.setdefault(key, line) != line:
                    raise DreamTalkError(f"'{key}' is an output of line {taken[key]} already")
            jobs.append(job)
        except DreamTalkError as error:
            refused.append(Refusal(line, name, str(error)))
    return jobs, sorted(refused, key=lambda refusal: refusal.line)


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options by the names that :data:`COLUMNS` has, text read as what they are."""
    named: dict[str, Any] = {}
    for column, value in values.items():
        name = str(column).strip().lower().replace("-", "_")
        if name not in COLUMNS:
            raise DreamTalkError(
                f"there is no option '{str(column)[:80]}': choose of {', '.join(COLUMNS)}"
            )
        if name in named:
            raise DreamTalkError(f"{name} is given twice")
        named[name] = _value(name, value)
        if name in _PLAIN:
            checked(**{name: named[name]})
    if "emotion" in named and {"style", "style_track"} & set(named):
        raise DreamTalkError("give one of emotion, style and style_track")
    return named


def _value(name: str, value: Any) -> Any:
    if name == "renderer_option":
        return _settings(value)
    kind: Any = bool if name in ("mark", "no_label") else str
    if name in _PLAIN:
        kind = type(OPTIONS[name].default)
    if kind is bool and isinstance(value, str):
        value = _WORDS.get(value.lower(), value)
    if kind is bool and not isinstance(value, bool):
        raise DreamTalkError(f"{name} can't be {value!r:.80}: give true or false")
    if kind in (int, float) and isinstance(value, str):
        try:
            return kind(value)
        except ValueError:
            raise DreamTalkError(f"{name} can't be '{value[:80]}': give a number") from None
    if kind in (int, float) and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise DreamTalkError(f"{name} can't be {value!r:.80}: give a number")
    if kind is str and not isinstance(value, str):
        if name == "face" and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise DreamTalkError(f"{name} can't be {value!r:.80}: give a text")
    return value


def _settings(value: Any) -> dict[str, Any]:
    """``NAME=VALUE; NAME=VALUE``, or an object of JSON."""
    if isinstance(value, dict):
        return {str(k): v for k, v in value.items()}
    pairs = [pair.partition("=") for pair in str(value).split(";") if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise DreamTalkError(f"renderer_option can't be '{str(value)[:80]}': write NAME=VALUE")
    return {name.strip(): said.strip() for name, _, said in pairs}


def _kept_inside(values: Mapping[str, Any], inputs: Path) -> dict[str, Path]:
    """The input files of a row: names that stay below the folder of inputs."""
    files = {}
    for name, what in {**_INPUTS, **_FILES_OR_WORDS}.items():
        if name not in values or (name in _FILES_OR_WORDS and _is_known(name, values[name])):
            continue
        check_name(values[name], what)
        path = inputs / values[name]
        if not is_inside(path, [inputs]):
            raise DreamTalkError(
                f"{what} '{values[name]}' leads out of '{inputs}': put it there, or choose a "
                "folder above all inputs with --inputs"
            )
        if not is_there(path):
            raise DreamTalkError(f"there is no file '{path}' for {what}")
        files[name] = path
    return files


def _is_known(option: str, value: str) -> bool:
    known: dict[str, Callable[[str], bool]] = {
        "checkpoint": lambda word: word == STARTER,
        "renderer": lambda word: word in known_renderers(),
        "background": lambda word: not needs_file(word),
    }
    return known[option](value)


def _output_names(read: Iterable[tuple[int, dict[str, Path], dict[str, Any]]]) -> list[str]:
    """A name for every video: the row's, or portrait-recording, with the options' mark where
    several rows would have the same."""
    rows = [values for _, _, values in read]
    usual = [f"{Path(v['portrait']).stem}-{Path(v['audio']).stem}" for v in rows]
    folded = [_folded(name) for name in usual]
    names = []
    for values, name, key in zip(rows, usual, folded, strict=True):
        mark = f"-{_digest(values)[:6]}" if folded.count(key) > 1 else ""
        names.append(values.get("out", f"{name}{mark}.mp4"))
    return names


def _folded(name: str) -> str:
    """Names that some disk takes for the same become the same."""
    return unicodedata.normalize("NFC", name).casefold().replace("\\", "/")


def _job(
    line: int, name: str, options: dict[str, Any], files: dict[str, Path], inputs: Path, out: Path
) -> BatchJob:
    written = {"out": name, **{k: options[k] for k in _OUTPUTS if k in options and k != "out"}}
    paths = {}
    for key, value in written.items():
        check_name(value, _OUTPUTS[key])
        _NAMES_CHECKED[key](value)
        paths[key] = out / value.replace("\\", "/")
        if not is_inside(paths[key], [out]):
            raise DreamTalkError(f"{_OUTPUTS[key]} '{value}' leads out of '{out}' through a link")
        if _folded(paths[key].relative_to(out).parts[0]) == REPORTS:
            raise DreamTalkError(f"{_OUTPUTS[key]} can't be in '{REPORTS}': the report is there")
    if len({_folded(str(path)) for path in paths.values()}) < len(paths):
        raise DreamTalkError("two outputs of the job have the same name")
    taken = {k: v for k, v in options.items() if k not in (*_REQUIRED, *_OUTPUTS)}
    _check_parts(taken)
    for key in [k for k in (*_OPTIONAL, *_FILES_OR_WORDS) if k in taken]:
        value = files.get(key, taken[key])
        taken[key] = Path(value) if key in _OPTIONAL else str(value)
    together = {name: taken.pop(name) for name in _TOGETHER if name in taken}
    if "renderer_option" in taken:
        taken["renderer_options"] = taken.pop("renderer_option")
    alone = Talk.of(
        files["portrait"], files["audio"], paths["out"], **taken,
        **{k: p for k, p in paths.items() if k != "out"},
    )  # fmt: skip
    talk = _dialogue(alone, together, "face" in taken) if together else alone
    anywhere = [Path(str(v)) for k, v in taken.items() if k in (*_FILES_OR_WORDS, *_OPTIONAL)]
    read = {*files.values(), *(path for path in anywhere if is_there(path))}
    print_of = [_state(path, inputs) for path in sorted(read)]
    return BatchJob(name, line, talk, _digest([options, written, print_of]))


def _dialogue(talk: Talk, said: Mapping[str, str], names_a_face: bool) -> Dialogue:
    """The job of several people of the picture."""
    if not said.get("speakers", "").strip():
        raise DreamTalkError(
            "several faces can't talk before it is said who speaks when: give speakers, as "
            "'0:left 4.2:right'"
        )
    if names_a_face:
        raise DreamTalkError("face names one who talks alone: with speakers give faces, as '1 3'")
    if talk.save_motion is not None:
        raise DreamTalkError("save_motion keeps one motion, and each of the speakers has one")
    faces = tuple(said.get("faces", "").replace(",", " ").split())
    for face in faces:
        check_face_name(face)
    shot, styles = replace(talk.shot, faces=faces), said.get("styles", "")
    if faces:  # otherwise the picture tells how many there are
        parse_face_styles(styles, len(faces))
    return Dialogue(talk.performance, shot, said["speakers"], styles=styles)


def _check_parts(options: Mapping[str, Any]) -> None:
    """What the job itself would only find out later."""
    if "points" in options:
        parse_points(options["points"])
    kind = known_renderers().get(options.get("renderer", OPTIONS["renderer"].default))
    if kind is not None:
        kind.read_options(options.get("renderer_option", {}))


def _state(path: Path, inputs: Path) -> list[Any]:
    """What tells a file from what it was: its name, its size, and when it changed."""
    try:
        found = path.stat()
    except OSError as error:
        raise DreamTalkError(f"'{path}' can't be looked at: {error.strerror}") from error
    name = path.relative_to(inputs).as_posix() if path.is_relative_to(inputs) else str(path)
    return [name, found.st_size, found.st_mtime_ns]


def _digest(values: Any) -> str:
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]

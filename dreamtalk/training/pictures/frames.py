"""The set of frames: shards of drawn mouths, and the portraits themselves.

A shard holds all frames of some people. It is a function of the seed, the portraits and the number
of frames alone, so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import DreamTalkError
from ...face.channels import LIP_CHANNELS
from ...files.atomic import atomic_write
from ...progress import Progress, silent
from .crops import crop_matrix, crop_of
from .driven import Driver, TalkingLips, read_talking_lips, some_frames
from .fit import Fit
from .head import Head, load_head
from .mouth import MouthModel, lip_channels
from .people import People, find_people
from .person import Person
from .raster import Rasterizer
from .visemes import Shape, draw_shape

Array = npt.NDArray[np.float32]

SHARD = 500
"""Frames of a shard, about."""


@dataclass(frozen=True)
class Made:
    """What there is now.

    Attributes:
        used, found: people who are drawn, of those with a face.
        frames: of all shards, the portraits on top.
        shards: in all.
        drawn: frames of this run, and cpu: the processor's seconds that they took.
    """

    used: int
    found: int
    frames: int
    shards: int
    drawn: int = 0
    cpu: float = 0.0

    def __str__(self) -> str:
        speed = f" ({self.drawn / self.cpu:.0f} a CPU second)" if self.drawn and self.cpu else ""
        return (
            f"{self.frames} frames and the portraits of {self.used} people ({self.found} have a "
            f"face) in {self.shards} shards; {self.drawn} are new{speed}"
        )


def make_frames(
    portraits: Path,
    head_file: Path,
    out: Path,
    frames: int,
    seed: int = 0,
    progress: Progress = silent,
    motions: Sequence[Path] = (),
) -> Made:
    """Draw a set of frames, or what is missing of it.

    Args:
        portraits: folder of pictures of one face each.
        head_file: ICT-FaceKit's light model, ``.npz``.
        out: folder; gets ``shard_00000.npz``, ..., ``people.json`` and ``portraits.npz`` (what was
            fitted). A shard has ``images (n, 128, 128, 3)`` uint8 RGB, ``landmarks (n, 68, 2)`` px,
            ``lips (n, 13)`` IOD, ``pose (n, 3)`` rad against the portrait, ``person (n,)``,
            ``viseme (n,)``, ``closed (n,)``, ``rest (n,)`` and ``real (n,)``.
        frames: how many, rounded up to as many for every person; the portraits come on top.
        seed: of what is left to chance.
        motions: files that drive the lips, instead of visemes by chance: each person gets some
            frames of one of them, one after the other. Shards also have ``motion (n,)``, the number
            of the file, and ``moment (n,)``, its frame; both -1 for rest and portrait.

    Raises:
        DreamTalkError: if something is missing or no portrait can be used.
    """
    head = load_head(head_file)
    out.mkdir(parents=True, exist_ok=True)
    people = find_people(head, portraits, out / "portraits.npz", progress)
    people.write_list(out / "people.json")
    used = people.accepted()
    if not used:
        raise DreamTalkError(f"no portrait in '{portraits}' can be used: see people.json")
    talkers = read_talking_lips(motions)
    raster = Rasterizer(MouthModel.of(head))
    return write_shards(people, used, raster, out, frames, seed, progress, talkers)


def write_shards(
    people: People,
    used: list[int],
    raster: Rasterizer,
    out: Path,
    frames: int,
    seed: int = 0,
    progress: Progress = silent,
    talkers: Sequence[TalkingLips] = (),
) -> Made:
    """The shards that are missing, as :func:`make_frames` does it.

    Args:
        used: numbers of the people who are drawn.
        talkers: whose lips they move, if any.
    """
    teeth = people.teeth()
    each = max(2, -(-frames // len(used)))
    order = np.random.default_rng([seed, 0]).permutation(used)
    at_once = max(1, round(SHARD / (each + 1)))
    groups = [order[i : i + at_once] for i in range(0, len(order), at_once)]
    asked = {"each": each, "seed": seed, "motions": [talker.name for talker in talkers]}
    _same_set(out / "drawn.json", asked)
    started, new = time.process_time(), 0
    for number, group in enumerate(groups):
        path = out / f"shard_{number:05d}.npz"
        if not path.exists():
            drawn = [
                _frames_of(people, raster, int(i), teeth[i], each, seed, talkers) for i in group
            ]
            shard = {key: np.concatenate([rows[key] for rows in drawn]) for key in drawn[0]}
            with atomic_write(path, "a shard of frames") as part, part.open("wb") as file:
                np.savez(file, **shard)  # type: ignore[arg-type]
            new += each * len(group)
        progress(number + 1, len(groups))
    return Made(
        len(used), len(people.seen.names), each * len(used), len(groups), new,
        time.process_time() - started,
    )  # fmt: skip


def _same_set(path: Path, asked: dict[str, object]) -> None:
    """Shards of two sets don't mix: people would be in both parts, or in none."""
    text = json.dumps(asked)
    if not path.exists():
        with atomic_write(path, "what was asked for") as part:
            part.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        raise DreamTalkError(
            f"the shards in '{path.parent}' are of another set: '{path.name}' has the frames a "
            "person, the seed and the motions that they were drawn with. Choose another folder"
        )


def _frames_of(
    people: People,
    raster: Rasterizer,
    number: int,
    teeth: Array,
    each: int,
    seed: int,
    talkers: Sequence[TalkingLips],
) -> dict[str, npt.NDArray]:
    """All frames of one person: the mouth at rest, others, the portrait itself."""
    head = raster.model.head
    person = people.person(head, number, teeth, seed)
    rng = np.random.default_rng([seed, number, 1])
    raster.show(person)
    rest = Shape(np.zeros(len(head.names), np.float32), closed=True)
    moments: dict[str, npt.NDArray] = {}
    if talkers:
        which, at = some_frames(talkers, each - 1, rng)
        driver = Driver(head, person.identity, person.base)
        shapes = [rest, *(driver.shape(lips) for lips in talkers[which].lips[at])]
        moments = {
            "motion": np.array([-1, *[which] * len(at), -1], np.int32),
            "moment": np.array([-1, *at, -1], np.int32),
        }
    else:
        shapes = [rest, *(draw_shape(head, rng) for _ in range(each - 1))]
    images, marks, lips = [], [], []
    for shape in shapes:
        frame = raster.draw(shape)
        images.append(frame.image)
        marks.append(frame.marks + _bias(people.fit, person))
        lips.append(lip_channels(head, frame.points, person.identity))
    matrix = crop_matrix(person.irises)
    images.append(crop_of(person.real, person.irises))
    marks.append(people.seen.landmarks[number] @ matrix[:, :2].T + matrix[:, 2])
    lips.append(portrait_channels(head, people.fit, number, person))
    count = len(images)
    flags = {name: np.zeros(count, bool) for name in ("closed", "rest", "real")}
    flags["closed"][:-1] = [shape.closed for shape in shapes]
    flags["closed"][-1] = lips[-1][LIP_CHANNELS.index("lipAperture")] < 0.01
    flags["rest"][0] = flags["real"][-1] = True
    return {
        "images": np.stack(images),
        "landmarks": np.stack(marks).astype(np.float32),
        "lips": np.stack(lips).astype(np.float32),
        "pose": np.stack([*(shape.turn for shape in shapes), np.zeros(3, np.float32)]),
        "person": np.full(count, number, np.int32),
        "viseme": np.array([*(shape.viseme for shape in shapes), -1], np.int16),
        **flags,
        **moments,
    }


def _bias(fit: Fit, person: Person) -> Array:
    """(68, 2) px of the crop: where the landmarker sees points against the model's landmarks."""
    turn = crop_matrix(person.irises)[:, :2]
    return (fit.bias * person.scale @ turn.T).astype(np.float32)


def portrait_channels(head: Head, fit: Fit, number: int, person: Person) -> Array:
    """The 13 lip channels of the portrait itself, from the landmarks that were found in it.

    The fit gives the depth, and the person's neutral; what it leaves unexplained of the landmarks
    is added in the picture's plane.
    """
    points = person.identity + np.tensordot(fit.expression[number], head.expression, 1)
    rest = np.pad(fit.rest[number] * [1.0, -1.0], [(0, 0), (0, 1)]) / person.scale
    points[head.landmarks] += rest @ person.rotation
    return lip_channels(head, points, person.identity)

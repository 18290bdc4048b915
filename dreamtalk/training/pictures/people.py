"""From a folder of portraits to people who can be drawn: found, fitted, sorted out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import DreamTalkError
from ...files.atomic import atomic_write
from ...files.values import load_values, save_values
from ...progress import Progress, silent
from .colours import Colours, find_colours, guessed_teeth, seen_teeth
from .crops import crop_matrix
from .fit import STEPS, Fit, fit_heads
from .head import Head
from .person import Person, make_person
from .portraits import ENLARGED, Seen, look, portrait_files, read_enlarged

Array = npt.NDArray[np.float32]

_LIPS, _FACE = slice(48, 68), slice(17, 68)
_CHIN = 8
_FIT = ("identity", "expression", "angles", "scale", "shift", "bias", "rest", "iod")
_COLOURS = ("skin", "sclera", "lips", "teeth", "spread")
_KIND = "portraits"


@dataclass(frozen=True)
class Measure:
    """What decides whether a portrait is used.

    Attributes:
        spread: mean difference between the largest and the smallest colour channel, 0..255.
        lip_error, face_error: mean distance of the fit from the landmarks, % IOD.
        iod: px between the outer eye corners, in the portrait's own size.
        chin: px of the crop.
        yaw: degrees.
    """

    spread: float
    lip_error: float
    face_error: float
    iod: float
    chin: float
    yaw: float

    def refusals(self) -> list[str]:
        """Why it is not used; empty if it is."""
        reasons = {
            "black and white": self.spread < 22,
            "the lips don't fit": self.lip_error > 1.25,
            "the face does not fit": self.face_error > 1.15,
            "the face is too small": self.iod < 55,
            "the chin is out of the crop": self.chin > 119,
            "the head is turned away": abs(self.yaw) > 22,
        }
        return [reason for reason, holds in reasons.items() if holds]


@dataclass(frozen=True)
class People:
    """P portraits with a face, fitted.

    Attributes:
        folder: of the portraits.
        seen: what the landmarker finds in them.
        fit: the head fitted to them.
        colours: of each.
    """

    folder: Path
    seen: Seen
    fit: Fit
    colours: tuple[Colours, ...]

    def measures(self) -> list[Measure]:
        """For each person."""
        lips, face = self.fit.errors(_LIPS), self.fit.errors(_FACE)
        matrices = [crop_matrix(irises) for irises in self.seen.irises]
        chins = self.seen.landmarks[:, _CHIN]
        return [
            Measure(
                spread=colour.spread,
                lip_error=100 * float(lips[i]),
                face_error=100 * float(face[i]),
                iod=float(self.fit.iod[i]) / ENLARGED,
                chin=float(matrices[i][1, :2] @ chins[i] + matrices[i][1, 2]),
                yaw=float(np.degrees(self.fit.angles[i, 1])),
            )
            for i, colour in enumerate(self.colours)
        ]

    def accepted(self) -> list[int]:
        """Numbers of those whose portraits can be used."""
        return [i for i, measure in enumerate(self.measures()) if not measure.refusals()]

    def teeth(self) -> Array:
        """(P, 3) linear RGB, measured or guessed. Those who are refused teach nothing."""
        teeth = np.full((len(self.colours), 3), 0.5, np.float32)
        used = self.accepted()
        if used:
            teeth[used] = guessed_teeth([self.colours[i] for i in used])
        return teeth

    def person(self, head: Head, number: int, teeth: Array, seed: int) -> Person:
        """One of them, ready to be drawn; ``teeth`` (3,) are that person's."""
        picture = read_enlarged(self.folder / self.seen.names[number])
        rng = np.random.default_rng([seed, number, 0])
        return make_person(
            head, self.fit, number, picture, self.seen.points[number], self.seen.irises[number],
            self.colours[number], teeth, rng,
        )  # fmt: skip

    def write_list(self, path: Path) -> None:
        """``people.json``: for each number the file, whether it is used, and why not."""
        rows, shown = {}, seen_teeth(list(self.colours))
        for number, (name, measure) in enumerate(
            zip(self.seen.names, self.measures(), strict=True)
        ):
            refusals = measure.refusals()
            values = {key: round(value, 2) for key, value in vars(measure).items()}
            rows[str(number)] = {
                "file": name, "accepted": not refusals, "refusals": refusals, **values,
                "teeth_seen": bool(shown[number]),
            }  # fmt: skip
        with atomic_write(path, "the list of people") as part:
            part.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def find_people(
    head: Head,
    folder: Path,
    kept: Path,
    progress: Progress = silent,
    steps: Sequence[int] = STEPS,
) -> People:
    """Find and fit everybody in a folder of portraits; what was found before is read.

    Args:
        folder: pictures.
        kept: an ``.npz``: read if it is there, else written.
        steps: of the fit, in each round.

    Raises:
        DreamTalkError: if the folder has no pictures, none with a face, or ``kept``
            is of other pictures.
    """
    files = portrait_files(folder)
    known = _read(kept, files, folder)
    if known is not None:
        return known
    seen = look(files, progress)
    fit = fit_heads(head, seen.landmarks, seen.irises, steps, progress)
    colours = tuple(
        find_colours(read_enlarged(folder / name), points)
        for name, points in zip(seen.names, seen.points, strict=True)
    )
    values = {name: getattr(fit, name) for name in _FIT}
    values |= {f"colour_{n}": np.stack([getattr(c, n) for c in colours]) for n in _COLOURS}
    values |= {"files": np.array([path.name for path in files]), "names": np.array(seen.names)}
    save_values(kept, _KIND, {**values, "points": seen.points})
    return People(folder, seen, fit, colours)


def _read(kept: Path, files: Sequence[Path], folder: Path) -> People | None:
    if not kept.exists():
        return None
    colour_names = tuple(f"colour_{name}" for name in _COLOURS)
    data = load_values(
        kept, _KIND, DreamTalkError, (*_FIT, *colour_names, "files", "names", "points")
    )
    if [str(name) for name in data["files"]] != [path.name for path in files]:
        raise DreamTalkError(
            f"'{kept}' is of other portraits than those in '{folder}': choose another output folder"
        )
    skin, sclera, lips, teeth, spread = (data[name] for name in colour_names)
    colours = tuple(
        Colours(skin[i], sclera[i], lips[i], teeth[i], float(spread[i])) for i in range(len(spread))
    )
    names = tuple(str(name) for name in data["names"])
    return People(folder, Seen(names, data["points"]), Fit(*(data[name] for name in _FIT)), colours)

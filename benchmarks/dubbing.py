"""Measure dubbing: do the lips do what they are to do, does the rest stay, how much memory.

    python benchmarks/dubbing.py clips FILM SPEECH [FILM SPEECH ...] [--painter mesh]
        [--duration 8] [--sheets DIR]
    python benchmarks/dubbing.py memory FILM SPEECH [--minutes 10] [--fit loop] [--painter mesh]

``clips`` dubs each film with the sound of another and tracks the result again. Columns: pictures;
correlation and ratio of spread of the lip aperture, wanted against got; the same correlation of the
mouth's width; of the closures that were wanted (two pictures or one with the aperture below 0.035
IOD) how many came; share of the picture that changed; pixels outside of the painter's mask that
differ from the decoded film; temporal unrest of the painted region: mean absolute second difference
in time where the mask is, against the film's own there; ms a picture of the second pass.
``--sheets`` writes pictures to look at: film above, result below.

``memory`` dubs a film that lasts that long with the recording again and again, and prints the peak
of the process after the first pass, after a tenth of the pictures of the second and after all of
them, and the CPU time of both. With ``--fit hold`` the film is joined to itself; with ``loop`` it
is as long as it is, and runs to and fro.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dreamtalk.bench.stages import peak_memory
from dreamtalk.dubbing.dub import Dubbing, around_face, dub, wanted_motion
from dreamtalk.dubbing.film import VideoFilm
from dreamtalk.dubbing.lips import filmed_motion, person_neutral, spoken_lips
from dreamtalk.dubbing.order import result_length
from dreamtalk.dubbing.painter import MouthPainter, Painted, Reference, Take
from dreamtalk.dubbing.registry import load_painter
from dreamtalk.dubbing.trace import trace
from dreamtalk.face import FaceBasis, FaceLandmarker
from dreamtalk.face.channels import CLOSED_APERTURE, measure_channels
from dreamtalk.model import load_model, speech_features
from dreamtalk.motion import FACE
from dreamtalk.motion.bridges import convert
from dreamtalk.progress import Progress, silent
from dreamtalk.speech.loading import load_speech
from dreamtalk.speech.speech import SAMPLE_RATE, Speech

Pictures = npt.NDArray[np.uint8]


class Watched:
    """A painter whose masks are kept, by the number of the first picture of each take."""

    def __init__(self, painter: MouthPainter) -> None:
        self._painter = painter
        self.masks: dict[int, npt.NDArray[np.bool_]] = {}

    def prepare(self, reference: Reference) -> Watched:
        """The same painter, for the next shot."""
        self._shot = self._painter.prepare(reference)
        return self

    def paint(self, take: Take, progress: Progress = silent) -> Painted:
        """What the painter paints."""
        painted = self._shot.paint(take, progress)
        self.masks[take.first] = painted.mask.numpy() > 0
        return painted


@dataclass(frozen=True)
class Scores:
    """One film's row of the table."""

    name: str
    frames: int
    aperture: float
    spread: float
    width: float
    closures: tuple[int, int]
    changed: float
    outside: int
    unrest: float
    pace: float

    def row(self) -> str:
        """In the order of the header."""
        came, wanted = self.closures
        return (
            f"| {self.name} | {self.frames} | {self.aperture:.3f} | {self.spread:.2f} | "
            f"{self.width:.3f} | {came}/{wanted} | {self.changed:.3f} | {self.outside} | "
            f"{self.unrest:.2f} | {self.pace:.0f} |"
        )


_COLUMNS = (
    *("film", "pictures", "aperture r", "spread", "width r", "closures", "changed", "outside"),
    *("unrest", "ms"),
)
HEADER = f"| {' | '.join(_COLUMNS)} |\n|{' --- |' * len(_COLUMNS)}"


def prepare(film: Path, sound: Speech, painter: MouthPainter, fit: str) -> Dubbing:
    """All that the command does before the second pass."""
    source = VideoFilm(film)
    seen = trace(source)
    model = load_model("starter")
    features = speech_features(sound, model)
    style = model.encode_style(convert(filmed_motion(seen, float(source.rate)), model.space))
    lips = spoken_lips(convert(model.sample(features, style, seed=0), "face"))
    length = result_length(len(seen), sound.duration, source.rate, fit)
    return Dubbing(source, seen, painter, lips, length, fit, features)


def measure(film: Path, speech: Path, name: str, seconds: float, sheets: Path | None) -> Scores:
    """Dub a film and look at the result."""
    painter = Watched(load_painter(name).on())
    job = prepare(film, load_speech(speech, duration=seconds or None), painter, "cut")
    start = time.perf_counter()
    made = torch.cat(list(dub(job))).numpy()
    pace = 1000 * (time.perf_counter() - start) / len(made)
    shown = np.stack([p for _, p in zip(made, job.film.part(0, len(made)), strict=True)])
    wanted = wanted_motion(job).expression.numpy()
    found = FaceLandmarker().landmarks(list(made))
    seen = [bool(faces) and bool(job.trace.found[i]) for i, faces in enumerate(found)]
    points, _ = FaceBasis.load().align(
        np.stack([faces[0] for faces, use in zip(found, seen, strict=True) if use])
    )
    got = measure_channels(points) - person_neutral(job.trace)
    wanted_there = wanted[seen]

    def column(values: npt.NDArray[np.floating], channel: str) -> npt.NDArray[np.floating]:
        return values[:, FACE.index[channel]]

    pairs = {
        channel: (column(wanted_there, channel), column(got, channel))
        for channel in ("lipAperture", "mouthWidth")
    }
    correlations = {k: float(np.corrcoef(a, b)[0, 1]) for k, (a, b) in pairs.items()}
    aperture, came = pairs["lipAperture"]
    changed = (made != shown).any(-1)
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
        draw(sheets / f"{film.stem}.png", shown, made, job, wanted)
    return Scores(
        name=film.stem,
        frames=len(made),
        aperture=correlations["lipAperture"],
        spread=float(came.std() / aperture.std()),
        width=correlations["mouthWidth"],
        closures=closures(aperture, came),
        changed=float(changed.mean()),
        outside=outside(changed, painter.masks, job),
        unrest=unrest(made, changed) / max(unrest(shown, changed), 1e-6),
        pace=pace,
    )


def closures(wanted: npt.NDArray[np.floating], got: npt.NDArray[np.floating]) -> tuple[int, int]:
    """Stretches of closed lips that came, and that were wanted."""
    closed = (wanted < CLOSED_APERTURE).astype(np.int8)
    edges = np.flatnonzero(np.diff(np.r_[0, closed, 0])).reshape(-1, 2)
    return sum(bool((got[a:b] < CLOSED_APERTURE).any()) for a, b in edges), len(edges)


def outside(
    changed: npt.NDArray[np.bool_], masks: dict[int, npt.NDArray[np.bool_]], job: Dubbing
) -> int:
    """Changed pixels that no mask covers."""
    left = changed.copy()
    for first, mask in masks.items():
        rows, columns = around_face(job.trace.landmarks.part(first, first + len(mask)))
        left[first : first + len(mask), rows, columns] &= ~mask
    return int(left.sum())


def unrest(pictures: Pictures, where: npt.NDArray[np.bool_]) -> float:
    """Mean absolute second difference in time of the greys (0..255), where something changed."""
    total = count = 0.0
    greys = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float32) for p in pictures]
    for before, now, after, mask in zip(greys, greys[1:], greys[2:], where[1:], strict=False):
        total += float(np.abs(before - 2 * now + after)[mask].sum())
        count += float(mask.sum())
    return total / max(count, 1.0)


def draw(path: Path, film: Pictures, made: Pictures, job: Dubbing, wanted: np.ndarray) -> None:
    """Mouths of sixteen moments, the deepest closures among them: film above, result below."""
    aperture = wanted[:, FACE.index["lipAperture"]]
    regular = np.linspace(0, len(made) - 1, 12).round().astype(int)
    moments = sorted({*regular.tolist(), *np.argsort(aperture)[:: max(1, len(made) // 40)][:4]})
    rows: list[list[Pictures]] = [[], []]
    for moment in [m for m in moments if job.trace.found[m]]:
        marks = job.trace.landmarks.part(int(moment), int(moment) + 1)[0]
        middle = marks[[61, 291, 152, 2], :2].mean(0)
        scale = 160 / float(np.linalg.norm(marks[454, :2] - marks[234, :2]) * 0.45)
        matrix = np.float32(
            [[scale, 0, 160 - middle[0] * scale], [0, scale, 160 - middle[1] * scale]]
        )
        for row, pictures in zip(rows, (film, made), strict=True):
            row.append(cv2.warpAffine(pictures[moment], matrix, (320, 320), flags=cv2.INTER_CUBIC))
    sheet = [
        np.concatenate(row[at : at + 8], 1) for at in (0, 8) for row in rows if row[at : at + 8]
    ]
    widest = max(part.shape[1] for part in sheet)
    sheet = [np.pad(part, ((0, 0), (0, widest - part.shape[1]), (0, 0))) for part in sheet]
    cv2.imwrite(str(path), cv2.cvtColor(np.concatenate(sheet), cv2.COLOR_RGB2BGR))


def longer(film: Path, out: Path, minutes: float) -> None:
    """The film again and again, its packets as they are."""
    with av.open(str(film)) as source, av.open(str(out), "w") as made:
        stream = source.streams.video[0]
        copy = made.add_stream_from_template(stream)
        length = stream.duration or 0
        times = int(np.ceil(minutes * 60 / float(length * stream.time_base)))
        for turn in range(times):
            source.seek(0)
            for packet in source.demux(stream):
                if packet.dts is None:
                    continue
                packet.pts, packet.dts = packet.pts + turn * length, packet.dts + turn * length
                packet.stream = copy
                made.mux(packet)


_MEMORY = (
    *("painter", "fit", "minutes", "pictures", "size", "first pass, CPU s"),
    *("second, CPU ms a picture", "peak after the first, MB", "after a tenth of the second"),
    "after all",
)


def memory(film: Path, speech: Path, painter: str, minutes: float, fit: str) -> None:
    """Dub so many minutes and print the peaks of this process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    said, count = load_speech(speech).waveform, round(minutes * 60 * SAMPLE_RATE)
    sound = Speech(said.repeat(-(-count // len(said)))[:count])
    loaded = load_painter(painter).on()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        if fit == "hold":
            longer(film, path, minutes)
        begun = time.process_time()
        job = prepare(path if fit == "hold" else film, sound, loaded, fit)
        peaks, first = [peak_memory() / 2**20], time.process_time() - begun
        begun, frames = time.process_time(), 0
        with closing(dub(job)) as chunks:
            for chunk in chunks:
                frames += len(chunk)
                while len(peaks) <= 10 * frames // job.length:
                    peaks.append(peak_memory() / 2**20)
                    print(f"{frames} pictures: {peaks[-1]:.0f} MB", file=sys.stderr, flush=True)
        job.trace.landmarks.close()
    pace = 1000 * (time.process_time() - begun) / frames
    height, width = job.trace.size
    print(f"| {' | '.join(_MEMORY)} |\n|{' --- |' * len(_MEMORY)}")
    print(
        f"| {painter} | {fit} | {minutes:.1f} | {frames} | {width}x{height} | {first:.0f} | "
        f"{pace:.0f} | {peaks[0]:.0f} | {peaks[1]:.0f} | {peaks[-1]:.0f} |",
        flush=True,
    )


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, dest="command")
    clips = commands.add_parser("clips")
    clips.add_argument("files", nargs="+", type=Path, help="film and speech in turn")
    clips.add_argument("--duration", type=float, default=8.0)
    clips.add_argument("--sheets", type=Path)
    long = commands.add_parser("memory")
    long.add_argument("film", type=Path)
    long.add_argument("speech", type=Path)
    long.add_argument("--minutes", type=float, default=10.0)
    long.add_argument("--fit", choices=("hold", "loop"), default="hold")
    for command in (clips, long):
        command.add_argument("--painter", default="mesh")
    args = parser.parse_args()
    if args.command == "memory":
        memory(args.film, args.speech, args.painter, args.minutes, args.fit)
        return
    print(HEADER)
    for film, speech in zip(args.files[::2], args.files[1::2], strict=True):
        print(measure(film, speech, args.painter, args.duration, args.sheets).row(), flush=True)


if __name__ == "__main__":
    main()

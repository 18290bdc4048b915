"""A filmed person says something else: only the mouth changes, whatever the film is like."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from dreamtalk.dubbing.dub import Dubbing, around_face, dub, laid_over, wanted_motion
from dreamtalk.dubbing.film import Film, PictureFilm, VideoFilm
from dreamtalk.dubbing.lips import lips_at, person_neutral, spoken_lips, strengths
from dreamtalk.dubbing.mesh import MeshPainter
from dreamtalk.dubbing.order import Run, pieces, result_length, runs
from dreamtalk.dubbing.painter import MouthPainter, Painted, Reference, Take
from dreamtalk.dubbing.reference import choose_references, load_reference
from dreamtalk.dubbing.registry import load_painter
from dreamtalk.dubbing.trace import Trace, trace
from dreamtalk.errors import (
    DreamTalkError,
    FaceNotFoundError,
    ImageError,
    ModelNotFoundError,
    MotionError,
    OutputError,
)
from dreamtalk.face import FaceBasis, FaceLandmarker
from dreamtalk.face.channels import measure_channels
from dreamtalk.motion import FACE, Motion
from dreamtalk.pipeline import Dub, SpeechSource
from dreamtalk.pipeline import dub as dub_job
from dreamtalk.progress import Progress, silent

CLIP = Path(__file__).resolve().parents[1] / "samples" / "clip.mp4"
RATE = Fraction(25)
STILL = torch.zeros(2, 6)


@pytest.fixture(scope="module")
def clip() -> Tensor:
    """(20, 264, 264, 3) uint8: a face that talks; the shipped sample's first pictures."""
    with av.open(str(CLIP)) as container:
        frames = [f.to_ndarray(format="rgb24") for f in islice(container.decode(video=0), 20)]
    return torch.from_numpy(np.stack(frames))


@pytest.fixture(scope="module")
def gappy(clip: Tensor) -> Tensor:
    """The same with three pictures that show no face, and another shot after them."""
    frames = clip.clone()
    frames[6:9] = 90
    frames[14:] = torch.roll(clip[14:].flip(2), 30, 1) // 2 + 90
    return frames


@pytest.fixture(scope="module")
def seen(clip: Tensor) -> Trace:
    return trace(PictureFilm(clip, RATE))


@pytest.fixture(scope="module")
def seen_gappy(gappy: Tensor) -> Trace:
    return trace(PictureFilm(gappy, RATE))


def speaking(frames: int, rate: float = 25.0) -> Motion:
    """Lips that open and close three times a second."""
    phase = torch.arange(frames) / rate * 2 * torch.pi * 3
    expression = torch.zeros(frames, len(FACE))
    opening = 0.09 * (1 - phase.cos())
    for name, share in (("lipAperture", 1.0), ("lipLowerY", -0.62), ("chinY", -0.45)):
        expression[:, FACE.index[name]] = share * opening
    return Motion(expression, torch.zeros(frames, 6), rate)


class White:
    """Paints white, with a mask over a box of its own that depends on nothing but the landmarks."""

    def __init__(self) -> None:
        self.takes: list[Take] = []
        self.references: list[Reference] = []

    def prepare(self, reference: Reference) -> White:
        self.references.append(reference)
        return self

    def paint(self, take: Take, progress: Progress = silent) -> Painted:
        self.takes.append(take)
        mask = torch.zeros(take.pictures.shape[:3])
        for index, marks in enumerate(take.landmarks):
            x, y = marks[17, :2].round().int().tolist()
            mask[index, y - 3 : y + 3, x - 5 : x + 5] = 0.5
        return Painted(torch.full_like(take.pictures, 255), mask)


def job_of(film: Film, seen: Trace, painter: MouthPainter, length: int = 20) -> Dubbing:
    return Dubbing(film, seen, painter, speaking(60), length, "loop")


def write(path: Path, frames: Tensor, rate: Fraction, times: list[Fraction] | None = None) -> Path:
    """A lossless video, RGB as it is."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=rate, options={"qp": "0", "g": "7"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb24"
        for index, image in enumerate(frames.numpy()):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.time_base = Fraction(1, 1000)
                frame.pts = round(times[index] * 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def same(pictures: Iterable[np.ndarray], frames: Tensor) -> bool:
    """Whether pictures are these frames, to the last bit."""
    return torch.equal(torch.from_numpy(np.stack(list(pictures))), frames)


# ------------------------------------------------------------------------------------- what changes


def test_what_no_mask_covers_is_the_decoded_film(gappy: Tensor, seen_gappy: Trace) -> None:
    painter = White()
    job = job_of(PictureFilm(gappy, RATE), seen_gappy, painter)
    made = torch.cat(list(dub(job)))
    assert made.shape == gappy.shape
    assert job.trace.shots == ((0, 14), (14, 20))
    assert not job.trace.found[6:9].any()
    assert torch.equal(made[6:9], gappy[6:9])
    assert len(painter.references) == 2
    masked = torch.zeros(gappy.shape[:3])
    for take in painter.takes:
        part = slice(take.first, take.first + len(take))
        rows, columns = around_face(job.trace.landmarks.part(part.start, part.stop))
        masked[part, rows, columns] = White().paint(take).mask
    assert torch.equal(made[masked == 0], gappy[masked == 0])
    assert bool((made[masked > 0] != gappy[masked > 0]).any(-1).float().mean() > 0.9)


def test_strength_is_part_of_the_mask() -> None:
    frames = torch.full((2, 4, 4, 3), 100, dtype=torch.uint8)
    mask = torch.zeros(2, 4, 4)
    mask[:, 1, 1] = 1.0
    painted = Painted(torch.full_like(frames, 200), mask)
    mixed = laid_over(frames, painted, torch.tensor([1.0, 0.25]))
    assert mixed[:, 1, 1, 0].tolist() == [200, 125]
    mixed[:, 1, 1] = 100
    assert torch.equal(mixed, frames)


def test_a_lossless_film_comes_back_exactly(
    gappy: Tensor, seen_gappy: Trace, tmp_path: Path
) -> None:
    path = write(tmp_path / "film.mkv", gappy, RATE)
    film = VideoFilm(path)
    assert same(film.pictures(), gappy)
    job = job_of(film, seen_gappy, White())
    made = torch.cat(list(dub(job)))
    again = write(tmp_path / "made.mkv", made, film.rate)
    kept = torch.stack([torch.from_numpy(p) for p in VideoFilm(again).pictures()])
    assert torch.equal(kept, made)
    changed = (kept != gappy).any(-1)
    assert not changed[6:9].any()
    assert 0 < int(changed[0].sum()) <= 60


def test_lips_do_what_they_are_to_do(clip: Tensor, seen: Trace) -> None:
    job = job_of(PictureFilm(clip, RATE), seen, MeshPainter())
    made = torch.cat(list(dub(job)))
    wanted = wanted_motion(job).channel("lipAperture").numpy()
    assert np.allclose(wanted, speaking(20).channel("lipAperture").numpy(), atol=1e-4)
    marks = np.stack([faces[0] for faces in FaceLandmarker().landmarks(list(made.numpy()))])
    got = measure_channels(FaceBasis.load().align(marks)[0])[:, FACE.index["lipAperture"]]
    assert np.corrcoef(wanted, got)[0, 1] > 0.9
    assert got[wanted < 0.01].max() < 0.05
    # eyes and forehead are the film's own bytes, and so is the rest of the picture's border
    top = int(job.trace.landmarks.part(0, len(clip))[:, 2, 1].min()) - 6
    assert torch.equal(made[:, :top], clip[:, :top])
    assert torch.equal(made[:, :, :40], clip[:, :, :40])


def test_the_mask_is_told_by_the_head_alone(clip: Tensor, seen: Trace) -> None:
    film, neutral = PictureFilm(clip, RATE), person_neutral(seen)
    chosen = choose_references(seen, seen.shots[0], neutral)
    painter = MeshPainter().prepare(load_reference(film, seen, chosen, neutral))
    rows, columns = around_face(seen.landmarks.part(3, 5))
    marks = seen.landmarks.part(3, 5) - np.array([columns.start, rows.start, 0], np.float32)
    filmed = Motion(torch.from_numpy((seen.channels[3:5] - neutral).astype(np.float32)), STILL)
    masks = []
    for wanted in (filmed, filmed.with_(expression=speaking(8).expression[5:7])):
        pictures = clip[3:5, rows, columns].contiguous()
        take = Take(pictures, torch.from_numpy(marks), wanted, filmed, 3, torch.arange(2) / 25.0)
        masks.append(painter.paint(take).mask)
    assert torch.equal(*masks)
    for mask, points in zip(masks[0], marks[:, [0, 17, 61, 291]].round().astype(int), strict=True):
        assert all(float(mask[y, x]) == 1.0 for x, y, _ in points)


# ------------------------------------------------------------------------------- order and length


@pytest.mark.parametrize(
    ("fit", "film", "seconds", "shown"),
    [
        ("cut", 4, 1.0, [0, 1, 2, 3]),
        ("cut", 4, 0.08, [0, 1]),
        ("hold", 3, 0.2, [0, 1, 2, 2, 2]),
        ("hold", 3, 0.04, [0, 1, 2]),
        ("loop", 3, 0.4, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1]),
        ("loop", 1, 0.12, [0, 0, 0]),
        ("loop", 5, 0.12, [0, 1, 2]),
    ],
)
def test_speech_and_film_of_other_lengths(
    fit: str, film: int, seconds: float, shown: list[int]
) -> None:
    length = result_length(film, seconds, RATE, fit)
    found = [run.film(i) for run in runs(film, length, fit) for i in range(run.count)]
    assert found == shown


def test_pieces_stay_within_a_shot() -> None:
    found = list(pieces(Run(10, 7, 8, -1), ((0, 3), (3, 10)), 3))
    assert found == [
        (1, Run(10, 7, 3, -1)),
        (1, Run(13, 4, 2, -1)),
        (0, Run(15, 2, 3, -1)),
    ]


def test_to_and_fro_through_a_file(gappy: Tensor, seen_gappy: Trace, tmp_path: Path) -> None:
    film = VideoFilm(write(tmp_path / "film.mkv", gappy, RATE))
    assert same(film.pictures(), gappy)
    job = job_of(film, seen_gappy, White(), 55)
    made = torch.cat(list(dub(job)))
    numbers = [run.film(i) for run in runs(20, 55, "loop") for i in range(run.count)]
    shown = gappy[numbers]
    assert len(made) == 55
    untouched = [i for i, n in enumerate(numbers) if 6 <= n < 9]
    assert torch.equal(made[untouched], shown[untouched])
    assert torch.equal(made[:, :60, :60], shown[:, :60, :60])


def test_parts_of_a_file_are_what_was_read_in_turn(clip: Tensor, tmp_path: Path) -> None:
    film = VideoFilm(write(tmp_path / "film.mp4", clip, Fraction(30000, 1001)))
    assert film.rate == Fraction(30000, 1001)
    assert same(film.pictures(), clip)
    assert list(film.part(5, 5)) == []
    for start, stop in ((0, 3), (9, 12), (13, 20), (19, 20)):
        part = list(film.part(start, stop))
        assert same(part, clip[start:stop])


def test_a_varying_rate_is_laid_on_a_grid(clip: Tensor, tmp_path: Path) -> None:
    times = [Fraction(i, 25) for i in range(10)] + [Fraction(i + 5, 25) for i in range(10, 20)]
    film = VideoFilm(write(tmp_path / "film.mkv", clip, RATE, times))
    film.rate = RATE
    read = list(film.pictures())
    assert len(read) == 25
    held = clip[[*range(10), *5 * [9], *range(10, 20)]]
    assert same(read, held)
    assert same(film.part(13, 14), held[13:14])


def test_lips_rest_after_the_speech() -> None:
    lips = speaking(10)
    late = lips_at(lips, np.array([0.16, 0.39, 5.0]))
    assert late.shape == (3, 13)
    assert late[0, 0] > 0.05
    assert np.abs(late[2]).max() == 0


def test_new_lips_come_in_beside_what_passes_untouched() -> None:
    found = np.array([True] * 6 + [False] * 2 + [True] * 6)
    strength = strengths(found, 25.0)
    assert strength[0] == strength[-1] == 1
    assert (strength[6:8] == 0).all()
    assert 0 < strength[5] < strength[4] < 1
    assert (strengths(np.ones(5, bool), 25.0) == 1).all()


def test_a_resting_mouth_counts_once() -> None:
    motion = speaking(50)
    smiling = motion.expression.clone()
    smiling[:, FACE.index["mouthWidth"]] += 0.2
    rested = spoken_lips(motion.with_(expression=smiling))
    assert float(rested.channel("mouthWidth").abs().max()) < 1e-5
    assert torch.equal(rested.channel("lipAperture"), motion.channel("lipAperture"))


# ------------------------------------------------------------------------ which face, what can't be


def test_which_face(clip: Tensor) -> None:
    pair = torch.cat([clip[:6], clip[:6].flip(2)], dim=2)
    middles = {}
    for which in ("leftmost", "rightmost", "2"):
        seen = trace(PictureFilm(pair, RATE), which)
        assert seen.found.all()
        middles[which] = float(seen.landmarks.part(0, 6)[..., 0].mean())
    assert middles["leftmost"] < 264 < middles["rightmost"]
    assert middles["2"] == pytest.approx(middles["rightmost"])
    with pytest.raises(FaceNotFoundError, match="face '3' was not found"):
        trace(PictureFilm(pair, RATE), "3")


def test_the_other_face_is_not_taken_for_the_one_that_left(clip: Tensor) -> None:
    room = torch.full((8, 528, 1056, 3), 120, dtype=torch.uint8)
    room[:4, 200:464, 40:304] = clip[:4]
    room[:, 200:464, 760:1024] = clip[:8].flip(2)
    seen = trace(PictureFilm(room, RATE), "leftmost")  # which is gone after four pictures
    assert seen.shots == ((0, 8),)
    assert seen.found.tolist() == [True] * 4 + [False] * 4


def test_reference_frames(clip: Tensor, seen: Trace) -> None:
    film, neutral = PictureFilm(clip, RATE), person_neutral(seen)
    chosen = choose_references(seen, (0, 20), neutral)
    known = load_reference(film, seen, chosen, neutral)
    aperture = known.channels[:, FACE.index["lipAperture"]]
    assert len(set(chosen)) == len(chosen) == len(known.pictures)
    assert float(aperture[0]) == float(aperture.min())
    corner = seen.landmarks.part(chosen[0], chosen[0] + 1)[0] - known.landmarks[0].numpy()
    left, top = corner[0, :2].astype(int)
    height, width = known.pictures.shape[1:3]
    assert torch.equal(known.pictures[0], clip[chosen[0], top : top + height, left : left + width])


def test_what_can_not_be_dubbed(clip: Tensor, tmp_path: Path, speech_wav: Path) -> None:
    with pytest.raises(MotionError, match="there is no video"):
        VideoFilm(tmp_path / "none.mp4")
    with pytest.raises(FaceNotFoundError, match="no face was found in the video"):
        trace(PictureFilm(torch.full((3, 80, 80, 3), 90, dtype=torch.uint8), RATE))
    with pytest.raises(FaceNotFoundError, match="can't be painted in any of 3 pictures"):
        trace(PictureFilm(clip[:3, ::6, ::6], RATE))  # a face of some ten px
    with pytest.raises(MotionError, match="frames are"):
        PictureFilm(torch.zeros(3, 80, 80), 25)
    with pytest.raises(ImageError, match="names no face"):
        Dub(CLIP, SpeechSource(speech_wav), tmp_path / "o.mp4", face="left")
    with pytest.raises(DreamTalkError, match="fit can't be 'stretch'"):
        Dub(CLIP, SpeechSource(speech_wav), tmp_path / "o.mp4", fit="stretch")
    with pytest.raises(ModelNotFoundError, match="no painter 'oil'"):
        load_painter("oil")
    with pytest.raises(DreamTalkError, match="has no option 'brush': it has lips"):
        load_painter("mesh", brush=1)
    for lips in (9, "nan"):
        with pytest.raises(DreamTalkError, match=f"lips can't be {lips}"):
            load_painter("mesh", lips=lips)
    with pytest.raises(OutputError, match="would be written over the film"):
        dub_job(Dub(CLIP, SpeechSource(speech_wav), CLIP))


def test_a_cancel_stops_both_passes(clip: Tensor, seen: Trace) -> None:
    class Cancelled(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        trace(PictureFilm(clip, RATE), progress=cancel)
    job = job_of(PictureFilm(clip, RATE), seen, White())
    with pytest.raises(Cancelled):
        list(dub(job, cancel))


# -------------------------------------------------------------------------------------- the command


def test_the_command(
    clip: Tensor, tmp_path: Path, speech_wav: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dreamtalk.cli import main

    film = write(tmp_path / "film.mkv", clip[:10], RATE)
    out, motion = tmp_path / "dubbed.mp4", tmp_path / "m.npz"
    arguments = ["--video", str(film), "--audio", str(speech_wav), "--out", str(out)]
    settings = ["--duration", "0.6", "--steps", "2", "--save-motion", str(motion)]
    assert main(["dub", *arguments, *settings]) == 0
    said = capsys.readouterr()
    assert str(out) in said.out
    assert "10 frames, face in 100%" in said.err
    with av.open(str(out)) as made:
        video, sound = made.streams.video[0], made.streams.audio[0]
        assert (video.width, video.height, video.average_rate) == (264, 264, RATE)
        assert video.frames == 15
        assert float(sound.duration * sound.time_base) == pytest.approx(0.6, abs=0.05)
        assert "AI-generated" in made.metadata["comment"]
    assert len(Motion.load(motion)) == 15
    assert main(["dub", *arguments[:-1], str(tmp_path / "x.txt")]) == 1
    assert "no suffix of a video" in capsys.readouterr().err

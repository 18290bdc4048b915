"""Times as people write and draw them: who speaks when, ranges of an edit, curves, frame rates."""

from __future__ import annotations

import sys
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from dreamtalk.dialogue.split import Recording, settled, who_says_what
from dreamtalk.dialogue.turns import SpeakerMark, parse_speaker_track, turns_of
from dreamtalk.motion import FACE, Motion
from dreamtalk.motion.ranges import range_weights, within_range
from dreamtalk.pipeline.jobs import Shot
from dreamtalk.pipeline.parts import at_rate
from dreamtalk.speech import Speech
from tests.comfy_pack import PACK, load_pack
from tests.conftest import RATE, babble
from tests.fuzz.cases import ABSURD_NUMBERS, ABSURD_VALUES, works_or_says

FACES = ["left", "right", "middle", "both", "all", "none", "nobody", "1", "2", "left+2", "LEFT"]
WORDS = st.sampled_from(
    [
        *FACES,
        *ABSURD_NUMBERS,
        ":",
        "+",
        " ",
        ",",
        ";",
        "\t",
        "\n",
        "1:02.5",
        "0",
        "²",
        "İ",
        "stereo",
    ]
)
TIMES = st.floats(0, 3) | st.sampled_from([*ABSURD_NUMBERS, "0:01", "1:0.5", ".5", "9" * 400])
MARKS = st.builds("{}:{}".format, TIMES, st.sampled_from(FACES) | st.text(max_size=3))
NUMBERS = st.floats(0, 3) | st.floats() | st.sampled_from(ABSURD_VALUES)
MOTION = Motion(torch.zeros(10, len(FACE)), torch.zeros(10, 6))


@lru_cache
def speech() -> Speech:
    return Speech(torch.from_numpy(babble(1.5)).float())


@given(text=st.text(max_size=40) | st.lists(WORDS, max_size=12).map("".join))
@example(text="9" * 400 + ":left")
@example(text="1" * 5000 + ":1:left")
@example(text="0:" + "left+" * 500 + "left")
def test_any_speakers(text: str) -> None:
    marks = works_or_says(lambda: parse_speaker_track(text))
    if marks is not None:
        times = [mark.time for mark in marks]
        assert times[0] >= 0
        assert all(a < b for a, b in pairwise(times))
        written = " ".join(f"{mark.time:f}:{'+'.join(mark.names)}" for mark in marks)
        if max(times) < 1e9 and len({f"{time:f}" for time in times}) == len(times):
            again = parse_speaker_track(written)
            assert [mark.names for mark in again] == [mark.names for mark in marks]
            np.testing.assert_allclose([mark.time for mark in again], times, atol=1e-6)


@given(
    marks=st.lists(MARKS, min_size=1, max_size=6).map(" ".join),
    faces=st.integers(1, 4),
    duration=st.floats(0.01, 4),
)
def test_any_turns(marks: str, faces: int, duration: float) -> None:
    """Whoever speaks does so within the recording, and not twice at once."""

    def work() -> tuple[list[np.ndarray], np.ndarray]:
        return turns_of(parse_speaker_track(marks), faces, duration)

    made = works_or_says(work)
    if made is not None:
        turns, cuts = made
        assert len(turns) == faces
        assert (np.diff([0.0, *cuts, duration]) > 0).all()
        for own in turns:
            ends = own.ravel()
            assert (np.diff(ends) > 0).all()
            assert not len(ends) or (ends[0] >= 0 and ends[-1] <= duration)


@given(times=st.lists(st.floats(0, 2), min_size=1, max_size=8, unique=True))
def test_marks_that_settle_in_pauses(times: list[float]) -> None:
    moved = settled(speech(), [SpeakerMark(time, ("left",)) for time in sorted(times)])
    assert all(a.time < b.time for a, b in pairwise(moved))
    # those before the end stay before it, so that nobody loses a turn
    end = speech().duration
    assert sum(time < end for time in times) == sum(mark.time < end for mark in moved)


@given(
    speakers=st.lists(MARKS, min_size=1, max_size=3).map(" ".join)
    | st.sampled_from(["stereo", "", *ABSURD_NUMBERS]),
    channels=st.integers(1, 3),
    faces=st.integers(1, 3),
    at=st.floats(0, 2) | st.sampled_from(ABSURD_VALUES),
    rate=st.sampled_from([RATE, RATE, 8000, 0, -1, 384_001, 1]),
)
def test_any_conversation(speakers: str, channels: int, faces: int, at: Any, rate: int) -> None:
    waveform = speech().waveform.expand(channels, -1)
    voices = works_or_says(lambda: who_says_what([Recording(waveform, rate, at)], speakers, faces))
    if voices is not None:
        assert len(voices) == faces
        assert len({len(voice.speech.waveform) for voice in voices}) == 1


@given(start=NUMBERS, end=NUMBERS, ease=NUMBERS, fps=st.floats(1, 1000))
@example(start=0.2, end=0.0, ease=1e-20, fps=25.0)
@example(start=0.0, end=0.2, ease=1e-20, fps=25.0)
def test_any_range(start: Any, end: Any, ease: Any, fps: float) -> None:
    motion = MOTION.with_(fps=fps)
    weights = works_or_says(lambda: range_weights(motion, start, end, ease))
    if weights is not None:
        assert weights.shape == (len(motion),)
        assert bool(((weights >= 0) & (weights <= 1)).all())
        edited = within_range(motion, motion.with_(head=torch.ones(10, 6)), start, end, ease)
        torch.testing.assert_close(edited.head, weights[:, None].expand(-1, 6))


POINTS = st.lists(
    st.tuples(*[st.floats(0, 1) | st.floats() | st.sampled_from(ABSURD_VALUES)] * 2), max_size=5
)
CURVES = (
    st.builds(
        lambda points, kind: {"points": points, "interpolation": kind},
        POINTS, st.sampled_from(["linear", "monotone_cubic", "x", None]),
    )
    | POINTS
    | st.sampled_from(ABSURD_VALUES)
    | st.dictionaries(st.sampled_from(["points", "x"]), st.sampled_from(ABSURD_VALUES))
)  # fmt: skip


@given(curve=CURVES, count=st.integers(0, 9))
@example(curve={"points": [(0, 10**400)]}, count=3)
def test_any_curve(curve: Any, count: int) -> None:
    load_pack()
    curve_values = sys.modules[f"{PACK}.nodes.convert"].curve_values
    values = works_or_says(lambda: curve_values(curve, count))
    if values is not None:
        assert values.shape == (max(1, count),)
        assert bool(((values >= 0) & (values <= 1)).all())


@given(fps=st.floats(0, 260) | NUMBERS)
@example(fps=0.5)
def test_any_frame_rate(fps: Any) -> None:
    """What a job takes, its motion can be brought to, with its length."""
    shot = works_or_says(lambda: Shot(Path("p.png"), Path("v.mp4"), fps=fps))
    made = works_or_says(lambda: at_rate(MOTION, fps))
    if shot is not None:
        assert made is not None
        assert abs(made.duration - MOTION.duration) <= 0.51 / made.fps or len(made) == 1

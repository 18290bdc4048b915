"""Arguments of the command and options of a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamtalk.cli import main
from dreamtalk.motion.files import load_motion
from dreamtalk.options import OPTIONS
from dreamtalk.pipeline import Talk
from tests.fuzz.cases import ABSURD_NUMBERS, ABSURD_VALUES, limits, readable, works_or_says

OPTION_NAMES = [
    "emotion", "intensity", "steps", "sampler", "guidance", "sync", "seed", "liveliness", "quality",
    "start", "duration", "device", "checkpoint", "renderer",
]  # fmt: skip
TEXTS = st.sampled_from([*ABSURD_NUMBERS, "happy", "ddim", "cpu", "1", "0.5", "2"])
WORDS = TEXTS | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
                        max_size=6)  # fmt: skip


def status(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> int:
    """Of the command, which must say in one line what is wrong if it is not 0."""
    capsys.readouterr()
    with limits():
        try:
            code = main(arguments)
        except SystemExit as left:  # the parser's own errors
            code = int(left.code or 0)
    said = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    if code:
        assert len(said) == 1, said
        readable(said[0])
    return code


@given(
    command=st.sampled_from(["talk", "animate"]),
    options=st.lists(st.tuples(st.sampled_from(OPTION_NAMES), WORDS), max_size=4),
    track=st.none() | WORDS,
)
def test_arguments(
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    command: str,
    options: list[tuple[str, str]],
    track: str | None,
) -> None:
    """There is no recording, so that nothing long begins; what can't be is said before."""
    folder = tmp_path_factory.getbasetemp()
    arguments = [command, "--audio", str(folder / "none.wav"), "--out", str(folder / "o.npz")]
    if command == "talk":
        arguments[-1] = str(folder / "o.mp4")
        arguments += ["--portrait", str(folder / "none.png")]
    arguments += [f"--{name}={value}" for name, value in options]
    arguments += [] if track is None else [f"--style-track={track}"]
    assert status(arguments, capsys) in (1, 2)


@given(
    command=st.sampled_from(
        ["talk", "animate", "render", "track", "plot", "convert", "bench", "batch", ""]
    ),
    words=st.lists(
        WORDS | st.sampled_from(["--out", "--audio", "--portrait", "--motion", "-v", "--", "@x"]),
        max_size=6,
    ),
)
def test_any_words(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("words", numbered=False) if not Path.cwd().name
                      .startswith("words") else Path.cwd())  # fmt: skip
    if "-h" not in words:
        assert status([command, *words], capsys) in (0, 1, 2)


@given(
    options=st.dictionaries(
        st.sampled_from([*OPTION_NAMES, "style_track", "face", "label", "visible_mark", "other"]),
        st.sampled_from(ABSURD_VALUES) | st.floats() | st.integers() | st.text(max_size=5),
        max_size=4,
    )
)
def test_jobs(options: dict[str, Any]) -> None:
    job = works_or_says(lambda: Talk.of("p.png", "a.wav", "v.mp4", **options))
    if job is not None:
        settings = {**vars(job.performance.sampling), **vars(job.performance), **vars(job.shot)}
        for name in set(settings) & set(OPTIONS):
            assert OPTIONS[name].problem(settings[name]) is None, name


@pytest.mark.parametrize("rate", [0, -1, 1e9, float("nan"), float("inf"), 1e-300, "x", None])
def test_frame_rates(tmp_path: Path, rate: Any) -> None:
    from tests.fuzz.test_motions import FILES

    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
        works_or_says(lambda name=name: load_motion(tmp_path / name, rate))


@pytest.mark.parametrize("words", [["--", "1", "--"], ["--", "--", "x.safetensors"]])
def test_a_second_double_dash_is_no_file(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """argparse gives an empty list for it, before Python 3.13."""
    monkeypatch.chdir(tmp_path)
    assert status(["convert", *words], capsys) in (1, 2)


def test_words_of_any_length_are_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["talk", f"--unknown={'1' * 4000}"], capsys) == 2
    assert status(["1" * 4000], capsys) == 2

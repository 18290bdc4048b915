"""Batches: what rows become, and 40 ways of being refused; the pool; a batch from end to end."""

from __future__ import annotations

import csv
import json
import os
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from dreamtalk.batch.jobs import COLUMNS, BatchJob, make_jobs
from dreamtalk.batch.pool import run_pool
from dreamtalk.batch.report import Report, load_finished
from dreamtalk.batch.rows import Row, read_rows
from dreamtalk.batch.run import Batch, read_batch, run_batch
from dreamtalk.batch.work import DONE, Outcome, do_job
from dreamtalk.cli import main
from dreamtalk.dialogue.job import Dialogue
from dreamtalk.errors import DreamTalkError, MissingDependencyError
from dreamtalk.face.image import save_image
from tests.batch_jobs import answer, died
from tests.test_cli import RATE, write_wav


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Inputs that only have to be there."""
    for name in ("anna.png", "ben.jpg", "hello.wav", "clip.mp4"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def made(folder: Path, **values: object) -> BatchJob:
    rows = [Row(2, {"portrait": "anna.png", "audio": "hello.wav", **values})]
    jobs, refused = make_jobs(rows, folder, folder / "out")
    assert not refused, refused
    return jobs[0]


def test_a_row_is_a_job_of_talk(folder: Path) -> None:
    job = made(
        folder, seed="7", emotion="happy", intensity="1.5", quality=30, mark="yes", no_label="true",
        face="2", start="0.5", duration=2, out="a/b.webm", **{"save-motion": "m.npz"},
        renderer="mesh",
    )  # fmt: skip
    shot, performance = job.talk.shot, job.talk.performance
    assert (job.name, job.line) == ("a/b.webm", 2)
    assert shot.out == folder / "out/a/b.webm"
    assert job.talk.save_motion == folder / "out/m.npz"
    assert (performance.sampling.seed, performance.style.intensity) == (7, 1.5)
    assert performance.style.emotion == "happy"
    assert (performance.speech.start, performance.speech.duration, shot.start) == (0.5, 2, 0.5)
    assert (shot.quality, shot.visible_mark, shot.label, shot.faces) == (30, True, False, ("2",))
    assert shot.portrait == folder / "anna.png"
    assert made(folder, style="clip.mp4").talk.performance.style.clip == folder / "clip.mp4"
    smiling = made(folder, **{"open-mouth": "ben.jpg"})
    assert smiling.talk.shot.open_mouth == folder / "ben.jpg"
    (folder / "ben.jpg").write_bytes(b"another smile")
    assert made(folder, **{"open-mouth": "ben.jpg"}).fingerprint != smiling.fingerprint


def test_a_row_with_speakers_is_a_conversation(folder: Path) -> None:
    job = made(folder, speakers="0:left 1:right", faces="1, 3", styles="left=happy", seed="4")
    talk = job.talk
    assert isinstance(talk, Dialogue)
    assert (talk.speakers, talk.shot.faces, talk.styles) == (
        "0:left 1:right",
        ("1", "3"),
        "left=happy",
    )
    assert (talk.performance.sampling.seed, talk.shot.out) == (4, folder / "out/anna-hello.mp4")
    everybody = made(folder, speakers="stereo")
    assert isinstance(everybody.talk, Dialogue)
    assert everybody.talk.shot.faces == ()
    assert everybody.fingerprint != made(folder, speakers="0:left 1:right").fingerprint


_REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "unknown option": ({"colour": "red"}, "no option 'colour'"),
    "emotion": ({"emotion": "glad"}, "emotion can't be 'glad'"),
    "no number": ({"seed": "x"}, "seed can't be 'x'"),
    "half a step": ({"steps": "2.5"}, "steps can't be '2.5'"),
    "range": ({"quality": 99}, "quality can't be 99"),
    "not a number": ({"intensity": "nan"}, "intensity can't be nan"),
    "list": ({"seed": [1]}, "seed can't be [1]"),
    "true": ({"seed": True}, "seed can't be True"),
    "no bool": ({"mark": "maybe"}, "mark can't be 'maybe'"),
    "number for a name": ({"portrait": 5}, "portrait can't be 5"),
    "twice": ({"save-motion": "a.npz", "save_motion": "b.npz"}, "given twice"),
    "two styles": ({"emotion": "happy", "style": "clip.mp4"}, "one of emotion, style"),
    "track": ({"style_track": "soon:happy"}, "soon"),
    "speakers": ({"speakers": "soon:left"}, "soon"),
    "nobody speaks": ({"speakers": " ", "faces": "1 2"}, "who speaks when"),
    "styles of nobody": ({"styles": "left=happy"}, "who speaks when"),
    "no such face": ({"speakers": "0:left", "faces": "1 0"}, "'0' names no face"),
    "styles of speakers": ({"speakers": "0:left", "faces": "1 2", "styles": "3=sad"}, "'3'"),
    "one face of many": ({"speakers": "0:left", "face": "2"}, "face names one"),
    "a face twice": ({"speakers": "0:left", "faces": "1 1"}, "face 1 is named twice"),
    "a mouth of many": ({"speakers": "0:left", "open_mouth": "anna.png"}, "leave them out"),
    "one motion of many": ({"speakers": "0:left", "save_motion": "m.npz"}, "keeps one motion"),
    "points": ({"points": "eyeRight 1"}, "no point"),
    "renderer": ({"renderer": "oil"}, "no file"),
    "renderer's option": ({"renderer_option": "shine=1"}, "no option 'shine'"),
    "renderer's words": ({"renderer_option": "shine"}, "NAME=VALUE"),
    "missing picture": ({"portrait": "carl.png"}, "no file"),
    "missing audio": ({"audio": "bye.wav"}, "no file"),
    "empty": ({"portrait": "   "}, "it is empty"),
    "parent": ({"portrait": "../x.png"}, "leads out of the folder"),
    "parent's parent": ({"audio": "a/../../x.wav"}, "leads out of the folder"),
    "backslashes": ({"audio": "..\\x.wav"}, "leads out of the folder"),
    "absolute": ({"audio": "/etc/passwd"}, "not below the folder"),
    "drive": ({"audio": "C:\\x.wav"}, "not below the folder"),
    "smile elsewhere": ({"open_mouth": "../smile.jpg"}, "leads out of the folder"),
    "server": ({"style": "\\\\host\\x.mp4"}, "not below the folder"),
    "weights elsewhere": ({"checkpoint": "/tmp/w.pth"}, "not below the folder"),
    "link": ({"portrait": "link.png"}, "leads out of"),
    "out above": ({"out": "../v.mp4"}, "leads out of the folder"),
    "out absolute": ({"out": "/v.mp4"}, "not below the folder"),
    "out by a link": ({"out": "away/v.mp4"}, "through a link"),
    "out device": ({"out": "nul.mp4"}, "device"),
    "out kind": ({"out": "v.avi"}, "no suffix of a video"),
    "out in the report": ({"out": "Report/v.mp4"}, "the report is there"),
    "out over an input": ({"out": "clip.mp4", "style": "clip.mp4"}, "over an input"),
    "motion above": ({"save_motion": "../m.npz"}, "leads out of the folder"),
    "motion kind": ({"save_motion": "m.doc"}, "m.doc"),
    "layers' kind": ({"debug": "d.mp4"}, "d.mp4"),
    "same names": ({"out": "v.mp4", "debug": "d.png", "save_motion": "d.png"}, "d.png"),
    "reversed": ({"out": "a\u202emp4.exe.mp4"}, "can't be shown"),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_bad_rows_are_refused_before_the_work(folder: Path, name: str) -> None:
    values, expected = _REFUSED[name]
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    for file in ("anna.png", "hello.wav", "clip.mp4"):
        (folder / file).rename(folder / "in" / file)
    if os.name != "nt":
        (folder / "in/link.png").symlink_to(folder / "ben.jpg")
        (folder / "out/away").symlink_to(folder / "in")
    elif "link" in name:
        pytest.skip("links need a privilege there")
    row = {"portrait": "anna.png", "audio": "hello.wav", **values}
    out = folder / ("in" if name == "out over an input" else "out")
    jobs, refused = make_jobs([Row(7, row)], folder / "in", out)
    assert not jobs
    assert refused[0].line == 7
    assert expected in refused[0].reason


def test_names_are_told_apart_and_never_written_twice(folder: Path) -> None:
    row = {"portrait": "anna.png", "audio": "hello.wav"}
    rows = [Row(2, row), Row(3, {**row, "seed": "1"}), Row(4, row), Row(5, {**row, "out": "A.mp4"}),
            Row(6, {**row, "out": "a.mp4"}), Row(7, {**row, "portrait": "ben.jpg"})]  # fmt: skip
    jobs, refused = make_jobs(rows, folder, folder / "out")
    assert [r.line for r in refused] == [4, 6]
    assert "line 2 already" in refused[0].reason
    names = [job.name for job in jobs]
    assert names[-1] == "ben-hello.mp4"
    assert len({*names}) == 4
    again, _ = make_jobs([rows[1], rows[0]], folder, folder / "out")
    assert {job.name for job in again} == {*names[:2]}, "names don't hang on the order"


def test_options_of_all_jobs(folder: Path) -> None:
    row = {"portrait": "anna.png", "audio": "hello.wav"}
    rows = [Row(2, row), Row(3, {**row, "seed": 2})]
    jobs, _ = make_jobs(rows, folder, folder / "out", {"seed": "9", "quality": "40"})
    assert [j.talk.performance.sampling.seed for j in jobs] == [9, 2]
    for bad in ({"seed": "x"}, {"out": "v.mp4"}, {"nothing": "1"}):
        with pytest.raises(DreamTalkError):
            make_jobs(rows, folder, folder / "out", bad)


def test_tables_as_spreadsheets_write_them(tmp_path: Path) -> None:
    table = tmp_path / "jobs.csv"
    text = (
        '\ufeffportrait;audio;style-track\r\na.png;"b;1.wav";"0:happy\n2:sad"\r\n;;\r\na;b;c;d\r\n'
    )
    table.write_text(text, "utf-8", newline="")
    rows = read_rows(table)
    assert rows[0] == Row(
        2, {"portrait": "a.png", "audio": "b;1.wav", "style-track": "0:happy\n2:sad"}
    )
    assert (rows[1].line, rows[1].problem) == (5, "has 4 cells, and the header has 3")
    table.write_text('portrait,audio\na,b\nc,"d\ne,f\n')
    assert [(row.line, bool(row.problem)) for row in read_rows(table)] == [(2, False), (3, True)]


@pytest.mark.parametrize(
    ("name", "data"),
    [("j.csv", b""), ("j.csv", b"portrait,audio\n"), ("j.csv", b"a,a\n1,2\n"), ("j.txt", b"x"),
     ("j.csv", b"portrait\n\xff\xfe"), ("j.jsonl", b"\n"), ("none.csv", None)],
)  # fmt: skip
def test_files_that_hold_no_jobs(tmp_path: Path, name: str, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DreamTalkError, match=name):
        read_rows(tmp_path / name)


def test_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_text('{"portrait": "a.png", "seed": 3, "out": null}\n\n[1]\n{"a": \n' + "[" * 9999)
    rows = read_rows(path)
    assert rows[0] == Row(1, {"portrait": "a.png", "seed": 3})
    assert [(row.line, bool(row.problem)) for row in rows[1:]] == [(3, True), (4, True), (5, True)]


def test_folders(tmp_path: Path) -> None:
    def pairs(*names: str) -> set[tuple[str, str]]:
        for old in tmp_path.iterdir():
            old.unlink()
        for name in names:
            (tmp_path / name).touch()
        return {(r.values["portrait"], r.values["audio"]) for r in read_rows(tmp_path)}

    assert pairs("p.png", "a.wav", "b.mp4", "notes.txt") == {("p.png", "a.wav"), ("p.png", "b.mp4")}
    found = pairs("ann.png", "anna.jpg", "anna.wav", "anna-2.mp3", "ann_x.wav", "annabel.wav")
    assert found == {
        ("anna.jpg", "anna.wav"), ("anna.jpg", "anna-2.mp3"), ("ann.png", "ann_x.wav")
    }  # fmt: skip
    for names in (("p.png",), ("a.wav",), ("p.png", "q.png", "a.wav", "b.wav")):
        with pytest.raises(DreamTalkError):
            pairs(*names)


def test_the_log_knows_what_is_finished(folder: Path) -> None:
    rows = [Row(2, {"portrait": "anna.png", "audio": "hello.wav"})]
    out = folder / "out"
    (job,), _ = make_jobs(rows, folder, out)
    out.mkdir()
    job.talk.shot.out.write_bytes(b"video")
    outcome = Outcome(job.name, job.fingerprint, DONE, 1.0, 10, "", (5,))
    with Report(out, [job], [], {}) as report:
        report.add(outcome)
    log = out / "report/finished.jsonl"
    log.write_bytes(log.read_bytes() + b'{"name": "torn')
    assert load_finished(out, [job]) == {job.name: outcome}
    with Report(out, [job], [], {}) as report:
        report.add(outcome)
    assert json.loads(log.read_text().splitlines()[-1])["name"] == job.name, "on a line of its own"
    job.talk.shot.out.write_bytes(b"vid")
    assert load_finished(out, [job]) == {}, "cut off"
    job.talk.shot.out.write_bytes(b"video")
    os.utime(folder / "hello.wav", (1, 1))
    assert load_finished(out, make_jobs(rows, folder, out)[0]) == {}, "another recording"


def test_a_worker_that_is_killed_takes_no_other_job_with_it(tmp_path: Path) -> None:
    jobs = [(word, str(tmp_path)) for word in ("a", "die", "b", "c", "d")]
    results = sorted(run_pool(jobs, 2, answer, died))
    reason = "its process died: killed, or out of memory"
    assert results == ["a done", "b done", "c done", "d done", f"die: {reason}"]


def test_closing_the_pool_stops_what_is_under_way(tmp_path: Path) -> None:
    jobs = [(word, str(tmp_path)) for word in ("a", "wait", "b", "c", "d", "e")]
    with closing(run_pool(jobs, 2, answer, died)) as results:
        next(r for r in results if r == "b done")
    assert (tmp_path / "stopped").exists()
    assert not (tmp_path / "e").exists()


def make_inputs(folder: Path, image: torch.Tensor, count: int) -> Path:
    """A table of ``count`` jobs of 0.4 s, of which every fifth is bad; returns its path."""
    save_image(image, folder / "p.png")
    save_image(torch.zeros(64, 64, 3), folder / "wall.png")
    write_wav(folder / "a.wav", 0.2 * np.sin(np.arange(2 * RATE // 5) * 0.3))
    (folder / "bad.wav").write_text("no sound")
    rows = ["portrait,audio,out,emotion,seed"]
    for i in range(count):
        portrait = "wall.png" if i % 5 == 1 and i % 2 else "p.png"
        audio = "bad.wav" if i % 5 == 1 and not i % 2 else "a.wav"
        rows.append(f"{portrait},{audio},v{i}.mp4,happy,{i}")
    path = folder / "jobs.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def frames(path: Path) -> int:
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


def test_batch(tmp_path: Path, portrait_image: torch.Tensor, capsys) -> None:
    table = make_inputs(tmp_path, portrait_image, 3)
    with table.open("a") as file:
        file.write("p.png,a.wav,v9.mp4,glad,0\n")
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    left = out / ".v0.123.0123abcd.part.mp4"
    left.write_bytes(b"of a killed run")
    command = ["batch", str(table), "--out", str(out), "--workers", "2", "--option", "quality=40"]
    assert main(command) == 1
    printed = capsys.readouterr()
    assert "line 5: emotion can't be 'glad'" in printed.err
    assert "2 of 4 jobs made no video" in printed.err
    assert not left.exists()
    rows = list(csv.DictReader((out / "report.csv").open()))
    assert [row["status"] for row in rows] == ["done", "failed", "done", "refused"]
    assert "face" in rows[1]["error"]
    assert [rows[i]["frames"] for i in (0, 2)] == ["10", "10"]
    assert {p.name for p in out.iterdir()} == {"report.csv", "report", "sub", "v0.mp4", "v2.mp4"}
    assert frames(out / "v0.mp4") == 10

    # What is finished stays; what failed, changed or went missing is done.
    (out / "v2.mp4").unlink()
    table.write_text("portrait,audio,out,emotion,seed\np.png,a.wav,v0.mp4,happy,0\n"
                     "p.png,a.wav,v2.mp4,happy,2\n")  # fmt: skip
    before = (out / "v0.mp4").stat().st_mtime_ns
    assert main(command) == 0
    assert "1 done, 1 finished before, 0 failed" in capsys.readouterr().err
    assert (out / "v0.mp4").stat().st_mtime_ns == before
    assert main([*command, "--check"]) == 0
    assert "2 jobs" in capsys.readouterr().out


def test_a_conversation_among_the_jobs(tmp_path: Path, portrait_image: torch.Tensor) -> None:
    save_image(torch.cat([portrait_image, portrait_image.flip(1)], dim=1), tmp_path / "two.png")
    write_wav(tmp_path / "a.wav", 0.2 * np.sin(np.arange(2 * RATE // 5) * 0.3))
    row = {"portrait": "two.png", "audio": "a.wav", "speakers": "0:left 0.2:right"}
    jobs, _ = make_jobs([Row(2, row), Row(3, {**row, "faces": "1 3"})], tmp_path, tmp_path / "out")
    done, failed = (do_job(job) for job in jobs)
    assert (done.status, done.frames, done.error) == (DONE, 10, "")
    assert frames(tmp_path / "out" / done.name) == 10
    assert "3" in failed.error


def test_the_folder_of_inputs_is_not_that_of_outputs(folder: Path) -> None:
    with pytest.raises(DreamTalkError, match="folder of the inputs"):
        read_batch(Batch(folder, folder))
    with pytest.raises(DreamTalkError, match="workers can't be -1"):
        Batch(folder, folder / "out", workers=-1)
    (folder / "ben.jpg").unlink()
    jobs, _ = read_batch(Batch(folder, folder / "out"))
    assert [job.name for job in jobs] == ["anna-clip.mp4", "anna-hello.mp4"]


def test_ray_is_named_where_it_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    batch = Batch(folder, folder / "out", ray="local")
    job = made(folder)
    with pytest.raises(MissingDependencyError, match="pip install"):
        run_batch(batch, [job])


@pytest.mark.slow
def test_ray(tmp_path: Path, portrait_image: torch.Tensor) -> None:
    pytest.importorskip("ray")
    table = make_inputs(tmp_path, portrait_image, 3)
    command = ["batch", str(table), "--out", str(tmp_path / "out"), "--workers", "2"]
    assert main([*command, "--ray", "local"]) == 1
    rows = list(csv.DictReader((tmp_path / "out/report.csv").open()))
    assert [row["status"] for row in rows] == ["done", "failed", "done"]


def test_columns_are_the_options_of_talk() -> None:
    from dreamtalk.cli import build_parser

    words = build_parser().parse_args(["talk", "--portrait", "p", "--audio", "a", "--out", "o"])
    found = set(vars(words)) - {"run", "verbose"} - {"other_audio", "other_at"}
    assert found == set(COLUMNS) - {"visible_mark", "label"}

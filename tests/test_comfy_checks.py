"""The checks of a running ComfyUI: what they change in graphs, when they cancel, what they read."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts import comfy_checks
from scripts.comfy_server import (
    ROOT,
    Cancel,
    Run,
    Server,
    digest,
    graph,
    other_seed,
    reached,
    streams,
    with_widgets,
)


def test_widgets_change_and_links_stay() -> None:
    made = graph("talking_portrait")
    new = with_widgets(made, duration=2.0, audio="long.wav", nothing=1)
    spoken = {n["class_type"]: n["inputs"] for n in new.values()}
    assert spoken["DreamTalkLoadSpeech"]["duration"] == 2.0
    assert spoken["DreamTalkLoadSpeech"]["audio"] == "long.wav"
    assert isinstance(spoken["DreamTalkRenderVideo"]["audio"], list)
    assert "nothing" not in str(new)
    assert made == graph("talking_portrait")


def test_other_seeds_are_other_seeds_only() -> None:
    made, other = graph("talking_portrait"), other_seed(graph("talking_portrait"))
    changed = {
        (made[n]["class_type"], name)
        for n in made
        for name, value in made[n]["inputs"].items()
        if other[n]["inputs"][name] != value
    }
    assert changed == {("DreamTalkSampler", "seed"), ("DreamTalkNaturalMotion", "seed")}


def test_every_cancel_is_of_a_node_that_is_there() -> None:
    for name, node, _, widgets in comfy_checks.CANCELS:
        made = graph(name)
        assert node in {n["class_type"] for n in made.values()}
        assert all(any(w in n["inputs"] for n in made.values()) for w in widgets)


def test_a_cancel_comes_where_it_is_wanted() -> None:
    made = {"3": {"class_type": "SaveVideo"}, "4": {"class_type": "DreamTalkTalk"}}
    half, start = Cancel("SaveVideo", 0.5), Cancel("SaveVideo")
    moved = {"node": "3", "value": 499, "max": 1000}
    assert not reached(half, "progress", moved, made)
    assert reached(half, "progress", {**moved, "value": 500}, made)
    assert not reached(half, "progress", {**moved, "node": "4", "value": 500}, made)
    assert reached(start, "executing", {"node": "3"}, made)
    assert not reached(start, "executing", {"node": None}, made)


def test_streams_are_the_same_whatever_the_file_says_of_itself(tmp_path: Path) -> None:
    import av

    clip = ROOT / "samples" / "clip.mp4"
    told = tmp_path / "told.mp4"
    with av.open(str(clip)) as source, av.open(str(told), "w") as copy:
        copy.metadata["comment"] = "another"
        streams_of = {s.index: copy.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams_of[packet.stream.index]
                copy.mux(packet)
    assert streams(clip.read_bytes()) == streams(told.read_bytes())
    assert digest(clip.read_bytes()) != digest(told.read_bytes())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_process_is_read() -> None:
    server = Server("http://127.0.0.1:1", os.getpid())
    now, peak = server.memory()
    assert 10 < now <= peak
    assert server.cpu() > 0
    files, threads = server.handles()
    assert files > 2
    assert threads >= 1
    assert server.written() >= 0


def test_a_failure_is_told_by_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert comfy_checks.table(iter([["a", "b"], [1, "fine"]]))
    assert not comfy_checks.table(iter([["a", "b"], [1, "bad FAILED"], [2, "fine"]]))
    assert "| 2 | fine |" in capsys.readouterr().out


def test_nothing_is_left_to_forget_after_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker of a ComfyUI doesn't wake while it tidies up, nor twice for one request."""
    waiting: set[str] = set()
    forgotten: list[set[str]] = []
    awake = iter([False, True])

    def ask(self: Server, path: str, body: dict[str, bool]) -> None:
        assert path == "/free"
        wakes = next(awake)
        for flag in body:
            waiting.add(flag)
            if wakes:
                forgotten.append(set(waiting))
                waiting.clear()
            wakes = False

    monkeypatch.setattr(Server, "_ask", ask)
    monkeypatch.setattr("scripts.comfy_server.time.sleep", lambda _: None)
    Server("http://127.0.0.1:1").free()
    assert forgotten == [{"free_memory", "unload_models"}]
    assert not waiting


def test_the_same_bytes_or_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = iter([b"one", b"one", b"two"])
    known: list[Any] = []  # the results that the server has
    forget: list[Any] = [known.clear]

    def run(made: Any, cancel: Any = None) -> Run:
        cached = float(made in known)
        known.append(made)
        return Run("success", 1.0, cached, [{}], None, "")

    stand: Any = SimpleNamespace(run=run, free=lambda: forget[0](), saved=lambda _: next(contents))
    monkeypatch.setattr(comfy_checks, "streams", lambda content: content)
    _, row = comfy_checks.repeat(stand, ["talking_portrait"], {})
    assert row[2:] == ["100%", "same bytes", "other frames"]
    contents = iter([b"one", b"two", b"one"])
    _, row = comfy_checks.repeat(stand, ["talking_portrait"], {})
    assert row[3:] == ["other bytes FAILED", "same frames FAILED"]
    contents = iter([b"one", b"one", b"two"])
    known.clear()
    forget[0] = list  # nothing is forgotten
    _, row = comfy_checks.repeat(stand, ["talking_portrait"], {})
    assert row[2:] == ["100%", "100% cached FAILED", "other frames"]

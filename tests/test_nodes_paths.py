"""No name in a workflow leads out of ComfyUI's folders."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from dreamtalk.files.names import device_name, name_problem
from tests.comfy_pack import load_pack, node_classes, use_folders

OUTSIDE = (
    "../secret.npz", "a/../../secret.npz", "..\\secret.npz", "a\\..\\..\\secret.npz", "..",
    "/etc/passwd", "\\\\server\\share\\m.npz", "//server/share/m.npz", "\\secret.npz",
    "C:\\secret.npz", "c:secret.npz", "a/m.npz:stream", "../secret.npz [output]",
    "\uff0e\uff0e/secret.npz", "..\uff0fsecret.npz", "\u2025/secret.npz", "a/ .. /secret.npz",
    "m\x00.npz", "m\n.npz", "m\u202egpj.npz", "\ud800.npz", "", " ",
    "NUL", "con.npz", "a/com1.npz", "LPT9 .csv", "aux.tar.npz", "CONOUT$", "com\u00b9.npz",
    "n" * 256 + ".npz", "\u00e9" * 128 + ".npz",
)  # fmt: skip
INSIDE = (
    "m.npz",
    "a/b/m.npz",
    "a..b/m..npz",
    "console.npz",
    "日本/é.npz",
    "m (1) [x].npz",
    "👩‍🔬.npz",
)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The pack's ``nodes.runtime`` on folders below ``tmp_path``, with a file beside them."""
    load_pack()
    for kind in ("input", "output", "temp", "models/dreamtalk"):
        (tmp_path / kind).mkdir(parents=True)
    use_folders(tmp_path, monkeypatch)
    (tmp_path / "secret.npz").write_bytes(b"secret")
    return sys.modules["dreamtalk_pack.nodes.runtime"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_is_refused(runtime: ModuleType, tmp_path: Path, name: str) -> None:
    nodes = node_classes()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Exception, match="can't be"):
        runtime.input_path(name)
    with pytest.raises(Exception, match="filename_prefix can't be"):
        runtime.output_file(name, ".npz")
    assert runtime.model_path(name) is None
    assert "missing" in runtime.file_stamp(name)
    for node, widget in (("DreamTalkLoadMotion", "file"), ("DreamTalkLoadSpeech", "audio")):
        said = nodes[node].validate_inputs(**{widget: name})
        assert isinstance(said, str), "a sentence on the node, no exception in the server"
    assert sorted(tmp_path.rglob("*")) == before, "no folder was made on the way"


@pytest.mark.parametrize("name", INSIDE)
def test_other_names_are_taken(runtime: ModuleType, tmp_path: Path, name: str) -> None:
    path = tmp_path / "input" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    assert runtime.input_path(name).samefile(path)
    assert runtime.input_problem(name) is None
    made, _ = runtime.output_file(name, ".npz")
    assert made.is_relative_to(tmp_path / "output")
    made.write_bytes(b"x")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_that_lead_out_are_refused(runtime: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "input" / "out.npz").symlink_to(tmp_path / "secret.npz")
    (tmp_path / "input" / "in.npz").symlink_to(tmp_path / "input" / "real.npz")
    (tmp_path / "input" / "real.npz").write_bytes(b"x")
    (tmp_path / "output" / "away").symlink_to(tmp_path)
    with pytest.raises(Exception, match="leads out"):
        runtime.input_path("out.npz")
    assert runtime.input_path("in.npz").read_bytes() == b"x"
    assert runtime.input_files(lambda name: True) == ["in.npz", "real.npz"]
    for prefix in ("away/m", "away/new/m"):
        with pytest.raises(Exception, match="leads out"):
            runtime.output_file(prefix, ".npz")
    assert not (tmp_path / "new").exists()


def test_folders_that_are_links_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: ModuleType
) -> None:
    """ComfyUI's whole input folder may lie on another disk."""
    moved = tmp_path / "disk"
    (tmp_path / "input").rename(moved)
    try:
        (tmp_path / "input").symlink_to(moved)
    except OSError:
        pytest.skip("links need a privilege here")
    (moved / "m.npz").write_bytes(b"x")
    assert runtime.input_path("m.npz").read_bytes() == b"x"


@pytest.mark.parametrize("prefix", ["n" * 250, "é" * 125, "a/" * 3000 + "m"])
def test_a_prefix_that_is_too_long_is_a_sentence(runtime: ModuleType, prefix: str) -> None:
    with pytest.raises(Exception, match="filename_prefix can't be") as refused:
        runtime.output_file(prefix, ".npz")
    assert len(str(refused.value)) < 300


def test_the_date_of_comfyui_is_no_stream(runtime: ModuleType) -> None:
    assert name_problem("talk/%date:yyyy-MM-dd hh:mm%/m") is None
    assert name_problem("talk/%date:hh:mm/m") is not None


def test_device_names() -> None:
    assert all(map(device_name, ("nul", "NUL.mp4", "Com1.x.npz", "prn ", "lpt³")))
    assert not any(map(device_name, ("null", "com.npz", "com10", "a.nul", "lpt")))

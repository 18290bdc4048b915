"""Disks that fill, processes that are killed, files that change meanwhile: nothing is lost.

The table in docs/robustness.md names the test for each.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from dreamtalk.errors import CheckpointError, OutputError
from dreamtalk.face.image import to_uint8
from dreamtalk.files import atomic, tensors
from dreamtalk.files.atomic import atomic_write, check_writable
from dreamtalk.model import load_model
from dreamtalk.motion import FACE, Motion

if sys.platform == "win32":
    pytest.skip("processes are forked and sent signals", allow_module_level=True)

from tests.forks import Run, Server

STAGES = ("", "speech", "portrait", "renderer", "model", "style", "motion", "video")
"""After which stage of ``talk`` something happens; ``video``: while the file is written."""
STARTER = Path(atomic.__file__).parents[1] / "weights" / "starter.safetensors"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("logs"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def inputs(
    tmp_path_factory: pytest.TempPathFactory, portrait_image: torch.Tensor, speech_wav: Path
) -> Path:
    """A folder with ``p.png``, ``s.wav`` and ``m.npz``."""
    folder = tmp_path_factory.mktemp("inputs")
    Image.fromarray(to_uint8(portrait_image)).resize((128, 128)).save(folder / "p.png")
    shutil.copy(speech_wav, folder / "s.wav")
    Motion(torch.zeros(40, len(FACE)), torch.zeros(40, 6)).save(folder / "m.npz")
    return folder


def talk(inputs: Path, out: Path, *options: str) -> list[str]:
    return [
        "talk", "--portrait", str(inputs / "p.png"), "--audio", str(inputs / "s.wav"),
        "--duration", "0.4", "--out", str(out / "v.mp4"), "--save-motion", str(out / "m.npz"),
        *options,
    ]  # fmt: skip


def old_files(folder: Path) -> None:
    for name in ("v.mp4", "m.npz"):
        (folder / name).write_bytes(b"old")


def reach(run: Run, stage: str, out: Path) -> None:
    """Wait until a ``talk`` has ended a stage, or is writing the video."""
    if stage == "video":
        run.until(lambda: any(".part" in p.name for p in out.glob(".v.*")))
    elif stage:
        run.until(lambda: f"\n  {stage} " in f"\n{run.said()}")


def is_whole(path: Path) -> bool:
    """Whether a file is the old one, or a new one from beginning to end."""
    if path.read_bytes() == b"old":
        return True
    if path.suffix == ".npz":
        return len(Motion.load(path)) == 10
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0)) == 10


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_talk_cleanly(
    server: Server, inputs: Path, tmp_path: Path, stage: str, name: str, status: int
) -> None:
    old_files(tmp_path)
    run = server.start(talk(inputs, tmp_path))
    reach(run, stage, tmp_path)
    if not stage:
        run.until(lambda: handles_signals(run.pid))
    run.kill(getattr(signal, name))
    assert run.status() == status, run.said()
    assert run.said().splitlines()[-1] == f"dreamtalk: ended by {name}"
    assert {p.name for p in tmp_path.iterdir()} == {"v.mp4", "m.npz"}
    assert (tmp_path / "v.mp4").read_bytes() == b"old"
    assert is_whole(tmp_path / "m.npz")


def test_a_signal_gets_through_where_exceptions_are_lost(server: Server) -> None:
    run = server.start("""
import os, signal, time
from dreamtalk.terminal.signals import Ended, ended_by_signals

class Deaf:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)

try:
    with ended_by_signals():
        Deaf()
        print("went on", flush=True)
        time.sleep(60)
except Ended as end:
    assert end.status == 143
    print("ended")
""")
    assert run.status() == 0, run.said()
    assert run.said().splitlines()[-2:] == ["went on", "ended"]


def handles_signals(pid: int) -> bool:
    """Whether a process has put its handlers in place."""
    if not Path("/proc/self/status").exists():
        pytest.skip("signal masks are read from /proc")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_leaves_files_whole(
    server: Server, inputs: Path, tmp_path: Path, stage: str
) -> None:
    old_files(tmp_path)
    run = server.start(talk(inputs, tmp_path))
    reach(run, stage, tmp_path)
    run.kill(signal.SIGKILL)
    assert run.status() == -signal.SIGKILL
    assert is_whole(tmp_path / "v.mp4")
    assert is_whole(tmp_path / "m.npz")
    others = {p.name for p in tmp_path.iterdir()} - {"v.mp4", "m.npz"}
    assert all(name.startswith(".") and ".part." in name for name in others), others


def test_nohup_is_respected(server: Server, inputs: Path, tmp_path: Path) -> None:
    arguments = json.dumps(talk(inputs, tmp_path))
    code = f"""
import signal, sys, dreamtalk.cli
signal.signal(signal.SIGHUP, signal.SIG_IGN)
assert dreamtalk.cli.main({arguments}) == 0
"""
    run = server.start(code)
    reach(run, "portrait", tmp_path)
    run.kill(signal.SIGHUP)
    assert run.status() == 0, run.said()


WRITERS = {
    "talk.mp4": "w(write_video, frames, 25.0, sound)",
    "talk.mov": "w(write_video, frames, 25.0, sound)",
    "talk.mkv": "w(write_video, frames, 25.0, sound)",
    "talk.webm": "w(write_video, frames, 25.0, sound)",
    "talk.gif": "w(write_video, frames, 25.0)",
    "m.npz": "save_motion(motion, path)",
    "m.mat": "save_motion(motion, path)",
    "m.npy": "save_motion(motion, path)",
    "m.csv": "save_motion(motion, path)",
    "m.jsonl": "save_motion(motion, path)",
    "p.png": "save_image(torch.linspace(0, 1, 12288).reshape(64, 64, 3), path)",
    "p.jpg": "save_image(torch.linspace(0, 1, 12288).reshape(64, 64, 3), path)",
    "plot.png": "save_plot(path, motion)",
    "plot.svg": "save_plot(path, motion)",
    "plot.pdf": "save_plot(path, motion)",
    "w.safetensors": "save_checkpoint(path, 'k', {'w': torch.zeros(9000)}, {})",
    "last.pt": "save_torch(path, {'w': torch.zeros(9000)})",
    "speech.npz": "save_values(path, 'speech', {'w': np.arange(9000.0)})",
    "base-00000.npz": "save_shard(path, [])",
}
_PREPARE = """
import numpy as np, torch
from dreamtalk.checkpoints import save_checkpoint
from dreamtalk.errors import OutputError
from dreamtalk.face.image import save_image
from dreamtalk.files.tensors import save_torch
from dreamtalk.files.values import save_values
from dreamtalk.motion import FACE, Motion
from dreamtalk.motion.files import save_motion
from dreamtalk.motion.plot import save_plot
from dreamtalk.render.video import Sound, write_video
from dreamtalk.training.corpus.recordings import save_shard
import resource, sys
motion = Motion(torch.rand(40, len(FACE)), torch.rand(40, 6) * 0.01)
frames = torch.randint(0, 255, (12, 64, 64, 3), dtype=torch.uint8)
sound = Sound(torch.rand(1, 16000) - 0.5)
def w(write, chunks, *options):
    return write(path, iter([chunks]), *options)
for path, call in FILES:
    whole = resource.RLIM_INFINITY
    sizes = [whole]  # what it takes when there is room
    for limit in sizes:
        with open(path, "wb") as file:
            file.write(b"old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, whole))
        try:
            exec(call)
            result = "written"
        except OutputError as error:
            result = f"refused {error}"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (whole, whole))
        with open(path, "rb") as file:
            content = file.read()
        if limit == whole:
            assert result == "written", result
            size = len(content)
            sizes += [0, 1, size // 3, size * 2 // 3, size - 1]
        else:
            assert result.startswith("refused"), (path, limit, size, result)
            assert content == b"old", (path, limit)
            assert "\\n" not in result and "can't write" in result, result
"""


def test_a_full_disk_leaves_the_old_file(server: Server, tmp_path: Path) -> None:
    """Every writer, with room for none, one byte, a third, two thirds and all but a byte."""
    files = [(str(tmp_path / name), call) for name, call in WRITERS.items()]
    run = server.start(f"FILES = {files!r}\n{_PREPARE}")
    assert run.status() == 0, run.said()
    assert {p.name for p in tmp_path.iterdir()} == set(WRITERS), "no part files"


def test_a_talk_on_a_full_disk(server: Server, inputs: Path, tmp_path: Path) -> None:
    old_files(tmp_path)
    run = server.start(talk(inputs, tmp_path), limit=4000)
    assert run.status() == 1
    assert run.said().splitlines()[-1].startswith("dreamtalk: error: can't write the "), run.said()
    assert {p.name for p in tmp_path.iterdir()} == {"v.mp4", "m.npz"}
    assert is_whole(tmp_path / "v.mp4")


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_disk_that_fails_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(b"old")

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(step, broken)
    with pytest.raises(OutputError, match="Input/output error"):
        Motion(torch.zeros(3, len(FACE)), torch.zeros(3, 6)).save(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_that_take_no_files(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    places = [tmp_path / "file" / "m.npz", Path("/proc/m.npz"), tmp_path / ("n" * 300 + ".npz")]
    for place in places:
        with pytest.raises(OutputError, match="can't write"):
            check_writable(place)
        with pytest.raises(OutputError, match="can't write"):
            Motion.load(inputs / "m.npz").save(place)


def test_two_processes_write_one_file(server: Server, inputs: Path, tmp_path: Path) -> None:
    """And read weights from one folder."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(STARTER, models)
    out = tmp_path / "out"
    out.mkdir()
    weights = ("--checkpoint", str(models / STARTER.name))
    runs = [server.start(talk(inputs, out, *weights, "--seed", str(i))) for i in range(2)]
    assert [run.status() for run in runs] == [0, 0], [run.said() for run in runs]
    assert {p.name for p in out.iterdir()} == {"v.mp4", "m.npz"}
    assert is_whole(out / "v.mp4")
    assert is_whole(out / "m.npz")
    assert [p.name for p in models.iterdir()] == [STARTER.name]


def test_weights_are_cut_off_while_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.safetensors"
    shutil.copy(STARTER, path)
    place = tensors._place

    def cut(*entry: object) -> object:
        os.truncate(path, path.stat().st_size // 2)
        return place(*entry)  # type: ignore[arg-type]

    monkeypatch.setattr(tensors, "_place", cut)
    with pytest.raises(CheckpointError, match=r"w\.safetensors"):
        load_model(path)


def test_weights_are_cut_off_while_they_are_used(server: Server, tmp_path: Path) -> None:
    """A model whose file was mapped dies of SIGBUS here."""
    path = tmp_path / "w.safetensors"
    shutil.copy(STARTER, path)
    official = tmp_path / "w.pt"
    torch.save({"state_dict": {"net.content_encoder.w": torch.ones(100_000)}}, official)
    run = server.start(f"""
import os
from dreamtalk.checkpoints import read_checkpoint
found = [read_checkpoint({str(path)!r}), read_checkpoint({str(official)!r})]
for path in ({str(path)!r}, {str(official)!r}):
    os.truncate(path, 0)
for checkpoint in found:
    sum(float(tensor.double().sum()) for tensor in checkpoint.state.values())
""")
    assert run.status() == 0, run.said()


@pytest.mark.parametrize("size", [0, 4, 7, 8, 9, 100, 5000, -1])
def test_weights_that_are_cut_off(tmp_path: Path, size: int) -> None:
    path = tmp_path / "w.safetensors"
    data = STARTER.read_bytes()
    path.write_bytes(data[:size])
    with pytest.raises(CheckpointError):
        load_model(path)
    if size > 8:
        path.write_bytes((2**62).to_bytes(8, "little") + data[8:size])
        with pytest.raises(CheckpointError):
            load_model(path)


def test_tensors_come_back(tmp_path: Path) -> None:
    state = {
        "empty": torch.zeros(0, 3), "scalar": torch.tensor(3.5), "half": torch.rand(3, 5).half(),
        "bf16": torch.rand(7).bfloat16(), "long": torch.arange(9), "flag": torch.tensor([True]),
    }  # fmt: skip
    save_file(state, tmp_path / "w.safetensors", {"a": "b"})
    metadata, found = tensors.read_safetensors(tmp_path / "w.safetensors")
    assert metadata == {"a": "b"}
    assert set(found) == set(state)
    for name, value in state.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)


def test_a_file_keeps_its_mode_and_links_stay_links(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere" / "real.npz"
    real.parent.mkdir()
    real.write_bytes(b"old")
    real.chmod(0o640)
    link = tmp_path / "link.npz"
    link.symlink_to(real)
    with atomic_write(link) as part:
        assert part.parent == real.parent
        part.write_bytes(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in real.parent.iterdir()] == ["real.npz"]


NO_NETWORK = """
import socket, time

def gone(*args, **kwargs):
    raise socket.gaierror(-3, "Temporary failure in name resolution")

socket.getaddrinfo = socket.gethostbyname = gone
socket.socket.connect = socket.socket.connect_ex = gone
time.sleep = lambda seconds: None  # the hub's client tries again several times
"""


def without_network(code: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python that finds no host and gets no connection, and has nothing of the hub's."""
    environment = os.environ | {"HF_HOME": str(folder / "hub")}
    return subprocess.run(
        [sys.executable, "-c", NO_NETWORK + code, *words], env=environment, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip


def test_a_talk_needs_no_network(inputs: Path, tmp_path: Path) -> None:
    code = "import sys\nfrom dreamtalk.cli import main\nsys.exit(main(sys.argv[1:]))"
    done = without_network(code, tmp_path, *talk(inputs, tmp_path))
    assert done.returncode == 0, done.stderr
    assert is_whole(tmp_path / "v.mp4")


def test_the_hub_can_not_be_reached(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    code = """
from dreamtalk.errors import ModelNotFoundError
from dreamtalk.speech.wav2vec import load_wav2vec
try:
    load_wav2vec()
except ModelNotFoundError as error:
    print(error)
"""
    done = without_network(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "into the folder that DREAMTALK_MODELS names" in done.stdout

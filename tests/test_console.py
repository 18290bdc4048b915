"""The installed command in processes of its own: what it does with its streams and its home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from dreamtalk.face.image import to_uint8
from dreamtalk.motion import FACE, Motion

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell's redirections")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, portrait_image: torch.Tensor) -> Path:
    """A folder with ``p.png``, which deserves a warning, and ``m.npz``."""
    folder = tmp_path_factory.mktemp("console")
    Image.fromarray(to_uint8(portrait_image)).resize((128, 128)).save(folder / "p.png")
    Motion(torch.zeros(2, len(FACE)), torch.zeros(2, 6)).save(folder / "m.npz")
    return folder


ROOT = str(Path(__file__).resolve().parents[1])
RENDER = "render --portrait p.png --motion m.npz --out "
CASES = {
    # what: arguments, redirections of the shell, environment, what standard output must be
    "stderr to a pipe that closes": (RENDER + "v.mp4", "2> >(exec true)", {}, "v.mp4\n"),
    "all closed": (RENDER + "v.mp4", "<&- >&- 2>&-", {}, ""),
    "stdout closed": (RENDER + "v.mp4", ">&- 2>log", {}, ""),
    "stderr closed, stdout cp1252": (
        RENDER + "日本.mp4", "2>&-", {"PYTHONIOENCODING": "cp1252"}, "\\u65e5\\u672c.mp4\n",
    ),
    "stderr to a file, no home": (
        RENDER + "v.mp4", "2>log", {"HOME": "/dev/null/nobody"}, "v.mp4\n",
    ),
    "plot without a home": (
        "plot --motion m.npz --out p.svg", "2>log", {"HOME": "/dev/null/nobody"}, "p.svg\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_work_is_done_whatever_the_streams_are(folder: Path, name: str) -> None:
    arguments, redirections, environment, printed = CASES[name]
    out = folder / arguments.split()[-1]
    out.unlink(missing_ok=True)
    (folder / "log").unlink(missing_ok=True)
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m dreamtalk {arguments} {redirections}'],
        cwd=folder, capture_output=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ROOT, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == printed
    assert out.stat().st_size > 1000
    if "log" in redirections and arguments.startswith("render"):
        log = (folder / "log").read_text()
        assert "only 45 px wide" in log
        assert "Traceback" not in log
        assert "Exception ignored" not in log


def run(code: str, redirections: str = "") -> subprocess.CompletedProcess[str]:
    """A quick process that runs code, without torch."""
    return subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -c "$CODE" {redirections}'],
        capture_output=True, text=True, check=False,
        env={**os.environ, "CODE": code, "PYTHONPATH": ROOT},
    )  # fmt: skip


def test_help_for_nobody() -> None:
    code = "import sys; from dreamtalk.cli import main; sys.exit(main(['--help']))"
    done = run(code, "> >(exec true)")
    assert done.returncode == 0
    assert done.stderr == ""


def test_a_full_standard_output_is_an_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    code = """
import sys
from dreamtalk.errors import DreamTalkError
from dreamtalk.terminal.console import open_streams, say
try:
    open_streams()
    say("x")
except DreamTalkError as error:
    print(error, file=sys.stderr)
"""
    done = run(code, ">/dev/full")
    assert done.returncode == 0
    assert done.stderr == "can't write to the standard output: No space left on device\n"


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """What a library writes to descriptor 2 must not land in a file of ours."""
    code = f"""
import os
from dreamtalk.terminal.console import open_streams
open_streams()
with open({str(tmp_path / "v.mp4")!r}, "wb") as file:
    os.write(2, b"a message of a codec")
"""
    done = run(code, "<&- >&- 2>&-")
    assert done.returncode == 0
    assert (tmp_path / "v.mp4").read_bytes() == b""

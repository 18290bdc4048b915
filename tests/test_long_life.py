"""Many runs in one process: memory, open files, threads and temporary files stay as they are."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dreamtalk.cli import main
from dreamtalk.face import save_image
from tests.comfy_pack import load_pack, run_node, use_folders

load_pack()
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def state() -> tuple[int, int, int]:
    """Open files, threads, and resident memory in bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE")
    return len(os.listdir("/proc/self/fd")), threading.active_count(), memory


@pytest.fixture
def round_(
    portrait_image: torch.Tensor, speech_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Callable[[int], None], Path]:
    """One run of the command and of the nodes, and the folder that all files are in."""
    use_folders(tmp_path / "comfy", monkeypatch)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    small = portrait_image[::2, ::2].contiguous()
    save_image(small, tmp_path / "p.png")

    def run(number: int) -> None:
        command = ["talk", "--portrait", tmp_path / "p.png", "--audio", speech_wav, "--steps", 2]
        command += ["--duration", 0.2, "--seed", number, "--out", tmp_path / "v.mp4"]
        assert main([str(word) for word in command]) == 0
        assert (
            main(["talk", "--portrait", "none.png", "--audio", "none.wav", "--out", "v.mp4"]) == 1
        )
        audio = {"waveform": 0.1 * torch.randn(1, 1, 4000), "sample_rate": 16000}
        (video,) = run_node("DreamTalkTalk", image=small[None], audio=audio, seed=number)
        Path(video.get_stream_source()).unlink()

    return run, tmp_path


def check(run: Callable[[int], None], folder: Path, runs: int, grown: int, before: int = 4) -> None:
    for number in range(before):  # weights, caches and pools come with the first runs
        run(number)
    files = sorted(p for p in folder.rglob("*"))
    descriptors, threads, memory = state()
    for number in range(runs):
        run(number)
    after = state()
    assert sorted(p for p in folder.rglob("*")) == files
    assert after[0] <= descriptors
    assert after[1] <= threads
    assert after[2] < memory + grown


def test_runs_leave_nothing(round_: tuple[Callable[[int], None], Path]) -> None:
    # glibc's heap grows by some 60 MB once, in one of the first thirty rounds, and then no more
    check(*round_, runs=8, grown=80 << 20)


@pytest.mark.slow
def test_many_runs_leave_nothing(round_: tuple[Callable[[int], None], Path]) -> None:
    check(*round_, runs=300, grown=16 << 20, before=60)

"""The check of GPUs runs, small, on a CPU; what differs is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.steps import compare
from scripts import gpu_check


def test_on_a_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.json"
    command = ["--device", "cpu", "--only", "mesh,landmarker,denoiser,difftalk"]
    assert gpu_check.main([*command, "--json", str(out)]) == 0
    rows = json.loads(out.read_text())
    assert {row["check"] for row in rows} == set(gpu_check.ALLOWED) - {"pirenderer"}
    printed = capsys.readouterr().out
    assert "| mesh renderer | fp32 |" in printed
    by = {(row["check"], row["dtype"]): row for row in rows}
    assert by["denoiser", "bf16"]["error"] > 10 * by["denoiser", "fp32"]["error"]


def test_faults_of_a_device_are_rows() -> None:
    place = gpu_check.Place(torch.device("cpu"), small=True)

    def make(dtype: str):
        if dtype == "bf16":
            raise RuntimeError("no kernel for this")
        return lambda: torch.zeros(3)

    reference = torch.tensor([0.0, 1.0, 2.0])
    rows = list(gpu_check.compare(place, "denoiser", 1, reference, make, gpu_check.relative))
    assert [row.passed for row in rows] == [False, False]
    assert rows[1].note == "RuntimeError: no kernel for this"
    assert gpu_check.report(rows, place.device, 1.0, ["compile"]).count("**differs**") == 2


def test_no_card_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_check.main(["--wheels"]) == 0
    assert "pip download" in capsys.readouterr().out
    if not torch.cuda.is_available():
        assert gpu_check.main([]) == 1
        assert "--wheels" in capsys.readouterr().err


def test_figures_of_steps() -> None:
    full = torch.rand(100, 31, generator=torch.Generator().manual_seed(0)).numpy() * 0.1
    same = compare([full], [full], [full], 1.0)
    assert (same.lips, same.limit, same.kept, same.added, same.jitter) == (0, 0, 1, 0, 1)
    wider = full.copy()
    wider[:, 0] += 0.05
    assert compare([wider], [full], [full], 1.0).kept == 0

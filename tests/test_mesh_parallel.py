"""How many frames are rendered at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dreamtalk.render.mesh.workers import WORTH_A_THREAD, frame_workers


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_workers_are_for_large_pictures_on_a_cpu() -> None:
    torch.set_num_threads(2)
    assert frame_workers(torch.device("cpu"), WORTH_A_THREAD) == 2
    assert frame_workers(torch.device("cpu"), WORTH_A_THREAD - 1) == 1
    assert frame_workers(torch.device("cuda"), 10**9) == 1
    torch.set_num_threads(1)
    assert frame_workers(torch.device("cpu"), 10**9) == 1

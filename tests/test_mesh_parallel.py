"""How many frames are rendered at a time, and together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dreamtalk.render.mesh.workers import MOST_WORKERS, batch_size, chunk_size, frame_workers


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_workers_are_as_many_as_threads_on_a_cpu() -> None:
    torch.set_num_threads(2)
    assert frame_workers(torch.device("cpu")) == 2
    assert frame_workers(torch.device("cuda")) == 1
    torch.set_num_threads(MOST_WORKERS + 1)
    assert frame_workers(torch.device("cpu")) == MOST_WORKERS


@pytest.mark.parametrize(
    ("height", "width", "frames"),
    [
        (256, 256, 8),
        (512, 512, 8),
        (1024, 1024, 8),
        (2048, 2048, 2),
        (512, 8192, 2),
        (4096, 4096, 1),
    ],
)
def test_large_frames_are_made_in_small_chunks(height: int, width: int, frames: int) -> None:
    torch.set_num_threads(4)
    assert chunk_size(8, height, width) == frames
    assert chunk_size(1, height, width) == 1
    torch.set_num_threads(1)
    assert chunk_size(8, height, width) == frames, "whoever makes them"


def test_large_moving_parts_are_rendered_few_at_once() -> None:
    assert [batch_size(side**2) for side in (256, 1024, 2048, 4096)] == [45, 2, 1, 1]

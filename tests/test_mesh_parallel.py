"""How many frames are rendered at a time, and together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dreamtalk.render.mesh.workers import MOST_WORKERS, chunk_size, frame_workers


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
    ("side", "picture", "frames"), [(256, 256, 8), (512, 512, 8), (1024, 1024, 2), (4096, 4096, 1),
                                    (512, 4096, 2), (512, 8192, 1)]
)  # fmt: skip
def test_large_frames_are_made_in_small_chunks(side: int, picture: int, frames: int) -> None:
    torch.set_num_threads(4)
    assert chunk_size(8, side**2, picture**2) == frames
    torch.set_num_threads(1)
    assert chunk_size(8, side**2, picture**2) == frames, "whoever makes them"

"""Frames side by side: every frame once, the same whatever the number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dreamtalk.render.mesh import parallel
from dreamtalk.render.mesh.parallel import side_by_side, split, worker_count


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("total", [1, 5, 8, 100])
@pytest.mark.parametrize("most", [1, 3, 1000])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_parts_cover_all_frames(total: int, most: int, workers: int) -> None:
    parts = split(total, most, workers)
    assert [i for part in parts for i in range(total)[part]] == list(range(total))
    # nobody has more than a fair share
    assert max(part.stop - part.start for part in parts) <= min(most, -(-total // workers))


@pytest.mark.parametrize("workers", [1, 3])
def test_each_part_is_done_on_one_thread_of_torch(workers: int) -> None:
    torch.set_num_threads(2)
    out = torch.zeros(20)
    seen = []

    def work(part: slice) -> None:
        seen.append(torch.get_num_threads())
        out[part] += torch.arange(20.0)[part]

    side_by_side(work, split(20, 4, workers), workers)
    assert torch.equal(out, torch.arange(20.0))
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_come_out_and_threads_come_back(workers: int) -> None:
    def work(part: slice) -> None:
        if part.start == 3:
            raise ValueError("part 3")

    torch.set_num_threads(2)
    with pytest.raises(ValueError, match="part 3"):
        side_by_side(work, [slice(i, i + 1) for i in range(5)], workers)
    assert torch.get_num_threads() == 2


def test_workers_are_for_large_pictures_on_a_cpu() -> None:
    torch.set_num_threads(2)
    assert worker_count(torch.device("cpu"), parallel.WORTH_A_THREAD) == 2
    assert worker_count(torch.device("cpu"), parallel.WORTH_A_THREAD - 1) == 1
    assert worker_count(torch.device("cuda"), 10**9) == 1
    torch.set_num_threads(1)
    assert worker_count(torch.device("cpu"), 10**9) == 1

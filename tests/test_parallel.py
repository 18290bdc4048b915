"""Parts in parallel: every part once, on one thread each, and everything back as it was."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterator

import cv2
import pytest
import torch

from dreamtalk.progress import Steps
from dreamtalk.speed import map_ahead, run_parallel, split, worker_count


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_of_a_new_thread() -> int:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return seen[0]


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
    out = torch.zeros(20)
    seen = []

    def work(part: slice) -> None:
        torch.randn(300, 300) @ torch.randn(300, 300)
        seen.append(torch.get_num_threads())
        out[part] += torch.arange(20.0)[part]

    run_parallel(work, split(20, 4, workers), workers)
    assert torch.equal(out, torch.arange(20.0))
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2
    assert threads_of_a_new_thread() == 2


def test_others_keep_their_threads_meanwhile() -> None:
    seen: list[int] = []

    def work(part: int) -> None:
        seen.append(threads_of_a_new_thread())

    run_parallel(work, [0, 1, 2], 2, Steps(lambda *_: None, 3))
    assert seen == [2, 2, 2]


def test_parts_within_parts_use_no_more_threads() -> None:
    seen = set()

    def inner(part: int) -> None:
        seen.add(threading.current_thread().name)
        assert torch.get_num_threads() == 1

    def outer(part: int) -> None:
        assert worker_count(torch.device("cpu"), 8) == 1
        run_parallel(inner, [0, 1, 2, 3], 4)
        assert torch.get_num_threads() == 1

    run_parallel(outer, [0, 1, 2, 3], 2)
    assert len(seen) <= 2


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_come_out_and_threads_come_back(workers: int) -> None:
    def work(part: slice) -> None:
        if part.start == 3:
            raise ValueError("part 3")

    before = threading.active_count()
    with pytest.raises(ValueError, match="part 3"):
        run_parallel(work, [slice(i, i + 1) for i in range(5)], workers)
    assert torch.get_num_threads() == threads_of_a_new_thread() == 2
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_steps_are_told_where_the_caller_waits(workers: int) -> None:
    seen, where = [], set()

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        where.add(threading.current_thread())

    steps = Steps(progress, 12)

    def work(part: int) -> None:
        for _ in range(3):
            steps.tell()

    run_parallel(work, list(range(4)), workers, steps)
    assert seen == [(i, 12) for i in range(13)]
    assert where == {threading.current_thread()}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_progress_that_raises_stops_all(workers: int) -> None:
    begun = []

    def progress(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    steps = Steps(progress, 1000)

    def work(part: int) -> None:
        begun.append(part)
        for _ in range(100):
            time.sleep(0.005)
            steps.tell()

    with pytest.raises(KeyboardInterrupt):
        run_parallel(work, list(range(10)), workers, steps)
    assert len(begun) == workers
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_know_what_the_caller_knows(workers: int) -> None:
    who = contextvars.ContextVar("who", default="nobody")
    token = who.set("caller")
    seen = []

    def work(part: int) -> None:
        modes = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        seen.append((who.get(), *modes))

    with torch.inference_mode():
        run_parallel(work, [0, 1], workers)
    with torch.no_grad():
        run_parallel(work, [0, 1], workers)
    run_parallel(work, [0, 1], workers)
    who.reset(token)
    kinds = [("caller", True, False), ("caller", False, False), ("caller", False, True)]
    assert seen == [kind for kind in kinds for _ in range(2)]


def test_as_many_parts_as_torch_has_threads() -> None:
    assert worker_count(torch.device("cpu"), 8) == 2
    assert worker_count(torch.device("cpu"), 1) == 1
    assert worker_count(torch.device("cuda"), 8) == 1


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("parts", [0, 1, 2, 7])
def test_what_is_made_ahead_comes_in_turn(workers: int, parts: int) -> None:
    opencv = cv2.getNumThreads()
    seen = set()

    def work(part: int) -> int:
        time.sleep(0.01 * (part % 3))
        seen.add(torch.get_num_threads())
        return part

    assert list(map_ahead(work, range(parts), workers)) == list(range(parts))
    assert seen <= {1}
    assert torch.get_num_threads() == threads_of_a_new_thread() == 2
    assert cv2.getNumThreads() == opencv


def test_only_so_much_is_made_ahead() -> None:
    begun: list[int] = []
    made = map_ahead(lambda part: begun.append(part) or part, range(20), 2)
    assert not begun, "nothing before the first is asked for"
    assert next(made) == 0
    time.sleep(0.1)
    assert len(begun) == 3, "what is asked for, and one for each worker"
    made.close()
    time.sleep(0.1)
    assert len(begun) == 3
    assert threads_of_a_new_thread() == 2


def test_workers_do_their_work_at_the_same_time() -> None:
    meet = threading.Barrier(2, timeout=20)
    assert len(list(map_ahead(lambda part: meet.wait(), range(4), 2))) == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_come_out_when_their_turn_has_come(workers: int) -> None:
    def work(part: int) -> int:
        if part == 2:
            raise TimeoutError("part 2")
        return part

    before = threading.active_count()
    made = map_ahead(work, range(5), workers)
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(TimeoutError, match="part 2"):
        next(made)
    assert threading.active_count() == before
    assert torch.get_num_threads() == threads_of_a_new_thread() == 2


def test_opencv_gets_its_threads_back_after_the_last_of_several() -> None:
    before = cv2.getNumThreads()
    one, other = (map_ahead(lambda part: part, range(9), 2) for _ in range(2))
    next(one), next(other)
    one.close()
    assert cv2.getNumThreads() == 1
    other.close()
    assert cv2.getNumThreads() == before

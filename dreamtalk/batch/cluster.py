"""Jobs done by a Ray cluster: Ray places, retries and ends them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from ..errors import DreamTalkError, MissingDependencyError

Job = TypeVar("Job")
Result = TypeVar("Result")
log = logging.getLogger("dreamtalk")
LOCAL = "local"
_PATIENCE = 0.5  # s


def run_ray(
    jobs: Sequence[Job],
    address: str,
    workers: int,
    gpus: float,
    retries: int,
    work: Callable[[Job], Result],
    died: Callable[[Job, str], Result],
) -> Iterator[Result]:
    """Do jobs as tasks of Ray; results come as they are ready.

    A task takes one core and ``gpus`` of a GPU. One whose worker or machine dies is repeated by
    Ray. All machines see the same files under the same names, and have this package installed.
    When the iterator is closed or an exception passes, tasks are cancelled.

    Args:
        address: of a cluster (``"auto"``, ``"ray://host:10001"``), or ``"local"`` for one that
            begins and ends here.
        workers: cores of a local one.
        gpus: share of a GPU for each job: 0.25 puts four on one.
        retries: how often a job is repeated whose worker dies.
        work: a function of a module, that turns what goes wrong with the job into a result.
        died: ``died(job, reason)``: the result of a job that Ray gives up.

    Raises:
        MissingDependencyError: without Ray.
        DreamTalkError: if there is no such cluster.
    """
    ray = _connected(address, workers, gpus)
    try:
        task = ray.remote(_called).options(num_cpus=1, num_gpus=gpus, max_retries=retries)
        under_way = {task.remote(work, job): job for job in jobs}
        try:
            while under_way:
                ready, _ = ray.wait(list(under_way), num_returns=1, timeout=_PATIENCE)
                for reference in ready:
                    job = under_way.pop(reference)
                    try:
                        yield ray.get(reference)
                    except ray.exceptions.RayError as error:
                        yield died(job, f"Ray gave it up: {str(error).strip().splitlines()[0]}")
        finally:
            for reference in under_way:
                ray.cancel(reference)
            if under_way:
                ray.wait(list(under_way), num_returns=len(under_way), timeout=10)
    finally:
        ray.shutdown()


def _called(work: Callable[[Any], Any], job: Any) -> Any:
    return work(job)


def _connected(address: str, workers: int, gpus: float) -> Any:
    try:
        import ray  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise MissingDependencyError(
            f"--ray needs Ray ({error}): pip install 'ray>=2.9', or leave --ray out for processes "
            "on this machine"
        ) from None
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, num_cpus=workers, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DreamTalkError(f"no Ray cluster answers at '{address}': {reason[:300]}") from error
    found = ray.cluster_resources().get("GPU", 0)
    if gpus > found:
        log.warning("each job waits for %g GPUs, and the cluster has %g now", gpus, found)
    return ray

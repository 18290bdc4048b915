"""What became of the jobs: a table for people, and a log that the next run goes on from."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import OutputError
from ..files.atomic import atomic_write
from .jobs import REPORTS, BatchJob, Refusal
from .work import DONE, Outcome

TABLE = "report.csv"
REFUSED, OPEN = "refused", "open"
_HEAD = ("job", "line", "status", "seconds", "frames", "output", "error")
_EVERY = 1.0  # s between two states of the table


def load_finished(out: Path, jobs: Sequence[BatchJob]) -> dict[str, Outcome]:
    """Jobs that an earlier run finished: the same options, the same inputs, the outputs whole.

    Returns:
        name -> outcome.
    """
    logged: dict[str, Outcome] = {}
    path = out / REPORTS / "finished.jsonl"
    lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    for line in lines:
        try:
            values = json.loads(line)
            outcome = Outcome(**{**values, "sizes": tuple(values["sizes"])})
            logged[outcome.name] = outcome
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # the last line of a run that was killed
    return {
        job.name: found
        for job in jobs
        if (found := logged.get(job.name)) is not None
        and found.status == DONE
        and found.fingerprint == job.fingerprint
        and _sizes(job) == found.sizes
    }


def _sizes(job: BatchJob) -> tuple[int, ...] | None:
    try:
        return tuple(path.stat().st_size for path in job.outputs)
    except OSError:
        return None


class Report:
    """Written while the work goes on.

    Args:
        out: the folder of outputs.
        jobs, refused: all rows.
        finished: by earlier runs.
    """

    def __init__(
        self,
        out: Path,
        jobs: Sequence[BatchJob],
        refused: Sequence[Refusal],
        finished: dict[str, Outcome],
    ) -> None:
        self.path = out / TABLE
        self._jobs, self._refused = jobs, refused
        self._outcomes = dict(finished)
        self._written = -_EVERY
        log = out / REPORTS / "finished.jsonl"
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            torn = log.is_file() and log.read_bytes()[-1:] not in (b"\n", b"")
            self._log = log.open("a", encoding="utf-8")
            if torn:
                self._log.write("\n")
        except OSError as error:
            raise OutputError(f"can't write '{log}': {error.strerror}") from error

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._log.close()
        self._write_table()

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """By the names of the jobs, as far as they are done."""
        return self._outcomes

    def add(self, outcome: Outcome) -> None:
        """Remember an outcome, so that not even a power failure loses it.

        Raises:
            OutputError: if it can't be written.
        """
        self._outcomes[outcome.name] = outcome
        try:
            self._log.write(json.dumps(asdict(outcome)) + "\n")
            self._log.flush()
            os.fsync(self._log.fileno())
        except OSError as error:
            raise OutputError(f"can't write '{self._log.name}': {error.strerror}") from error
        if time.monotonic() - self._written > _EVERY:
            self._write_table()

    def _write_table(self) -> None:
        rows: list[tuple[Any, ...]] = []
        for job in self._jobs:
            done = self._outcomes.get(job.name)
            if done is None:
                rows.append((job.name, job.line, OPEN, "", "", "", ""))
            else:
                where = job.name if done.status == DONE else ""
                rows.append((job.name, job.line, done.status, f"{done.seconds:.2f}",
                             done.frames or "", where, done.error))  # fmt: skip
        rows += [(r.name, r.line, REFUSED, "", "", "", r.reason) for r in self._refused]
        text = StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([_HEAD, *sorted(rows, key=lambda row: row[1])])
        with atomic_write(self.path, "the report") as part:
            part.write_bytes(text.getvalue().encode("utf-8", "replace"))
        self._written = time.monotonic()

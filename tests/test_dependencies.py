"""The table of dependencies is that of the requirements, with licences that fit ours."""

from __future__ import annotations

import re

from scripts.dependencies import TABLE, main, table


def test_the_table_is_up_to_date() -> None:
    """If this fails: python scripts/dependencies.py"""
    assert main(check=True) == 0, TABLE


def test_every_licence_is_known_and_permissive() -> None:
    rows = [
        line.split(" | ") for line in table().splitlines() if re.match(r"\| [\w-]+ \| \d", line)
    ]
    assert len(rows) >= 10
    for row in rows:
        parts = re.split(r" AND | OR ", row[2])
        assert set(parts) <= {
            "MIT", "BSD-3-Clause", "BSD-2-Clause", "Apache-2.0", "ISC", "MPL-2.0", "MIT-CMU",
            "HPND",
            "PSF-2.0",
        }, row  # fmt: skip

"""How many cases: ``HYPOTHESIS_PROFILE=fuzz`` for many, few by default."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_COMMON = {
    "deadline": None,  # tests/fuzz/cases.py has a limit that also ends what hangs
    "suppress_health_check": list(HealthCheck),
    "database": None,
    "print_blob": True,
    "phases": (Phase.explicit, Phase.generate),  # a failing case is small, and shrinking is slow
}
settings.register_profile("short", max_examples=20, derandomize=True, **_COMMON)
settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("FUZZ_CASES", "10000")),
    **_COMMON,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))

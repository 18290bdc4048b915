"""How long each stage takes on this machine."""

from .stages import Report, Timing, bench

__all__ = ["Report", "Timing", "bench"]

"""How somebody speaks: a style, styles mixed, and styles over time."""

from .style import EMOTIONS, Style

__all__ = ["EMOTIONS", "Style"]

"""DiffTalk as a renderer: the mesh renderer moves the head, DiffTalk paints the mouth."""

from .options import DiffTalkOptions
from .renderer import make_difftalk

__all__ = ["DiffTalkOptions", "make_difftalk"]

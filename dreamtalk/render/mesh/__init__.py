"""The mesh renderer: one still portrait and a motion become frames, without a generator network."""

from .debug import debug_sheet, debug_views
from .renderer import MeshRenderer

__all__ = ["MeshRenderer", "debug_sheet", "debug_views"]

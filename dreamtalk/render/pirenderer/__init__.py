"""PIRenderer: a neural renderer for 3DMM motion, for those who have its published weights."""

from __future__ import annotations

from ...networks.pirenderer import FaceGenerator
from .file import converted, load_pirenderer
from .renderer import PIRenderer, PIRendererOptions

__all__ = ["FaceGenerator", "PIRenderer", "PIRendererOptions", "converted", "load_pirenderer"]

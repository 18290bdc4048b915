"""The mesh renderer: one still portrait and a motion become frames, without a generator network."""

from .renderer import MeshRenderer

__all__ = ["MeshRenderer"]

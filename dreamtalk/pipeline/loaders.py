"""Where a job's networks come from, so that many jobs can share them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from ..model import DreamTalkModel, load_model
from ..render.registry import LoadedRenderer, load_renderer


@dataclass(frozen=True)
class Loaders:
    """Called as :func:`load_model` and :func:`load_renderer` are; those by default.

    Attributes:
        model: ``model(checkpoint, device)``.
        renderer: ``renderer(name or file, device, **options)``.
    """

    model: Callable[..., DreamTalkModel] = load_model
    renderer: Callable[..., LoadedRenderer] = load_renderer

    @classmethod
    def keeping(cls, most: int = 4) -> Loaders:
        """Loaders that keep the last ``most`` networks of each kind for the next job.

        A file that changes meanwhile is not read again.
        """
        kept = lru_cache(maxsize=most)
        return cls(kept(load_model), kept(load_renderer))

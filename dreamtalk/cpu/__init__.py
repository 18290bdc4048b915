"""Exact and optional speed for CPUs. Others import it through ``speed.py`` alone.

:func:`speed_up` gives the parts of a network their faster twins; :func:`run_parallel` does the
parts of some work at the same time, and :func:`map_ahead` does them ahead of who needs them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from ..networks.denoiser import Denoiser
from ..networks.latent_layers import Conv3x3, GroupNorm
from ..networks.pirenderer import UpConv2d
from .denoiser import FastDenoiser
from .latent_layers import ExactGroupNorm, FastConv3x3
from .row_conv import RowConv2d, is_large_to_few
from .winograd import WinogradConv2d, WinogradUpConv2d, is_conv3x3
from .workers import map_ahead, run_parallel, worker_count

__all__ = ["map_ahead", "run_parallel", "speed_up", "worker_count"]

Module = TypeVar("Module", bound=nn.Module)

TWINS: tuple[tuple[type[nn.Module], Callable[[Any], bool], type[nn.Module]], ...] = (
    (Denoiser, lambda _: True, FastDenoiser),
    (Conv3x3, lambda _: True, FastConv3x3),
    (GroupNorm, lambda _: True, ExactGroupNorm),
    (UpConv2d, is_conv3x3, WinogradUpConv2d),
    (nn.Conv2d, is_conv3x3, WinogradConv2d),
    (nn.Conv2d, is_large_to_few, RowConv2d),
)
"""A type of module, which of these have a twin, and the twin: a subclass that computes the same,
faster on a CPU without gradients, and as the plain one otherwise."""


def speed_up(module: Module) -> Module:
    """Give a network and all parts of it their faster twins.

    In place: parts change their class and nothing else. Parameters, hooks and state dicts stay.

    Returns:
        The module.
    """
    for part in module.modules():
        for plain, fits, twin in TWINS:
            if type(part) is plain and fits(part):
                part.__class__ = twin
    return module

"""Recipes: every number of a training in one toml file."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..errors import DreamTalkError
from .stages.loops import LoopSettings

STAGES = ("speech", "denoiser", "lip_expert", "sync")
DEFAULT = Path(__file__).with_name("starter.toml")
R = TypeVar("R")


@dataclass(frozen=True)
class Recipe:
    """What a training takes.

    Attributes:
        speech, denoiser, lip_expert, sync: settings of the loops of the stages.
        encoder, network: sizes, as the configs of the networks take them.
        speech_batch: windows and rows of a batch.
        denoiser_batch: items and frames of a batch.
        expert_batch: pairs of a batch of the lip expert's.
        teaching: of the speech stage, weight of what the teacher of phones reads; 0: without one.
        keep_rows: whether the speech stage leaves what a row holds beside the posteriors as the
            encoder that it begins with has it, so that the other networks can stay as they are.
        sync_weight: of L_sync.
        copies: differently degraded copies of each recording for stage 2.
        noise_smoothing: of the sampler, frames.
        settling: of the sampler, share of a frame's neighbours.
        closing: of the sampler, how strongly lips are always shut where p, b, m are heard.
        noise_scale: of the sampler.
        warps: vocal tracts that the speech encoder hears a recording with.
        style_gain: of what style clips show on average.
        articulation: of the presets.
    """

    speech: LoopSettings = field(default_factory=LoopSettings)
    denoiser: LoopSettings = field(default_factory=LoopSettings)
    lip_expert: LoopSettings = field(default_factory=LoopSettings)
    sync: LoopSettings = field(default_factory=LoopSettings)
    encoder: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    speech_batch: tuple[int, int] = (24, 150)
    denoiser_batch: tuple[int, int] = (32, 16)
    expert_batch: int = 96
    teaching: float = 0.0
    keep_rows: bool = False
    sync_weight: float = 0.05
    copies: int = 2
    noise_smoothing: float = 20.0
    settling: float = 0.0
    closing: float = 0.0
    noise_scale: float = 1.0
    warps: tuple[float, ...] = (1.0,)
    style_gain: float = 1.0
    articulation: float = 1.0


def load_recipe(path: Path | None = None) -> Recipe:
    """Read a recipe; the starter's by default.

    Raises:
        DreamTalkError: if it can't be read or names something unknown.
    """
    return read_recipe(path or DEFAULT, Recipe, STAGES)


def read_recipe(path: Path, kind: type[R], loops: Collection[str], what: str = "recipe") -> R:
    """Read a recipe of some kind.

    Args:
        kind: the class of the recipe, whose fields all have defaults; lists become tuples.
        loops: the names of its :class:`LoopSettings`; those that the file leaves out keep what
            ``kind`` has for them.
        what: it is called in messages.

    Raises:
        DreamTalkError: if it can't be read or names something unknown.
    """
    try:
        data = read_toml(path)
        made: dict[str, Any] = {
            name: LoopSettings(**data.pop(name)) for name in loops if name in data
        }
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        recipe, usual = kind(**made, **values), kind()
        for name, value in values.items():
            expected = type(getattr(usual, name))
            if not isinstance(value, (int, float) if expected is float else expected):
                raise TypeError(f"{name} can't be {str(value)[:40]!r}")
        return recipe
    except (OSError, TypeError, ValueError) as error:
        raise DreamTalkError(f"'{path}' is no {what}: {error}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """What a toml file holds.

    Raises:
        DreamTalkError: before Python 3.11, if tomli is not installed.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError as error:
            raise DreamTalkError(
                "reading a recipe before Python 3.11 needs: pip install tomli"
            ) from error
    with path.open("rb") as file:
        return tomllib.load(file)

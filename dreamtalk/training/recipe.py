"""Recipes: every number of a training in one toml file."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DreamTalkError
from .stages.loops import LoopSettings

STAGES = ("speech", "denoiser", "lip_expert", "sync")
DEFAULT = Path(__file__).with_name("starter.toml")


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
    path = path or DEFAULT
    try:
        data = read_toml(path)
        loops: dict[str, Any] = {name: LoopSettings(**data.pop(name, {})) for name in STAGES}
        return Recipe(
            **loops,
            speech_batch=tuple(data.pop("speech_batch", (24, 150))),
            denoiser_batch=tuple(data.pop("denoiser_batch", (32, 16))),
            warps=tuple(data.pop("warps", (1.0,))),
            **data,
        )
    except (OSError, TypeError, ValueError) as error:
        raise DreamTalkError(f"'{path}' is no recipe: {error}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """What a toml file holds."""
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

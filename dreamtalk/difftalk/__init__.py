"""DiffTalk (Shen et al. 2023): latent diffusion that paints the mouth of a talking face."""

from __future__ import annotations

from .config import DiffTalkConfig, FirstStageConfig, ScheduleConfig, UNetConfig
from .file import load_any, load_difftalk, load_first_stage, save_difftalk
from .model import Conditions, DiffTalk

__all__ = [
    "Conditions",
    "DiffTalk",
    "DiffTalkConfig",
    "FirstStageConfig",
    "ScheduleConfig",
    "UNetConfig",
    "load_any",
    "load_difftalk",
    "load_first_stage",
    "save_difftalk",
]

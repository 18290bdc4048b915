"""The one road from speech to video: what the command runs as a job, and the nodes in parts."""

from .check import check_dub, check_performance, check_shot, check_talk
from .dubbing import DUB_COMMENT, DubVoice, Look, dub, dub_film, plan_dub
from .jobs import Dub, Performance, Sampling, Shot, SpeechSource, StyleChoice, Talk
from .loaders import Loaders
from .parts import (
    Voice,
    animate,
    at_rate,
    choose_style,
    fit_length,
    heard_style,
    render,
    render_video,
)
from .run import film, load_source, perform, shoot, talk

__all__ = [
    "DUB_COMMENT",
    "Dub",
    "DubVoice",
    "Loaders",
    "Look",
    "Performance",
    "Sampling",
    "Shot",
    "SpeechSource",
    "StyleChoice",
    "Talk",
    "Voice",
    "animate",
    "at_rate",
    "check_dub",
    "check_performance",
    "check_shot",
    "check_talk",
    "choose_style",
    "dub",
    "dub_film",
    "film",
    "fit_length",
    "heard_style",
    "load_source",
    "perform",
    "plan_dub",
    "render",
    "render_video",
    "shoot",
    "talk",
]

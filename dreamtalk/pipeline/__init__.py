"""The one road from speech to video: what the command runs as a job, and the nodes in parts."""

from .check import check_dub, check_performance, check_shot, check_talk
from .dubbing import DUB_COMMENT, Look, Voice, dub, dub_film
from .jobs import Dub, Performance, Sampling, Shot, SpeechSource, StyleChoice, Talk
from .parts import animate, choose_style, fit_length, render, render_video
from .run import perform, shoot, talk

__all__ = [
    "DUB_COMMENT",
    "Dub",
    "Look",
    "Performance",
    "Sampling",
    "Shot",
    "SpeechSource",
    "StyleChoice",
    "Talk",
    "Voice",
    "animate",
    "check_dub",
    "check_performance",
    "check_shot",
    "check_talk",
    "choose_style",
    "dub",
    "dub_film",
    "fit_length",
    "perform",
    "render",
    "render_video",
    "shoot",
    "talk",
]

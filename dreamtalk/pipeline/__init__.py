"""The one road from speech to video: what the command runs as a job, and the nodes in parts."""

from .check import check_performance, check_shot, check_talk
from .jobs import Performance, Sampling, Shot, SpeechSource, StyleChoice, Talk
from .loaders import Loaders
from .parts import animate, choose_style, fit_length, render, render_video
from .run import perform, shoot, talk

__all__ = [
    "Loaders",
    "Performance",
    "Sampling",
    "Shot",
    "SpeechSource",
    "StyleChoice",
    "Talk",
    "animate",
    "check_performance",
    "check_shot",
    "check_talk",
    "choose_style",
    "fit_length",
    "perform",
    "render",
    "render_video",
    "shoot",
    "talk",
]

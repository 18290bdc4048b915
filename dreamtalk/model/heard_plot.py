"""What a voice sounded like over time, as a picture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import MissingDependencyError
from ..options import EMOTIONS, checked, default
from ..speech.speech import SAMPLE_RATE, Speech
from .listening import Heard

_INK = "#20242c"
COLOURS: dict[str, str] = {
    "neutral": "#c9ced6", "happy": "#f2b632", "sad": "#4a7bc8", "angry": "#d6372c",
    "surprised": "#ef8a3d", "fear": "#7d54b5", "disgusted": "#5e9a3a", "contempt": "#8a6d5a",
}  # fmt: skip
"""Of the emotions."""


def plot_heard(heard: Heard, speech: Speech | None = None, width: int = default("width")) -> Tensor:
    """Probabilities of the emotions, one upon the other, under the waveform.

    Args:
        speech: drawn on top.
        width: px of the picture.

    Returns:
        (H, W, 3) float32 0..1.

    Raises:
        MissingDependencyError: if matplotlib is not installed.
    """
    checked(width=width)
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("plots need matplotlib: pip install matplotlib") from error
    dpi = 100.0
    figure = Figure(figsize=(width / dpi, 3.2 if speech else 2.4), dpi=dpi, facecolor="#ffffff")
    FigureCanvasAgg(figure)
    heights = [1, 2.4] if speech else [1]
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    end = float(heard.times[-1]) + 0.5
    if speech is not None:
        end = speech.duration
        wave = speech.waveform.cpu().numpy()
        parts = np.array_split(wave, min(2000, len(wave)))
        grid = (np.arange(len(parts)) + 0.5) * len(wave) / len(parts) / SAMPLE_RATE
        axes[0].fill_between(
            grid, [p.min() for p in parts], [p.max() for p in parts], color=_INK, linewidth=0.3
        )
        axes[0].set_axis_off()
    times, track = heard.times.numpy(), heard.track.numpy()
    if len(times) == 1:
        times, track = np.array([0.0, end]), np.repeat(track, 2, 0)
    axes[-1].stackplot(
        np.clip(np.r_[0.0, times[1:-1], end], 0.0, end), track.T,
        labels=EMOTIONS, colors=[COLOURS[e] for e in EMOTIONS],
    )  # fmt: skip
    axes[-1].set_ylim(0, 1)
    axes[-1].set_xlim(0, end)
    axes[-1].set_xlabel("seconds", color=_INK)
    axes[-1].set_ylabel("probability", color=_INK)
    axes[-1].legend(
        loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False, fontsize=9, reverse=True
    )
    figure.suptitle(heard.words(), x=0.012, ha="left", fontsize=11, color=_INK)
    figure.subplots_adjust(
        left=70 / width, right=1 - 130 / width, top=0.88, bottom=0.17, hspace=0.05
    )
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
    return torch.from_numpy(pixels.astype(np.float32) / 255.0)

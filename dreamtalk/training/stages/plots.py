"""Curves of a training as a picture."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path

import numpy as np

from ...files.atomic import atomic_write

log = logging.getLogger("dreamtalk")


def plot_curves(folder: Path) -> Path | None:
    """Draw ``curves.csv`` of a stage next to it.

    Returns:
        ``folder/curves.png``, or None where matplotlib or the curves are missing.
    """
    source = folder / "curves.csv"
    if not source.exists():
        return None
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        log.warning("no plot of '%s': pip install matplotlib", source)
        return None
    with source.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [n for n in rows[0] if n not in ("step", "seconds")] if rows else []
    if not names:
        return None
    steps = np.array([float(r["step"]) for r in rows])
    figure = Figure(figsize=(4 * len(names), 3), layout="constrained")
    for place, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), place + 1)
        values = np.array([float(r[name] or "nan") for r in rows])
        axes.plot(steps, values, color="0.8", linewidth=0.8)
        axes.plot(steps, moving_mean(values), color="tab:blue")
        axes.set_title(name)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    target = folder / "curves.png"
    data = io.BytesIO()  # Pillow would not notice a disk that fills
    FigureCanvasAgg(figure).print_figure(data, dpi=90)
    with atomic_write(target, "the curves") as part:
        part.write_bytes(data.getvalue())
    return target


def moving_mean(values: np.ndarray, width: int = 9) -> np.ndarray:
    """Moving mean over ``width`` values, fewer at the ends."""
    kernel = np.ones(min(width, len(values)))
    inside: np.ndarray = np.convolve(values, kernel, "same")
    return inside / np.convolve(np.ones(len(values)), kernel, "same")

"""A motion as a picture: what lips, lids, brows, eyes and head do under the waveform."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import MissingDependencyError, MotionError, OutputError
from ..face.channels import CLOSED_APERTURE
from ..files.atomic import atomic_write
from ..options import checked, default
from ..speech.speech import SAMPLE_RATE, Speech
from .bridges import convert
from .motion import Motion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK, _FAINT, _PAPER = "#20242c", "#8a93a3", "#ffffff"
_COLOURS = ("#0f6fde", "#e2571e", "#1f9d63", "#9a3fd1")


@dataclass(frozen=True)
class _Row:
    """One strip of the picture: curves on a common scale."""

    title: str
    unit: str
    curves: tuple[tuple[str, np.ndarray], ...]
    height: float = 1.0
    closed: np.ndarray | None = None  # where lips or lids are shut, to be shaded


def _rows(motion: Motion) -> list[_Row]:
    face = convert(motion, "face")

    def percent(*names: str) -> np.ndarray:
        return 100.0 * np.mean([face.channel(name).cpu().numpy() for name in names], axis=0)

    aperture = percent("lipAperture")
    corners = percent("mouthCornerLeftY", "mouthCornerRightY")
    left = percent("lidUpperLeftY") - percent("lidLowerLeftY")
    right = percent("lidUpperRightY") - percent("lidLowerRightY")
    angles = np.rad2deg(face.head[:, :3].cpu().numpy())
    gaze = [percent(f"gazeLeft{axis}", f"gazeRight{axis}") for axis in "XY"]
    return [
        _Row(
            "lips", "% IOD", (("aperture", aperture), ("corners up", corners)), 1.5,
            aperture < 100.0 * CLOSED_APERTURE,
        ),
        _Row("width", "% IOD", (("width", percent("mouthWidth")),)),
        _Row("eyelids", "% IOD", (("left", left), ("right", right)), 1.0, left + right < -10.0),
        _Row("gaze", "% IOD", (("to the left", gaze[0]), ("up", gaze[1]))),
        _Row(
            "brows", "% IOD",
            (
                ("inner", percent("browInnerLeftY", "browInnerRightY")),
                ("outer", percent("browOuterLeftY", "browOuterRightY")),
            ),
        ),
        _Row(
            "head", "degrees",
            (("nod", angles[:, 0]), ("turn", angles[:, 1]), ("tilt", angles[:, 2])), 1.3,
        ),
    ]  # fmt: skip


def plot_motion(
    motion: Motion,
    speech: Speech | None = None,
    title: str = "",
    start: float = 0.0,
    end: float | None = None,
    width: int = default("width"),
) -> Tensor:
    """Draw a motion.

    Args:
        motion: in any space; drawn as the ``face`` channels it converts to.
        speech: its sound, drawn on top.
        title: above the picture; a line of facts by default.
        start, end: s, the piece to draw; all by default.
        width: px of the picture.

    Returns:
        (H, W, 3) float32 0..1.

    Raises:
        MotionError: if the motion has no frames in that piece, or a number is out of its range.
        MissingDependencyError: if matplotlib is not installed.
    """
    figure = _figure(motion, speech, title, start, end, width)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
    return torch.from_numpy(pixels.astype(np.float32) / 255.0)


def check_plot_name(path: str | Path) -> None:
    """Find out before the work whether :func:`save_plot` knows the suffix.

    Raises:
        OutputError: if not.
    """
    if Path(path).suffix.lower() not in (".png", ".svg", ".pdf"):
        raise OutputError(f"'{Path(path).name}': a plot is written as .png, .svg or .pdf")


def save_plot(
    path: str | Path, motion: Motion, speech: Speech | None = None, **options: Any
) -> None:
    """Write the picture of :func:`plot_motion` as ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        OutputError: if the suffix is another or the file can't be written.
    """
    check_plot_name(path)
    arguments = {"title": "", "start": 0.0, "end": None, "width": default("width"), **options}
    figure = _figure(motion, speech, **arguments)
    data = io.BytesIO()  # Pillow, which writes the .png, would not notice a disk that fills
    figure.savefig(data, format=Path(path).suffix.lower()[1:], facecolor=_PAPER)
    with atomic_write(path, "the plot") as part:
        part.write_bytes(data.getvalue())


def _figure(
    motion: Motion, speech: Speech | None, title: str, start: float, end: float | None, width: int
) -> Figure:
    checked(MotionError, width=width, start=start, **({} if end is None else {"edit.shift": end}))
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as NewFigure
    except ImportError as error:
        raise MissingDependencyError("plots need matplotlib: pip install matplotlib") from error
    stop = min(motion.duration, end if end is not None else motion.duration)
    times = np.arange(len(motion)) / motion.fps
    shown = (times >= start) & (times <= stop)
    if not shown.any():
        raise MotionError(
            f"no frames between {start:g} and {stop:g} s of a {motion.duration:.2f} s motion"
        )
    rows = _rows(motion)
    heights = ([1.0] if speech else []) + [row.height for row in rows]
    dpi = 100.0
    figure = NewFigure(figsize=(width / dpi, 0.6 + 1.05 * sum(heights)), dpi=dpi, facecolor=_PAPER)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    top = 1.0 - 0.42 / figure.get_figheight()
    figure.subplots_adjust(
        left=118 / width, right=1 - 115 / width, top=top, bottom=0.5 / figure.get_figheight(),
        hspace=0.14,
    )  # fmt: skip
    if speech:
        _draw_speech(axes[0], speech, start, stop)
    for axis, row in zip(axes[len(heights) - len(rows) :], rows, strict=True):
        _draw_row(axis, row, times, shown)
    axes[-1].set_xlim(start, max(stop, start + 1.0 / motion.fps))
    axes[-1].set_xlabel("seconds", color=_INK)
    figure.suptitle(
        title or _facts(motion), x=0.012, ha="left", fontsize=12, color=_INK, fontweight="bold"
    )
    return figure


def _facts(motion: Motion) -> str:
    face = convert(motion, "face")
    gap = face.channel("lipAperture").cpu().numpy()
    lids = (face.channel("lidUpperLeftY") + face.channel("lidUpperRightY")).cpu().numpy() / 2
    shut = (lids < -0.05).astype(np.int8)
    blinks = int((np.diff(shut, prepend=0) == 1).sum())
    turn = np.rad2deg(face.head[:, :3].std(dim=0, correction=0).norm().item())
    return (
        f"{motion.duration:.1f} s  ·  {motion.fps:g} fps  ·  {motion.space}  ·  lips closed "
        f"{100 * (gap < CLOSED_APERTURE).mean():.0f} %  ·  {blinks} blinks  ·  head ±{turn:.1f}°"
    )


def _style(axis: Any, label: str, unit: str = "") -> None:
    for side in ("top", "right", "bottom"):
        axis.spines[side].set_visible(False)
    axis.spines["left"].set_color(_FAINT)
    axis.tick_params(colors=_FAINT, labelsize=8, length=0)
    axis.grid(axis="x", color="#e8ebf0", linewidth=0.8)
    axis.set_axisbelow(True)
    text = f"{label}\n" + (
        rf"$\it{{{unit.replace('%', chr(92) + '%').replace(' ', chr(92) + ' ')}}}$" if unit else ""
    )
    axis.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=9, color=_INK)
    axis.yaxis.set_label_coords(-36 / axis.get_window_extent().width, 0.5)


def _draw_speech(axis: Any, speech: Speech, start: float, stop: float) -> None:
    first, last = int(start * SAMPLE_RATE), int(stop * SAMPLE_RATE)
    wave = speech.waveform[first:last].cpu().numpy()
    bins = min(2000, max(1, len(wave)))
    if len(wave):
        parts = np.array_split(wave, bins)
        low = np.array([part.min() for part in parts])
        high = np.array([part.max() for part in parts])
        grid = start + (np.arange(bins) + 0.5) * len(wave) / bins / SAMPLE_RATE
        axis.fill_between(grid, low, high, color=_INK, linewidth=0.3)
        peak = max(float(np.abs(wave).max()), 1e-3)
        axis.set_ylim(-1.1 * peak, 1.1 * peak)
    axis.set_yticks([])
    _style(axis, "speech")


def _draw_row(axis: Any, row: _Row, times: np.ndarray, shown: np.ndarray) -> None:
    for (name, curve), colour in zip(row.curves, _COLOURS, strict=False):
        axis.plot(times[shown], curve[shown], color=colour, linewidth=1.3, label=name)
    axis.axhline(0.0, color=_FAINT, linewidth=0.6, alpha=0.6)
    if row.closed is not None and row.closed[shown].any():
        axis.fill_between(
            times[shown], 0, 1, where=row.closed[shown], step="mid", color=_COLOURS[0], alpha=0.10,
            transform=axis.get_xaxis_transform(), linewidth=0, label="closed",
        )  # fmt: skip
    axis.legend(
        loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False, fontsize=8,
        labelcolor=_INK, handlelength=1.2, borderaxespad=0.0,
    )  # fmt: skip
    _style(axis, row.title, row.unit)

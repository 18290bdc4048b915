"""The picture of a motion."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dreamtalk.errors import MotionError, OutputError
from dreamtalk.motion import Motion
from dreamtalk.motion.natural import add_natural_motion
from dreamtalk.motion.plot import plot_motion, save_plot
from dreamtalk.speech.speech import Speech


@pytest.mark.parametrize(("name", "channels"), [("face", 31), ("arkit", 52), ("bfm", 64)])
def test_every_space_can_be_drawn(name: str, channels: int) -> None:
    motion = add_natural_motion(Motion(torch.zeros(60, channels), torch.zeros(60, 6), 25, name))
    picture = plot_motion(motion, Speech(0.1 * torch.randn(38_400)), width=800)
    assert picture.shape[1:] == (800, 3)
    assert picture.dtype == torch.float32
    assert 0 <= float(picture.min()) < 0.3
    assert float(picture.max()) == 1.0


def test_pieces_and_short_sounds() -> None:
    motion = Motion(torch.zeros(50, 31), torch.zeros(50, 6))
    whole = plot_motion(motion, width=600)
    piece = plot_motion(motion, Speech(torch.zeros(10)), start=0.5, end=1.0, width=600)
    assert piece.shape[0] > whole.shape[0]  # one more row
    assert plot_motion(Motion(torch.zeros(1, 31), torch.zeros(1, 6))).shape[1] == 1600
    with pytest.raises(MotionError, match="no frames"):
        plot_motion(motion, start=9)
    with pytest.raises(MotionError, match="width can't be 20"):
        plot_motion(motion, width=20)


def test_files(tmp_path: Path) -> None:
    motion = Motion(torch.zeros(50, 31), torch.zeros(50, 6))
    for suffix in (".png", ".svg"):
        save_plot(tmp_path / f"plot{suffix}", motion, title="a title", width=700)
        assert (tmp_path / f"plot{suffix}").stat().st_size > 1000
    with pytest.raises(OutputError, match=r"plot\.doc"):
        save_plot(tmp_path / "plot.doc", motion)
    with pytest.raises(OutputError, match="nowhere"):
        save_plot(tmp_path / "nowhere" / "plot.png", motion)

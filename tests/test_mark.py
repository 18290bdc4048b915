"""The visible mark: on every frame, at the lower edge, and nowhere unless asked for."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from dreamtalk.cli import main
from dreamtalk.face.image import save_image
from dreamtalk.motion import FACE, Motion
from dreamtalk.render.mark import marked


@pytest.mark.parametrize("size", [(64, 64), (97, 201), (264, 264), (300, 120), (720, 1280), (9, 5)])
@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_every_frame_is_marked_at_its_lower_edge(size: tuple[int, int], shade: float) -> None:
    frames = torch.full((5, *size, 3), shade)
    chunks = list(marked([frames[:3], (frames[3:] * 255).round().byte()]))
    assert [len(chunk) for chunk in chunks] == [3, 2]
    done = torch.cat(chunks)
    assert done.dtype == torch.uint8
    assert tuple(done.shape) == (5, *size, 3)
    change = (done.float() - round(shade * 255)).abs()
    assert float(change[:, : size[0] // 2].max()) <= 1.0, "the upper half stays"
    if min(size) > 60:
        assert (change.amax(dim=(1, 2, 3)) > 60).all(), "black, grey or white: it can be seen"
    assert torch.equal(done[0], done[4])


def test_the_dark_edge_lies_around_the_letters() -> None:
    """OpenCV 5 spaces thick letters wider than thin ones: an edge drawn thicker ran away."""
    shown = next(marked([torch.full((1, 512, 512, 3), 0.5)]))[0, ..., 0].numpy()
    letters = np.argwhere(shown > 180)
    edge = np.argwhere(shown < 80)
    assert len(letters) > 100
    assert len(edge) > 100
    apart = np.abs(edge[:, None] - letters).max(axis=2).min(axis=1)
    assert apart.max() <= 4


@pytest.mark.parametrize("options", [[], ["--mark"]])
def test_the_command_marks_if_asked(
    tmp_path: Path, portrait_image: torch.Tensor, options: list[str]
) -> None:
    save_image(portrait_image, tmp_path / "p.png")
    Motion(torch.zeros(3, len(FACE)), torch.zeros(3, 6)).save(tmp_path / "m.npz")
    command = ["render", "--portrait", str(tmp_path / "p.png"), "--motion", str(tmp_path / "m.npz")]
    assert main([*command, "--out", str(tmp_path / "v.mp4"), *options]) == 0
    with av.open(str(tmp_path / "v.mp4")) as container:
        last = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][-1]
    plain = (portrait_image.numpy() * 255).astype(float)
    change = np.abs(last[235:, 150:].astype(float) - plain[235:, 150:])
    assert (change.max() > 90) == bool(options)

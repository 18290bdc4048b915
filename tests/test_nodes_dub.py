"""The node that dubs: frames or a file in, a video of the same size and rate out."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from tests.comfy_pack import load_pack, run_node, use_folders
from tests.conftest import RATE, babble

load_pack()
CLIP = Path(__file__).resolve().parents[1] / "samples" / "clip.mp4"


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_folders(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture(scope="module")
def frames() -> Tensor:
    """(8, 264, 264, 3) float: a face that talks."""
    with av.open(str(CLIP)) as container:
        shown = [f.to_ndarray(format="rgb24") for f in islice(container.decode(video=0), 8)]
    return torch.from_numpy(np.stack(shown)).float() / 255


@pytest.fixture(scope="module")
def audio() -> dict[str, Any]:
    return {"waveform": torch.from_numpy(babble(0.4)).float()[None, None], "sample_rate": RATE}


def test_frames_are_dubbed(frames: Tensor, audio: dict[str, Any]) -> None:
    video, motion = run_node("DreamTalkDub", images=frames, audio=audio, images_fps=24.0)
    assert len(motion) == 10  # as long as the recording: the film runs back
    assert motion.fps == 24.0
    with av.open(str(video.get_stream_source())) as made:
        stream = made.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (264, 264, 24)
        assert stream.frames == 10
        assert made.streams.audio
        assert "mouth" in made.metadata["comment"]


def test_a_video_is_dubbed_and_says_nothing(
    folders: Path, frames: Tensor, audio: dict[str, Any]
) -> None:
    from comfy_api.latest import InputImpl  # type: ignore[import-not-found]

    path = folders / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height = stream.width = 264
        stream.pix_fmt = "yuv420p"
        for image in (frames[:4] * 255).byte().numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    film = InputImpl.VideoFromFile(str(path))
    video, motion = run_node("DreamTalkDub", video=film, audio=audio, fit="cut", label=False)
    assert (len(motion), motion.fps) == (4, 30.0)
    with av.open(str(video.get_stream_source())) as made:
        assert made.streams.video[0].average_rate == 30
        assert "comment" not in made.metadata


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "connect a video or a batch of images"),
        ({"painter": "../oil.safetensors"}, "there is no '../oil.safetensors' in models/dreamtalk"),
        ({"fit": "stretch"}, "fit can't be 'stretch'"),
        ({"face": "left"}, "'left' names no face"),
    ],
)
def test_what_the_node_says(
    frames: Tensor, audio: dict[str, Any], given: dict[str, Any], says: str
) -> None:
    images = None if not given else frames[:2]
    with pytest.raises(Exception, match=says.replace("(", r"\(")):
        run_node("DreamTalkDub", images=images, audio=audio, **given)

"""The node that dubs: frames or a file in, a video of the same size and rate out."""

from __future__ import annotations

import gc
import io
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


def film_file(path: Path, frames: Tensor) -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height = stream.width = 264
        stream.pix_fmt = "yuv420p"
        for image in (frames * 255).byte().numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def made_files(folder: Path) -> set[str]:
    """What lies there but for the examples that the pack puts into the input folder."""
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return {name for name in found if not name.startswith("input/")}


def test_a_video_is_dubbed_and_says_nothing(
    folders: Path, frames: Tensor, audio: dict[str, Any]
) -> None:
    from comfy_api.latest import InputImpl  # type: ignore[import-not-found]

    film = InputImpl.VideoFromFile(str(film_file(folders / "film.mp4", frames[:4])))
    video, motion = run_node("DreamTalkDub", video=film, audio=audio, fit="cut", label=False)
    assert (len(motion), motion.fps) == (4, 30.0)
    with av.open(str(video.get_stream_source())) as made:
        assert made.streams.video[0].average_rate == 30
        assert "comment" not in made.metadata


def test_mouths_are_painted_while_it_is_saved(
    folders: Path, frames: Tensor, audio: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamtalk_pack.dreamtalk.dubbing import mesh  # type: ignore[import-not-found]
    from dreamtalk_pack.nodes import runtime  # type: ignore[import-not-found]

    class Cancelled(Exception):
        pass

    painted, shown, hosted = [], [], []
    paint, device = mesh.MeshShotPainter.paint, runtime.ModelHost.device
    monkeypatch.setattr(
        mesh.MeshShotPainter,
        "paint",
        lambda self, take, *a: (painted.append(len(take)), paint(self, take, *a))[1],
    )
    monkeypatch.setattr(
        runtime.ModelHost, "device", lambda self, *a: (hosted.append(1), device(self, *a))[1]
    )
    given = {"images": frames, "audio": audio, "images_fps": 24.0, "seed": 3}
    video, motion = run_node("DreamTalkDub", **given)
    assert video.get_frame_count() == len(motion) == 10
    assert (video.get_dimensions(), video.get_frame_rate()) == ((264, 264), 24)
    assert not painted, "and nothing was"
    assert made_files(folders) == set()
    outs = [folders / "output" / f"{i}.mp4" for i in range(4)]

    def cancel() -> None:
        if painted:
            raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(runtime, "stop_if_cancelled", cancel)
        with pytest.raises(Cancelled):
            video.save_to(str(outs[0]))
    assert made_files(folders) == set(), "a cancel leaves nothing"
    painted.clear()
    monkeypatch.setattr(
        runtime.Bar, "show", lambda self, done, total, frame=None: shown.append((done, total))
    )
    before = len(hosted)
    video.save_to(str(outs[0]), metadata={"prompt": {"1": {}}})
    assert sum(painted) == 10
    assert len(hosted) == before + 1, "the network comes back before it paints"
    assert shown[-1] == (10, 10), "the bar of the node that saves"
    assert made_files(folders) == {"output/0.mp4"}, "and nothing in temp"
    with av.open(str(outs[0])) as made:
        assert made.metadata["prompt"] == '{"1": {}}'
        assert "mouth" in made.metadata["comment"]
    outs[0].rename(outs[1])
    video.save_to(str(outs[0]), metadata={"prompt": {"1": {}}})
    assert outs[0].read_bytes() == outs[1].read_bytes()
    again, same = run_node("DreamTalkDub", **given)
    again.save_to(str(outs[2]), metadata={"prompt": {"1": {}}})
    assert outs[2].read_bytes() == outs[0].read_bytes(), "the same seed, the same bytes"
    assert torch.equal(same.expression, motion.expression)
    other, _ = run_node("DreamTalkDub", **{**given, "seed": 4})
    other.as_trimmed(0.0, 0.25).save_to(str(outs[3]))
    with av.open(str(outs[3])) as made:
        assert made.streams.video[0].frames == 6
    shots = [v.get_components().images for v in (video, other)]
    assert not torch.equal(*shots)


def test_pictures_of_the_work_show_on_the_node_that_dubs(
    folders: Path, frames: Tensor, audio: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one comes in on the node that saves, the editor doesn't show the saved file."""
    from dreamtalk_pack.nodes import runtime

    monkeypatch.setattr(runtime, "node_id", lambda cls: "7")
    video, _ = run_node("DreamTalkDub", images=frames[:4], audio=audio, images_fps=24.0, fit="cut")
    shown_on: list[str | None] = []
    make = runtime.Bar.__init__
    monkeypatch.setattr(
        runtime.Bar,
        "__init__",
        lambda self, pictures_on=None: (shown_on.append(pictures_on), make(self))[1],
    )
    video.save_to(str(folders / "output" / "dub.mp4"))
    assert shown_on == ["7"]


@pytest.mark.parametrize("kind", ["in memory", "a file that is gone"])
def test_the_film_is_there_until_it_is_saved(
    kind: str, folders: Path, frames: Tensor, audio: dict[str, Any]
) -> None:
    """It is read a second time then; what came in memory lies in the temp folder so long."""
    from comfy_api.latest import InputImpl

    path = film_file(folders / "film.mp4", frames[:4])
    source = io.BytesIO(path.read_bytes()) if kind == "in memory" else str(path)
    film = InputImpl.VideoFromFile(source)
    video, _ = run_node("DreamTalkDub", video=film, audio=audio, fit="cut")
    path.unlink()
    out = folders / "output" / "dubbed.mp4"
    if kind == "a file that is gone":
        with pytest.raises(Exception, match=r"'film.mp4' is gone"):
            video.save_to(str(out))
        assert made_files(folders) == set()
        return
    video.save_to(str(out))
    with av.open(str(out)) as made:
        assert made.streams.video[0].frames == 4
    assert len(made_files(folders)) == 2
    del video
    gc.collect()
    assert made_files(folders) == {"output/dubbed.mp4"}


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

"""The motion and style nodes at work, with a motion made by hand."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from tests.comfy_pack import load_pack, node_classes, run_node

load_pack()
FRAMES = 50


@pytest.fixture(scope="module")
def motion() -> Any:
    """Two seconds: the mouth opens and closes twice a second, the head turns slowly."""
    from dreamtalk.motion.motion import Motion
    from dreamtalk.motion.spaces import FACE

    time = torch.arange(FRAMES) / 25.0
    expression = torch.zeros(FRAMES, len(FACE))
    expression[:, FACE.index["lipAperture"]] = 0.1 * (1 - torch.cos(4 * torch.pi * time))
    expression[:, FACE.index["browInnerLeftY"]] = 0.05
    head = torch.zeros(FRAMES, 6)
    head[:, 1] = 0.1 * torch.sin(torch.pi * time)
    return Motion(expression, head)


@pytest.fixture(scope="module")
def styles() -> list[Any]:
    from dreamtalk.style import Style

    return [
        Style(torch.full((8,), value), "checkpoint", 1.0 + value / 4) for value in (0.0, 1.0, 4.0)
    ]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from dreamtalk_pack.nodes import runtime  # type: ignore[import-not-found]

    monkeypatch.setattr(runtime, "_folder", lambda kind: tmp_path / kind)
    monkeypatch.setattr(runtime, "input_path", lambda name: tmp_path / "input" / name)
    monkeypatch.setattr(
        runtime,
        "output_file",
        lambda prefix, suffix: (tmp_path / f"{Path(prefix).name}{suffix}", ""),
    )
    for kind in ("input", "output", "temp"):
        (tmp_path / kind).mkdir()
    return tmp_path


@pytest.mark.parametrize("suffix", ["npz", "mat", "npy", "csv", "jsonl"])
def test_save_and_load(motion: Any, folders: Path, suffix: str) -> None:
    (same,) = run_node("DreamTalkSaveMotion", motion=motion, filename_prefix="m", format=suffix)
    assert same is motion
    (folders / f"m.{suffix}").rename(folders / "input" / f"m.{suffix}")
    assert node_classes()["DreamTalkLoadMotion"].validate_inputs(file=f"m.{suffix}") is True
    (loaded,) = run_node("DreamTalkLoadMotion", file=f"m.{suffix}", fps=0.0)
    assert len(loaded) == FRAMES
    if suffix in ("npz", "jsonl"):
        assert torch.allclose(loaded.expression, motion.expression)


def test_load_motion_without_the_resting_face(folders: Path, motion: Any) -> None:
    from dreamtalk_pack.dreamtalk.motion.bridges import convert
    from dreamtalk_pack.dreamtalk.motion.files import save_motion
    from dreamtalk_pack.dreamtalk.motion.neutral import without_neutral

    bfm = convert(motion, "bfm")
    save_motion(bfm, folders / "input" / "m.mat")
    (loaded,) = run_node("DreamTalkLoadMotion", file="m.mat", fps=0.0, neutral=motion)
    assert torch.allclose(loaded.expression, without_neutral(bfm, motion).expression, atol=1e-6)
    # as ComfyUI asks: with every input, connected ones as None
    stamp = node_classes()["DreamTalkLoadMotion"].fingerprint_inputs
    assert stamp(file="m.mat", fps=0.0, neutral=None) == stamp(file="m.mat", fps=0.0)


def test_load_motion_of_a_missing_file(folders: Path) -> None:
    answer = node_classes()["DreamTalkLoadMotion"].validate_inputs(file="gone.npz")
    assert answer == "there is no 'gone.npz' in the input folder"


def test_edit_gains_and_channels(motion: Any) -> None:
    (edited,) = run_node(
        "DreamTalkEditMotion", motion=motion, lips=0.5, head=0.0, channels="browInnerLeftY-0.02"
    )
    assert torch.allclose(edited.channel("lipAperture"), 0.5 * motion.channel("lipAperture"))
    assert torch.allclose(edited.channel("browInnerLeftY"), torch.full((FRAMES,), 0.03))
    assert float(edited.head[:, 1].abs().max()) == 0.0
    (same,) = run_node("DreamTalkEditMotion", motion=motion)
    assert torch.equal(same.expression, motion.expression)


def test_edit_time(motion: Any) -> None:
    (part,) = run_node("DreamTalkEditMotion", motion=motion, start=0.4, duration=1.0)
    assert len(part) == 25
    assert torch.allclose(part.expression[0], motion.expression[10])
    (long,) = run_node("DreamTalkEditMotion", motion=motion, duration=5.0, loop=True)
    assert len(long) == 125
    (fast,) = run_node("DreamTalkEditMotion", motion=motion, speed=2.0)
    assert len(fast) == 25


def test_edit_shift_smoothing_and_arkit_names(motion: Any) -> None:
    from dreamtalk.motion.bridges import convert

    (later,) = run_node("DreamTalkEditMotion", motion=motion, shift=0.2)
    assert len(later) == FRAMES
    assert torch.allclose(later.expression[10], motion.expression[5], atol=1e-5)
    (calm,) = run_node("DreamTalkEditMotion", motion=motion, smoothing=0.3)
    assert float(calm.expression.diff(dim=0).abs().mean()) < float(
        motion.expression.diff(dim=0).abs().mean()
    )
    arkit = convert(motion, "arkit")
    (moved,) = run_node(
        "DreamTalkEditMotion", motion=arkit, channels="jawOpen*0 mouthSmileLeft+0.3 nose*2"
    )
    assert not moved.channel("jawOpen").any()
    expected = (arkit.channel("mouthSmileLeft") + 0.3).clamp(0, 1)
    assert torch.allclose(moved.channel("mouthSmileLeft"), expected)


def test_edit_says_what_it_cannot_read(motion: Any) -> None:
    with pytest.raises(Exception, match="can't read 'brows!'"):
        run_node("DreamTalkEditMotion", motion=motion, channels="brows!")
    with pytest.raises(Exception, match="no region or channel 'tail'"):
        run_node("DreamTalkEditMotion", motion=motion, channels="tail*2")


def test_join(motion: Any) -> None:
    from dreamtalk.motion.bridges import convert

    (joined,) = run_node(
        "DreamTalkJoinMotion", first=motion, second=convert(motion, "arkit"), crossfade=0.4
    )
    assert joined.space == "face"
    assert len(joined) == 2 * FRAMES - 10


def test_head_of_another_motion(motion: Any) -> None:
    still = motion.with_(head=torch.zeros(FRAMES, 6))
    settings = {"blinks": 0.0, "gaze": 0.0, "breathing": 0.0}
    (moved,) = run_node("DreamTalkNaturalMotion", motion=still, head_motion=motion, **settings)
    assert float(moved.head[:, 1].abs().max()) > 0.05


def test_plot(motion: Any) -> None:
    pytest.importorskip("matplotlib")
    (image,) = run_node("DreamTalkPlotMotion", motion=motion, width=640)
    assert image.shape[0] == 1
    assert abs(image.shape[2] - 640) <= 1
    assert float(image.std()) > 0.02


def test_blend(styles: list[Any]) -> None:
    (blend,) = run_node("DreamTalkStyleBlend", style_a=styles[0], style_b=styles[1], weight_b=3.0)
    assert torch.allclose(blend.code, torch.full((8,), 0.75))
    assert blend.intensity == pytest.approx(1.1875)
    (three,) = run_node(
        "DreamTalkStyleBlend", style_a=styles[0], style_b=styles[1], style_c=styles[2]
    )
    assert torch.allclose(three.code, torch.full((8,), 5 / 3))
    with pytest.raises(Exception, match="only zeros"):
        run_node(
            "DreamTalkStyleBlend",
            style_a=styles[0],
            style_b=styles[1],
            weight_a=0.0,
            weight_b=0.0,
        )


def test_blend_refuses_other_checkpoints(styles: list[Any]) -> None:
    from dataclasses import replace

    with pytest.raises(Exception, match="different checkpoints"):
        run_node(
            "DreamTalkStyleBlend", style_a=styles[0], style_b=replace(styles[1], model="other")
        )


def test_track_of_connected_styles(styles: list[Any]) -> None:
    (style,) = run_node(
        "DreamTalkStyleTrack",
        model=None,
        track="0:style1 1:style2@2",
        transition=0.5,
        style1=styles[0],
        style2=styles[1],
    )
    assert style.code.ndim == 2
    assert torch.equal(style.code[0], styles[0].code)
    assert torch.allclose(style.code[-1], styles[1].code)
    (blend,) = run_node("DreamTalkStyleBlend", style_a=style, style_b=styles[2])
    assert blend.code.shape == style.code.shape


class MemoryVideo:
    """A VIDEO that exists in memory only."""

    def __init__(self, data: io.BytesIO) -> None:
        self.data = data

    def get_stream_source(self) -> io.BytesIO:
        return self.data


def still_video(image: Tensor, frames: int) -> io.BytesIO:
    """An mp4 of a picture that stands still."""
    data = io.BytesIO()
    pixels = (image * 255).byte().numpy()
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    data.seek(0)
    return data


class TrimmedVideo:
    """A VIDEO as ComfyUI 0.33's Trim Video leaves it: the whole file, and a note of the part."""

    def __init__(self, whole: Path, part: io.BytesIO) -> None:
        self.whole, self.part = whole, part

    def get_stream_source(self) -> str:
        return str(self.whole)

    def get_active_trim_window(self) -> tuple[float, float]:
        return 0.08, 0.12

    def save_to(self, path: str, crf: float | None = None) -> None:
        Path(path).write_bytes(self.part.getbuffer())


def test_only_the_part_of_a_trimmed_video_is_tracked(
    portrait_image: Tensor, folders: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(still_video(portrait_image, 8).getbuffer())
    video = TrimmedVideo(whole, still_video(portrait_image, 3))
    (tracked,) = run_node("DreamTalkTrackMotion", video=video, smoothing=0.0)
    assert len(tracked) == 3
    assert not list((folders / "temp").iterdir())


def test_track_video_and_images(portrait_image: Tensor, folders: Path) -> None:
    video = MemoryVideo(still_video(portrait_image, 6))
    (tracked,) = run_node("DreamTalkTrackMotion", video=video, smoothing=0.0)
    assert len(tracked) == 6
    assert float(tracked.expression.std(dim=0).max()) < 0.02
    assert not list((folders / "temp").iterdir())
    (again,) = run_node(
        "DreamTalkTrackMotion", images=portrait_image.expand(4, -1, -1, -1), images_fps=25.0
    )
    assert len(again) == 4
    with pytest.raises(Exception, match="connect a video"):
        run_node("DreamTalkTrackMotion")

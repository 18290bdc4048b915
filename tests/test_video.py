"""Writing mp4."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from dreamtalk.errors import AudioError, OutputError
from dreamtalk.files.atomic import check_writable
from dreamtalk.render.video import AI_COMMENT, Sound, write_video


def frames(count: int, height: int = 64, width: int = 64) -> Iterator[Tensor]:
    """A grey ramp in time: frame i has the level 4 i."""
    for start in range(0, count, 8):
        levels = torch.arange(start, min(start + 8, count)) * 4
        yield levels.to(torch.uint8)[:, None, None, None].expand(-1, height, width, 3)


def read(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    with av.open(str(path)) as container:
        pictures = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        metadata = dict(container.metadata)
    samples = []
    with av.open(str(path)) as container:
        if container.streams.audio:
            samples = [f.to_ndarray() for f in container.decode(audio=0)]
    joined = np.concatenate(samples, axis=1) if samples else np.zeros((0, 0))
    return np.array(pictures), joined, metadata


@pytest.mark.parametrize("seconds", [1.0, 10.0])
@pytest.mark.parametrize("rate", [16000, 44100, 37000])
def test_sound_is_as_long_as_the_video(tmp_path: Path, seconds: float, rate: int) -> None:
    wave = 0.3 * torch.sin(torch.arange(int(seconds * rate)) * 2 * torch.pi * 300 / rate)
    path = tmp_path / "v.mp4"
    assert write_video(path, frames(60), 25.0, Sound(wave[None], rate)) == 60
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        lengths = [float(s.duration * s.time_base) for s in (video, audio)]
    assert lengths[0] == pytest.approx(2.4)
    assert lengths[1] == pytest.approx(2.4, abs=0.04)
    _, samples, _ = read(path)
    heard = min(seconds, 2.4) - 0.1
    per_second = samples.shape[1] / 2.4
    assert np.abs(samples[:, int(0.1 * per_second) : int(heard * per_second)]).mean() > 0.1
    if seconds == 1.0:
        assert np.abs(samples[:, int(1.3 * per_second) :]).max() < 0.02


def test_sound_from_a_file_with_a_start(tmp_path: Path, speech_wav: Path) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, frames(25), 25.0, Sound(speech_wav, start=1.4))
    _, samples, _ = read(path)
    assert samples.shape[1] / 22050 == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("source", "values", "said"),
    [
        ("s.wav", {"start": float("nan")}, "start can't be nan"),
        ("s.wav", {"start": -3.0}, "start can't be -3.0"),
        ("s.wav", {"duration": -1.0}, "duration can't be -1.0"),
        (torch.zeros(9), {"sample_rate": 0}, "sample rate of 0 Hz"),
        (torch.zeros(3, 2, 9), {}, r"\(C, N\), not \(3, 2, 9\)"),
    ],
)
def test_what_is_no_sound(source: object, values: dict[str, float], said: str) -> None:
    with pytest.raises(AudioError, match=said):
        Sound(source, **values)  # type: ignore[arg-type]


def test_pictures_come_back(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, frames(30, 63, 95), 25.0)
    pictures, samples, metadata = read(path)
    assert pictures.shape == (30, 64, 96, 3)
    assert samples.size == 0
    assert np.abs(pictures.mean(axis=(1, 2, 3)) - 4 * np.arange(30)).max() < 2.5
    assert metadata["comment"] == AI_COMMENT


def test_colours_come_back(tmp_path: Path) -> None:
    colours = torch.tensor([[200, 40, 60], [40, 160, 70], [50, 60, 190]], dtype=torch.float32)
    image = (colours / 255)[:, None, None].expand(-1, 64, 64, -1)
    path = tmp_path / "v.mp4"
    write_video(path, iter([image]), 25.0)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.colorspace == 1, "tagged as BT.709, or players guess"
        for frame, colour in zip(container.decode(video=0), colours, strict=True):
            # by hand: how PyAV turns BT.709 into RGB changed with its version 17
            planes = frame.to_ndarray()  # (96, 64): 64 rows of Y, 16 of U, 16 of V
            y, u, v = (part.mean() for part in (planes[16:48, 16:48], planes[64:80], planes[80:]))
            y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
            rgb = np.array([y + 1.5748 * v, y - 0.1873 * u - 0.4681 * v, y + 1.8556 * u]) * 255
            assert np.abs(rgb - colour.numpy()).max() < 4


def test_comment_can_be_left_out(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", frames(2), comment=None)
    assert "comment" not in read(tmp_path / "v.mp4")[2]


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    def breaks() -> Iterator[Tensor]:
        yield from frames(8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "v.mp4", breaks(), 25.0, Sound(torch.zeros(1, 16000)))
    with pytest.raises(OutputError, match="no frames"):
        write_video(tmp_path / "v.mp4", iter([]))
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_survives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"old")

    def breaks() -> Iterator[Tensor]:
        yield from frames(8)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_video(path, breaks())
    assert path.read_bytes() == b"old"


def test_unwritable_places(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    for target in (blocker / "v.mp4", tmp_path):
        with pytest.raises(OutputError, match="file"):
            check_writable(target)
    with pytest.raises(OutputError, match="can't write"):
        write_video(blocker / "v.mp4", frames(2))
    check_writable(tmp_path / "new" / "v.mp4")
    assert (tmp_path / "new").is_dir()
    assert os.listdir(tmp_path / "new") == []


def test_frames_are_taken_one_chunk_at_a_time(tmp_path: Path) -> None:
    alive, most = 0, 0

    class Chunk:
        def __init__(self) -> None:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)
            self.pixels = torch.zeros(8, 64, 64, 3, dtype=torch.uint8)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def chunks() -> Iterator[Tensor]:
        for _ in range(20):
            yield Chunk().pixels

    assert write_video(tmp_path / "v.mp4", chunks()) == 160
    assert most <= 2


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_no_encoder_takes(tmp_path: Path, suffix: str, bad: float) -> None:
    """As in damaged files of floats; FFmpeg's encoder stopped at them, at the very end."""
    samples = (0.2 * np.sin(np.arange(16_000) * 0.1)).astype("<f4")
    samples[::50] = bad
    header = struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", 36 + 64_000, b"WAVEfmt ", 16, 3, 1, 16_000,
                         64_000, 4, 32, b"data", 64_000)  # fmt: skip
    (tmp_path / "s.wav").write_bytes(header + samples.tobytes())
    for sound in (Sound(tmp_path / "s.wav"), Sound(torch.from_numpy(samples)[None], 16_000)):
        assert write_video(tmp_path / f"v{suffix}", frames(25), 25.0, sound) == 25

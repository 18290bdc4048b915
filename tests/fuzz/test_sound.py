"""Recordings and videos whose bytes are damaged."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given

from dreamtalk.errors import AudioError
from dreamtalk.render.video import Sound, write_video
from dreamtalk.speech.loading import load_recording, load_speech
from dreamtalk.tracking.video import read_pictures
from tests.fuzz.cases import damaged, limits, unused, works_or_says

SOUNDS = (
    (".wav", "pcm_s16le"), (".wav", "pcm_f32le"), (".flac", "flac"), (".mp3", "libmp3lame"),
    (".ogg", "libopus"), (".m4a", "aac"), (".mkv", "libopus"), (".aac", "aac"),
)  # fmt: skip


def encoded(suffix: str, codec: str, rate: int = 16_000) -> bytes:
    """0.25 s of a tone."""
    rate = 48_000 if codec == "libopus" else rate
    tone = 0.3 * np.sin(np.arange(rate // 4) * 0.05).astype(np.float32)
    buffer = io.BytesIO()
    kind = {".m4a": "mp4", ".mkv": "matroska", ".aac": "adts"}.get(suffix, suffix[1:])
    with av.open(buffer, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        for part in av.AudioResampler(stream.format, "mono", rate, 1024).resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode())
    return buffer.getvalue()


def filmed(kind: str, codec: str) -> bytes:
    """Four frames of 32x32."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for shade in range(4):
            picture = np.full((32, 32, 3), 60 * shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


RECORDINGS = {f"{codec}{suffix}": encoded(suffix, codec) for suffix, codec in SOUNDS}
VIDEOS = {"h264.mp4": filmed("mp4", "libx264"), "mpeg4.mkv": filmed("matroska", "mpeg4")}


@given(case=damaged(RECORDINGS | {"video.mp4": VIDEOS["h264.mp4"]}))
def test_recordings(tmp_path_factory: pytest.TempPathFactory, case: tuple[str, bytes]) -> None:
    path = unused(tmp_path_factory.getbasetemp(), Path(case[0]).suffix)
    path.write_bytes(case[1])
    works_or_says(lambda: load_speech(path), touched=True)
    works_or_says(lambda: load_recording(path, 0.05, 0.1), touched=True)


@given(case=damaged(VIDEOS))
def test_videos(tmp_path_factory: pytest.TempPathFactory, case: tuple[str, bytes]) -> None:
    path = unused(tmp_path_factory.getbasetemp(), Path(case[0]).suffix)
    path.write_bytes(case[1])
    works_or_says(lambda: sum(1 for _ in read_pictures(path)[0]), touched=True)


@given(case=damaged(RECORDINGS))
def test_sound_of_a_video(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[str, bytes]
) -> None:
    import torch

    folder = tmp_path_factory.getbasetemp()
    path = unused(folder, Path(case[0]).suffix)
    path.write_bytes(case[1])
    frames = [torch.zeros(2, 16, 16, 3, dtype=torch.uint8)]
    out = unused(folder, "_out.mp4")
    works_or_says(lambda: write_video(out, frames, sound=Sound(path)), touched=True)


@pytest.mark.parametrize("claimed", [0, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFF])
def test_headers_that_claim_hours_cost_nothing(tmp_path: Path, claimed: int) -> None:
    data = RECORDINGS["pcm_s16le.wav"]
    at = data.index(b"data") + 4
    path = tmp_path / "long.wav"
    path.write_bytes(data[:at] + struct.pack("<I", claimed) + data[at + 4 :])
    with limits():
        speech = works_or_says(lambda: load_speech(path))
    assert speech is None or speech.duration < 1.0


def test_tags_that_claim_more_than_there_is(tmp_path: Path) -> None:
    """FFmpeg would fill 1.5 GiB with zeros for them."""
    path, data = tmp_path / "s.wav", RECORDINGS["pcm_s16le.wav"]
    at = data.index(b"LIST")
    claimed = struct.pack("<I4s4sI", 0x6000_0000, b"INFO", b"ISFT", 0x5FFF_FFF0)
    path.write_bytes(data[: at + 4] + claimed + data[at + 20 :])
    works_or_says(lambda: load_speech(path), touched=True)
    with pytest.raises(AudioError, match="damaged: tags of"):
        load_speech(path)
